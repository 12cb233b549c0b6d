"""Bounds of elementwise operators: correctly rounded arithmetic, and functions that libraries approximate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial, reduce

import numpy as np

from tautomer.numerics.kernel_bounds.rule import Array, Node, Rule
from tautomer.numerics.kernel_bounds.running_error import Running

_SELU = (1.67326319217681884765625, 1.05070102214813232421875)
"""Defaults of Selu's alpha and gamma. Source: ONNX operator schema Selu-22."""


def _binary(operation: str, node: Node) -> Running:
    """One operation on numbers; a result that may overflow keeps its bound, since it is infinite or within it."""
    a, b = node.call.inputs
    if a.shape != b.shape and a.ndim != b.ndim and node.call.opset < 7:
        # The one-way broadcasting of old opsets aligns by an attribute; the result tells all that is needed.
        value = np.asarray(node.exact[0])
        return node.arithmetic.rounded(value, np.zeros(value.shape))
    left, right = node.given(0), node.given(1)
    result: Running = getattr(node.arithmetic.without_overflow(), operation)(left, right)
    # IEEE 754 leaves no choice where an operand is infinite or NaN: masks of -inf are added exactly.
    special = ~(np.isfinite(left.value) & np.isfinite(right.value)) & (left.error + right.error == 0)
    return Running(result.value, np.where(special, 0.0, result.error))


def _variadic(node: Node, *, mean: bool) -> Running:
    arithmetic = node.arithmetic
    parts = [node.given(index) for index in range(len(node.call.inputs))]
    # Any order of summation: each of the n - 1 roundings is at most one of the sum of the magnitudes.
    total = reduce(arithmetic.add, parts)
    size = arithmetic.given(reduce(np.add, [np.abs(part.value) + part.error for part in parts]))
    error = sum(part.error for part in parts) + (len(parts) - 1) * arithmetic.u * size.value
    total = arithmetic.rounded(total.value, np.broadcast_to(error, total.value.shape), roundings=0.0)
    if not mean:
        return total
    return arithmetic.divide(total, arithmetic.exactly(float(len(parts))))


def _table(function: str, slope: float | None, node: Node) -> Running:
    """An operator that is itself a function of the table."""
    argument = node.given(0)
    if slope is not None or not argument.error.any():
        return node.arithmetic.function(function, argument, lambda _: node.exact[0], slope=slope or 0.0)
    return node.arithmetic.function(function, argument, _ENDS[function])


_ENDS: Mapping[str, np.ufunc] = {
    "Acos": np.arccos,
    "Acosh": np.arccosh,
    "Asin": np.arcsin,
    "Atanh": np.arctanh,
    "Cosh": np.cosh,
    "Exp": np.exp,
    "Log": np.log,
    "Sinh": np.sinh,
    "Tan": np.tan,
}
"""Functions without a bound on their slope: what an unsure argument does is seen at the ends of its interval."""

_SLOPES: Mapping[str, float] = {
    "Asinh": 1.0,
    "Atan": 1.0,
    "Cos": 1.0,
    "Erf": 2 / math.sqrt(math.pi),
    "Mish": 1.1,
    "Sigmoid": 0.25,
    "Sin": 1.0,
    "Softplus": 1.0,
    "Tanh": 1.0,
}
"""Largest |derivative|; of Mish it is 1.089 (found by maximizing it numerically), rounded up."""

SLOPE_OF_GELU = 1.14
"""Largest |derivative| of both forms of Gelu is 1.130 (at +-1.41), of Swish 1.0999, found numerically; rounded up."""


def _gelu(node: Node) -> Running:
    name = "Gelu tanh" if node.call.get("approximate", "none") == "tanh" else "Gelu"
    return _table(name, SLOPE_OF_GELU, node)


def _swish(node: Node) -> Running:
    alpha = float(node.call.get("alpha", 1.0))
    if alpha == 1.0:
        return _table("Swish", SLOPE_OF_GELU, node)
    x, arithmetic = node.given(0), node.arithmetic
    gate = arithmetic.function(
        "Sigmoid", arithmetic.multiply(x, arithmetic.exactly(alpha)), lambda x: 0.5 + 0.5 * np.tanh(0.5 * x), slope=0.25
    )
    return _as_exact(arithmetic.multiply(x, gate), node)


