"""Convolution, pooling, resizing and sampling in float64 against torch and loops written from the schemas."""

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


# --- windows: one axis at a time, from the schemas' formulas


def _automatic_pads(size: int, span: int, stride: int, auto_pad: str) -> tuple[int, int]:
    total = max((math.ceil(size / stride) - 1) * stride + span - size, 0)
    return (total // 2, total - total // 2) if auto_pad == "SAME_UPPER" else (total - total // 2, total // 2)


def _window_rows(
    size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int], *, ceil_mode: bool = False
) -> list[list[int]]:
    """The positions each window touches; those outside [0, size) are padding."""
    span = (kernel - 1) * dilation + 1
    room = Fraction(size + pads[0] + pads[1] - span, stride)
    count = (math.ceil(room) if ceil_mode else math.floor(room)) + 1
    if ceil_mode and (count - 1) * stride >= size + pads[0]:
        count -= 1
    return [[start * stride - pads[0] + tap * dilation for tap in range(kernel)] for start in range(count)]


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation"), [(7, 3, 2, 1), (8, 2, 3, 2), (6, 4, 1, 1), (5, 2, 4, 1)]
)
def test_automatic_padding_is_the_schemas_for_convolution_and_pooling(
    auto_pad: str, size: int, kernel: int, stride: int, dilation: int
) -> None:
    x, w = random(2, 1, size), random(1, 1, kernel, seed=1)
    span = (kernel - 1) * dilation + 1
    pads = (0, 0) if auto_pad == "VALID" else _automatic_pads(size, span, stride, auto_pad)
    rows = _window_rows(size, kernel, stride, dilation, pads)
    inside = [[at for at in row if 0 <= at < size] for row in rows]
    settings: dict[str, Any] = {"auto_pad": auto_pad, "strides": [stride], "dilations": [dilation]}
    convolved = [
        [sum(line[at] * w[0, 0, tap] for tap, at in enumerate(row) if 0 <= at < size) for row in rows]
        for line in x[:, 0].tolist()
    ]
    _same(evaluate("Conv", x, w, opset=11, **settings)[:, 0], convolved)
    settings["kernel_shape"] = [kernel]
    for op_type, function, opset in (
        ("MaxPool", max, 12),
        ("AveragePool", lambda values: sum(values) / len(values), 19),
        ("LpPool", lambda values: math.sqrt(math.fsum(v * v for v in values)), 18),
    ):
        expected = [[function([line[at] for at in row]) for row in inside] for line in x[:, 0].tolist()]
        _same(evaluate(op_type, x, opset=opset, **settings)[:, 0], expected)


@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize("include", [0, 1])
@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "pads"),
    [(9, 3, 2, 2, (2, 1)), (10, 3, 4, 1, (1, 0)), (6, 2, 3, 3, (0, 2)), (5, 3, 2, 1, (1, 1)), (4, 3, 3, 1, (2, 2))],
)
def test_pooling_counts_declared_padding_only_as_asked(
    ceil_mode: int, include: int, size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]
) -> None:
    x = random(1, 2, size)
    rows = _window_rows(size, kernel, stride, dilation, pads, ceil_mode=bool(ceil_mode))
    settings: dict[str, Any] = {
        "kernel_shape": [kernel], "strides": [stride], "dilations": [dilation], "pads": list(pads),
        "ceil_mode": ceil_mode,
    }  # fmt: skip
    averages, powers = [], []
    for line in x[0].tolist():
        inside = [[line[at] for at in row if 0 <= at < size] for row in rows]
        # What rounding the size up adds lies beyond the declared padding and never counts.
        counts = [
            sum(-pads[0] <= at < size + pads[1] for at in row) if include else len(v)
            for row, v in zip(rows, inside, strict=True)
        ]
        averages.append([math.fsum(values) / count for values, count in zip(inside, counts, strict=True)])
        powers.append([math.fsum(abs(v) ** 3 for v in values) ** (1 / 3) for values in inside])
    _same(evaluate("AveragePool", x, opset=22, count_include_pad=include, **settings)[0], averages)
    _same(evaluate("LpPool", x, opset=22, p=3, **settings)[0], powers)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_lp_and_global_pooling_are_torchs(p: int) -> None:
    x = np.abs(random(2, 3, 7, 6))
    _same(
        evaluate("LpPool", x, opset=22, p=p, kernel_shape=[3, 2], strides=[2, 2]),
        torch.nn.functional.lp_pool2d(_t(x), float(p), (3, 2), (2, 2)),
    )
    signed = random(2, 3, 4, 5)
    _same(evaluate("GlobalLpPool", signed, opset=22, p=p)[..., 0, 0], (np.abs(signed) ** p).sum((2, 3)) ** (1 / p))
    _same(evaluate("GlobalAveragePool", signed, opset=22), torch.nn.functional.adaptive_avg_pool2d(_t(signed), 1))
    _same(evaluate("GlobalMaxPool", signed, opset=22), torch.nn.functional.adaptive_max_pool2d(_t(signed), 1))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_max_pooling_rounding_up_gives_torchs_values_and_indices(rank: int) -> None:
    x = random(2, 3, *[7, 6, 8][:rank])
    x[0, 0] = -np.inf
    function = (torch.max_pool1d, torch.max_pool2d, torch.max_pool3d)[rank - 1]
    with_indices = (
        torch.nn.functional.max_pool1d, torch.nn.functional.max_pool2d, torch.nn.functional.max_pool3d,
    )[rank - 1]  # fmt: skip
    settings: dict[str, Any] = {
        "kernel_shape": [3] * rank,
        "strides": [2] * rank,
        "pads": [1] * 2 * rank,
        "ceil_mode": 1,
    }
    values, places = evaluate("MaxPool", x, opset=22, outputs=2, **settings)
    _same(values, function(_t(x), 3, 2, 1, 1, True))
    _, indices = with_indices(_t(x), 3, 2, 1, 1, True, True)
    planes = np.arange(6).reshape(2, 3, *[1] * rank) * math.prod(x.shape[2:])
    assert np.array_equal(places[1:], (indices.numpy() + planes)[1:])
    # A window of -inf names one of its own elements.
    assert np.array_equal(x.reshape(-1)[places], values)


