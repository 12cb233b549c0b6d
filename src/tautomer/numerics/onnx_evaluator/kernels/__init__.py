"""Kernels by domain and operator; each follows the opset version it is called with."""

from tautomer.numerics.onnx_evaluator.kernels.table import KERNELS

__all__ = ["KERNELS"]
