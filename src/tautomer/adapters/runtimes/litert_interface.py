"""Inputs and outputs of a LiteRT interpreter under the names that users call them by: those of its signature."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.worker_api import Channel
from tautomer.errors import ModelFileError


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output: its name, its tensor's index, its element type and sizes (None for a free one)."""

    name: str
    index: int
    dtype: str
    shape: tuple[int | None, ...]

    def spec(self) -> dict[str, Any]:
        """As JSON values."""
        return {"name": self.name, "dtype": self.dtype, "shape": list(self.shape)}


@dataclass(frozen=True, slots=True)
class Ports:
    """The interface of a model, both sides in the order of `get_input_details` and `get_output_details`."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @classmethod
    def of(cls, interpreter: Any) -> Ports:
        """The ports of an interpreter's primary subgraph.

        Args:
            interpreter: of LiteRT, or TensorFlow's own, which is called alike.
        """
        keys: tuple[Mapping[int, list[str]], Mapping[int, list[str]]] = ({}, {})
        if len(interpreter.get_signature_list()) == 1:
            runner = interpreter.get_signature_runner()
            keys = (_by_index(runner.get_input_details()), _by_index(runner.get_output_details()))
        return cls(
            tuple(_ports(interpreter.get_input_details(), keys[0])),
            tuple(_ports(interpreter.get_output_details(), keys[1])),
        )

    def interface(self) -> dict[str, Any]:
        """As a checkpoint's fact `interface` states it."""
        return {"inputs": [one.spec() for one in self.inputs], "outputs": [one.spec() for one in self.outputs]}


def _by_index(details: Mapping[str, Mapping[str, Any]]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for key, one in details.items():
        found.setdefault(int(one["index"]), []).append(key)
    return found


def _ports(details: Iterable[Mapping[str, Any]], keys: Mapping[int, list[str]]) -> list[Port]:
    left = {index: list(names) for index, names in keys.items()}
    ports: list[Port] = []
    for one in details:
        index = int(one["index"])
        name = left[index].pop(0) if left.get(index) else str(one["name"])
        taken = {port.name for port in ports}
        if name in taken:  # the same tensor twice, which a model without a signature names alike
            name = next(f"{name}#{number}" for number in range(1, len(taken) + 1) if f"{name}#{number}" not in taken)
        signature = one.get("shape_signature")
        sizes = one["shape"] if signature is None or len(signature) != len(one["shape"]) else signature
        shape = tuple(None if size < 0 else int(size) for size in sizes)
        ports.append(Port(name, index, _dtype(one["dtype"]), shape))
    return ports


def _dtype(given: Any) -> str:
    name = np.dtype(given).name
    return "string" if name.startswith(("bytes", "str", "object")) else name


def run_interpreter(interpreter: Any, ports: Ports, given: Mapping[str, Any]) -> list[Any]:
    """Run an interpreter on arrays by input name, resized to their shapes, its variables as they are in the file.

    Returns:
        Copies of the outputs in the order of the ports.

    Raises:
        Exception: the interpreter's own.
        ValueError: an input is missing.
    """
    missing = [port.name for port in ports.inputs if port.name not in given]
    if missing:
        raise ValueError(f"nothing is there for the inputs {', '.join(missing)}")
    for port in ports.inputs:
        interpreter.resize_tensor_input(port.index, np.shape(given[port.name]))
    interpreter.allocate_tensors()
    interpreter.reset_all_variables()
    for port in ports.inputs:
        interpreter.set_tensor(port.index, _as_given(given[port.name]))
    interpreter.invoke()
    return [_as_found(interpreter.get_tensor(port.index)) for port in ports.outputs]


def _as_given(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "OUS":
        texts = [one if isinstance(one, bytes) else str(one).encode() for one in array.reshape(-1)]
        return np.array(texts, dtype=object).reshape(array.shape)
    return array


def _as_found(value: Any) -> Any:
    array = np.array(value)
    if array.dtype.kind in "OS":
        texts = [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in array.reshape(-1)]
        return np.array(texts, dtype=object).reshape(array.shape)
    return array


def open_reference(model: str) -> Any:
    """An interpreter with LiteRT's reference kernels and no delegate.

    Raises:
        ModelFileError: the file cannot be read.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        return Interpreter(model_path=model, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    except ValueError as error:
        said = next(iter(str(error).splitlines()), "no message")
        raise ModelFileError("TA115", f"{Path(model).name} is not a readable .tflite model: {said}") from error


def describe(channel: Channel, *, model: str) -> dict[str, Any]:
    """The interface of a .tflite file, for who has not converted it.

    Raises:
        ModelFileError: the file cannot be read.
    """
    channel.emit("stage", stage="runtime_load", doing="reading the interface")
    return Ports.of(open_reference(model)).interface()
