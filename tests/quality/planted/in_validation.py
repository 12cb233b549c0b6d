"""Faults of the checker: it refuses what is sound, or does not come to an answer."""

from __future__ import annotations

from typing import Any

from planted.endings import die, hang
from planted.faults import SHORT_LIMIT_S, Where, failed
from tautomer.model import Stage

_STAGE = Stage.VALIDATION
_PLACE = Where.CHECKER


def checker_refuses_a_sound_node() -> None:
    """The checker's schema of an operator lacks an attribute that the specification has."""
    import onnx.checker

    def refuse(model: Any, full_check: bool = False, **_: Any) -> None:
        raise onnx.checker.ValidationError("Unrecognized attribute: axis for operator Softmax")

    onnx.checker.check_model = refuse


def checker_infers_a_wrong_shape() -> None:
    """Only the full check refuses: shape inference contradicts a shape that is right."""
    import onnx.checker
    import onnx.shape_inference

    def refuse(model: Any, full_check: bool = False, **_: Any) -> None:
        if full_check:
            raise onnx.shape_inference.InferenceError("[ShapeInferenceError] Inferred shape and existing shape differ")

    onnx.checker.check_model = refuse


def checker_dies() -> None:
    """The checker follows a null pointer."""
    import onnx.checker

    onnx.checker.check_model = die


def checker_hangs() -> None:
    """The checker walks in a circle."""
    import onnx.checker

    onnx.checker.check_model = hang


FAULTS = (
    failed(_STAGE, checker_refuses_a_sound_node, "encoder.py", _PLACE),
    failed(_STAGE, checker_infers_a_wrong_shape, "encoder.py", _PLACE),
    failed(_STAGE, checker_dies, "encoder.py", _PLACE),
    failed(_STAGE, checker_hangs, "encoder.py", _PLACE, timeout_s=SHORT_LIMIT_S),
    failed(
        _STAGE,
        None,
        "pooling.py",
        Where.NOWHERE,
        name="shape_of_a_window_in_the_padding",
    ),
)
