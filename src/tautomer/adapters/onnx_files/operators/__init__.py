"""ONNX's operators as the generator knows them, and why others are not among them."""

from tautomer.adapters.onnx_files.operators import arrangement, axes, elementwise, layers
from tautomer.adapters.onnx_files.operators.absent import ABSENT
from tautomer.adapters.onnx_files.operators.entry import OPSET

OPERATORS = (*elementwise.OPERATORS, *axes.OPERATORS, *layers.OPERATORS, *arrangement.OPERATORS)

__all__ = ["ABSENT", "OPERATORS", "OPSET"]
