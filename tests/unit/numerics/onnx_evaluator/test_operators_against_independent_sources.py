"""Elementwise operators in float64 against mpmath, exact integers and fractions."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import ml_dtypes
import mpmath
import numpy as np
import onnx
import pytest
import torch
from evaluated_node import evaluate, float32, random

_U = 2.0**-53
_POINTS = np.concatenate(
    [
        np.array([0.0, 5e-324, 1e-300, 1e-160, 1e-20, 1e-9, 1e-5, 0.01, 0.1, 0.5, 0.99, 1.0, 1.5, 2.0, math.pi, 5.0]),
        np.array([8.0, 9.5, 20.0, 26.0, 37.5, 89.0, 103.0, 700.0, 709.5, 745.0, 1e4, 2.0**24 + 1, 1e22, 1e200, 1e308]),
    ]
)
_LINE = np.concatenate([-_POINTS[::-1], _POINTS, random(40)])

Real = Callable[[Any], Any]


def _logistic(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def _softplus(x: Any) -> Any:
    return mpmath.log1p(mpmath.exp(x)) if x < 0 else x + mpmath.log1p(mpmath.exp(-x))


def _normal_below(x: Any) -> Any:
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


def _gelu_tanh(x: Any) -> Any:
    # tanh(t) + 1 is 2 / (1 + exp(-2 t)).
    return x * _logistic(2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))


def _elu(x: Any, alpha: float = 1.0) -> Any:
    return x if x >= 0 else alpha * mpmath.expm1(x)


def _expected(function: Real, points: np.ndarray, slack: float) -> tuple[np.ndarray, np.ndarray]:
    """The exact values rounded to float64, and how far a kernel may be: 4 u, and what `slack` u in its input does."""
    values, bounds = [], []
    with mpmath.workdps(60):
        for point in points.tolist():
            x = mpmath.mpf(point)
            exact = mpmath.mpf(function(x))
            moved = abs(mpmath.mpf(function(x * (1 + slack * mpmath.mpf(_U)))) - exact) if slack else mpmath.mpf(0)
            values.append(float(exact) if abs(exact) < mpmath.mpf(2) ** 1024 else math.inf * int(mpmath.sign(exact)))
            bounds.append(float(4 * mpmath.mpf(_U) * abs(exact) + moved))
    # Below the smallest normal number the spacing is 2^-1074.
    return np.array(values), np.array(bounds) + 4 * 2.0**-1074


def _agrees(found: np.ndarray, function: Real, points: np.ndarray, slack: float) -> None:
    expected, bound = _expected(function, points, slack)
    assert found.dtype == np.float64
    with np.errstate(invalid="ignore"):
        off = np.flatnonzero(~(np.abs(found - expected) <= bound) & (np.abs(expected) < 1.7e308))
    assert {points[i]: (found[i], expected[i]) for i in off} == {}
    assert np.array_equal(found[np.isinf(expected)], expected[np.isinf(expected)])


_ABOVE_ONE = np.concatenate([1 + _POINTS[:12], _POINTS[11:]])
_WITHIN_ONE = _LINE[np.abs(_LINE) <= 1]
_INSIDE_ONE = _LINE[np.abs(_LINE) < 1]

_LIBRARY: dict[str, tuple[Real, np.ndarray]] = {
    "Acos": (mpmath.acos, _WITHIN_ONE),
    "Acosh": (mpmath.acosh, _ABOVE_ONE),
    "Asin": (mpmath.asin, _WITHIN_ONE),
    "Asinh": (mpmath.asinh, _LINE),
    "Atan": (mpmath.atan, _LINE),
    "Atanh": (mpmath.atanh, _INSIDE_ONE),
    "Cos": (mpmath.cos, _LINE[np.abs(_LINE) < 1e30]),
    "Cosh": (mpmath.cosh, _LINE[np.abs(_LINE) < 1e6]),
    "Erf": (mpmath.erf, _LINE),
    "Exp": (mpmath.exp, _LINE[np.abs(_LINE) < 1e6]),
    "Log": (mpmath.log, _POINTS[1:]),
    "Reciprocal": (lambda x: 1 / x, _LINE[np.abs(_LINE) > 1e-300]),
    "Sin": (mpmath.sin, _LINE[np.abs(_LINE) < 1e30]),
    "Sinh": (mpmath.sinh, _LINE[np.abs(_LINE) < 1e6]),
    "Sqrt": (mpmath.sqrt, _POINTS),
    "Tan": (mpmath.tan, _LINE[np.abs(_LINE) < 1e30]),
    "Tanh": (mpmath.tanh, _LINE),
}


@pytest.mark.parametrize("op_type", _LIBRARY)
def test_an_elementary_function_is_mpmaths_to_four_roundings(op_type: str) -> None:
    function, points = _LIBRARY[op_type]
    _agrees(evaluate(op_type, points, opset=22), function, points, slack=0)


_TENTH, _THIRD = float32(0.1), float32(0.3)
_MODEST = _LINE[np.abs(_LINE) < 1e6]
_COMPOSED: dict[str, tuple[str, dict[str, Any], Real, np.ndarray]] = {
    "Celu": ("Celu", {"alpha": 0.3}, lambda x: x if x >= 0 else _THIRD * mpmath.expm1(x / _THIRD), _LINE),
    "Elu": ("Elu", {"alpha": 0.3}, lambda x: _elu(x, _THIRD), _LINE),
    "Gelu": ("Gelu", {}, lambda x: x * _normal_below(x), _MODEST),
    "Gelu tanh": ("Gelu", {"approximate": "tanh"}, _gelu_tanh, _MODEST),
    "HardSigmoid": (
        "HardSigmoid",
        {},
        lambda x: max(0, min(1, float32(0.2) * x + mpmath.mpf("0.5"))),
        _LINE,
    ),
    "HardSwish": ("HardSwish", {}, lambda x: x * max(0, min(1, x / 6 + mpmath.mpf("0.5"))), _LINE),
    "LeakyRelu": ("LeakyRelu", {"alpha": 0.1}, lambda x: x if x >= 0 else _TENTH * x, _LINE),
    "Mish": ("Mish", {}, lambda x: x * mpmath.tanh(_softplus(x)), _MODEST[np.abs(_MODEST) < 710]),
    "Selu": (
        "Selu",
        {},
        lambda x: float32(1.0507010221481323) * _elu(x, float32(1.6732631921768188)),
        _LINE[_LINE < 1e300],
    ),
    "Shrink": (
        "Shrink",
        {"lambd": 0.3, "bias": 0.1},
        lambda x: x - _TENTH if x > _THIRD else x + _TENTH if x < -_THIRD else 0,
        _LINE,
    ),
    "Sigmoid": ("Sigmoid", {}, _logistic, _MODEST),
    "Softplus": ("Softplus", {}, _softplus, _MODEST),
    "Softsign": ("Softsign", {}, lambda x: x / (1 + abs(x)), _LINE),
    "Swish": ("Swish", {"alpha": 0.3}, lambda x: x * _logistic(_THIRD * x), _MODEST),
    "ThresholdedRelu": ("ThresholdedRelu", {"alpha": 0.3}, lambda x: x if x > _THIRD else 0, _LINE),
}


@pytest.mark.parametrize("name", _COMPOSED)
def test_an_activation_is_mpmaths_as_well_as_its_input_is_known(name: str) -> None:
    op_type, attributes, function, points = _COMPOSED[name]
    opset = 24 if op_type == "Swish" else 22
    found = evaluate(op_type, points, opset=opset, declared=int(onnx.TensorProto.FLOAT), **attributes)
    _agrees(found, function, points, slack=4)


def test_activations_agree_with_torch_at_zeros_infinities_and_nan() -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan])
    functional = torch.nn.functional
    pairs: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "Celu": functional.celu,
        "Elu": functional.elu,
        "Gelu": functional.gelu,
        "LeakyRelu": functional.leaky_relu,
        "Relu": torch.relu,
        "Selu": functional.selu,
        "Sigmoid": torch.sigmoid,
        "Softplus": functional.softplus,
        "Softsign": functional.softsign,
        "Tanh": torch.tanh,
    }
    for op_type, function in pairs.items():
        expected = function(torch.from_numpy(x)).numpy()
        found = evaluate(op_type, x, opset=22, declared=int(onnx.TensorProto.FLOAT))
        np.testing.assert_allclose(found, expected, rtol=1e-7, err_msg=op_type)
        # The specification's formula for Selu, alpha exp(x) - alpha, gives 0 for -0; torch keeps the sign.
        signs = [False, op_type != "Selu" and bool(np.signbit(expected[1]))]
        assert np.signbit(found[:2]).tolist() == signs, op_type


def test_nan_is_neither_above_nor_below_a_threshold() -> None:
    """The specification's formulas of both end in "otherwise 0"."""
    x = np.array([np.nan, np.inf, -np.inf])
    assert evaluate("ThresholdedRelu", x, opset=22, alpha=0.5).tolist() == [0.0, np.inf, 0.0]
    assert evaluate("Shrink", x, opset=9, lambd=0.5, bias=0.5).tolist() == [0.0, np.inf, -np.inf]