def _swiglu(node: Node) -> Running:
    arithmetic, gate, alpha = node.arithmetic, node.given(0), float(node.call.get("alpha", 1.0))
    opened = arithmetic.function(
        "Sigmoid",
        arithmetic.multiply(gate, arithmetic.exactly(alpha)),
        lambda x: 0.5 + 0.5 * np.tanh(0.5 * x),
        slope=0.25,
    )
    return _as_exact(arithmetic.multiply(arithmetic.multiply(gate, opened), node.given(1)), node)


def _exponential_unit(function: str, node: Node) -> Running:
    """Elu, Celu and Selu: the table has them with their default parameters; others scale its errors."""
    x, y, arithmetic = node.given(0), np.asarray(node.exact[0]), node.arithmetic
    negative = x.value < 0
    if function == "Selu":
        alpha, gamma = (
            float(node.call.get(name, default)) for name, default in zip(("alpha", "gamma"), _SELU, strict=True)
        )
        if math.isclose(alpha, _SELU[0], rel_tol=1e-7) and math.isclose(gamma, _SELU[1], rel_tol=1e-7):
            return _table("Selu", _SELU[0] * _SELU[1], node)
        below, above, argument = abs(alpha * gamma), abs(gamma), x.value
    else:
        alpha = float(node.call.get("alpha", 1.0))
        if alpha == 1.0:
            return _table(function, 1.0, node)
        below, above = abs(alpha), 1.0
        argument = x.value / alpha if function == "Celu" else x.value
    # Celu divides its argument, whose rounding is passed on with the slope exp(t) |t| <= 1/e.
    own = arithmetic.measured("Elu" if function == "Selu" else function, argument, np.expm1(np.minimum(argument, 0)))
    error = np.where(negative, below * (own + arithmetic.u), above * arithmetic.smallest)
    passed = max(below, above, 1.0) * x.error
    return arithmetic.rounded(y, error + passed, roundings=2.0)


def _power(node: Node) -> Running:
    x, exponent = node.call.inputs[:2]
    value, arithmetic = np.asarray(node.exact[0]), node.arithmetic
    with np.errstate(all="ignore"):
        argument = np.broadcast_to(exponent * np.log(np.abs(x)), value.shape)
        argument = np.where(np.isnan(argument), 0.0, argument)
        size = np.abs(x)
        flushed = np.broadcast_to((size > 0) & (size < arithmetic.smallest), value.shape)
        relative = (np.abs(exponent) + np.abs(argument)) * arithmetic.input_error_u * arithmetic.u
    own = arithmetic.measured("Pow", argument, value)
    # Small whole exponents are multiplied out, which takes a rounding more than the function itself.
    result = arithmetic.rounded(value, own + relative * np.abs(value), roundings=2.0)
    return Running(result.value, np.where(flushed, np.inf, result.error))


def _root(node: Node) -> Running:
    result = node.arithmetic.square_root(node.given(0))
    return _at_least_measured("Sqrt", result, node)


def _reciprocal(node: Node) -> Running:
    result = node.arithmetic.divide(node.arithmetic.exactly(1.0), node.given(0))
    return _at_least_measured("Reciprocal", result, node)


def _at_least_measured(function: str, result: Running, node: Node) -> Running:
    """IEEE 754 asks for correct rounding, but a runtime may use an approximate instruction, or operations more."""
    table = node.arithmetic.table
    own = (
        None
        if table is None
        else table.error_bound(function, node.arithmetic.element, node.call.inputs[0], result.value)
    )
    return result if own is None else Running(result.value, np.maximum(result.error, own))


def _scaled_where_negative(node: Node) -> Running:
    """LeakyRelu and PRelu: one product, where the input is negative."""
    x, value = node.given(0), np.asarray(node.exact[0])
    slope = node.call.get("alpha", 0.01) if node.call.node.op_type == "LeakyRelu" else node.call.inputs[1]
    largest = np.max(np.abs(slope), initial=1.0)
    negative = np.broadcast_to(x.value < 0, value.shape)
    result = node.arithmetic.rounded(value, largest * x.error * (1 + node.arithmetic.input_error_u))
    return Running(value, np.where(negative, result.error, x.error))


