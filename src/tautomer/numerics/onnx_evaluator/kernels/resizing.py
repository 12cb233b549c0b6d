"""Resize, Upsample and GridSample, written from the specification's coordinate formulas."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array

_MOVES_AT_SCALE_ONE = ("tf_crop_and_resize", "tf_half_pixel_for_nn")


@dataclass(frozen=True, slots=True)
class _Axis:
    """One resized axis: its lengths, its scale, and its part of the region of interest."""

    length: int
    resized: int
    scale: float
    start: float
    end: float


def _original(mode: str, axis: _Axis, dtype: type[np.floating[Any]]) -> Array:
    """Coordinates in the input of every position of the output, computed in `dtype`. Source: ONNX schema Resize-19."""
    x = np.arange(axis.resized, dtype=dtype)
    scale, half, last = dtype(axis.scale), dtype(0.5), dtype(axis.length - 1)
    start, end = dtype(axis.start), dtype(axis.end)
    if mode == "asymmetric":
        return np.asarray(x / scale)
    if mode == "align_corners":
        return x * last / dtype(axis.resized - 1) if axis.resized > 1 else np.zeros_like(x)
    if mode == "tf_crop_and_resize":
        if axis.resized == 1:
            return np.full(1, half * (start + end) * last)
        return np.asarray(start * last + x * (end - start) * last / dtype(axis.resized - 1))
    if mode == "pytorch_half_pixel" and axis.resized <= 1:
        return np.zeros_like(x)
    if mode == "tf_half_pixel_for_nn":
        return np.asarray((x + half) / scale)
    offset = dtype(0)
    if mode == "half_pixel_symmetric":
        offset = dtype(axis.length / 2 * (1 - axis.resized / (axis.scale * axis.length)))
    elif mode not in ("half_pixel", "pytorch_half_pixel"):
        raise ValueError(f"unknown coordinate_transformation_mode {mode!r}")
    return np.asarray(offset + (x + half) / scale - half)


def _nearest(x: Array, rule: str) -> Array:
    if rule == "round_prefer_floor":
        return np.ceil(x - 0.5)
    if rule == "round_prefer_ceil":
        return np.floor(x + 0.5)
    if rule in ("floor", "ceil"):
        return np.floor(x) if rule == "floor" else np.ceil(x)
    raise ValueError(f"unknown nearest_mode {rule!r}")


def _cubic(distance: Array, a: float) -> Array:
    """Keys' cubic kernel. Source: Keys 1981 (doi 10.1109/TASSP.1981.1163711), equation 4 with coefficient a."""
    t = np.abs(distance)
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def _taps(call: Call, mode: str, axis: _Axis, x: Array) -> tuple[Array, Array]:
    """Positions and weights of the input elements each output element is made of; both (outputs, taps)."""
    reach = 1 if mode == "linear" else 2
    stretch = min(axis.scale, 1.0) if call.get("antialias", 0) else 1.0
    half = math.ceil(reach / stretch)
    positions = np.floor(x)[:, None] + np.arange(1 - half, half + 1)
    distance = (positions - x[:, None]) * stretch
    if mode == "linear":
        weights = np.maximum(1 - np.abs(distance), 0)
    else:
        weights = _cubic(distance, call.get("cubic_coeff_a", -0.75))
    if call.get("exclude_outside", 0):
        weights = np.where((positions < 0) | (positions > axis.length - 1), 0.0, weights)
    if call.get("exclude_outside", 0) or stretch != 1.0:
        weights = weights / weights.sum(axis=1, keepdims=True)
    return np.clip(positions, 0, axis.length - 1).astype(np.int64), weights


def _resize_axis(call: Call, modes: tuple[str, str], x: Array, index: int, axis: _Axis) -> tuple[Array, Array]:
    mode, transformation = modes
    # The nearest element is an integer path: its coordinates are rounded as in float32, the type of `scales`.
    coordinates = _original(transformation, axis, np.float32 if mode == "nearest" else np.float64)
    outside = (coordinates < 0) | (coordinates > axis.length - 1)
    if mode == "nearest":
        rule = call.get("nearest_mode", "floor" if call.opset < 11 else "round_prefer_floor")
        chosen = np.clip(_nearest(coordinates, rule), 0, axis.length - 1).astype(np.int64)
        return np.take(x, chosen, axis=index), outside
    positions, weights = _taps(call, mode, axis, coordinates)
    shape = [1] * x.ndim
    shape[index] = axis.resized
    total = np.zeros((*x.shape[:index], axis.resized, *x.shape[index + 1 :]), dtype=x.dtype)
    for tap in range(positions.shape[1]):
        total = total + np.take(x, positions[:, tap], axis=index) * weights[:, tap].reshape(shape).astype(x.dtype)
    return total, outside


