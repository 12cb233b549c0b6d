"""ONNX's operators as the generator knows them, and why others are not among them."""

from tautomer.adapters.onnx_files.operators.absent import ABSENT
from tautomer.adapters.onnx_files.operators.entry import OPSET
from tautomer.adapters.onnx_files.operators.table import OPERATORS

__all__ = ["ABSENT", "OPERATORS", "OPSET"]
