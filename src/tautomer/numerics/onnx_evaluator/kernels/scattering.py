"""Writing by index: ScatterElements and ScatterND with their reductions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array
from tautomer.numerics.onnx_evaluator.kernels.indexing import counted_from_front

_REDUCTIONS: dict[str, Any] = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _write(target: Array, where: tuple[Array, ...], updates: Array, reduction: str) -> None:
    if reduction == "none":
        target[where] = updates
    else:
        # ufunc.at applies repeated indices one after the other, as the specification's loop does.
        _REDUCTIONS[reduction].at(target, where, updates)


def _scatter_elements(call: Call) -> Array:
    x, indices, updates = call.inputs
    if indices.shape != updates.shape or indices.ndim != x.ndim:
        raise ValueError(f"input {x.shape}, indices {indices.shape} and updates {updates.shape} do not fit")
    axis = axis_of(call.get("axis", 0), x.ndim)
    where = list(np.indices(indices.shape, sparse=True))
    where[axis] = counted_from_front(indices, x.shape[axis])
    result = np.array(x)
    _write(result, tuple(np.broadcast_arrays(*where)), updates, call.get("reduction", "none"))
    return result


def _scatter_nd(call: Call) -> Array:
    x, indices, updates = call.inputs
    depth = indices.shape[-1]
    expected = indices.shape[:-1] + x.shape[depth:]
    if updates.shape != expected:
        raise ValueError(f"updates have shape {updates.shape} where {expected} is needed")
    where = tuple(counted_from_front(indices[..., index], x.shape[index]) for index in range(depth))
    result = np.array(x)
    _write(result, where, updates, call.get("reduction", "none"))
    return result


def _tensor_scatter(call: Call) -> Array:
    past, update, write_indices = call.inputs[0], call.inputs[1], call.input(2)
    axis = axis_of(call.get("axis", -2), past.ndim)
    length, size = update.shape[axis], past.shape[axis]
    batch = past.shape[0]
    starts = np.zeros(batch, dtype=np.int64) if write_indices is None else write_indices.astype(np.int64)
    result = np.array(past)
    for row in range(batch):
        positions = starts[row] + np.arange(length)
        if call.get("mode", "linear") == "circular":
            positions = positions % size
        elif length and (positions[0] < 0 or positions[-1] >= size):
            raise IndexError(f"positions {positions[0]} to {positions[-1]} are outside a cache of {size}")
        np.moveaxis(result[row], axis - 1, 0)[positions] = np.moveaxis(update[row], axis - 1, 0)
    return result


KERNELS: Mapping[str, Kernel] = {
    "Scatter": _scatter_elements,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "TensorScatter": _tensor_scatter,
}