def test_prelu_and_swiglu_are_their_definitions() -> None:
    x, slope, linear = random(2, 3, 4), random(3, 1, seed=1), random(2, 3, 4, seed=2)
    expected = [v if v >= 0 else v * s for v, s in zip(x.flat, np.broadcast_to(slope, x.shape).flat, strict=True)]
    assert evaluate("PRelu", x, slope, opset=16).reshape(-1).tolist() == expected
    glu = [float(_logistic(mpmath.mpf(v)) * v * w) for v, w in zip(x.flat, linear.flat, strict=True)]
    np.testing.assert_allclose(evaluate("SwiGLU", x, linear, opset=28).reshape(-1), glu, rtol=1e-15)


# --- Softmax and its relatives

_ROWS = np.array(
    [
        [0.5, -1.25, 3.0, 2.0],
        [1000.0, 999.0, -1000.0, 998.5],
        [-1e300, -1e300, -1e300, -1e300],
        [1e16, 1e16 + 2, 1e16 - 4, 0.0],
        [-np.inf, 0.0, -745.0, -np.inf],
        [40.0, 0.0, -40.0, -700.0],
    ]
)


def _exact_softmax(row: list[float]) -> tuple[list[float], list[float], float]:
    with mpmath.workdps(60):
        peak = max(mpmath.mpf(v) for v in row)
        powers = [mpmath.exp(mpmath.mpf(v) - peak) for v in row]
        total = mpmath.fsum(powers)
        logs = [float(mpmath.mpf(v) - peak - mpmath.log(total)) for v in row]
        return [float(p / total) for p in powers], logs, float(peak + mpmath.log(total))


