"""A program as files (JSON and safetensors): how it goes from one worker task to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.adapters.torch_programs.reduction.program import (
    Call,
    Constant,
    Input,
    Program,
    Recorded,
    Ref,
)
from tautomer.adapters.torch_programs.trees import to_tensor
from tautomer.errors import ModelFileError
from tautomer.model import BIT_STORED, Tensor

SCHEMA = "tautomer/torch-program/1"

_NAMED = {
    torch.dtype: "dtype",
    torch.layout: "layout",
    torch.memory_format: "memory_format",
}


def write_program(path: Path, program: Program) -> None:
    """Write `path` (JSON) and, under the same stem, a `.safetensors` file with the tensors."""
    tensors: dict[str, Tensor] = {}
    inputs = []
    for one in program.inputs:
        made = []
        for index, value in enumerate(one.values):
            tensors[f"{one.name} {index}"] = to_tensor(value.tensor)
            made.append(value.made_by)
        inputs.append({"name": one.name, "made_by": made, "dynamic": list(one.dynamic)})
    constants = []
    for constant in program.constants:
        tensors[constant.name] = to_tensor(constant.value.tensor)
        constants.append({"name": constant.name, "made_by": constant.value.made_by, "trainable": constant.trainable})
    calls = [
        {
            "name": call.name,
            "operator": call.operator,
            "args": [_encoded(one) for one in call.args],
            "kwargs": [[key, _encoded(one)] for key, one in call.kwargs],
        }
        for call in program.calls
    ]
    write_values(path.with_suffix(".safetensors"), tensors)
    content = {
        "schema": SCHEMA,
        "inputs": inputs,
        "constants": constants,
        "calls": calls,
        "outputs": list(program.outputs),
    }
    path.write_text(json.dumps(content), "utf-8")


def read_program(path: Path) -> Program:
    """Read what `write_program` wrote.

    Raises:
        ModelFileError: the file is of another kind.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["schema"] != SCHEMA:
            raise ValueError(f"its schema is {content['schema']}")
        tensors: Any = read_values(path.with_suffix(".safetensors"), mmap=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError("TA111", f"{path.name} holds no program: {error}") from error
    inputs = tuple(
        Input(
            one["name"],
            tuple(
                Recorded(_to_torch(tensors[f"{one['name']} {index}"]), made)
                for index, made in enumerate(one["made_by"])
            ),
            tuple(one["dynamic"]),
        )
        for one in content["inputs"]
    )
    constants = tuple(
        Constant(one["name"], Recorded(_to_torch(tensors[one["name"]]), one["made_by"]), one["trainable"])
        for one in content["constants"]
    )
    calls = tuple(
        Call(
            one["name"],
            one["operator"],
            tuple(_decoded(value) for value in one["args"]),
            tuple((key, _decoded(value)) for key, value in one["kwargs"]),
        )
        for one in content["calls"]
    )
    return Program(inputs, constants, calls, tuple(content["outputs"]))


def _to_torch(value: Tensor) -> torch.Tensor:
    stored = torch.from_numpy(value.array.copy())
    return stored.view(getattr(torch, value.dtype)) if value.dtype in BIT_STORED else stored


def _encoded(value: Any) -> Any:
    """An argument as JSON: plain values as themselves, all else as a list that begins with its kind."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Ref):
        return ["ref", value.name]
    if isinstance(value, float):
        return ["float", value.hex()]
    if isinstance(value, complex):
        return ["complex", value.real.hex(), value.imag.hex()]
    if isinstance(value, list):
        return ["list", *map(_encoded, value)]
    if isinstance(value, tuple):
        return ["tuple", *map(_encoded, value)]
    if isinstance(value, slice):
        return ["slice", *map(_encoded, (value.start, value.stop, value.step))]
    if isinstance(value, torch.device):
        return ["device", str(value)]
    kind = next((name for cls, name in _NAMED.items() if isinstance(value, cls)), None)
    if kind is None:
        raise TypeError(f"an argument is a {type(value).__name__}")
    return [kind, str(value).removeprefix("torch.")]


def _decoded(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind == "ref":
        return Ref(rest[0])
    if kind == "float":
        return float.fromhex(rest[0])
    if kind == "complex":
        return complex(float.fromhex(rest[0]), float.fromhex(rest[1]))
    if kind == "list":
        return [_decoded(one) for one in rest]
    if kind == "tuple":
        return tuple(_decoded(one) for one in rest)
    if kind == "slice":
        return slice(*map(_decoded, rest))
    return torch.device(rest[0]) if kind == "device" else getattr(torch, rest[0])
