"""Evaluates ONNX graphs in float64 (lifted) or in their declared types; the specification decides, not a runtime."""

from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.errors import (
    EvaluatorError,
    InvalidInput,
    InvalidModel,
    InvalidNode,
    NodeExecutionError,
    UnsupportedOperator,
)
from tautomer.numerics.onnx_evaluator.evaluator import Evaluator
from tautomer.numerics.onnx_evaluator.loading import LoadedModel, load_model
from tautomer.numerics.onnx_evaluator.rounding_noise import RoundingNoise

__all__ = [
    "Call",
    "Evaluator",
    "EvaluatorError",
    "InvalidInput",
    "InvalidModel",
    "InvalidNode",
    "Kernel",
    "LoadedModel",
    "NodeExecutionError",
    "RoundingNoise",
    "UnsupportedOperator",
    "load_model",
]
