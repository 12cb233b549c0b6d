"""Resizing, sampling on grids and regions of interest in float64 against torch and formulas in exact fractions."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from evaluated_node import evaluate, random

_RTOL, _ATOL = 1e-12, 1e-13


def _t(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _same(found: np.ndarray, expected: Any) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=_RTOL, atol=_ATOL)


# --- Resize: coordinates in exact fractions, as the schema of opset 19 writes them


def _coordinate(
    transformation: str, i: int, length: int, resized: int, scale: Fraction, roi: tuple[float, float]
) -> Fraction:
    half, last = Fraction(1, 2), length - 1
    start, end = map(Fraction, roi)
    if transformation == "align_corners":
        return Fraction(i * last, resized - 1) if resized > 1 else Fraction(0)
    if transformation == "asymmetric":
        return i / scale
    if transformation == "pytorch_half_pixel" and resized == 1:
        return Fraction(0)
    if transformation == "tf_half_pixel_for_nn":
        return (i + half) / scale
    if transformation == "tf_crop_and_resize":
        if resized == 1:
            return half * (start + end) * last
        return start * last + i * (end - start) * last / (resized - 1)
    if transformation == "half_pixel_symmetric":
        adjustment = resized / (scale * length)
        return Fraction(length, 2) * (1 - adjustment) + (i + half) / scale - half
    return (i + half) / scale - half


def _nearest(x: Fraction, rule: str) -> int:
    half = Fraction(1, 2)
    rules = {
        "round_prefer_floor": math.ceil(x - half),
        "round_prefer_ceil": math.floor(x + half),
        "floor": math.floor(x),
        "ceil": math.ceil(x),
    }
    return rules[rule]


def _keys(distance: Fraction, a: Fraction) -> Fraction:
    """Keys 1981, equations 10 to 15: the cubic convolution kernel written out."""
    s = abs(distance)
    if s < 1:
        return (a + 2) * s**3 - (a + 3) * s**2 + 1
    return a * s**3 - 5 * a * s**2 + 8 * a * s - 4 * a if s < 2 else Fraction(0)


def _interpolated(line: list[float], x: Fraction, mode: str, a: Fraction, *, exclude: bool) -> float:
    reach = 1 if mode == "linear" else 2
    total, weights = Fraction(0), Fraction(0)
    for at in range(math.floor(x) + 1 - reach, math.floor(x) + reach + 1):
        weight = max(1 - abs(x - at), Fraction(0)) if mode == "linear" else _keys(x - at, a)
        if exclude and not 0 <= at < len(line):
            continue
        total += weight * Fraction(line[min(max(at, 0), len(line) - 1)])
        weights += weight
    return float(total / weights if exclude else total)


_TRANSFORMATIONS = [
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_crop_and_resize",
]
# Scales that are exact in binary, so that the length and every tie are too; 1.5 * 5 leaves a part of an element over.
_SCALES = [(5, 1.5), (8, 0.375), (6, 2.0), (7, 0.625), (4, 0.25), (3, 3.25), (5, 1.0)]


@pytest.mark.parametrize("transformation", _TRANSFORMATIONS)
@pytest.mark.parametrize(("length", "scale"), _SCALES)
def test_resizing_follows_the_schemas_coordinates(transformation: str, length: int, scale: float) -> None:
    line = random(length)
    roi = (0.25, 1.125) if transformation == "tf_crop_and_resize" else (0.0, 1.0)
    region = Fraction(roi[1]) - Fraction(roi[0])
    exact = Fraction(scale)
    resized = math.floor(length * region * exact)
    at = [_coordinate(transformation, i, length, resized, exact, roi) for i in range(resized)]
    settings: dict[str, Any] = {"coordinate_transformation_mode": transformation, "extrapolation_value": 7.5}
    given = (line, np.array(roi), np.array([scale], np.float32))
    crops = transformation == "tf_crop_and_resize"

    def masked(values: list[float]) -> list[float]:
        return [7.5 if crops and not 0 <= x <= length - 1 else v for v, x in zip(values, at, strict=True)]

    for rule in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        chosen = [line[min(max(_nearest(x, rule), 0), length - 1)] for x in at]
        found = evaluate("Resize", *given, opset=19, mode="nearest", nearest_mode=rule, **settings)
        assert found.tolist() == masked(chosen), rule
    for mode, a, exclude in (("linear", -0.75, False), ("cubic", -0.75, False), ("cubic", -0.5, True)):
        expected = [_interpolated(line.tolist(), x, mode, Fraction(a), exclude=exclude) for x in at]
        found = evaluate(
            "Resize", *given, opset=19, mode=mode, cubic_coeff_a=a, exclude_outside=int(exclude), **settings
        )
        _same(found, masked(expected))


def test_a_transformation_that_shifts_moves_elements_even_at_scale_one() -> None:
    x = random(4)
    settings = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "ceil"}
    found = evaluate("Resize", x, np.zeros(0), np.array([1.0], np.float32), opset=11, mode="nearest", **settings)
    assert found.tolist() == [x[1], x[2], x[3], x[3]]


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((98, 49), (1, 40)),
        ((5, 4), (3, 3)),
        ((6, 5), (3, 20)),
        ((7, 9), (14, 5)),
        ((8, 3), (4, 9)),
        ((10, 45), (7, 100)),
    ],
)
def test_a_kept_aspect_ratio_gives_one_exact_scale_and_rounds_halves_up(
    policy: str, shape: tuple[int, int], sizes: tuple[int, int]
) -> None:
    x = random(*shape)
    ratios = [Fraction(size, length) for size, length in zip(sizes, shape, strict=True)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    lengths = [math.floor(scale * length + Fraction(1, 2)) for length in shape]
    found = evaluate(
        "Resize", x, None, None, np.array(sizes), opset=19, mode="linear", keep_aspect_ratio_policy=policy
    )  # fmt: skip
    assert list(found.shape) == lengths
    rows = [_coordinate("half_pixel", i, shape[0], lengths[0], scale, (0, 1)) for i in range(lengths[0])]
    first = [_interpolated(x[:, 0].tolist(), at, "linear", Fraction(0), exclude=False) for at in rows]
    column = _coordinate("half_pixel", 0, shape[1], lengths[1], scale, (0, 1))
    if column <= 0:
        _same(found[:, 0], first)


def test_resizing_chosen_axes_is_resizing_them_one_after_the_other() -> None:
    x = random(2, 5, 3, 4)
    both = evaluate("Resize", x, None, None, np.array([7, 9]), opset=19, mode="cubic", axes=[-1, 1])
    one = evaluate("Resize", x, None, None, np.array([9]), opset=19, mode="cubic", axes=[1])
    _same(both, evaluate("Resize", one, None, None, np.array([7]), opset=19, mode="cubic", axes=[3]))
    whole = torch.nn.functional.interpolate(_t(x.transpose(0, 2, 1, 3)), (9, 7), mode="bicubic").numpy()
    _same(both, whole.transpose(0, 2, 1, 3))


def test_an_empty_batch_resizes_to_an_empty_batch() -> None:
    x = np.zeros((0, 3, 4, 4))
    scales = np.array([1, 1, 2, 2], np.float32)
    for mode in ("nearest", "linear", "cubic"):
        assert evaluate("Resize", x, None, scales, opset=19, mode=mode).shape == (0, 3, 8, 8)
        assert evaluate("Resize", x, None, None, np.array([0, 3, 6, 2]), opset=19, mode=mode).shape == (0, 3, 6, 2)


# --- grids


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align_corners", [0, 1])
def test_sampling_volumes_is_torchs(mode: str, padding: str, align_corners: int) -> None:
    x, grid = random(2, 3, 4, 5, 6), 2 * random(2, 3, 4, 5, 3, seed=1)
    expected = torch.nn.functional.grid_sample(
        _t(x), _t(grid), "bilinear" if mode == "linear" else mode, padding, bool(align_corners)
    )
    settings: dict[str, Any] = {"mode": mode, "padding_mode": padding, "align_corners": align_corners}
    _same(evaluate("GridSample", x, grid, opset=20, **settings), expected)
    single = x[:, :, :1, :1]
    expected = torch.nn.functional.grid_sample(
        _t(single), _t(grid), "bilinear" if mode == "linear" else mode, padding, bool(align_corners)
    )
    _same(evaluate("GridSample", single, grid, opset=20, **settings), expected)
    assert evaluate("GridSample", x[:0], grid[:0], opset=20, **settings).shape == (0, 3, 3, 4, 5)


@pytest.mark.parametrize(
    ("size", "align_corners"),
    [((2, 3, 4, 5), 0), ((2, 3, 4, 5), 1), ((2, 3, 4, 5, 6), 0), ((2, 3, 4, 5, 6), 1), ((2, 1, 1, 4), 0)],
)
def test_affine_grids_are_torchs(size: tuple[int, ...], align_corners: int) -> None:
    theta = random(2, len(size) - 2, len(size) - 1)
    expected = torch.nn.functional.affine_grid(_t(theta), list(size), bool(align_corners))
    _same(evaluate("AffineGrid", theta, np.array(size), opset=20, align_corners=align_corners), expected)


# --- regions of interest


def _aligned(
    image: np.ndarray, box: list[float], bins: tuple[int, int], ratio: int, *, half_pixel: bool, scale: float
) -> np.ndarray:
    """Average RoiAlign of one plane, He et al. 2017 (arXiv 1703.06870), section 3, point by point."""
    shift = 0.5 if half_pixel else 0.0
    left, top, right, bottom = (value * scale - shift for value in box)
    extents = [bottom - top, right - left]
    if not half_pixel:
        extents = [max(extent, 1.0) for extent in extents]
    counts = [ratio or math.ceil(extent / size) for extent, size in zip(extents, bins, strict=True)]
    result = np.empty(bins)
    for i, j in np.ndindex(*bins):
        samples = []
        for u, v in itertools.product(range(counts[0]), range(counts[1])):
            y = top + (i + (u + 0.5) / counts[0]) * extents[0] / bins[0]
            x = left + (j + (v + 0.5) / counts[1]) * extents[1] / bins[1]
            if not (-1 <= y <= image.shape[0] and -1 <= x <= image.shape[1]):
                samples.append(0.0)
                continue
            y, x = min(max(y, 0), image.shape[0] - 1), min(max(x, 0), image.shape[1] - 1)
            low, first = min(math.floor(y), image.shape[0] - 2), min(math.floor(x), image.shape[1] - 2)
            a, b = y - low, x - first
            upper = (1 - b) * image[low, first] + b * image[low, first + 1]
            lower = (1 - b) * image[low + 1, first] + b * image[low + 1, first + 1]
            samples.append((1 - a) * upper + a * lower)
        result[i, j] = math.fsum(samples) / max(len(samples), 1)
    return result


@pytest.mark.parametrize("half_pixel", [False, True])
@pytest.mark.parametrize("ratio", [0, 2])
def test_roi_align_averages_interpolated_points(half_pixel: bool, ratio: int) -> None:
    x = random(2, 3, 7, 9)
    rois = np.array([[1.0, 2.0, 12.5, 10.25], [-3.0, -5.0, 4.0, 30.0], [6.0, 6.0, 6.5, 6.5], [16.0, 1.0, 19.0, 9.0]])
    batch = np.array([0, 1, 0, 1])
    settings: dict[str, Any] = {
        "output_height": 3, "output_width": 2, "sampling_ratio": ratio, "spatial_scale": 0.5,
        "coordinate_transformation_mode": "half_pixel" if half_pixel else "output_half_pixel",
    }  # fmt: skip
    found = evaluate("RoiAlign", x, rois, batch, opset=22, **settings)
    expected = [
        [_aligned(plane, box, (3, 2), ratio, half_pixel=half_pixel, scale=0.5) for plane in x[index]]
        for box, index in zip(rois.tolist(), batch, strict=True)
    ]
    _same(found, expected)
    assert evaluate("RoiAlign", x, rois[:0], batch[:0], opset=22, **settings).shape == (0, 3, 3, 2)
    if not half_pixel:
        del settings["coordinate_transformation_mode"]
        _same(evaluate("RoiAlign", x, rois, batch, opset=10, **settings), expected)


def test_roi_align_takes_the_greatest_weighted_corner_in_the_mode_max() -> None:
    """Not the greatest interpolated point: the expected values of the specification's own tests are these."""
    x = np.array([[[[1.0, 5.0], [2.0, 4.0]]]])
    rois = np.array([[0.0, 0.0, 1.0, 1.0]])
    settings = {"coordinate_transformation_mode": "output_half_pixel", "sampling_ratio": 1, "mode": "max"}
    assert evaluate("RoiAlign", x, rois, np.array([0]), opset=22, **settings).tolist() == [[[[1.25]]]]


