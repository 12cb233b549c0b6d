"""Quantization in exact fractions and over all numbers of a format: the integers are part of the function."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch
from evaluated_node import evaluate, random
from onnx import TensorProto

_FLOAT = int(TensorProto.FLOAT)


def _half_even(value: Fraction) -> int:
    return round(value)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_quantization_rounds_exact_quotients_to_even_and_saturates(dtype: Any, axis: int | None) -> None:
    bounds = np.iinfo(dtype)
    # Multiples of a half of the scale are ties; scales are powers of two, so quotients are exact.
    x = np.concatenate([np.arange(-12, 12).reshape(4, 6) * 0.125, [[1e9, -1e9, np.inf, -np.inf, 70000, 0.3]]])
    count = 1 if axis is None else x.shape[axis]
    scale = 2.0 ** -(np.arange(count) % 3 + 1.0)
    zero = (np.arange(count) * 3 + 1).astype(dtype)
    scale, zero = (scale[0], zero[0]) if axis is None else (scale, zero)
    found = evaluate(
        "QuantizeLinear",
        x,
        np.asarray(scale),
        np.asarray(zero),
        opset=21,
        declared=_FLOAT,
        axis=1 if axis is None else axis,
    )
    wide = np.broadcast_to(scale if axis != 0 else scale[:, None], x.shape)
    zeros = np.broadcast_to(zero if axis != 0 else zero[:, None], x.shape)
    expected = np.empty(x.shape, dtype=np.int64)
    for place in np.ndindex(*x.shape):
        if math.isinf(x[place]):
            expected[place] = bounds.max if x[place] > 0 else bounds.min
            continue
        rounded = _half_even(Fraction(x[place]) / Fraction(float(wide[place]))) + int(zeros[place])
        expected[place] = min(max(rounded, bounds.min), bounds.max)
    assert found.dtype == dtype
    assert found.tolist() == expected.tolist()
    back = evaluate(
        "DequantizeLinear",
        found,
        np.asarray(scale),
        np.asarray(zero),
        opset=21,
        declared=_FLOAT,
        axis=1 if axis is None else axis,
    )
    assert back.tolist() == ((expected - zeros.astype(np.int64)) * wide).tolist()


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_blocked_quantization_gives_each_block_its_own_parameters(axis: int) -> None:
    x, block = random(4, 6, 5) * 20, 2 if axis != -1 else 3
    shape = list(x.shape)
    shape[axis] = -(-shape[axis] // block)
    scale = np.abs(random(*shape, seed=1)) + 0.25
    zero = np.random.default_rng(2).integers(-20, 20, shape).astype(np.int8)
    settings = {"axis": axis, "block_size": block}
    found = evaluate("QuantizeLinear", x, scale, zero, opset=21, declared=_FLOAT, **settings)
    back = evaluate("DequantizeLinear", found, scale, zero, opset=21, declared=_FLOAT, **settings)
    for place in np.ndindex(*x.shape):
        at = list(place)
        at[axis] //= block
        s, z = float(scale[tuple(at)]), int(zero[tuple(at)])
        expected = min(max(_half_even(Fraction(x[place]) / Fraction(s)) + z, -128), 127)
        assert found[place] == expected
        assert back[place] == (expected - z) * s


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"])
def test_quantization_to_float8_takes_the_nearest_of_all_numbers_of_the_format(name: str) -> None:
    dtype = np.dtype(getattr(ml_dtypes, name))
    numbers = np.arange(256, dtype=np.uint8).view(dtype).astype(np.float64)
    order = np.argsort(numbers)
    numbers = numbers[order]
    finite = np.isfinite(numbers) & ~((numbers == 0) & np.signbit(numbers))
    numbers, codes = numbers[finite], order[finite]
    x = np.concatenate(
        [random(200) * 30, (numbers[1:] + numbers[:-1]) / 2, [1e9, -1e9], numbers[1:-1] * (1 + 2.0**-45)]
    )
    scale = 0.25
    found = evaluate("QuantizeLinear", x * scale, np.array(scale), np.zeros((), dtype), opset=21, declared=_FLOAT)
    expected = []
    for value in x.tolist():
        distances = np.abs(numbers - value)
        nearest = np.flatnonzero(distances == distances.min())
        # Of two equally near ones the even code.
        expected.append(float(numbers[nearest[0] if len(nearest) == 1 or codes[nearest[0]] % 2 == 0 else nearest[1]]))
    assert found.astype(np.float64).tolist() == expected


def test_dynamic_quantization_covers_zero_and_the_range_of_its_input() -> None:
    for x in (np.array([1.0, 2.5, 4.0], np.float32), np.array([-3.0, 1.0, -0.5], np.float32), np.zeros(2, np.float32)):
        y, scale, zero = evaluate("DynamicQuantizeLinear", x, opset=11, outputs=3)
        low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
        step = Fraction(high) - Fraction(low)
        assert float(scale) == pytest.approx(float(step / 255) or 1.0, rel=1e-15)
        expected_zero = _half_even(-Fraction(low) * 255 / step) if step else 0
        assert zero == expected_zero
        assert y.tolist() == [_half_even(Fraction(float(v)) * 255 / step) + expected_zero if step else 0 for v in x]


def test_integer_products_subtract_zero_points_per_row_and_column() -> None:
    generator = np.random.default_rng(0)
    a = generator.integers(0, 256, (2, 3, 4)).astype(np.uint8)
    b = generator.integers(-128, 128, (2, 4, 5)).astype(np.int8)
    rows, columns = np.array([3, 200, 128], np.uint8), np.array([0, -128, 5, 127, -7], np.int8)
    left = a.astype(object) - rows.astype(object)[:, None]
    right = b.astype(object) - columns.astype(object)
    expected = np.stack([left[i] @ right[i] for i in range(2)])
    found = evaluate("MatMulInteger", a, b, rows, columns, opset=10)
    assert found.dtype == np.int32
    assert found.tolist() == expected.tolist()
    scalar = np.stack([(a[i].astype(object) - 7) @ b[i].astype(object) for i in range(2)])
    assert evaluate("MatMulInteger", a, b, np.array(7, np.uint8), opset=10).tolist() == scalar.tolist()


def test_quantized_products_round_the_exact_result_once() -> None:
    generator = np.random.default_rng(3)
    a, b = generator.integers(0, 256, (4, 6)).astype(np.uint8), generator.integers(-128, 128, (6, 5)).astype(np.int8)
    scales = {"a": 0.5, "b": np.array([0.25, 0.5, 0.125, 1.0, 2.0]), "y": 8.0}
    zeros = {"a": 120, "b": np.array([3, -5, 0, 7, 1], np.int8), "y": 99}
    found = evaluate(
        "QLinearMatMul", a, np.array(scales["a"]), np.array(zeros["a"], np.uint8), b, scales["b"], zeros["b"],
        np.array(scales["y"]), np.array(zeros["y"], np.uint8), opset=21, declared=_FLOAT,
    )  # fmt: skip
    for i, j in np.ndindex(4, 5):
        total = sum((int(a[i, k]) - 120) * (int(b[k, j]) - int(zeros["b"][j])) for k in range(6))
        exact = total * Fraction(1, 2) * Fraction(float(scales["b"][j])) / 8
        assert found[i, j] == min(max(_half_even(exact) + 99, 0), 255)


def test_quantized_convolutions_round_the_exact_result_once() -> None:
    generator = np.random.default_rng(4)
    x, w = (
        generator.integers(0, 256, (2, 4, 5, 6)).astype(np.uint8),
        generator.integers(-128, 128, (6, 2, 3, 2)).astype(np.int8),
    )
    bias, w_zero = generator.integers(-5000, 5000, 6).astype(np.int32), generator.integers(-9, 9, 6).astype(np.int8)
    w_scale = 2.0 ** -generator.integers(4, 9, 6)
    centred = (
        torch.from_numpy(x.astype(np.float64) - 131),
        torch.from_numpy(w.astype(np.float64) - w_zero[:, None, None, None]),
    )
    # Sums of integers this small are exact in float64.
    total = torch.nn.functional.conv2d(*centred, torch.from_numpy(bias.astype(np.float64)), (2, 1), 1, 1, 2).numpy()
    found = evaluate(
        "QLinearConv", x, np.array(0.5), np.array(131, np.uint8), w, w_scale, w_zero, np.array(16.0),
        np.array(7, np.uint8), bias, opset=10, declared=_FLOAT, group=2, strides=[2, 1], pads=[1] * 4,
    )  # fmt: skip
    assert found.shape == total.shape
    for place in np.ndindex(*total.shape):
        exact = Fraction(total[place]) * Fraction(float(w_scale[place[1]])) / 2 / 16
        assert found[place] == min(max(_half_even(exact) + 7, 0), 255)