def _axes(call: Call, shape: Sequence[int]) -> dict[int, _Axis]:
    rank = len(shape)
    roi = call.input(1) if call.opset >= 11 else None
    scales = call.input(2) if call.opset >= 11 else call.input(1)
    sizes = call.input(3)
    if call.node.op_type == "Upsample" and call.opset < 9:
        scales = np.asarray(call.get("scales"))
    given = call.get("axes")
    selected = list(range(rank)) if not given else [axis_of(axis, rank) for axis in given]
    has_scales = scales is not None and scales.size > 0
    has_sizes = sizes is not None and sizes.size > 0
    if has_scales == has_sizes:
        raise ValueError("exactly one of scales and sizes must be given")
    numbers: Any = scales if has_scales else sizes
    if numbers.size != len(selected):
        raise ValueError(f"{numbers.size} scales or sizes for {len(selected)} axes")
    starts, ends = [0.0] * len(selected), [1.0] * len(selected)
    if roi is not None and roi.size:
        starts, ends = roi[: len(selected)].tolist(), roi[len(selected) :].tolist()
    crops = call.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    policy = call.get("keep_aspect_ratio_policy", "stretch")
    if has_sizes and policy != "stretch":
        # In fractions, because a length of a half more than an integer is rounded up.
        ratios = [Fraction(int(size), shape[axis]) for size, axis in zip(numbers, selected, strict=True)]
        common = min(ratios) if policy == "not_larger" else max(ratios)
        lengths = [math.floor(common * shape[axis] + Fraction(1, 2)) for axis in selected]
        return {
            axis: _Axis(shape[axis], lengths[i], float(common), starts[i], ends[i]) for i, axis in enumerate(selected)
        }
    axes = {}
    for i, axis in enumerate(selected):
        length = shape[axis]
        if has_scales:
            # Sizes are decided in float32, the type of `scales`, whatever the rest is computed in.
            region = np.float32(ends[i] - starts[i]) if crops else np.float32(1)
            resized = int(np.floor(np.float32(length) * region * np.float32(numbers[i])))
            axes[axis] = _Axis(length, resized, float(numbers[i]), starts[i], ends[i])
        else:
            resized = int(numbers[i])
            axes[axis] = _Axis(length, resized, resized / length if length else 1.0, starts[i], ends[i])
    return axes


def _resize(call: Call) -> Array:
    x = call.inputs[0]
    old = call.opset < 11
    mode = {"bilinear": "linear"}.get(call.get("mode", "nearest"), call.get("mode", "nearest"))
    transformation = "asymmetric" if old else call.get("coordinate_transformation_mode", "half_pixel")
    work = x if x.dtype.kind == "f" or mode == "nearest" else x.astype(np.float64)
    crops = transformation == "tf_crop_and_resize"
    outsides: list[tuple[int, Array]] = []
    for index, axis in _axes(call, x.shape).items():
        if axis.length == axis.resized and axis.scale == 1.0 and transformation not in _MOVES_AT_SCALE_ONE:
            continue
        work, outside = _resize_axis(call, (mode, transformation), work, index, axis)
        outsides.append((index, outside))
    if crops:
        for index, outside in outsides:
            shape = [1] * work.ndim
            shape[index] = outside.size
            fill = work.dtype.type(call.get("extrapolation_value", 0.0))
            work = np.where(outside.reshape(shape), fill, work)
    return _rounded_like(work, x)


def _rounded_like(work: Array, x: Array) -> Array:
    if x.dtype.kind in "iu" and work.dtype.kind == "f":
        bounds = np.iinfo(x.dtype)
        return np.clip(np.rint(work), bounds.min, bounds.max).astype(x.dtype)
    return np.asarray(work).astype(x.dtype)


def _reflect(x: Array, low: float, high: float) -> Array:
    span = high - low
    if span <= 0:
        return np.zeros_like(x)
    folded = np.mod(x - low, 2 * span)
    return low + np.where(folded > span, 2 * span - folded, folded)


def _grid_sample(call: Call) -> Array:
    x, grid = call.inputs
    rank = x.ndim - 2
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(call.get("mode", "linear"), call.get("mode", "linear"))
    padding, aligned = call.get("padding_mode", "zeros"), bool(call.get("align_corners", 0))
    sizes = x.shape[2:]
    grid = grid.astype(np.result_type(grid.dtype, x.dtype))
    positions, weights, valid = [], [], []
    for axis, size in enumerate(sizes):
        # The last component of the grid is the coordinate along the first spatial axis counted from the end.
        raw = grid[..., rank - 1 - axis]
        at = (raw + 1) / 2 * (size - 1) if aligned else ((raw + 1) * size - 1) / 2
        low, high = (0.0, size - 1.0) if aligned else (-0.5, size - 0.5)
        if padding == "border" and mode != "cubic":
            at = np.clip(at, 0, size - 1)
        elif padding == "reflection" and mode != "cubic":
            at = np.clip(_reflect(at, low, high), 0, size - 1)
        if mode == "nearest":
            taps, factors = np.rint(at)[..., None], np.ones((*at.shape, 1))
        else:
            offsets = np.arange(2) if mode == "linear" else np.arange(-1, 3)
            taps = np.floor(at)[..., None] + offsets
            distance = taps - at[..., None]
            factors = np.maximum(1 - np.abs(distance), 0) if mode == "linear" else _cubic(distance, -0.75)
        if padding == "border":
            taps = np.clip(taps, 0, size - 1)
        elif padding == "reflection":
            taps = np.clip(np.rint(_reflect(taps, low, high)), 0, size - 1)
        inside = (taps >= 0) & (taps <= size - 1)
        positions.append(np.where(inside, taps, 0).astype(np.int64))
        valid.append(inside)
        weights.append(factors.astype(x.dtype))
    result = np.zeros((x.shape[0], x.shape[1], *grid.shape[1:-1]), dtype=x.dtype)
    batch = np.arange(x.shape[0]).reshape(-1, *(1,) * rank)
    channels_last = np.moveaxis(x, 1, -1)
    for taps in itertools.product(*(range(item.shape[-1]) for item in positions)):
        where = tuple(item[..., tap] for item, tap in zip(positions, taps, strict=True))
        weight = math.prod(item[..., tap] for item, tap in zip(weights, taps, strict=True))
        keep = np.logical_and.reduce([item[..., tap] for item, tap in zip(valid, taps, strict=True)])
        values = np.where(keep[..., None], channels_last[(batch, *where)], x.dtype.type(0))
        result = result + np.moveaxis(values * np.asarray(weight)[..., None], -1, 1)
    return result


KERNELS: Mapping[str, Kernel] = {"GridSample": _grid_sample, "Resize": _resize, "Upsample": _resize}
