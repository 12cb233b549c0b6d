"""ONNX Runtime on element types that numpy has not: bfloat16 and the float8 formats go in and out as bit patterns."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tautomer.model.values import BIT_STORED

_SPELLED = {
    "tensor(bfloat16)": ("bfloat16", "BFLOAT16"),
    "tensor(float8e4m3fn)": ("float8_e4m3fn", "FLOAT8E4M3FN"),
    "tensor(float8e4m3fnuz)": ("float8_e4m3fnuz", "FLOAT8E4M3FNUZ"),
    "tensor(float8e5m2)": ("float8_e5m2", "FLOAT8E5M2"),
    "tensor(float8e5m2fnuz)": ("float8_e5m2fnuz", "FLOAT8E5M2FNUZ"),
}
"""ONNX Runtime's spelling of a type, ours (and ml_dtypes'), and ONNX's `TensorProto` member."""


def session_call(session: Any) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """How to run a session on arrays by input name; outputs in the session's order.

    Arrays of bfloat16 and float8 are ml_dtypes' on both sides. `session.run` takes and gives none of them: it refuses
    bfloat16, and gives float8 as plain uint8.
    """
    declared = [one.type for one in (*session.get_inputs(), *session.get_outputs())]
    if not any(name in _SPELLED for name in declared):
        return lambda given: list(session.run(None, dict(given)))
    return lambda given: _run_with_values(session, given)


def _run_with_values(session: Any, given: Mapping[str, Any]) -> list[Any]:
    import onnxruntime

    types = {one.name: one.type for one in session.get_inputs()}
    values = {name: _to_ort(onnxruntime, np.asarray(array), types[name]) for name, array in given.items()}
    return [_from_ort(value) for value in session.run_with_ort_values(None, values)]


def _to_ort(onnxruntime: Any, array: np.ndarray[Any, Any], declared: str) -> Any:
    from onnx import TensorProto

    if declared not in _SPELLED:
        return onnxruntime.OrtValue.ortvalue_from_numpy(array)
    name, member = _SPELLED[declared]
    bits = np.ascontiguousarray(array).reshape(array.shape).view(BIT_STORED[name])  # a scalar came out with an axis
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, getattr(TensorProto, member))


def _from_ort(value: Any) -> Any:
    import ml_dtypes

    if not value.has_value():
        return None
    declared = value.data_type()
    if declared not in _SPELLED:
        return value.numpy()
    dtype = np.dtype(getattr(ml_dtypes, _SPELLED[declared][0]))
    shape = tuple(value.shape())
    size_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if not size_bytes:
        return np.zeros(shape, dtype)
    # Neither `numpy()` nor DLPack knows the type; the memory belongs to `value`, so it is copied before that goes.
    return np.frombuffer(ctypes.string_at(value.data_ptr(), size_bytes), dtype=dtype).reshape(shape)
