"""A program as files (JSON and safetensors): how it goes from one worker task to the next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.adapters.tf_programs.nested import to_array, to_tensor
from tautomer.adapters.tf_programs.reduction.program import (
    CONST,
    VALUE,
    Array,
    Body,
    ElementType,
    Input,
    Program,
    Ref,
    Step,
    constant,
)
from tautomer.errors import ModelFileError
from tautomer.model import Tensor

SCHEMA = "tautomer/tensorflow-program/1"


def write_program(path: Path, program: Program) -> None:
    """Write `path` (JSON) and, under the same stem, a `.safetensors` file with the arrays."""
    arrays: dict[str, Tensor] = {}
    inputs = []
    for one in program.inputs:
        for index, value in enumerate(one.values):
            arrays[f"{one.name} {index}"] = to_tensor(value)
        inputs.append({"name": one.name, "sets": len(one.values), "dynamic": list(one.dynamic)})
    content = {
        "schema": SCHEMA,
        "inputs": inputs,
        "steps": [_encoded_step(one, arrays) for one in program.steps],
        "outputs": [_encoded_ref(one) for one in program.outputs],
    }
    write_values(path.with_suffix(".safetensors"), arrays)
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
        arrays: Any = read_values(path.with_suffix(".safetensors"), mmap=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelFileError("TA111", f"{path.name} holds no program: {error}") from error
    inputs = tuple(
        Input(
            one["name"],
            tuple(_array(arrays[f"{one['name']} {index}"]) for index in range(one["sets"])),
            tuple(one["dynamic"]),
        )
        for one in content["inputs"]
    )
    steps = tuple(_decoded_step(one, arrays) for one in content["steps"])
    return Program(inputs, steps, tuple(_decoded_ref(one) for one in content["outputs"]))


def _array(value: Tensor) -> Array:
    """As TensorFlow gives it: texts are bytes."""
    array = to_array(value)
    if array.dtype.kind != "O":
        return array.copy()
    encoded = array.copy()
    flat = encoded.reshape(-1)
    for place, one in enumerate(flat):
        flat[place] = one.encode() if isinstance(one, str) else one
    return encoded


def _encoded_ref(ref: Ref) -> list[Any]:
    return [ref.name, ref.output]


def _decoded_ref(value: list[Any]) -> Ref:
    return Ref(value[0], value[1])


def _encoded_step(step: Step, arrays: dict[str, Tensor]) -> dict[str, Any]:
    if step.op == CONST:
        arrays[step.name] = to_tensor(step.array)
        return {"name": step.name, "op": CONST}
    return {
        "name": step.name,
        "op": step.op,
        "inputs": [_encoded_ref(one) for one in step.inputs],
        "attributes": {name: _encoded(value) for name, value in step.attributes.items()},
        "bodies": [
            {
                "arguments": list(one.arguments),
                "steps": [_encoded_step(inner, arrays) for inner in one.steps],
                "results": [_encoded_ref(ref) for ref in one.results],
            }
            for one in step.bodies
        ],
    }


def _decoded_step(value: dict[str, Any], arrays: Any) -> Step:
    if value["op"] == CONST:
        return constant(value["name"], _array(arrays[value["name"]]))
    bodies = tuple(
        Body(
            tuple(one["arguments"]),
            tuple(_decoded_step(inner, arrays) for inner in one["steps"]),
            tuple(_decoded_ref(ref) for ref in one["results"]),
        )
        for one in value["bodies"]
    )
    attributes = {name: _decoded(one) for name, one in value["attributes"].items() if name != VALUE}
    return Step(value["name"], value["op"], tuple(map(_decoded_ref, value["inputs"])), attributes, bodies)


def _encoded(value: Any) -> Any:
    """An attribute as JSON: plain values as themselves, all else as a list that begins with its kind."""
    if isinstance(value, ElementType):
        return ["type", value.name]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, float):
        return ["float", value.hex()]
    if isinstance(value, list | tuple):
        return ["list", *map(_encoded, value)]
    return value


def _decoded(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    kind, *rest = value
    if kind == "type":
        return ElementType(rest[0])
    if kind == "bytes":
        return bytes.fromhex(rest[0])
    if kind == "float":
        return float.fromhex(rest[0])
    return [_decoded(one) for one in rest]
