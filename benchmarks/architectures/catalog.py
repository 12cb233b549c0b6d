"""Real architectures, small or trained and shipped in packages: what a check must call equivalent.

`CHOSEN` is the set the judge's constants were looked at with; `HELD_OUT` was only measured. The split is by family of
architectures, was fixed before anything was measured on it, and nothing moves from one side to the other.
"""

from __future__ import annotations

from pathlib import Path

import handwritten_models
import numpy
import other_models
import text_models
import torch
import trained_models
import vision_models
from entries import Architecture

_ALL: dict[str, Architecture] = {
    **text_models.ARCHITECTURES,
    **vision_models.ARCHITECTURES,
    **other_models.ARCHITECTURES,
    **handwritten_models.ARCHITECTURES,
    **trained_models.ARCHITECTURES,
}

_CHOSEN = (
    "bert gpt2 vit resnet convnext swin whisper_encoder mobilenet_v2 llama t5_encoder segformer wav2vec2 clip_text "
    "lstm roberta deberta_v2 squeezebert gpt_neo bloom mistral mixtral t5 mamba bart "
    "beit clip_vision vit_msn poolformer focalnet resnet50 efficientnet detr timesformer "
    "whisper wavlm clip decision_transformer unet gru mlp_mixer torch_transformer "
    "minilm crepe_tiny mtcnn_proposal mtcnn_landmarks nudenet rapidocr_orientation"
).split()
_HELD_OUT = (
    "distilbert electra albert mpnet opt qwen2 gemma deit regnet convnextv2 hubert siglip_vision "
    "xlnet fnet modernbert gpt_neox qwen3 gemma2 phi falcon rwkv marian pegasus "
    "dinov2 swinv2 pvt levit mobilenet_v1 mobilevit dpt yolos sam_encoder vitmatte videomae "
    "audio_spectrogram_transformer time_series_transformer patchtst "
    "autoencoder dcgan_generator temporal_convolutions "
    "voice_encoder magika silero_vad swift_f0 basic_pitch rapidocr_detection rapidocr_recognition"
).split()

CHOSEN: dict[str, Architecture] = {name: _ALL[name] for name in _CHOSEN}
HELD_OUT: dict[str, Architecture] = {name: _ALL[name] for name in _HELD_OUT}
if {*CHOSEN, *HELD_OUT} != _ALL.keys() or CHOSEN.keys() & HELD_OUT.keys():
    raise ValueError("every architecture belongs to one of the two sets")

DEFECTS: dict[str, Architecture] = {
    "lstm_then_gru": handwritten_models.LSTM_THEN_GRU,
    "swin_sdpa": vision_models.SWIN_WITH_SDPA,
    "t5_encoder_sdpa": text_models.T5_WITH_SDPA,
    "xlnet_with_mask": text_models.XLNET_WITH_MASK,
    "mixtral_grouped_experts": text_models.MIXTRAL_WITH_GROUPED_EXPERTS,
}
"""Real failures of torch 2.13's exporter, shown by `exporter_defects.py`: "Cannot view a tensor with shape...",
"Cannot find a compatible OpOverload for aten.sub" (1.0 - mask), and "No ONNX function found for
transformers.grouped_mm_fallback"."""


def catalog() -> dict[str, Architecture]:
    """Every architecture by name."""
    return {**CHOSEN, **HELD_OUT, **DEFECTS}


MODULE = '''"""The architecture {name}, small and with random weights."""

import sys

sys.path.insert(0, {folder!r})
from catalog import catalog

_ONE = catalog()["{name}"]
DYNAMIC_SHAPES = _ONE.dynamic_shapes


def model():
    return _ONE.model()


def inputs():
    return _ONE.inputs(2, 12)


def run_inputs():
    return [_ONE.inputs(3, 9)]
'''

SEED = 0
"""Of the inputs of models that are files."""


def written(name: str, folder: Path) -> tuple[Path, Path | None]:
    """Write what a check takes.

    Returns:
        The model module, or the file of the model; and the folder of its two samples, where the model cannot name them.
    """
    one = catalog()[name]
    if one.file is None:
        path = folder / f"{name}.py"
        path.write_text(MODULE.format(name=name, folder=str(Path(__file__).parent)))
        return path, None
    samples = folder / f"{name}-inputs"
    samples.mkdir(exist_ok=True)
    torch.manual_seed(SEED)
    for index, (batch, length) in enumerate(((2, 12), (3, 9))):
        given = one.inputs(batch, length)
        if not isinstance(given, dict):
            raise TypeError(f"the inputs of {name} go by the names of its graph inputs")
        numpy.savez(samples / f"{index}.npz", **{key: value.numpy() for key, value in given.items()})
    return one.file(), samples
