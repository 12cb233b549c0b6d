"""Reductions along axes: sums, norms, extrema, cumulative sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array
from tautomer.numerics.onnx_evaluator.kernels.arithmetic import divide

_Reduce = Callable[[Array, Any, bool], Array]


def _reduction(function: _Reduce) -> Kernel:
    def kernel(call: Call) -> Array:
        x = call.inputs[0]
        axes = call.ints("axes", 1)
        if axes:
            selected: tuple[int, ...] | None = tuple(axis_of(axis, x.ndim) for axis in axes)
        else:
            # An empty list of axes reduces nothing only where the node says so; the rest of the operator still applies.
            selected = () if call.get("noop_with_empty_axes", 0) else None
        return np.asarray(function(x, selected, bool(call.get("keepdims", 1)))).astype(x.dtype, copy=False)

    return kernel


def _sum(x: Array, axes: Any, keep: bool) -> Array:
    return np.asarray(np.sum(x, axis=axes, keepdims=keep, dtype=x.dtype))


def _extremum(function: Any, highest: bool) -> _Reduce:
    def reduce(x: Array, axes: Any, keep: bool) -> Array:
        start: Any
        if x.dtype.kind == "f":
            start = np.inf if highest else -np.inf
        elif x.dtype.kind == "b":
            start = highest
        else:
            start = np.iinfo(x.dtype).max if highest else np.iinfo(x.dtype).min
        return np.asarray(function.reduce(x, axis=axes, keepdims=keep, initial=start))

    return reduce


def _mean(x: Array, axes: Any, keep: bool) -> Array:
    if x.dtype.kind in "iu":
        total = np.asarray(np.sum(x, axis=axes, keepdims=keep))
        return divide(total, np.asarray(x.size // max(total.size, 1), dtype=total.dtype))
    return np.asarray(np.mean(x, axis=axes, keepdims=keep))


def log_sum_exp(x: Array, axes: Any, keep: bool) -> Array:
    """log(sum(exp(x))) along `axes`, shifted by the maximum so that it does not overflow."""
    work = x.astype(np.float64) if x.dtype.kind in "iu" else x
    if work.size == 0:
        return np.asarray(np.log(np.sum(np.exp(work), axis=axes, keepdims=keep)))
    peak = np.max(work, axis=axes, keepdims=True)
    shift = np.where(np.isfinite(peak), peak, 0)
    total = np.log(np.sum(np.exp(work - shift), axis=axes, keepdims=True)) + shift
    return np.asarray(total if keep else total.reshape(np.sum(work, axis=axes).shape))


def _log_sum(x: Array, axes: Any, keep: bool) -> Array:
    return np.asarray(np.log(np.sum(x, axis=axes, keepdims=keep)))


def _l2(x: Array, axes: Any, keep: bool) -> Array:
    work = x.astype(np.float64) if x.dtype.kind in "iu" else x
    return np.asarray(np.sqrt(np.sum(work * work, axis=axes, keepdims=keep)))


def _prod(x: Array, axes: Any, keep: bool) -> Array:
    return np.asarray(np.prod(x, axis=axes, keepdims=keep, dtype=x.dtype))


def _arg(highest: bool) -> Kernel:
    def kernel(call: Call) -> Array:
        x = call.inputs[0]
        axis = axis_of(call.get("axis", 0), x.ndim)
        pick = np.argmax if highest else np.argmin
        if call.get("select_last_index", 0):
            found = x.shape[axis] - 1 - pick(np.flip(x, axis=axis), axis=axis)
        else:
            found = pick(x, axis=axis)
        return np.asarray(np.expand_dims(found, axis) if call.get("keepdims", 1) else found, dtype=np.int64)

    return kernel


def _cumulative(function: Any, neutral: int) -> Kernel:
    def kernel(call: Call) -> Array:
        x = call.inputs[0]
        axis = axis_of(int(np.asarray(call.inputs[1]).reshape(())), x.ndim)
        ordered = np.flip(x, axis=axis) if call.get("reverse", 0) else x
        if call.get("exclusive", 0):
            first = np.full_like(np.take(ordered, [0] if x.shape[axis] else [], axis=axis), neutral)
            ordered = np.concatenate([first, np.take(ordered, range(max(x.shape[axis] - 1, 0)), axis=axis)], axis=axis)
        result = function(ordered, axis=axis, dtype=x.dtype)
        return np.asarray(np.flip(result, axis=axis) if call.get("reverse", 0) else result)

    return kernel


KERNELS: Mapping[str, Kernel] = {
    "ArgMax": _arg(True),
    "ArgMin": _arg(False),
    "CumProd": _cumulative(np.cumprod, 1),
    "CumSum": _cumulative(np.cumsum, 0),
    "ReduceL1": _reduction(lambda x, axes, keep: _sum(np.abs(x), axes, keep)),
    "ReduceL2": _reduction(_l2),
    "ReduceLogSum": _reduction(_log_sum),
    "ReduceLogSumExp": _reduction(log_sum_exp),
    "ReduceMax": _reduction(_extremum(np.maximum, False)),
    "ReduceMean": _reduction(_mean),
    "ReduceMin": _reduction(_extremum(np.minimum, True)),
    "ReduceProd": _reduction(_prod),
    "ReduceSum": _reduction(_sum),
    "ReduceSumSquare": _reduction(lambda x, axes, keep: _sum(x * x, axes, keep)),
}
