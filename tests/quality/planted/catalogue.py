"""All planted faults, in the order of their stages."""

from __future__ import annotations

from planted import (
    in_export,
    in_load_model,
    in_node_conversion,
    in_optimization,
    in_runtime_execution,
    in_runtime_load,
    in_runtime_optimization,
    in_validation,
    tf2onnx_faults,
)
from planted.faults import Fault

FAULTS: tuple[Fault, ...] = (
    *in_load_model.FAULTS,
    *in_node_conversion.FAULTS,
    *in_optimization.FAULTS,
    *in_export.FAULTS,
    *in_validation.FAULTS,
    *in_runtime_load.FAULTS,
    *in_runtime_optimization.FAULTS,
    *in_runtime_execution.FAULTS,
)

"""Those of conversions from PyTorch."""

TENSORFLOW_FAULTS: tuple[Fault, ...] = tf2onnx_faults.FAULTS
"""Those of conversions from TensorFlow by tf2onnx."""


def fault_named(name: str) -> Fault:
    """The fault of that name.

    Raises:
        KeyError: there is none.
    """
    found = {fault.name: fault for fault in (*FAULTS, *TENSORFLOW_FAULTS)}
    return found[name]