def _hard_sigmoid(node: Node) -> Running:
    alpha, beta = float(node.call.get("alpha", 0.2)), float(node.call.get("beta", 0.5))
    arithmetic = node.arithmetic
    line = arithmetic.multiply(arithmetic.exactly(alpha), node.given(0))
    return _as_exact(arithmetic.add(line, arithmetic.exactly(beta)), node)


def _hard_swish(node: Node) -> Running:
    arithmetic, x = node.arithmetic, node.given(0)
    line = arithmetic.multiply(arithmetic.constant(1 / 6), x)
    gate = arithmetic.add(line, arithmetic.exactly(0.5))
    # Clipping makes no error larger.
    gate = Running(np.clip(gate.value, 0, 1), np.where(gate.value + gate.error < 0, 0.0, gate.error))
    # Written as x * clip(x + 3, 0, 6) / 6 it takes one operation more.
    product = arithmetic.multiply(x, gate)
    result = _as_exact(arithmetic.rounded(product.value, product.error, roundings=2.0), node)
    return _at_least_measured("HardSwish", result, node)


def _softsign(node: Node) -> Running:
    arithmetic, x = node.arithmetic, node.given(0)
    quotient = arithmetic.divide(x, arithmetic.add(arithmetic.exactly(1.0), Running(np.abs(x.value), x.error)))
    return _at_least_measured("Softsign", quotient, node)


def _shrink(node: Node) -> Running:
    value = np.asarray(node.exact[0])
    return node.arithmetic.rounded(value, node.given(0).error)


def _remainder(node: Node) -> Running:
    """The remainder of a truncated division is a floating-point number itself, and fmod gives that number.

    Source: IEEE 754-2019, 5.3.1 (remainder is exact); C99 7.12.10.1 gives fmod the same property.
    """
    value = np.asarray(node.exact[0])
    exactly = np.zeros(value.shape) if node.arithmetic.input_error_u == 0 else np.full(value.shape, np.inf)
    return Running(value, exactly)


def _cast(node: Node) -> Running:
    value = np.asarray(node.exact[0])
    return node.arithmetic.rounded(value, np.zeros(value.shape))


def _dequantize(node: Node) -> Running:
    value = np.asarray(node.exact[0])
    return node.arithmetic.rounded(value, np.zeros(value.shape), roundings=2.0)


def _range(node: Node) -> Running:
    value = np.asarray(node.exact[0])
    start, _, step = (float(np.asarray(one).reshape(())) for one in node.call.inputs)
    # A product and a sum, as the specification has it; a kernel that adds the step again and again is not within that.
    size = abs(start) + np.arange(value.size) * abs(step)
    return node.arithmetic.rounded(value, 2 * node.arithmetic.u * size)


def _as_exact(result: Running, node: Node) -> Running:
    """The error of a formula, beside the evaluator's own value."""
    value: Array = np.asarray(node.exact[0])
    return Running(value, np.broadcast_to(result.error, value.shape))


RULES: Mapping[str, Rule] = {
    "Add": partial(_binary, "add"),
    "Cast": _cast,
    "CastLike": _cast,
    "Celu": partial(_exponential_unit, "Celu"),
    "DequantizeLinear": _dequantize,
    "Div": partial(_binary, "divide"),
    "Elu": partial(_exponential_unit, "Elu"),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "LeakyRelu": _scaled_where_negative,
    "Mean": partial(_variadic, mean=True),
    "Mod": _remainder,
    "Mul": partial(_binary, "multiply"),
    "PRelu": _scaled_where_negative,
    "Pow": _power,
    "Range": _range,
    "Reciprocal": _reciprocal,
    "Selu": partial(_exponential_unit, "Selu"),
    "Shrink": _shrink,
    "Softsign": _softsign,
    "Sqrt": _root,
    "Sub": partial(_binary, "subtract"),
    "Sum": partial(_variadic, mean=False),
    "SwiGLU": _swiglu,
    "Swish": _swish,
    **{name: partial(_table, name, None) for name in _ENDS},
    **{name: partial(_table, name, slope) for name, slope in _SLOPES.items()},
}
"""Rules by operator."""
