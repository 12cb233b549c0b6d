"""Faults after tf2onnx: those of the checker and of ONNX Runtime, met by a model that came from TensorFlow."""

from __future__ import annotations

from planted import in_runtime_execution, in_runtime_load, in_runtime_optimization, in_validation
from planted.faults import Fault, Where
from planted.tf2onnx_faults.making import divergent, failed
from tautomer.model import Outcome, Stage

_LACKING = ("fusion_drops_a_bias", "fusion_changes_an_epsilon")
"""Faults about operators that the model does not have."""


def _met_by_tensorflow(fault: Fault) -> Fault:
    assert fault.plant is not None
    make = divergent if fault.outcome is Outcome.DIVERGENT else failed
    more = {"where": fault.where, "timeout_s": fault.timeout_s, "symptom_stage": fault.symptom_stage}
    return make(fault.stage, fault.plant, "encoder", misjudged=fault.misjudged, **more)


def fused_session_is_refused_where_the_plain_one_is_wrong() -> None:
    """A kernel is wrong, and the optimized session refuses the model besides."""
    in_runtime_execution.kernel_normalizes_another_axis()
    in_runtime_optimization.fusion_is_refused()


FAULTS = (
    *(
        _met_by_tensorflow(fault)
        for fault in (
            *in_validation.FAULTS,
            *in_runtime_load.FAULTS,
            *in_runtime_optimization.FAULTS,
            *in_runtime_execution.FAULTS,
        )
        if fault.where is not Where.NOWHERE and fault.plant is not None and fault.plant.__name__ not in _LACKING
    ),
    failed(
        Stage.RUNTIME_OPTIMIZATION,
        fused_session_is_refused_where_the_plain_one_is_wrong,
        "encoder",
        where=Where.RUNTIME,
    ),
)
