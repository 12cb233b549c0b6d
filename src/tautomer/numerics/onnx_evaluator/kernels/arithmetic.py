"""Elementwise arithmetic, comparison and logic with ONNX's broadcasting."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array

_BROADCAST_SINCE = 7


def _legacy_aligned(call: Call, a: Array, b: Array) -> Array:
    """`b` shaped for the one-way broadcasting of opsets below 7, where attributes `broadcast` and `axis` ask for it."""
    if not call.get("broadcast", 0):
        if a.shape != b.shape:
            raise ValueError(f"shapes {a.shape} and {b.shape} differ and the node does not ask for broadcasting")
        return b
    axis = call.get("axis")
    start = a.ndim - b.ndim if axis is None else axis_of(axis, a.ndim)
    return b.reshape((1,) * start + b.shape + (1,) * (a.ndim - start - b.ndim))


def binary(function: Callable[[Array, Array], Array]) -> Kernel:
    """A kernel that applies `function` to two broadcast inputs."""

    def kernel(call: Call) -> Array:
        a, b = call.inputs
        if call.opset < _BROADCAST_SINCE:
            b = _legacy_aligned(call, a, b)
        return np.asarray(function(a, b))

    return kernel


def unary(function: Callable[[Array], Array]) -> Kernel:
    """A kernel that applies `function` to its one input."""
    return lambda call: np.asarray(function(call.inputs[0]))


def variadic(function: Callable[[Array, Array], Array]) -> Kernel:
    """A kernel that folds `function` over any number of inputs."""
    return lambda call: np.asarray(reduce(function, call.inputs))


def divide(a: Array, b: Array) -> Array:
    """The quotient; of integers, truncated toward zero without leaving them."""
    if a.dtype.kind not in "iu":
        return np.asarray(np.divide(a, b))
    quotient = np.asarray(np.floor_divide(a, b))
    if a.dtype.kind == "u":
        return quotient
    # numpy's integer division rounds down.
    inexact_negative = (np.remainder(a, b) != 0) & ((a < 0) != (b < 0)) & (np.asarray(b) != 0)
    return np.asarray(quotient + inexact_negative.astype(quotient.dtype))


def _mod(call: Call) -> Array:
    a, b = call.inputs
    return np.asarray(np.fmod(a, b) if call.get("fmod", 0) else np.mod(a, b))


def _pow(call: Call) -> Array:
    a, b = call.inputs
    if call.opset < _BROADCAST_SINCE:
        b = _legacy_aligned(call, a, b)
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        if np.any(b < 0):
            return np.asarray(np.trunc(np.power(a.astype(np.float64), b)).astype(a.dtype))
        # numpy has no integer type for a signed base and a uint64 exponent, and would compute in float64.
        exponent = b.astype(np.uint64 if a.dtype == np.uint64 else np.int64)
        return np.asarray(np.power(a, exponent).astype(a.dtype))
    if a.dtype.kind in "iu":
        return np.asarray(np.power(a.astype(np.float64), b).astype(a.dtype))
    return np.asarray(np.power(a, b).astype(a.dtype))


def _mean(call: Call) -> Array:
    total = reduce(np.add, call.inputs)
    return np.asarray(total / total.dtype.type(len(call.inputs)))


def _bit_shift(call: Call) -> Array:
    a, b = call.inputs
    width = a.dtype.itemsize * 8
    far = (b < 0) | (b >= width)
    amount = np.where(far, 0, b).astype(a.dtype)
    left = call.get("direction") == "LEFT"
    shifted = np.left_shift(a, amount) if left else np.right_shift(a, amount)
    fill = np.zeros_like(a) if left else np.where(a < 0, -1, 0).astype(a.dtype)
    return np.where(far, fill, shifted)


def _clip(call: Call) -> Array:
    x = call.inputs[0]
    if call.opset < 11:
        low, high = call.get("min"), call.get("max")
    else:
        low, high = call.input(1), call.input(2)
    for bound in (low, high):
        if isinstance(bound, np.ndarray) and bound.size != 1:
            raise ValueError(f"a bound has shape {bound.shape} where a scalar is needed")
    if low is not None:
        x = np.maximum(x, np.asarray(low, dtype=x.dtype).reshape(()))
    if high is not None:
        x = np.minimum(x, np.asarray(high, dtype=x.dtype).reshape(()))
    return np.asarray(x)


def _is_inf(call: Call) -> Array:
    x = call.inputs[0]
    found = np.isinf(x)
    if not call.get("detect_positive", 1):
        found = found & ~(x > 0)
    if not call.get("detect_negative", 1):
        found = found & ~(x < 0)
    return np.asarray(found)


def _where(call: Call) -> Array:
    condition, a, b = call.inputs
    return np.asarray(np.where(condition, a, b))


def _sign(x: Array) -> Array:
    return np.sign(x) if x.dtype.kind != "u" else (x > 0).astype(x.dtype)


def _elementwise(function: Callable[[float], float]) -> Callable[[Array], Array]:
    def apply(x: Array) -> Array:
        flat = np.asarray(x, dtype=np.float64).reshape(-1)
        values = np.fromiter(map(function, flat.tolist()), dtype=np.float64, count=flat.size)
        return values.reshape(x.shape).astype(x.dtype)

    return apply


def _erf(x: Array) -> Array:
    if x.dtype.kind in "iu":
        return np.asarray(np.trunc(erf(x.astype(np.float64))).astype(x.dtype))
    return erf(x)


erf = _elementwise(math.erf)
"""The error function, computed in float64."""
erfc = _elementwise(math.erfc)
"""The complementary error function, computed in float64: it does not cancel where erf is near 1."""


def _float_round(x: Array) -> Array:
    return np.rint(x)


def _compare(function: Callable[[Array, Array], Array]) -> Kernel:
    return binary(lambda a, b: np.asarray(function(a, b), dtype=np.bool_))


KERNELS: Mapping[str, Kernel] = {
    "Abs": unary(np.abs),
    "Acos": unary(np.arccos),
    "Acosh": unary(np.arccosh),
    "Add": binary(np.add),
    "And": binary(np.logical_and),
    "Asin": unary(np.arcsin),
    "Asinh": unary(np.arcsinh),
    "Atan": unary(np.arctan),
    "Atanh": unary(np.arctanh),
    "BitShift": _bit_shift,
    "BitwiseAnd": binary(np.bitwise_and),
    "BitwiseNot": unary(np.bitwise_not),
    "BitwiseOr": binary(np.bitwise_or),
    "BitwiseXor": binary(np.bitwise_xor),
    "Ceil": unary(np.ceil),
    "Clip": _clip,
    "Cos": unary(np.cos),
    "Cosh": unary(np.cosh),
    "Div": binary(divide),
    "Equal": _compare(np.equal),
    "Erf": unary(_erf),
    "Exp": unary(np.exp),
    "Floor": unary(np.floor),
    "Greater": _compare(np.greater),
    "GreaterOrEqual": _compare(np.greater_equal),
    "IsInf": _is_inf,
    "IsNaN": unary(np.isnan),
    "Less": _compare(np.less),
    "LessOrEqual": _compare(np.less_equal),
    "Log": unary(np.log),
    "Max": variadic(np.maximum),
    "Mean": _mean,
    "Min": variadic(np.minimum),
    "Mod": _mod,
    "Mul": binary(np.multiply),
    "Neg": unary(np.negative),
    "Not": unary(np.logical_not),
    "Or": binary(np.logical_or),
    "Pow": _pow,
    "Reciprocal": unary(np.reciprocal),
    "Round": unary(_float_round),
    "Sign": unary(_sign),
    "Sin": unary(np.sin),
    "Sinh": unary(np.sinh),
    "Sqrt": unary(np.sqrt),
    "Sub": binary(np.subtract),
    "Sum": variadic(np.add),
    "Tan": unary(np.tan),
    "Tanh": unary(np.tanh),
    "Where": _where,
    "Xor": binary(np.logical_xor),
}