@pytest.mark.parametrize("opset", [12, 19, 22])
def test_rounding_up_adds_no_window_to_automatic_padding_without_any(opset: int) -> None:
    """The schemas: ceil((size - span + 1) / stride), which is what rounding down gives."""
    x = random(1, 1, 8)
    for op_type in ("MaxPool", "AveragePool", "LpPool") if opset > 18 else ("MaxPool",):
        found = evaluate(op_type, x, opset=opset, kernel_shape=[3], strides=[3], ceil_mode=1, auto_pad="VALID")
        assert found.shape == (1, 1, math.ceil((8 - 3 + 1) / 3))


def test_a_kernel_that_fits_nowhere_gives_no_windows() -> None:
    values, places = evaluate("MaxPool", random(1, 2, 3), opset=22, outputs=2, kernel_shape=[4])
    assert values.shape == places.shape == (1, 2, 0)


def test_column_major_indices_count_down_the_columns() -> None:
    x = random(2, 1, 4, 5)
    values, places = evaluate("MaxPool", x, opset=12, outputs=2, kernel_shape=[2, 2], storage_order=1)
    for n, _, i, j in np.ndindex(*values.shape):
        place = int(places[n, 0, i, j]) - 20 * n
        assert x[n, 0, place % 4, place // 4] == values[n, 0, i, j]


def test_an_empty_batch_pools_to_an_empty_batch() -> None:
    x = np.zeros((0, 3, 6, 6))
    for outputs in (1, 2):
        found = evaluate("MaxPool", x, opset=22, outputs=outputs, kernel_shape=[2, 2], strides=[2, 2])
        for item in found if outputs == 2 else [found]:
            assert item.shape == (0, 3, 3, 3)
    assert evaluate("AveragePool", x, opset=22, kernel_shape=[3, 3]).shape == (0, 3, 4, 4)
    assert evaluate("LpPool", x, opset=22, kernel_shape=[3, 3]).shape == (0, 3, 4, 4)
    assert evaluate("GlobalAveragePool", x, opset=22).shape == (0, 3, 1, 1)
    assert evaluate("GlobalMaxPool", x, opset=22).shape == (0, 3, 1, 1)


def test_unpooling_is_torchs() -> None:
    x = random(2, 3, 6, 8)
    values, places = evaluate("MaxPool", x, opset=12, outputs=2, kernel_shape=[2, 2], strides=[2, 2])
    pooled, indices = torch.nn.functional.max_pool2d(_t(x), 2, 2, return_indices=True)
    expected = torch.nn.functional.max_unpool2d(pooled, indices, 2, 2)
    _same(evaluate("MaxUnpool", values, places, opset=22, kernel_shape=[2, 2], strides=[2, 2]), expected)


# --- convolutions


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_convolution_is_torchs_in_every_rank(rank: int, groups: int) -> None:
    x, w, b = random(2, 6, *[5, 4, 3][:rank]), random(6, 2, *[3, 2, 4][:rank], seed=1), random(2 * groups, seed=2)
    functional = torch.nn.functional
    function = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[rank - 1]
    strides, dilations, extra = [3, 2, 2][:rank], [2, 1, 2][:rank], [2, 1, 1][:rank]
    expected = function(_t(x), _t(w), _t(b), strides, 1, extra, groups, dilations)
    settings: dict[str, Any] = {"strides": strides, "dilations": dilations, "output_padding": extra, "group": groups}
    _same(evaluate("ConvTranspose", x, w, b, opset=11, pads=[1] * 2 * rank, **settings), expected)


def _scattered(x: np.ndarray, w: np.ndarray, stride: int, dilation: int, length: int) -> np.ndarray:
    """What every input element adds to an output that begins without padding. Shapes: x (I,), w (K,) -> (length,)."""
    result = np.zeros(length + 64)
    for (i, value), (tap, weight) in itertools.product(enumerate(x), enumerate(w)):
        result[i * stride + tap * dilation] += value * weight
    return result


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("wanted", [None, 9, 11, 12])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "extra"), [(4, 2, 1, 0), (3, 2, 1, 1), (2, 2, 3, 0), (5, 2, 1, 0)]
)
def test_the_padding_of_a_transposed_convolution_follows_from_its_output_shape(
    auto_pad: str, wanted: int | None, kernel: int, stride: int, dilation: int, extra: int
) -> None:
    x, w = random(5), random(kernel, seed=1)
    target = 5 * stride if wanted is None else wanted
    total = stride * 4 + extra + (kernel - 1) * dilation + 1 - target
    if total < 0:
        pytest.skip("an output longer than the operation reaches, which the schema leaves open")
    before = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
    settings = {} if wanted is None else {"output_shape": [wanted]}
    found = evaluate(
        "ConvTranspose", x[None, None], w[None, None], opset=11, auto_pad=auto_pad, strides=[stride],
        dilations=[dilation], output_padding=[extra], **settings,
    )  # fmt: skip
    _same(found[0, 0], _scattered(x, w, stride, dilation, target)[before : before + target])


