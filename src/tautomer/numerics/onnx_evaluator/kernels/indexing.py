"""Reading by index: Gather and its forms, OneHot, NonZero, Compress."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array


def counted_from_front(indices: Array, size: int) -> Array:
    """`indices` with negative ones counted from the end.

    Raises:
        IndexError: an index is outside [-size, size - 1].
    """
    wide = indices.astype(np.int64)
    if wide.size and (wide.min() < -size or wide.max() >= size):
        raise IndexError(f"an index is outside [{-size}, {size - 1}]: {wide.min()} to {wide.max()}")
    return np.where(wide < 0, wide + size, wide)


def _gather(call: Call) -> Array:
    x, indices = call.inputs
    axis = axis_of(call.get("axis", 0), x.ndim)
    return np.asarray(np.take(x, counted_from_front(indices, x.shape[axis]), axis=axis))


def _gather_elements(call: Call) -> Array:
    x, indices = call.inputs
    axis = axis_of(call.get("axis", 0), x.ndim)
    if x.ndim != indices.ndim:
        raise ValueError(f"indices have rank {indices.ndim} and the input has rank {x.ndim}")
    for position, (have, wanted) in enumerate(zip(x.shape, indices.shape, strict=True)):
        if position != axis and wanted > have:
            raise IndexError(f"indices of shape {indices.shape} reach outside an input of shape {x.shape}")
    where = list(np.indices(indices.shape, sparse=True))
    where[axis] = counted_from_front(indices, x.shape[axis])
    return np.asarray(x[tuple(where)])


def _gather_nd(call: Call) -> Array:
    x, indices = call.inputs
    batch = call.get("batch_dims", 0)
    if x.shape[:batch] != indices.shape[:batch]:
        raise ValueError(f"batch dimensions {x.shape[:batch]} and {indices.shape[:batch]} differ")
    depth = indices.shape[-1]
    if depth > x.ndim - batch:
        raise ValueError(f"indices of {depth} coordinates for an input of rank {x.ndim} with {batch} batch dimensions")
    groups = math.prod(x.shape[:batch])
    source = x.reshape(groups, *x.shape[batch:])
    coordinates = indices.reshape(groups, math.prod(indices.shape[batch:-1]), depth)
    where = [np.arange(groups).reshape(-1, 1)]
    where += [counted_from_front(coordinates[..., index], source.shape[1 + index]) for index in range(depth)]
    picked = source[tuple(np.broadcast_arrays(*where, np.zeros(coordinates.shape[:2], dtype=np.int64))[:-1])]
    return np.asarray(picked.reshape(indices.shape[:-1] + x.shape[batch + depth :]))


def _one_hot(call: Call) -> Array:
    indices, depth, values = call.inputs
    size = int(np.asarray(depth).reshape(-1)[0])
    axis = call.get("axis", -1)
    axis = axis_of(axis, indices.ndim + 1)
    wide = np.trunc(indices).astype(np.int64) if indices.dtype.kind == "f" else indices.astype(np.int64)
    wrapped = np.where((wide < 0) & (wide >= -size), wide + size, wide)
    shape = [1] * (indices.ndim + 1)
    shape[axis] = size
    hot = np.expand_dims(wrapped, axis) == np.arange(size).reshape(shape)
    return np.asarray(np.where(hot, values[1], values[0])).astype(values.dtype)


def _compress(call: Call) -> Array:
    x, condition = call.inputs
    axis = call.get("axis")
    if axis is None:
        return np.asarray(np.compress(condition, x))
    return np.asarray(np.compress(condition, x, axis=axis_of(axis, x.ndim)))


def _non_zero(call: Call) -> Array:
    x = call.inputs[0]
    if x.ndim == 0:
        return np.zeros((0, int(bool(x))), dtype=np.int64)
    return np.asarray(np.nonzero(x), dtype=np.int64)


KERNELS: Mapping[str, Kernel] = {
    "Compress": _compress,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "NonZero": _non_zero,
    "OneHot": _one_hot,
}
