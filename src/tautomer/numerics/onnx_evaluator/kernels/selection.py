"""Ordering and distinct values: TopK and Unique."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array


def _top_k(call: Call) -> tuple[Array, Array]:
    x = call.inputs[0]
    axis = axis_of(call.get("axis", -1), x.ndim)
    wanted = call.ints("k", 1) if call.opset >= 10 else [int(call.get("k"))]
    assert wanted is not None
    k = wanted[0]
    if not 0 <= k <= x.shape[axis]:
        raise ValueError(f"k is {k} for a dimension of {x.shape[axis]}")
    if call.get("largest", 1):
        # Sorting the reversed axis and reading it backwards keeps the lower index first among equals.
        order = x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis=axis, kind="stable"), axis)
    else:
        order = np.argsort(x, axis=axis, kind="stable")
    indices = np.take(order, range(k), axis=axis)
    return np.take_along_axis(x, indices, axis=axis), indices.astype(np.int64)


def _unique(call: Call) -> tuple[Array, Array, Array, Array]:
    x = call.inputs[0]
    axis = call.get("axis")
    values, first, inverse, counts = np.unique(x, True, True, True, axis=axis)
    inverse = inverse.reshape(-1)
    if not call.get("sorted", 1):
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        values = np.take(values, order, axis=0 if axis is None else axis)
        first, inverse, counts = first[order], rank[inverse], counts[order]
    return values, first.astype(np.int64), inverse.astype(np.int64), counts.astype(np.int64)


KERNELS: Mapping[str, Kernel] = {"TopK": _top_k, "Unique": _unique}