def test_empty_batches_pass_through_convolutions() -> None:
    x, w = np.zeros((0, 4, 5, 5)), random(6, 2, 3, 3)
    assert evaluate("Conv", x, w, opset=11, group=2).shape == (0, 6, 3, 3)
    assert evaluate("ConvTranspose", x, random(4, 3, 3, 3), opset=11, group=2).shape == (0, 6, 7, 7)


def test_integer_convolution_subtracts_its_zero_points_and_pads_with_them() -> None:
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (1, 2, 5, 5)).astype(np.uint8)
    w = generator.integers(0, 256, (3, 2, 3, 3)).astype(np.uint8)
    expected = torch.nn.functional.conv2d(_t(x.astype(np.float64) - 100), _t(w.astype(np.float64) - 7), padding=1)
    zeros = np.array(100, np.uint8), np.array(7, np.uint8)
    found = evaluate("ConvInteger", x, w, *zeros, opset=10, pads=[1] * 4)
    assert found.dtype == np.int32
    _same(found, expected)


@pytest.mark.parametrize(("dilation", "padding", "stride"), [(1, 0, 1), (2, 1, 2), (1, 2, 3)])
def test_col2im_is_torchs_fold(dilation: int, padding: int, stride: int) -> None:
    unfolded = torch.nn.functional.unfold(_t(random(2, 3, 8, 9)), (3, 2), dilation, padding, stride)
    columns = random(*unfolded.shape, seed=1)
    expected = torch.nn.functional.fold(_t(columns), (8, 9), (3, 2), dilation, padding, stride)
    settings = {"dilations": [dilation] * 2, "pads": [padding] * 4, "strides": [stride] * 2}
    _same(evaluate("Col2Im", columns, np.array([8, 9]), np.array([3, 2]), opset=18, **settings), expected)


def _bilinear_or_zero(plane: np.ndarray, y: float, x: float) -> float:
    total = 0.0
    for row, column in itertools.product((math.floor(y), math.floor(y) + 1), (math.floor(x), math.floor(x) + 1)):
        if 0 <= row < plane.shape[0] and 0 <= column < plane.shape[1]:
            total += (1 - abs(y - row)) * (1 - abs(x - column)) * plane[row, column]
    return total


def test_deformable_convolution_samples_where_its_offsets_point() -> None:
    x, w, b = random(1, 4, 5, 6), random(2, 2, 2, 2, seed=1), random(2, seed=2)
    offsets, mask = random(1, 16, 4, 5, seed=3), np.abs(random(1, 8, 4, 5, seed=4))
    found = evaluate("DeformConv", x, w, offsets, b, mask, opset=22, group=2, offset_group=2, kernel_shape=[2, 2])
    expected = np.empty((1, 2, 4, 5))
    for m, i, j in np.ndindex(2, 4, 5):
        total = b[m]
        for c, (tap, (u, v)) in itertools.product(range(2), enumerate(itertools.product(range(2), range(2)))):
            # Channel m * 2 + c belongs to offset group m: two of four channels each.
            dy, dx = offsets[0, m * 8 + 2 * tap, i, j], offsets[0, m * 8 + 2 * tap + 1, i, j]
            sample = _bilinear_or_zero(x[0, m * 2 + c], i + u + dy, j + v + dx)
            total += w[m, c, u, v] * sample * mask[0, m * 4 + tap, i, j]
        expected[0, m, i, j] = total
    _same(found, expected)