def test_max_roi_pooling_covers_whole_elements_and_empty_bins_are_zero() -> None:
    x = random(2, 2, 6, 8)
    rois = np.array(
        [[0, 0, 0, 7, 5], [1, 2.5, 1.4, 9.0, 3.6], [0, 6, 4, 20, 20], [1, 3, 3, 3, 3], [0, 9, 9, 12, 12]], np.float64
    )
    found = evaluate("MaxRoiPool", x, rois, opset=22, pooled_shape=[2, 3], spatial_scale=1.0)
    for index, (batch, *corners) in enumerate(rois.tolist()):
        left, top, right, bottom = (math.floor(corner + 0.5) for corner in corners)
        height, width = max(bottom - top + 1, 1), max(right - left + 1, 1)
        for channel, i, j in np.ndindex(2, 2, 3):
            rows = [
                r for r in range(6) if top + Fraction(i * height, 2) < r + 1 and r < top + Fraction((i + 1) * height, 2)
            ]
            columns = [
                c for c in range(8) if left + Fraction(j * width, 3) < c + 1 and c < left + Fraction((j + 1) * width, 3)
            ]
            inside = [x[int(batch), channel, r, c] for r in rows for c in columns]
            assert found[index, channel, i, j] == max(inside, default=0.0)


def _greedy(boxes: list[list[float]], scores: list[float], most: int, allowed: float, least: float | None) -> list[int]:
    """Boxes (y1, x1, y2, x2) kept one after the other, with exact overlaps."""
    kept: list[int] = []

    def area(box: list[Fraction]) -> Fraction:
        return (box[2] - box[0]) * (box[3] - box[1])

    exact = [
        [Fraction(min(b[0], b[2])), Fraction(min(b[1], b[3])), Fraction(max(b[0], b[2])), Fraction(max(b[1], b[3]))]
        for b in boxes
    ]
    for index in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if (least is not None and scores[index] <= least) or len(kept) == most:
            continue
        overlaps = []
        for other in kept:
            a, b = exact[index], exact[other]
            height = max(min(a[2], b[2]) - max(a[0], b[0]), Fraction(0))
            width = max(min(a[3], b[3]) - max(a[1], b[1]), Fraction(0))
            united = area(a) + area(b) - height * width
            overlaps.append(height * width / united if united else Fraction(0))
        if all(overlap <= Fraction(allowed) for overlap in overlaps):
            kept.append(index)
    return kept


