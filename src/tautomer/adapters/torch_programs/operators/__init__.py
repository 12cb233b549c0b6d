"""PyTorch's operators as the generator knows them."""

from tautomer.adapters.torch_programs.operators.table import OPERATORS

__all__ = ["OPERATORS"]
