"""Contiguous parts of tensors: Slice, Split and their sequence forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array


def _slice(call: Call) -> Array:
    x = call.inputs[0]
    starts, ends = call.ints("starts", 1), call.ints("ends", 2)
    assert starts is not None
    assert ends is not None
    axes = call.ints("axes", 3) or list(range(len(starts)))
    steps = call.ints("steps", 4) or [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise ValueError(f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes and {len(steps)} steps")
    where = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        position = axis_of(axis, x.ndim)
        where[position] = _clamped(start, end, step, x.shape[position])
    return np.asarray(x[tuple(where)])


def _clamped(start: int, end: int, step: int, size: int) -> slice:
    if step == 0:
        raise ValueError("a step is 0")
    start = start + size if start < 0 else start
    end = end + size if end < 0 else end
    if step > 0:
        return slice(min(max(start, 0), size), min(max(end, 0), size), step)
    start, end = min(max(start, 0), size - 1), min(max(end, -1), size - 1)
    # Python reads -1 as the last element, so "past the front" must be spelled None.
    return slice(0, 0) if size == 0 else slice(start, None if end < 0 else end, step)


def _parts(x: Array, axis: int, sizes: Sequence[int]) -> list[Array]:
    if sum(sizes) != x.shape[axis] or any(size < 0 for size in sizes):
        raise ValueError(f"parts {list(sizes)} do not add up to dimension {x.shape[axis]}")
    return [np.asarray(part) for part in np.split(x, np.cumsum(sizes)[:-1], axis=axis)]


def _split(call: Call) -> list[Array]:
    x = call.inputs[0]
    axis = axis_of(call.get("axis", 0), x.ndim)
    sizes = call.ints("split", 1)
    if sizes is None:
        count = call.get("num_outputs") or len(call.node.output)
        if count != len(call.node.output):
            raise ValueError(f"num_outputs is {count} and the node has {len(call.node.output)} outputs")
        if call.opset < 18 and x.shape[axis] % count:
            raise ValueError(f"dimension {x.shape[axis]} does not split into {count} equal parts")
        chunk = -(-x.shape[axis] // count)
        sizes = [min(chunk, max(x.shape[axis] - index * chunk, 0)) for index in range(count)]
    if len(sizes) != len(call.node.output):
        raise ValueError(f"{len(sizes)} parts for {len(call.node.output)} outputs")
    return _parts(x, axis, sizes)


def _split_to_sequence(call: Call) -> tuple[list[Array]]:
    x, split = call.inputs[0], call.input(1)
    axis = axis_of(call.get("axis", 0), x.ndim)
    size = x.shape[axis]
    if split is None:
        parts = _parts(x, axis, [1] * size)
        if not call.get("keepdims", 1):
            parts = [np.squeeze(part, axis=axis) for part in parts]
        return (parts,)
    if split.ndim == 0:
        chunk = int(split)
        return (_parts(x, axis, [min(chunk, size - start) for start in range(0, size, chunk)]),)
    return (_parts(x, axis, [int(item) for item in split]),)


KERNELS: Mapping[str, Kernel] = {"Slice": _slice, "Split": _split, "SplitToSequence": _split_to_sequence}
