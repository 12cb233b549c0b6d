"""Operators that rearrange elements without changing them: reshapes, transposes, concatenation, tiling."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array, Value


def _concat(call: Call) -> Array:
    arrays = list(call.inputs)
    if arrays[0].ndim == 0:
        raise ValueError("scalars cannot be concatenated")
    return np.concatenate(arrays, axis=axis_of(call.get("axis", 1), arrays[0].ndim))


def _expand(call: Call) -> Array:
    x = call.inputs[0]
    shape = tuple(int(size) for size in call.inputs[1])
    return np.array(np.broadcast_to(x, np.broadcast_shapes(x.shape, shape)))


def _flatten(call: Call) -> Array:
    x = call.inputs[0]
    axis = call.get("axis", 1)
    if not -x.ndim <= axis <= x.ndim:
        raise ValueError(f"axis {axis} is outside [{-x.ndim}, {x.ndim}]")
    axis = axis + x.ndim if axis < 0 else axis
    return np.asarray(x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _reshape(call: Call) -> Array:
    x = call.inputs[0]
    wanted = call.ints("shape", 1)
    assert wanted is not None
    allow_zero = bool(call.get("allowzero", 0))
    if allow_zero and 0 in wanted and -1 in wanted:
        raise ValueError(f"shape {wanted} has both 0 and -1 with allowzero")
    shape = list(wanted)
    if not allow_zero:
        for index, size in enumerate(wanted):
            if size == 0:
                if index >= x.ndim:
                    raise ValueError(f"shape {wanted} copies dimension {index} of an input of rank {x.ndim}")
                shape[index] = x.shape[index]
    if -1 in shape:
        known = math.prod(size for size in shape if size != -1)
        if known == 0 or x.size % known:
            raise ValueError(f"an input of shape {x.shape} cannot be reshaped to {wanted}")
        shape[shape.index(-1)] = x.size // known
    return np.asarray(x.reshape(shape))


def _squeeze(call: Call) -> Array:
    x = call.inputs[0]
    axes = call.ints("axes", 1)
    if axes is None:
        return np.asarray(x.reshape([size for size in x.shape if size != 1]))
    return np.asarray(np.squeeze(x, axis=tuple(axis_of(axis, x.ndim) for axis in axes)))


def _unsqueeze(call: Call) -> Array:
    x = call.inputs[0]
    axes = call.ints("axes", 1)
    assert axes is not None
    return np.expand_dims(x, tuple(axis_of(axis, x.ndim + len(axes)) for axis in axes))


def _transpose(call: Call) -> Array:
    x = call.inputs[0]
    order = call.get("perm")
    return np.asarray(np.transpose(x, order if order is not None else None))


def _tile(call: Call) -> Array:
    x = call.inputs[0]
    if call.opset < 6:
        count, axis = (int(np.asarray(item).reshape(())) for item in call.inputs[1:3])
        repeats = [1] * x.ndim
        repeats[axis_of(axis, x.ndim)] = count
    else:
        repeats = [int(item) for item in call.inputs[1]]
        if len(repeats) != x.ndim:
            raise ValueError(f"{len(repeats)} repeats for an input of rank {x.ndim}")
    return np.tile(x, repeats)


def _depth_to_space(call: Call) -> Array:
    x = call.inputs[0]
    n, c, h, w = x.shape
    block = call.get("blocksize")
    if call.get("mode", "DCR") == "DCR":
        parts = x.reshape(n, block, block, c // block**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        parts = x.reshape(n, c // block**2, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
    return np.asarray(parts.reshape(n, c // block**2, h * block, w * block))


def _space_to_depth(call: Call) -> Array:
    x = call.inputs[0]
    n, c, h, w = x.shape
    block = call.get("blocksize")
    parts = x.reshape(n, c, h // block, block, w // block, block)
    if call.get("mode", "DCR") == "CRD":
        return np.asarray(parts.transpose(0, 1, 3, 5, 2, 4).reshape(n, c * block**2, h // block, w // block))
    return np.asarray(parts.transpose(0, 3, 5, 1, 2, 4).reshape(n, c * block**2, h // block, w // block))


def _shape(call: Call) -> Array:
    shape = np.asarray(call.inputs[0].shape, dtype=np.int64)
    return shape[slice(call.get("start", 0), call.get("end"))]


def _identity(call: Call) -> tuple[Value, ...]:
    return (call.inputs[0],)


def _reverse_sequence(call: Call) -> Array:
    x, lengths = call.inputs
    batch_axis, time_axis = call.get("batch_axis", 1), call.get("time_axis", 0)
    moved = np.moveaxis(x, (axis_of(batch_axis, x.ndim), axis_of(time_axis, x.ndim)), (0, 1)).copy()
    for row, length in zip(moved, lengths, strict=True):
        row[: int(length)] = row[: int(length)][::-1].copy()
    return np.moveaxis(moved, (0, 1), (axis_of(batch_axis, x.ndim), axis_of(time_axis, x.ndim)))


def _trilu(call: Call) -> Array:
    x = call.inputs[0]
    offset = call.input(1)
    diagonal = 0 if offset is None else int(np.asarray(offset).reshape(()))
    rows, columns = np.indices(x.shape[-2:], sparse=True)
    keep = columns - rows >= diagonal if call.get("upper", 1) else columns - rows <= diagonal
    return np.where(keep, x, np.zeros((), dtype=x.dtype)).astype(x.dtype)


KERNELS: Mapping[str, Kernel] = {
    "Concat": _concat,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _flatten,
    "Identity": _identity,
    "Reshape": _reshape,
    "ReverseSequence": _reverse_sequence,
    "Shape": _shape,
    "Size": lambda call: np.asarray(call.inputs[0].size, dtype=np.int64),
    "SpaceToDepth": _space_to_depth,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
}
