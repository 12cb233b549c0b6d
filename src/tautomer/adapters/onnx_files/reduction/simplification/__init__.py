"""Steps that make a failing case simpler without taking nodes out, each by delta debugging over what it can change."""

from __future__ import annotations

from tautomer.adapters.onnx_files.reduction.simplification.attributes import (
    without_attributes,
    without_optional_inputs,
)
from tautomer.adapters.onnx_files.reduction.simplification.bodies import with_smaller_bodies
from tautomer.adapters.onnx_files.reduction.simplification.bookkeeping import without_bookkeeping
from tautomer.adapters.onnx_files.reduction.simplification.dtypes import in_float32
from tautomer.adapters.onnx_files.reduction.simplification.shapes import with_smaller_tensors
from tautomer.adapters.onnx_files.reduction.simplification.values import with_simpler_values

__all__ = [
    "in_float32",
    "with_simpler_values",
    "with_smaller_bodies",
    "with_smaller_tensors",
    "without_attributes",
    "without_bookkeeping",
    "without_optional_inputs",
]
