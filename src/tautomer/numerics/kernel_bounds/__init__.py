"""Componentwise bounds on the forward error of single ONNX kernels, from what each computes in its own precision."""

from tautomer.numerics.kernel_bounds.forward_bounds import forward_bounds, is_bounded
from tautomer.numerics.kernel_bounds.running_error import Arithmetic, Running
from tautomer.numerics.kernel_bounds.summation import Summation, summation_roundings

__all__ = ["Arithmetic", "Running", "Summation", "forward_bounds", "is_bounded", "summation_roundings"]
