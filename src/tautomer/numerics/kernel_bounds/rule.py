"""What a rule for an operator receives and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tautomer.numerics.kernel_bounds.running_error import Arithmetic, Running
from tautomer.numerics.onnx_evaluator import Call, Kernel

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One execution of one node, for which a bound is wanted.

    Attributes:
        call: inputs in float64, attributes, declared types.
        exact: its outputs in float64.
        arithmetic: of the kernel whose error is bounded.
        kernel: computes the operator in float64.
    """

    call: Call
    exact: Sequence[Any]
    arithmetic: Arithmetic
    kernel: Kernel

    def given(self, index: int) -> Running:
        """An input, which the kernel has as it is."""
        return self.arithmetic.given(self.call.inputs[index])

    def of_magnitudes(self, attributes: Mapping[str, Any] = {}) -> Array:
        """The operator applied to the magnitudes of its floating inputs: |x|^T |w| for a product.

        Args:
            attributes: in place of the node's own.
        """
        inputs = tuple(
            np.abs(one) if isinstance(one, np.ndarray) and one.dtype.kind == "f" else one for one in self.call.inputs
        )
        call = replace(self.call, inputs=inputs, attributes={**self.call.attributes, **attributes})
        result = self.kernel(call)
        return np.asarray(result if isinstance(result, np.ndarray | np.generic) else result[0])


Rule = Callable[[Node], Running | Sequence[Running | None]]
"""The bound of an operator: its output with error, or one entry an output, None where nothing is said of one."""