def test_softmax_and_log_softmax_and_log_sum_exp_are_mpmaths_on_extreme_rows() -> None:
    expected = [_exact_softmax(row) for row in _ROWS.tolist()]
    soft = np.array([item[0] for item in expected])
    logs = np.array([item[1] for item in expected])
    sums = np.array([item[2] for item in expected])
    np.testing.assert_allclose(evaluate("Softmax", _ROWS, opset=13), soft, rtol=1e-14)
    np.testing.assert_allclose(evaluate("Softmax", _ROWS.T, opset=13, axis=0), soft.T, rtol=1e-14)
    # Near the peak the logarithm itself is a difference of numbers of size log(total).
    np.testing.assert_allclose(evaluate("LogSoftmax", _ROWS, opset=13), logs, rtol=1e-15, atol=1e-15)
    found = evaluate("ReduceLogSumExp", _ROWS, np.array([1]), opset=18, keepdims=0)
    np.testing.assert_allclose(found, sums, rtol=1e-15, atol=1e-15)


def test_log_sum_exp_of_nothing_but_infinities_is_that_infinity() -> None:
    rows = np.array([[-np.inf, -np.inf], [np.inf, 0.0], [np.inf, -np.inf], [np.nan, 0.0]])
    found = evaluate("ReduceLogSumExp", rows, np.array([1]), opset=18, keepdims=0)
    np.testing.assert_array_equal(found, [-np.inf, np.inf, np.inf, np.nan])


def test_hardmax_marks_the_first_greatest_element() -> None:
    x = np.array([[1.0, 3.0, 3.0], [-np.inf, -np.inf, -np.inf], [0.0, -1.0, -2.0]])
    assert evaluate("Hardmax", x, opset=13).tolist() == [[0, 1, 0], [1, 0, 0], [1, 0, 0]]
    assert evaluate("Hardmax", x[:0], opset=13, axis=0).shape == (0, 3)


# --- integers

_SIGNED = [7, -7, 2, -2, 1, -1, 5, -5, 2**24 + 1, -(2**24) - 1, 2**53 + 1, -(2**53) - 1, 2**62, -(2**62), 3]
_PAIRS = [(a, b) for a in _SIGNED for b in _SIGNED]
_A, _B = (np.array(column, dtype=np.int64) for column in zip(*_PAIRS, strict=True))


def test_integer_division_and_both_remainders_are_exact() -> None:
    quotients = [math.trunc(Fraction(a, b)) for a, b in _PAIRS]
    assert evaluate("Div", _A, _B, opset=14).tolist() == quotients
    assert evaluate("Mod", _A, _B, opset=13).tolist() == [a - b * math.floor(Fraction(a, b)) for a, b in _PAIRS]
    remainders = [a - b * q for (a, b), q in zip(_PAIRS, quotients, strict=True)]
    assert evaluate("Mod", _A, _B, opset=13, fmod=1).tolist() == remainders


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint32, np.uint64])
def test_small_and_unsigned_integers_divide_in_their_own_type(dtype: Any) -> None:
    bounds = np.iinfo(dtype)
    a = np.array([bounds.max, bounds.max - 1, bounds.min, 100, 7], dtype=dtype)
    b = np.array([3, 2, 3, 7, 7], dtype=dtype)
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    found = evaluate("Div", a, b, opset=14)
    assert found.dtype == dtype
    assert found.tolist() == [math.trunc(Fraction(x, y)) for x, y in pairs]
    assert evaluate("Mod", a, b, opset=13).tolist() == [x % y for x, y in pairs]


