"""A Python file whose model() builds an ONNX model, written out as an .onnx file with its inputs beside it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.user_modules import import_user_file, users_code
from tautomer.adapters.worker_api import Channel
from tautomer.errors import UserCodeError
from tautomer.model import Tensor

if TYPE_CHECKING:
    import onnx

INPUTS_FOLDER = "inputs"
"""The folder of the input sets in that of the attempt."""


def write_out(channel: Channel, *, path: str, seed: int) -> dict[str, Any]:
    """Write what a module builds into the attempt's folder.

    Returns:
        `model`, the name of the .onnx file, and `sets`, how many input sets lie in the folder of inputs.

    Raises:
        UserCodeError: importing the file, model(), inputs() or run_inputs() raised, or gave something else.
    """
    import onnx

    file = Path(path)
    channel.emit("stage", stage="load_model", doing="building the model")
    module, made = _built(file, seed)
    target = channel.folder / f"{file.stem}.onnx"
    with users_code("TA124", "writing the model that model() returned", file):
        onnx.save_model(made, target)
    held = {one.name for one in made.graph.initializer}
    names = [one.name for one in made.graph.input if one.name not in held]
    folder = channel.folder / INPUTS_FOLDER
    sets = [one for name in ("inputs", "run_inputs") for one in _sets(module, name, names, file, seed)]
    if sets:
        folder.mkdir()
    for index, (name, values) in enumerate(sets):
        write_values(folder / f"{index:03}-{name}.safetensors", values)
    return {"model": target.name, "sets": len(sets)}


def built(path: Path, seed: int) -> onnx.ModelProto:
    """What a module builds.

    Raises:
        UserCodeError: importing the file or model() raised, or gave something else.
    """
    return _built(path, seed)[1]


def _built(file: Path, seed: int) -> tuple[Any, onnx.ModelProto]:
    """The module, and what it builds."""
    import onnx

    _seed(seed)
    module = import_user_file(file)
    factory = getattr(module, "model", None)
    if not callable(factory):
        raise UserCodeError(
            "TA121", f"{file.name} has no `def model()`.", "A module of ONNX returns an onnx.ModelProto from it."
        )
    _seed(seed)
    with users_code("TA124", "model()", file):
        made = factory()
    if not isinstance(made, onnx.ModelProto):
        raise UserCodeError(
            "TA123",
            f"model() in {file.name} returned {type(made).__name__}.",
            'A module of ONNX returns an onnx.ModelProto; say FRAMEWORK = "torch" or "tensorflow" if it is not one.',
        )
    return module, made


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)


def _sets(module: Any, name: str, inputs: list[str], file: Path, seed: int) -> list[tuple[str, dict[str, Tensor]]]:
    """The input sets that a function of the module gives, each with a name for people."""
    function = getattr(module, name, None)
    if function is None:
        return []
    _seed(seed)
    with users_code("TA125", f"{name}()", file):
        given = function()
    several = list(given) if name == "run_inputs" and isinstance(given, list) else [given]
    return [
        (name if len(several) == 1 else f"{name}-{index}", _arrays(one, name, inputs, file))
        for index, one in enumerate(several)
    ]


def _arrays(given: Any, name: str, inputs: list[str], file: Path) -> dict[str, Tensor]:
    if isinstance(given, Mapping):
        named = dict(given)
    elif isinstance(given, tuple) and len(given) == len(inputs):
        named = dict(zip(inputs, given, strict=True))
    else:
        raise UserCodeError(
            "TA125",
            f"{name}() in {file.name} gave {type(given).__name__} for the inputs {', '.join(inputs)}.",
            "Return a tuple in the order of the graph's inputs, or a dict by their names.",
        )
    with users_code("TA125", f"{name}()", file):
        return {str(key): Tensor.of(np.asarray(value)) for key, value in named.items()}
