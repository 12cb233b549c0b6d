"""The model of the benchmark: an encoder of a real architecture, exported, with weights from a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx

TOKENS = 16
LAYERS = 8


def export_encoder(path: Path) -> None:
    """Write BERT's encoder with small dimensions, as torch.onnx exports it."""
    import torch
    import transformers

    torch.manual_seed(0)
    settings = transformers.BertConfig(
        hidden_size=64,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        intermediate_size=128,
        vocab_size=200,
        attn_implementation="eager",
    )
    encoder = transformers.BertModel(settings, add_pooling_layer=False).eval().encoder

    class Encoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.encoder(x)[0]  # type: ignore[no-any-return]

    given = (torch.zeros(1, TOKENS, 64),)
    torch.onnx.export(Encoder().eval(), given, str(path), dynamo=True, external_data=False, verbose=False)
    model = onnx.load(str(path))
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    onnx.save(model, str(path))


def encoder_inputs(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """One input set from a seed."""
    (value,) = model.graph.input
    return {value.name: np.random.default_rng(0).standard_normal((1, TOKENS, 64)).astype(np.float32)}
