"""Reductions, normalizations and matrix operators in float64 against fractions, mpmath and torch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from evaluated_node import evaluate, float32, random

_RTOL, _ATOL = 1e-13, 1e-14


def _t(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _same(found: np.ndarray, expected: Any, *, rtol: float = _RTOL, atol: float = _ATOL) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


# --- reductions

_SCALAR: dict[str, Callable[[list[Fraction]], Any]] = {
    "ReduceL1": lambda row: sum(map(abs, row)),
    "ReduceL2": lambda row: mpmath.sqrt(_mpf(sum(v * v for v in row))),
    "ReduceLogSum": lambda row: mpmath.log(_mpf(sum(row))),
    "ReduceLogSumExp": lambda row: mpmath.log(mpmath.fsum(mpmath.exp(_mpf(v)) for v in row)),
    "ReduceMax": max,
    "ReduceMean": lambda row: sum(row) / len(row),
    "ReduceMin": min,
    "ReduceProd": math.prod,
    "ReduceSum": sum,
    "ReduceSumSquare": lambda row: sum(v * v for v in row),
}


def _mpf(value: Fraction) -> Any:
    return mpmath.mpf(value.numerator) / value.denominator


def _reduced(op_type: str, x: np.ndarray, axes: tuple[int, ...], keepdims: int) -> np.ndarray:
    """The reduction by definition: one exact computation for every output element."""
    function = _SCALAR[op_type]
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    result = np.empty(shape)
    with mpmath.workdps(40):
        for place in itertools.product(*(range(x.shape[axis]) for axis in kept)):
            where: list[Any] = [slice(None)] * x.ndim
            for axis, index in zip(kept, place, strict=True):
                where[axis] = slice(index, index + 1)
            value = function([Fraction(v) for v in x[tuple(where)].ravel().tolist()])
            result[tuple(where)] = float(value)
    return result if keepdims else result.reshape([x.shape[axis] for axis in kept])


@pytest.mark.parametrize("op_type", _SCALAR)
def test_a_reduction_is_exact_arithmetic_rounded_for_every_choice_of_axes(op_type: str) -> None:
    x = random(3, 4, 2) * 10
    x = np.abs(x) + 0.01 if op_type == "ReduceLogSum" else x
    choices: list[tuple[list[int] | None, int, int, tuple[int, ...]]] = [
        ([1], 1, 0, (1,)),
        ([-1, 0], 0, 0, (0, 2)),
        ([], 1, 0, (0, 1, 2)),
        (None, 0, 0, (0, 1, 2)),
        ([], 0, 1, ()),
        (None, 1, 1, ()),
        ([-2], 0, 1, (1,)),
    ]
    for given, keepdims, noop, axes in choices:
        chosen = None if given is None else np.array(given, dtype=np.int64)
        found = evaluate(op_type, x, chosen, opset=18, keepdims=keepdims, noop_with_empty_axes=noop)
        # An empty choice that reduces nothing still applies what the operator does to each element.
        _same(found, _reduced(op_type, x, axes, keepdims), rtol=1e-14)


@pytest.mark.parametrize(
    ("op_type", "empty"),
    [
        ("ReduceL1", 0.0),
        ("ReduceL2", 0.0),
        ("ReduceLogSum", -np.inf),
        ("ReduceLogSumExp", -np.inf),
        ("ReduceMax", -np.inf),
        ("ReduceMin", np.inf),
        ("ReduceProd", 1.0),
        ("ReduceSum", 0.0),
        ("ReduceSumSquare", 0.0),
        ("ReduceMean", np.nan),
    ],
)
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_a_reduction_of_nothing_is_its_neutral_element(op_type: str, empty: float) -> None:
    found = evaluate(op_type, np.zeros((2, 0, 3)), np.array([1]), opset=20, keepdims=0)
    np.testing.assert_array_equal(found, np.full((2, 3), empty))
    assert evaluate(op_type, np.zeros((0, 3)), np.array([1]), opset=20, keepdims=1).shape == (0, 1)


def test_integer_reductions_are_exact_beyond_the_precision_of_float64() -> None:
    big = 2**53 + 1
    x = np.array([[big, 2, -1], [-big, 3, 4]])
    axes = np.array([1])
    assert evaluate("ReduceSum", x, axes, opset=18, keepdims=0).tolist() == [big + 1, 7 - big]
    assert evaluate("ReduceProd", x[:, 1:], axes, opset=18, keepdims=0).tolist() == [-2, 12]
    assert evaluate("ReduceMax", x, axes, opset=20, keepdims=0).tolist() == [big, 4]
    assert evaluate("ReduceL1", x, axes, opset=18, keepdims=0).tolist() == [big + 3, big + 7]
    quotients = [math.trunc(Fraction(sum(row), 3)) for row in (3 * x).tolist()]
    assert evaluate("ReduceMean", 3 * x, axes, opset=18, keepdims=0).tolist() == quotients


@pytest.mark.parametrize(("op_type", "combine"), [("CumSum", lambda a, b: a + b), ("CumProd", lambda a, b: a * b)])
@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_cumulative_operators_are_running_exact_sums(op_type: str, combine: Any, exclusive: int, reverse: int) -> None:
    x = random(2, 5, 3)
    neutral = Fraction(0 if op_type == "CumSum" else 1)
    expected = np.empty_like(x)
    for i, k in itertools.product(range(2), range(3)):
        running = neutral
        for j in reversed(range(5)) if reverse else range(5):
            after = combine(running, Fraction(x[i, j, k]))
            expected[i, j, k] = float(running if exclusive else after)
            running = after
    for axis in (np.array(1), np.array([-2])):
        _same(evaluate(op_type, x, axis, opset=26, exclusive=exclusive, reverse=reverse), expected)
    assert evaluate(op_type, x[:, :0], np.array(1), opset=26, exclusive=exclusive).shape == (2, 0, 3)


@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("op_type", ["ArgMax", "ArgMin"])
def test_the_first_or_last_of_equal_extrema_is_chosen(op_type: str, last: int) -> None:
    x = np.array([[1.0, 3.0, 3.0, 1.0], [2.0, 2.0, 2.0, 2.0], [-0.0, 0.0, -1.0, 0.0]])
    pick = max if op_type == "ArgMax" else min
    rows = x.tolist()
    expected = [(len(row) - 1 - row[::-1].index(pick(row))) if last else row.index(pick(row)) for row in rows]
    assert evaluate(op_type, x, opset=13, axis=-1, keepdims=0, select_last_index=last).tolist() == expected


# --- normalizations


def _normalized_rows(rows: np.ndarray, epsilon: float, *, centre: bool = True) -> tuple[np.ndarray, list[Any]]:
    """Each row less its mean over its deviation, in 60 digits; and the means with the inverse deviations."""
    with mpmath.workdps(60):
        result, statistics = [], []
        for row in rows.tolist():
            exact = [mpmath.mpf(v) for v in row]
            mean = mpmath.fsum(exact) / len(exact) if centre else mpmath.mpf(0)
            inverse = 1 / mpmath.sqrt(mpmath.fsum((v - mean) ** 2 for v in exact) / len(exact) + epsilon)
            result.append([float((v - mean) * inverse) for v in exact])
            statistics.append((float(mean), float(inverse)))
    return np.array(result), statistics


@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_layer_normalization_and_its_statistics_are_exact(shift: float) -> None:
    x, scale, bias = random(2, 3, 4, 5) + shift, random(4, 5, seed=1), random(4, 5, seed=2)
    rows, statistics = _normalized_rows(x.reshape(6, 20), float32(1e-3))
    found = evaluate("LayerNormalization", x, scale, bias, opset=17, outputs=3, axis=-2, epsilon=1e-3)
    # A mean of 1000 costs the centred values three digits of the input's own.
    _same(found[0], rows.reshape(x.shape) * scale + bias, rtol=1e-12, atol=1e-13 * max(shift, 1))
    _same(found[1].reshape(-1), [mean for mean, _ in statistics])
    _same(found[2].reshape(-1), [inverse for _, inverse in statistics], rtol=1e-12)
    assert found[1].shape == found[2].shape == (2, 3, 1, 1)


def test_rms_normalization_is_exact_and_does_not_centre() -> None:
    x, scale = random(2, 3, 4) * 100, random(3, 4, seed=1)
    rows, _ = _normalized_rows(x.reshape(2, 12), float32(1e-5), centre=False)
    _same(evaluate("RMSNormalization", x, scale, opset=23, axis=1), rows.reshape(x.shape) * scale)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_group_and_instance_and_batch_normalization_are_torchs(rank: int) -> None:
    x, scale, bias = random(2, 6, *[3, 4, 2][:rank]), random(6, seed=1), random(6, seed=2)
    mean, variance = random(6, seed=3), np.abs(random(6, seed=4))
    epsilon = float32(1e-4)
    functional = torch.nn.functional
    found = evaluate("GroupNormalization", x, scale, bias, opset=21, num_groups=3, epsilon=1e-4)
    _same(found, functional.group_norm(_t(x), 3, _t(scale), _t(bias), epsilon), rtol=1e-11)
    found = evaluate("InstanceNormalization", x, scale, bias, opset=22, epsilon=1e-4)
    _same(found, functional.instance_norm(_t(x), weight=_t(scale), bias=_t(bias), eps=epsilon), rtol=1e-11)
    found = evaluate("BatchNormalization", x, scale, bias, mean, variance, opset=15, epsilon=1e-4)
    parts = [_t(item) for item in (mean, variance, scale, bias)]
    _same(found, functional.batch_norm(_t(x), *parts, eps=epsilon), rtol=1e-11)


def test_batch_normalization_in_training_keeps_population_statistics() -> None:
    x, one = random(4, 2, 3), np.ones(2)
    found = evaluate("BatchNormalization", x, one, one, one * 2, one * 3, opset=15, outputs=3, training_mode=1)
    rows, statistics = _normalized_rows(x.transpose(1, 0, 2).reshape(2, 12), float32(1e-5))
    _same(found[0], rows.reshape(2, 4, 3).transpose(1, 0, 2) + 1, rtol=1e-12)
    keep = float32(0.9)
    _same(found[1], [2 * keep + (1 - keep) * mean for mean, _ in statistics])
    variances = [float(mpmath.mpf(inverse) ** -2 - float32(1e-5)) for _, inverse in statistics]
    _same(found[2], [3 * keep + (1 - keep) * variance for variance in variances], rtol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_local_response_normalization_is_its_formula(size: int) -> None:
    x = random(2, 5, 3, 2)
    alpha, beta, bias = float32(0.3), float32(0.6), float32(1.5)
    expected = np.empty_like(x)
    for n, c, h, w in np.ndindex(*x.shape):
        low, high = max(0, c - (size - 1) // 2), min(4, c + math.ceil((size - 1) / 2))
        squares = math.fsum(x[n, i, h, w] ** 2 for i in range(low, high + 1))
        expected[n, c, h, w] = x[n, c, h, w] / (bias + alpha / size * squares) ** beta
    _same(evaluate("LRN", x, opset=13, size=size, alpha=0.3, beta=0.6, bias=1.5), expected)
    if size % 2:
        torchs = torch.nn.functional.local_response_norm(_t(x), size, alpha, beta, bias)
        _same(evaluate("LRN", x, opset=13, size=size, alpha=0.3, beta=0.6, bias=1.5), torchs)


@pytest.mark.parametrize("p", [1, 2])
def test_lp_normalization_leaves_rows_of_zeros_zero(p: int) -> None:
    x = random(3, 4, 2)
    x[1] = 0
    norms = np.array([[float(np.sum(np.abs(x[i, :, k]) ** p) ** (1 / p)) for k in range(2)] for i in range(3)])
    expected = np.where(norms[:, None] > 0, x / np.where(norms > 0, norms, 1)[:, None], 0)
    _same(evaluate("LpNormalization", x, opset=22, axis=1, p=p), expected)


def test_mean_variance_normalization_adds_its_constant_to_the_deviation() -> None:
    x = random(2, 3, 4, 2) * 1e-3 + 5
    rows = x.transpose(1, 0, 2, 3).reshape(3, 16)
    exact, statistics = _normalized_rows(rows, 0.0)
    factors = np.array([1 / (1 + float32(1e-9) * inverse) for _, inverse in statistics])
    expected = (exact * factors[:, None]).reshape(3, 2, 4, 2).transpose(1, 0, 2, 3)
    _same(evaluate("MeanVarianceNormalization", x, opset=13), expected, rtol=1e-10, atol=1e-11)


# --- matrices


def _exact_determinant(rows: list[list[Fraction]]) -> Fraction:
    if not rows:
        return Fraction(1)
    total = Fraction(0)
    for column, value in enumerate(rows[0]):
        minor = [row[:column] + row[column + 1 :] for row in rows[1:]]
        total += (-1) ** column * value * _exact_determinant(minor)
    return total


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_determinant_is_the_exact_one(size: int) -> None:
    x = random(2, 3, size, size)
    expected = [
        float(_exact_determinant([[Fraction(v) for v in row] for row in m])) for m in x.reshape(6, size, size).tolist()
    ]
    _same(evaluate("Det", x, opset=22), np.array(expected).reshape(2, 3), rtol=1e-12)
    assert evaluate("Det", np.array([[1.0, 2.0], [2.0, 4.0]]), opset=22) == 0


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk", ((2, 3), (3, 4))),
        ("ba,ca", ((2, 3), (4, 3))),
        ("...ij,...jk->...ik", ((5, 1, 2, 3), (6, 3, 4))),
        ("i...j->j...", ((2, 3, 4),)),
        ("bij, bij -> b", ((2, 3, 4), (2, 3, 4))),
        ("ii", ((3, 3),)),
        ("iji->j", ((3, 2, 3),)),
        ("Ab,bA->", ((2, 3), (3, 2))),
        ("i,j,k->kji", ((2,), (3,), (4,))),
        ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 2))),
        ("ij->ji", ((0, 3),)),
        ("ij,jk->ik", ((2, 0), (0, 3))),
        ("...,...", ((3, 1), (2,))),
        ("ab", ((2, 3),)),
        ("ba", ((2, 3),)),
    ],
)
def test_einsum_is_torchs_for_every_form_of_equation(equation: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    arrays = [random(*shape, seed=index) for index, shape in enumerate(shapes)]
    _same(evaluate("Einsum", *arrays, opset=12, equation=equation), torch.einsum(equation, *map(_t, arrays)))
