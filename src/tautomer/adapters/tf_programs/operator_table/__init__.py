"""TensorFlow's operators as the generator knows them."""

from tautomer.adapters.tf_programs.operator_table.table import OPERATORS

__all__ = ["OPERATORS"]
