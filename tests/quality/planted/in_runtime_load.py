"""Faults of a runtime that reads a sound model: it refuses it, dies of it, or misreads its weights."""

from __future__ import annotations

from typing import Any

from planted.endings import die, hang
from planted.faults import SHORT_LIMIT_S, Where, divergent, failed
from planted.sessions import replace_sessions, rewrite_models
from tautomer.model import Stage

_STAGE = Stage.RUNTIME_LOAD
_PLACE = Where.RUNTIME


def runtime_lacks_an_operator() -> None:
    """The runtime has no kernel for an operator of the standard."""

    def refuse(real: Any, *_: Any, **__: Any) -> Any:
        from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as Missing

        raise Missing("[ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an implementation for Erf(13)")

    replace_sessions(refuse)


def runtime_lacks_the_opset() -> None:
    """The runtime is older than the opset."""

    def refuse(real: Any, *_: Any, **__: Any) -> Any:
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail

        raise Fail("[ONNXRuntimeError] : 1 : FAIL : Load model failed: opset 18 is under development")

    replace_sessions(refuse)


def runtime_dies_while_loading() -> None:
    """The runtime follows a null pointer while it reads the graph."""
    replace_sessions(die)


def runtime_hangs_while_loading() -> None:
    """The runtime's topological sort comes to no end."""
    replace_sessions(hang)


def runtime_misreads_weights() -> None:
    """The runtime reads the bytes of a matrix in the other order, with every setting."""

    def rewrite(model: Any) -> None:
        import onnx

        for tensor in model.graph.initializer:
            if len(tensor.dims) == 2:
                content = onnx.numpy_helper.to_array(tensor)
                tensor.raw_data = content.T.tobytes()

    rewrite_models(rewrite, only_optimized=False)


FAULTS = (
    failed(_STAGE, runtime_lacks_an_operator, "encoder.py", _PLACE),
    failed(_STAGE, runtime_lacks_the_opset, "encoder.py", _PLACE),
    failed(_STAGE, runtime_dies_while_loading, "encoder.py", _PLACE),
    failed(_STAGE, runtime_hangs_while_loading, "encoder.py", _PLACE, timeout_s=SHORT_LIMIT_S),
    divergent(
        _STAGE,
        runtime_misreads_weights,
        "encoder.py",
        _PLACE,
        misjudged="the outputs of a session do not tell misread weights from a wrong kernel",
    ),
)
