"""Keras applications through tf2onnx and ONNX Runtime: none may be called wrong, unless it is.

    python benchmarks/keras_applications.py [NAME ...]

Weights are drawn so that activations keep their size from layer to layer (`keras_models/draw.py`): untrained, an
application answers the same for every picture. The table says how far the outputs move between two pictures, over their
size and over their rounding; a model whose outputs do not move by much more than rounding counts for nothing.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "keras_models"))

from checked import print_table

from tautomer.model import Outcome

APPLICATIONS = {
    "MobileNet": (32, {"alpha": 0.25}),
    "MobileNetV2": (32, {"alpha": 0.35}),
    "MobileNetV3Small": (32, {}),
    "EfficientNetB0": (32, {}),
    "EfficientNetV2B0": (32, {}),
    "NASNetMobile": (32, {}),
    "DenseNet121": (32, {}),
    "ResNet50": (32, {}),
    "ResNet50V2": (32, {}),
    "Xception": (71, {}),
    "InceptionV3": (75, {}),
    "ConvNeXtTiny": (32, {}),
}
"""By name: pixels, the least that it takes, and arguments that make it small."""

DEFECTIVE = {"ConvNeXtTiny": Outcome.FAILED}
"""It has grouped convolutions, which tf2onnx does not convert (`keras_models/unconverted.py`)."""

MODULE = textwrap.dedent(
    """
    import keras
    import numpy as np

    SIZE = {size}


    def untrained():
        return keras.applications.{name}(weights=None, input_shape=(SIZE, SIZE, 3), classes=10, **{options})


    def pictures(count, seed):
        # Patches of one colour with noise: pictures of noise alone are all alike to a network.
        generator = np.random.default_rng(seed)
        patches, noise = (generator.uniform(0, 255, (count, size, size, 3)) for size in (3, SIZE))
        patch = np.arange(SIZE) * 3 // SIZE
        return (0.7 * patches[:, patch][:, :, patch] + 0.3 * noise).astype(np.float32)


    def examples():
        return pictures(16, seed=0)


    def inputs():
        return pictures(2, seed=1)
    """
)


def main(names: list[str]) -> int:
    chosen = {name: APPLICATIONS[name] for name in names or APPLICATIONS}
    modules = {name: MODULE.format(name=name, size=size, options=options) for name, (size, options) in chosen.items()}
    return 0 if print_table("application", modules, defective=DEFECTIVE) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
