"""PyTorch's operators as the generator knows them."""

from tautomer.adapters.torch_programs.operators import arrangement, axes, elementwise, layers

OPERATORS = (*elementwise.OPERATORS, *axes.OPERATORS, *layers.OPERATORS, *arrangement.OPERATORS)

__all__ = ["OPERATORS"]