def test_floating_fmod_is_exact_and_keeps_the_sign_of_the_dividend() -> None:
    a = np.array([5.3, -5.3, 5.3, -5.3, 1e300, -1e16, 0.1, -0.0])
    b = np.array([2.1, 2.1, -2.1, -2.1, 0.7, 3.3, 0.1, 2.0])
    expected = []
    for x, y in zip(a.tolist(), b.tolist(), strict=True):
        left, right = Fraction(x), Fraction(y)
        expected.append(float(left - right * math.trunc(left / right)))
    found = evaluate("Mod", a, b, opset=13, fmod=1)
    assert found.tolist() == expected
    assert np.signbit(found[-1])


@pytest.mark.parametrize(
    ("base", "exponent"),
    [
        (np.array([3, -3, 0, 7], np.int64), np.array([39, 39, 0, 2], np.int64)),
        (np.array([3, -3, 0, 7], np.int64), np.array([39, 39, 0, 2], np.uint64)),
        (np.array([3, -3, 2, 7], np.int32), np.array([19, 19, 30, 2], np.uint64)),
        (np.array([5, -2, 1, 7], np.int32), np.array([3, 3, 100, 2], np.int64)),
    ],
)
def test_integer_powers_of_mixed_types_are_exact(base: np.ndarray, exponent: np.ndarray) -> None:
    found = evaluate("Pow", base, exponent, opset=15)
    assert found.dtype == base.dtype
    assert found.tolist() == [a**b for a, b in zip(base.tolist(), exponent.tolist(), strict=True)]


def test_powers_with_mixed_types_have_the_type_and_precision_of_the_base() -> None:
    x, power = np.array([1.1, -2.0, 0.3, 10.0]), np.array([3, -3, 100, -300])
    expected = [float(mpmath.mpf(a) ** b) for a, b in zip(x.tolist(), power.tolist(), strict=True)]
    np.testing.assert_allclose(evaluate("Pow", x, power, opset=15), expected, rtol=4 * _U)
    wide = np.array([9, 2, 100], dtype=np.int64)
    assert evaluate("Pow", wide, np.array([0.5, 10.0, 2.5]), opset=15).tolist() == [3, 1024, 100000]


def test_special_powers_are_those_of_ieee_754() -> None:
    base = np.array([0.0, -0.0, -1.0, 1.0, np.nan, -8.0, np.inf, -np.inf, 0.5])
    power = np.array([0.0, -3.0, np.inf, np.nan, 0.0, 1 / 3, -1.0, 3.0, -np.inf])
    expected = [1.0, -np.inf, 1.0, 1.0, 1.0, np.nan, 0.0, -np.inf, np.inf]
    np.testing.assert_array_equal(evaluate("Pow", base, power, opset=15), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.uint64])
@pytest.mark.parametrize("direction", ["LEFT", "RIGHT"])
def test_bits_shifted_out_are_lost_and_zeros_follow(dtype: Any, direction: str) -> None:
    width = np.iinfo(dtype).bits
    amounts = [0, 1, width - 1, width, width + 3]
    top = np.iinfo(dtype).max - 4
    found = evaluate("BitShift", np.full(5, top, dtype), np.array(amounts, dtype), opset=11, direction=direction)
    mask = (1 << width) - 1
    assert found.tolist() == [(top << n) & mask if direction == "LEFT" else top >> n for n in amounts]


def test_ties_round_to_even_and_signs_of_zeros_stay() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -0.2, 2.0**52 + 0.5, 4503599627370497.5])
    found = evaluate("Round", x, opset=22)
    assert found.tolist() == [float(round(Fraction(value))) for value in x.tolist()]
    assert np.signbit(found[[3, 5]]).all()


def test_clip_with_crossed_bounds_gives_the_upper_one_and_nan_passes() -> None:
    x = np.array([-1.0, 0.5, 3.0, np.nan, -np.inf])
    found = evaluate("Clip", x, np.array(2.0), np.array(1.0), opset=13)
    np.testing.assert_array_equal(found, [1.0, 1.0, 1.0, np.nan, 1.0])


