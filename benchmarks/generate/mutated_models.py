"""Write the real models that `mutants.py` mutates: three of ONNX, two Keras applications with drawn weights.

python benchmarks/generate/mutated_models.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "architectures"), str(HERE.parent / "keras_models"), str(HERE.parent)]

ONNX = ("bert", "resnet", "rapidocr_orientation")
"""Of the catalogue of architectures: two that torch.onnx exports, and a file that Paddle2ONNX made."""

KERAS = ("MobileNetV2", "MobileNetV3Small")
"""With their weights as `keras_applications.py` draws them."""

BATCH, LENGTH = 2, 12


def main(folder: Path) -> int:
    """Write them all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ONNX:
        _onnx(name, folder)
    from checked import with_weights
    from keras_applications import APPLICATIONS, MODULE

    sizes = {name: APPLICATIONS[name] for name in KERAS}
    with_weights(
        {name: MODULE.format(name=name, size=size, options=options) for name, (size, options) in sizes.items()}, folder
    )
    return 0


def _onnx(name: str, folder: Path) -> None:
    """An .onnx file, and the inputs that go with it."""
    import numpy as np
    import torch
    from catalog import CHOSEN, SEED

    from tautomer.adapters.tensor_file import write_values
    from tautomer.model import Tensor

    torch.manual_seed(SEED)
    one = CHOSEN[name]
    target = folder / f"{name}.onnx"
    if one.file is not None:
        target.write_bytes(one.file().read_bytes())
    else:
        model, given = one.model(), one.inputs(BATCH, LENGTH)
        args: Any = given if isinstance(given, tuple) else ()
        kwargs = given if isinstance(given, dict) else None
        torch.onnx.export(
            model, args, target, kwargs=kwargs, dynamo=True, dynamic_shapes=one.dynamic_shapes, external_data=False
        )
    import onnx

    graph = onnx.load(target, load_external_data=False).graph
    names = [value.name for value in graph.input if value.name not in {held.name for held in graph.initializer}]
    samples = folder / f"{name}-inputs"
    samples.mkdir(exist_ok=True)
    for number, sizes in enumerate(((BATCH, LENGTH), (BATCH + 1, LENGTH + 3))):
        given = one.inputs(*sizes)
        values = [given[at] for at in names] if isinstance(given, dict) else list(given)
        arrays = {at: Tensor.of(np.asarray(value)) for at, value in zip(names, values, strict=True)}
        write_values(samples / f"{number}.safetensors", arrays)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
