"""Real architectures of 120 to 800 ONNX nodes: those of the catalogue, deeper where they are smaller there."""

from __future__ import annotations

from catalog import catalog
from entries import BATCH, Architecture, hugging_face, image, masked_tokens
from text_models import ENCODER

_DEEP: dict[str, Architecture] = {
    "bert": Architecture(hugging_face("BertModel", "BertConfig", **{**ENCODER, "num_hidden_layers": 4}), masked_tokens),
    "resnet": Architecture(
        hugging_face(
            "ResNetForImageClassification",
            "ResNetConfig",
            embedding_size=16,
            hidden_sizes=[16, 32, 48, 64],
            depths=[3, 4, 6, 3],
        ),
        image(48),
        {"pixel_values": {0: BATCH}},
    ),
}


def architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises:
        KeyError: there is none.
    """
    return _DEEP.get(name) or catalog()[name]
