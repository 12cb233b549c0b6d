"""Deformable convolution: a convolution whose windows are sampled where given offsets point."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import Array
from tautomer.numerics.onnx_evaluator.kernels.convolution import with_bias


def _sampled(source: Array, sizes: Sequence[int], at: Sequence[Array]) -> Array:
    """Multilinear interpolation of `source` at coordinates; what lies outside is zero.

    Shapes: source (N, G, C, D1..Dr), at r arrays (N, G, P) -> (N, G, C, P)
    """
    flat = source.reshape(*source.shape[:3], math.prod(sizes))
    result = np.zeros((*source.shape[:3], at[0].shape[2]), dtype=source.dtype)
    for corner in itertools.product((0, 1), repeat=len(sizes)):
        weight = np.ones(at[0].shape, dtype=source.dtype)
        inside = np.ones(at[0].shape, dtype=np.bool_)
        place = np.zeros(at[0].shape, dtype=np.int64)
        for coordinate, step, size in zip(at, corner, sizes, strict=True):
            element = np.floor(coordinate) + step
            weight = weight * (1 - np.abs(coordinate - element))
            within = (element >= 0) & (element < size)
            inside &= within
            place = place * size + np.where(within, element, 0).astype(np.int64)
        picked = np.take_along_axis(flat, place[:, :, None], axis=3)
        result = result + np.where(inside[:, :, None], weight[:, :, None] * picked, 0)
    return result


def _deform_conv(call: Call) -> Array:
    x, w, offset, bias, mask = call.inputs[0], call.inputs[1], call.inputs[2], call.input(3), call.input(4)
    rank = x.ndim - 2
    n, channels, *sizes = x.shape
    kernel = w.shape[2:]
    groups, offset_groups = call.get("group", 1), call.get("offset_group", 1)
    strides = call.get("strides") or [1] * rank
    dilations = call.get("dilations") or [1] * rank
    pads = call.get("pads") or [0] * (2 * rank)
    if channels != w.shape[1] * groups or w.shape[0] % groups or channels % offset_groups:
        raise ValueError(f"input {x.shape} and weights {w.shape} do not fit {groups} and {offset_groups} groups")
    counts = [
        (sizes[axis] + pads[axis] + pads[axis + rank] - (kernel[axis] - 1) * dilations[axis] - 1) // strides[axis] + 1
        for axis in range(rank)
    ]
    points, taps = math.prod(counts), math.prod(kernel)
    # A shape that does not fit raises here.
    moved = offset.reshape(n, offset_groups, taps, rank, points)
    share = channels // offset_groups
    source = x.reshape(n, offset_groups, share, *sizes)
    grid = [item.reshape(-1) for item in np.indices(counts)]
    columns = np.empty((n, offset_groups, share, taps, points), dtype=x.dtype)
    for tap, index in enumerate(np.ndindex(*kernel)):
        starts = [
            grid[axis] * strides[axis] - pads[axis] + index[axis] * dilations[axis] + moved[:, :, tap, axis]
            for axis in range(rank)
        ]
        columns[:, :, :, tap] = _sampled(source, sizes, starts)
    if mask is not None:
        columns = columns * mask.reshape(n, offset_groups, 1, taps, points)
    matrix = columns.reshape(n, groups, w.shape[1] * taps, points)
    weights = w.reshape(groups, w.shape[0] // groups, w.shape[1] * taps)
    return with_bias(np.matmul(weights, matrix).reshape(n, w.shape[0], *counts), bias)


KERNELS: Mapping[str, Kernel] = {"DeformConv": _deform_conv}