# --- conversions


def _nearest_even(value: Fraction, digits: int, lowest_exponent: int) -> Fraction:
    """`value` rounded to `digits` binary digits, ties to even, with subnormals below 2^lowest_exponent."""
    if value == 0:
        return value
    exponent = math.floor(math.log2(abs(value)))
    while Fraction(2) ** exponent > abs(value):
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= abs(value):
        exponent += 1
    spacing = Fraction(2) ** (max(exponent, lowest_exponent) - digits + 1)
    return round(value / spacing) * spacing


_FORMATS: dict[str, tuple[int, int, float]] = {
    "FLOAT16": (11, -14, 65504.0),
    "BFLOAT16": (8, -126, float(ml_dtypes.finfo(ml_dtypes.bfloat16).max)),
    "FLOAT8E4M3FN": (4, -6, 448.0),
    "FLOAT8E5M2": (3, -14, 57344.0),
    "FLOAT8E4M3FNUZ": (4, -7, 240.0),
    "FLOAT8E5M2FNUZ": (3, -15, 57344.0),
}


@pytest.mark.parametrize("target", _FORMATS)
def test_a_cast_of_float64_rounds_once_to_the_nearest_even(target: str) -> None:
    digits, lowest, greatest = _FORMATS[target]
    ties = [1 + 2.0**-digits, 1 + 3 * 2.0**-digits, -(1 + 2.0**-digits), 2.0 ** (lowest - digits + 1) * 2.5]
    # A tie of the target that a digit beyond float32 breaks: rounding twice would lose it.
    near = [1 + 2.0**-digits + 2.0**-40, 1 + 3 * 2.0**-digits - 2.0**-40, 2.0 ** (lowest - digits) * (1 + 2.0**-40)]
    x = np.array([*ties, *near, *(random(60) * np.logspace(-4, 2, 60)), greatest, 0.0])
    found = evaluate("Cast", x, opset=19, to=getattr(onnx.TensorProto, target)).astype(np.float64)
    expected = [float(_nearest_even(Fraction(value), digits, lowest)) for value in x.tolist()]
    assert found.tolist() == expected
    like = np.zeros(1, onnx.helper.tensor_dtype_to_np_dtype(getattr(onnx.TensorProto, target)))
    assert evaluate("CastLike", x, like, opset=19).astype(np.float64).tolist() == expected


@pytest.mark.parametrize(
    ("target", "saturated", "plain"),
    [
        ("FLOAT8E4M3FN", [448.0, -448.0, 448.0, -448.0], [np.nan] * 4),
        ("FLOAT8E5M2", [57344.0, -57344.0, 57344.0, -57344.0], [np.inf, -np.inf, np.inf, -np.inf]),
        ("FLOAT8E4M3FNUZ", [240.0, -240.0, 240.0, -240.0], [np.nan] * 4),
        ("FLOAT8E5M2FNUZ", [57344.0, -57344.0, 57344.0, -57344.0], [np.nan] * 4),
    ],
)
def test_a_cast_to_float8_saturates_or_not_as_the_specifications_table_says(
    target: str, saturated: list[float], plain: list[float]
) -> None:
    x = np.array([1e6, -1e6, np.inf, -np.inf, np.nan])
    to = getattr(onnx.TensorProto, target)
    for saturate, expected in ((1, saturated), (0, plain)):
        found = evaluate("Cast", x, opset=19, to=to, saturate=saturate).astype(np.float64)
        np.testing.assert_array_equal(found, [*expected, np.nan])


def test_a_cast_to_integers_truncates_and_every_nonzero_number_is_true() -> None:
    x = np.array([2.9, -2.9, 0.5, -0.5, 2.0**53 + 2, np.nan, -0.0])
    assert evaluate("Cast", x[:5], opset=19, to=onnx.TensorProto.INT64).tolist() == [2, -2, 0, 0, 2**53 + 2]
    assert evaluate("Cast", x, opset=19, to=onnx.TensorProto.BOOL).tolist() == [True] * 6 + [False]


def test_an_integer_cast_to_a_float_rounds_once() -> None:
    x = np.array([2**24 + 1, 2**24 + 3, 2**54 + 2**30 + 1, -(2**63), 257, 257 * 2**54 + 1, -257 * 2**54 - 1, 2**53 + 1])
    for target, digits in (("FLOAT", 24), ("BFLOAT16", 8), ("DOUBLE", 53)):
        found = evaluate("Cast", x, opset=19, to=getattr(onnx.TensorProto, target))
        assert found.tolist() == [float(_nearest_even(Fraction(v), digits, -126)) for v in x.tolist()], target
