"""All of PyTorch's operators that the generator knows."""

from __future__ import annotations

from tautomer.adapters.torch_programs.operators import arrangement, axes, control_flow, elementwise, layers

OPERATORS = (
    *elementwise.OPERATORS,
    *axes.OPERATORS,
    *layers.OPERATORS,
    *arrangement.OPERATORS,
    *control_flow.OPERATORS,
)