@pytest.mark.parametrize("scalar", [False, True])
@pytest.mark.parametrize(("most", "allowed", "least"), [(3, 0.5, 0.2), (10, 0.25, None), (4, 0.0, 0.5), (0, 0.5, None)])
def test_non_max_suppression_is_greedy_with_exact_overlaps(
    most: int, allowed: float, least: float | None, scalar: bool
) -> None:
    generator = np.random.default_rng(5)
    # Corners on a small grid give equal boxes, overlaps of exactly the limit and boxes without an area.
    boxes, scores = generator.integers(0, 5, (2, 12, 4)) * 0.25, generator.integers(0, 8, (2, 3, 12)) / 8
    shape = () if scalar else (1,)
    limits = [np.full(shape, most), np.full(shape, allowed, np.float32)]
    given = [*limits, None if least is None else np.full(shape, least, np.float32)]
    expected = [
        [batch, label, index]
        for batch, label in np.ndindex(2, 3)
        for index in _greedy(boxes[batch].tolist(), scores[batch, label].tolist(), most, allowed, least)
    ]
    found = evaluate("NonMaxSuppression", boxes.astype(np.float32), scores.astype(np.float32), *given, opset=11)
    assert found.tolist() == expected
    centred = np.concatenate(
        [(boxes[..., [1, 0]] + boxes[..., [3, 2]]) / 2, np.abs(boxes[..., [3, 2]] - boxes[..., [1, 0]])], -1
    )
    found = evaluate(
        "NonMaxSuppression", centred.astype(np.float32), scores.astype(np.float32), *given, opset=11, center_point_box=1
    )
    assert found.tolist() == expected
    assert evaluate("NonMaxSuppression", boxes.astype(np.float32), scores.astype(np.float32), opset=11).shape == (0, 3)
