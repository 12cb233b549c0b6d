"""Pad and CenterCropPad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array

_MODES: dict[str, Any] = {"edge": "edge", "reflect": "reflect", "wrap": "wrap"}


def _pad(call: Call) -> Array:
    x = call.inputs[0]
    pads = call.ints("paddings" if call.opset < 2 else "pads", 1)
    assert pads is not None
    fill = call.get("value", 0.0) if call.opset < 11 else call.input(2)
    axes = call.input(3)
    selected = range(x.ndim) if axes is None else [axis_of(int(axis), x.ndim) for axis in axes]
    half = len(pads) // 2
    if half != len(selected) or len(pads) % 2:
        raise ValueError(f"{len(pads)} pads for {len(selected)} axes")
    before, after = [0] * x.ndim, [0] * x.ndim
    for index, axis in enumerate(selected):
        before[axis], after[axis] = pads[index], pads[index + half]
    mode = call.get("mode", "constant")
    # Negative pads remove elements, before anything is added.
    cut = tuple(
        slice(max(-low, 0), size - max(-high, 0)) for low, high, size in zip(before, after, x.shape, strict=True)
    )
    kept = x[cut]
    widths = [(max(low, 0), max(high, 0)) for low, high in zip(before, after, strict=True)]
    if mode == "constant":
        value = np.zeros((), x.dtype) if fill is None else np.asarray(fill).reshape(()).astype(x.dtype)
        shape = [size + low + high for size, (low, high) in zip(kept.shape, widths, strict=True)]
        result = np.full(shape, value, dtype=x.dtype)
        result[tuple(slice(low, low + size) for size, (low, _) in zip(kept.shape, widths, strict=True))] = kept
        return result
    return np.pad(kept, widths, mode=_MODES[mode])


def _center_crop_pad(call: Call) -> Array:
    x, target = call.inputs
    axes = call.get("axes") or list(range(x.ndim))
    if len(target) != len(axes):
        raise ValueError(f"{len(target)} sizes for {len(axes)} axes")
    result = x
    for size, raw_axis in zip(target.tolist(), axes, strict=True):
        axis = axis_of(raw_axis, x.ndim)
        have = result.shape[axis]
        if size < have:
            first = (have - size) // 2
            result = np.take(result, range(first, first + size), axis=axis)
        elif size > have:
            first = (size - have) // 2
            widths = [(0, 0)] * x.ndim
            widths[axis] = (first, size - have - first)
            result = np.pad(result, widths)
    return np.asarray(result)


KERNELS: Mapping[str, Kernel] = {"CenterCropPad": _center_crop_pad, "Pad": _pad}
