"""Regions of interest: pooling over boxes and choosing among overlapping ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import Array, declared_dtype


def _corner_weights(at: Array, size: int) -> tuple[Array, Array, Array, Array]:
    """Lower and upper element of each coordinate and their weights; both weights are zero outside [-1, size]."""
    outside = ~((at >= -1) & (at <= size))
    inner = np.clip(np.where(outside, 0, at), 0, size - 1)
    low = np.floor(inner).astype(np.int64)
    upper = np.where(outside, 0, inner - low)
    return low, np.minimum(low + 1, size - 1), np.where(outside, 0, 1 - upper), upper


def _roi_align(call: Call) -> Array:
    """Source: ONNX operator schema RoiAlign-22; its backend tests for the mode `max`."""
    x, rois, batch = call.inputs
    height, width = call.get("output_height", 1), call.get("output_width", 1)
    wanted = call.get("sampling_ratio", 0)
    average = str(call.get("mode", "avg")).lower() == "avg"
    half_pixel = call.get("coordinate_transformation_mode", "output_half_pixel") == "half_pixel"
    shift = 0.5 if half_pixel else 0.0
    kind = rois.dtype.type
    box = rois * kind(call.get("spatial_scale", 1.0)) - kind(shift)
    # How many points are sampled is an integer path: it is decided in the declared precision.
    narrow = np.float64 if declared_dtype(call.element(1)).itemsize == 8 else np.float32
    declared = rois.astype(narrow) * narrow(call.get("spatial_scale", 1.0)) - narrow(shift)
    result = np.empty((len(rois), x.shape[1], height, width), dtype=x.dtype)
    for index in range(len(rois)):
        lines = []
        for axis, count in ((1, height), (0, width)):
            start, extent = box[index, axis], box[index, axis + 2] - box[index, axis]
            rough = declared[index, axis + 2] - declared[index, axis]
            if not half_pixel:
                extent, rough = max(extent, kind(1)), max(rough, narrow(1))
            points = wanted if wanted > 0 else max(int(np.ceil(rough / narrow(count))), 0)
            step = extent / kind(count)
            inner = (np.arange(points) + kind(0.5)) / kind(max(points, 1))
            at = start + (np.arange(count)[:, None] + inner) * step
            lines.append((_corner_weights(at, x.shape[3 - axis]), points))
        ((top, bottom, above, below), rows), ((left, right, before, after), columns) = lines
        image = x[int(batch[index])]
        corners = [
            image[:, y[:, :, None, None], z[None, None]] * (wy[:, :, None, None] * wz[None, None])
            for y, wy in ((top, above), (bottom, below))
            for z, wz in ((left, before), (right, after))
        ]
        if average:
            result[index] = sum(corners).sum(axis=(2, 4)) / max(rows * columns, 1)
        elif rows * columns == 0:
            result[index] = 0
        else:
            # The greatest weighted corner, not the greatest interpolated point: so the schema's tests have it.
            result[index] = np.max(corners, axis=0).max(axis=(2, 4))
    return result


def _half_away(values: Array) -> Array:
    return np.asarray(np.trunc(values + np.copysign(0.5, values))).astype(np.int64)


def _max_roi_pool(call: Call) -> Array:
    """Source: Girshick, Fast R-CNN, 2015 (arXiv 1504.08083), section 2.1; the schema gives no formula."""
    x, rois = call.inputs
    pooled = call.get("pooled_shape")
    corners = _half_away(rois[:, 1:] * rois.dtype.type(call.get("spatial_scale", 1.0)))
    result = np.zeros((len(rois), x.shape[1], *pooled), dtype=x.dtype)
    for index, (left, top, right, bottom) in enumerate(corners.tolist()):
        image = x[int(rois[index, 0])]
        spans = []
        for start, end, count, size in (
            (top, bottom, pooled[0], x.shape[2]),
            (left, right, pooled[1], x.shape[3]),
        ):
            length = max(end - start + 1, 1)
            bounds = [
                (start + part * length // count, start - (-(part + 1) * length // count)) for part in range(count)
            ]
            spans.append([(min(max(low, 0), size), min(max(high, 0), size)) for low, high in bounds])
        for row, (low, high) in enumerate(spans[0]):
            for column, (first, last) in enumerate(spans[1]):
                if low < high and first < last:
                    result[index, :, row, column] = image[:, low:high, first:last].max(axis=(1, 2))
    return result


def _scalar(value: Array | None) -> Any:
    return None if value is None or value.size == 0 else value.reshape(-1)[0]


def _overlaps(corners: Array, index: int, others: Array) -> Array:
    """Intersection over union of one box with others; 0 where an area is. Shapes: corners (B, 4) -> (others,)"""
    one, rest = corners[index], corners[others]
    sides = np.maximum(np.minimum(one[2:], rest[:, 2:]) - np.maximum(one[:2], rest[:, :2]), 0)
    shared = sides[:, 0] * sides[:, 1]
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    united = areas[index] + areas[others] - shared
    proper = (shared > 0) & (united > 0)
    return np.where(proper, shared / np.where(proper, united, 1), 0)


def _non_max_suppression(call: Call) -> Array:
    boxes, scores = call.inputs[0], call.inputs[1]
    most, allowed, least = _scalar(call.input(2)), _scalar(call.input(3)), _scalar(call.input(4))
    if call.get("center_point_box", 0):
        half = boxes[..., 2:] / 2
        corners = np.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)
    else:
        first, second = boxes[..., :2], boxes[..., 2:]
        corners = np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=-1)
    chosen = []
    for batch, label in np.ndindex(*scores.shape[:2]):
        row = scores[batch, label]
        order = np.argsort(-row, kind="stable")
        waiting = order if least is None else order[row[order] > least]
        count = 0
        while len(waiting) and count < (most or 0):
            best, waiting = waiting[0], waiting[1:]
            chosen.append((batch, label, int(best)))
            count += 1
            waiting = waiting[_overlaps(corners[batch], best, waiting) <= (allowed or 0)]
    return np.asarray(chosen, dtype=np.int64).reshape(-1, 3)


KERNELS: Mapping[str, Kernel] = {
    "MaxRoiPool": _max_roi_pool,
    "NonMaxSuppression": _non_max_suppression,
    "RoiAlign": _roi_align,
}
