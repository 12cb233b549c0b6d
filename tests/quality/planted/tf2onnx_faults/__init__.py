"""Faults that are planted into a conversion by tf2onnx: the same eight stages, another framework."""

from planted.tf2onnx_faults import (
    in_export,
    in_load_model,
    in_node_conversion,
    in_optimization,
    in_validation_and_runtime,
)

FAULTS = (
    *in_load_model.FAULTS,
    *in_node_conversion.FAULTS,
    *in_optimization.FAULTS,
    *in_export.FAULTS,
    *in_validation_and_runtime.FAULTS,
)

__all__ = ["FAULTS"]
