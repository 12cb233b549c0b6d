"""What a kernel receives: a node with its attributes resolved, inputs in the compute type, and the declared types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from tautomer.numerics.onnx_evaluator.element_types import Array, Value, compute_dtype, element_of


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One execution of one node.

    Attributes:
        node: the node, with references to function attributes replaced by their values.
        opset: version of the node's domain that the graph imports.
        attributes: by name: the node's own, then the schema's defaults. Tensors stay `TensorProto`.
        inputs: one entry an input; None for an absent one. Floating arrays come in the compute type: float64 when
            lifted; natively float32 for float16 and bfloat16, else the declared type. Kernels never write to them.
        input_types: declared type strings (`tensor(float16)`) beside the inputs; empty for an absent one.
        output_types: declared type strings of the outputs.
        lift: whether floats are computed in float64.
        constant_inputs: which inputs are initializers or constants themselves, not values computed from them.
    """

    node: onnx.NodeProto
    opset: int
    attributes: Mapping[str, Any]
    inputs: tuple[Value, ...]
    input_types: tuple[str, ...]
    output_types: tuple[str, ...]
    lift: bool
    constant_inputs: tuple[bool, ...] = ()

    def input(self, index: int) -> Value:
        """The input at `index`, or None where it is absent."""
        return self.inputs[index] if index < len(self.inputs) else None

    def get(self, name: str, default: Any = None) -> Any:
        """The attribute's value, or `default` where neither node nor schema gives one."""
        return self.attributes.get(name, default)

    def element(self, index: int) -> str:
        """ONNX's element name that is declared for the input at `index` (`float16`); empty where it is absent."""
        return element_of(self.input_types[index]) if index < len(self.input_types) else ""

    def output_dtype(self, index: int = 0) -> np.dtype[Any]:
        """The numpy type the output at `index` is computed in."""
        return compute_dtype(element_of(self.output_types[index]), lift=self.lift)

    def wants(self, index: int) -> bool:
        """Whether the graph uses the output at `index`."""
        return index < len(self.node.output) and bool(self.node.output[index])

    def ints(self, name: str, index: int) -> list[int] | None:
        """Integers given by the attribute `name` in older opsets and by the input at `index` in newer ones."""
        if name in self.attributes:
            return [int(item) for item in self.attributes[name]]
        given = self.input(index)
        return None if given is None else [int(item) for item in np.asarray(given).reshape(-1)]


Kernel = Callable[[Call], Array | Sequence[Value]]
"""Computes a node: returns its output array, or a sequence of outputs in the schema's order (None: not computed)."""


def axis_of(axis: int, rank: int) -> int:
    """`axis` counted from the front.

    Raises:
        ValueError: it is outside [-rank, rank - 1].
    """
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is outside [{-rank}, {rank - 1}]")
    return axis + rank if axis < 0 else axis
