"""Functions of one or two numbers for which there is no operator, by others and by series."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.rewrites.choosing import chosen
from tautomer.adapters.tf_programs.rewrites.rule import Table

TABLE = Table()

_WIDE = "float32 and float64"


def is_wide(value: Any) -> bool:
    """Whether a tensor holds numbers of 32 or 64 bits."""
    return bool(value.dtype in (tf.float32, tf.float64))


def of(value: Any, number: float) -> Any:
    """A number in the type of a tensor."""
    return tf.constant(number, value.dtype)


def scaled_erfc(z: Any) -> Any:
    """exp(z^2) erfc(z) for z of at least 0.5: t P(t) with t = 2 / (2 + z), P by its Chebyshev series."""
    coefficients = (
        0.48699748965933807508,
        0.24101444861760663227,
        0.039171580198019343142,
        0.0028202013162589697429,
        -0.00031900258801429846488,
        -0.000077624582946337690347,
        3.9047589030667484079e-6,
        2.1065010053835600729e-6,
        -1.1719156145292980931e-7,
        -6.4586129776873037967e-8,
        6.5479281189765308983e-9,
        2.0176470623078222486e-9,
        -3.9824011758730170059e-10,
        -4.9761436210290494042e-11,
        2.2139448391598872435e-11,
        -1.7358623528113926076e-13,
        -1.0262097876293879025e-12,
        1.4448991184132368371e-13,
        3.1589800536430021716e-14,
        -1.242895997189401249e-14,
        3.0295830930074994961e-16,
        6.4222143479098525854e-16,
        -1.3294242674635552489e-16,
        -1.2796905792827281935e-17,
    )
    t = 2 / (2 + z)
    twice = 2 * (t * 2.5 - 1)
    later, sooner = of(z, 0.0), of(z, 0.0)
    for one in coefficients[:0:-1]:
        later, sooner = sooner, twice * sooner - later + of(z, one)
    return t * (0.5 * twice * sooner - later + of(z, coefficients[0]))


@TABLE.rewrite(
    "Erfc",
    bound_u=8,
    source="1 - erf(x) below 0.5; else a Chebyshev series of exp(x^2) erfc(x), fitted with 60 digits",
    note=_WIDE,
)
def erfc(x: Any) -> Any:
    """The complement of the error function, without cancellation."""
    if not is_wide(x):
        return NotImplemented
    z = tf.minimum(tf.maximum(tf.abs(x), of(x, 0.5)), of(x, 28.0))
    # A square of few digits is exact: exp(-z^2) loses nothing to the rounding of z^2.
    short = tf.round(z * 16) * 0.0625
    tail = tf.exp(-short * short) * tf.exp((short - z) * (short + z)) * scaled_erfc(z)
    tail = chosen(x < 0, 2 - tail, tail)
    return chosen(tf.abs(x) >= of(x, 0.5), tail, 1 - tf.math.erf(x))


def _inverse_of_erfc(q: Any, p: Any) -> Any:
    """The y with erfc(y) = q for 0 < q < 1 and p = 1 - q, Halley's steps from a rough start."""
    logarithm = tf.math.log(tf.maximum(q * (1 + p), of(q, 1e-300 if q.dtype == tf.float64 else 1e-37)))
    half = 4.3307467508 + 0.5 * logarithm  # 2 / (pi a) with a = 0.147
    y = tf.sqrt(tf.maximum(tf.sqrt(tf.maximum(half * half - logarithm / 0.147, of(q, 0.0))) - half, of(q, 0.0)))
    for _ in range(4):
        slope = -2 / math.sqrt(math.pi) * tf.exp(-y * y)
        apart = tf.where(p < 0.5, p - tf.math.erf(y), erfc(y) - q)
        step = apart / slope
        y = y - step / (1 + y * step)
    return y


@TABLE.rewrite(
    "Erfinv",
    bound_u=32,
    source="S. Winitzki's approximation, then Halley's steps on erf or erfc, whichever does not cancel",
    note=_WIDE,
)
def erfinv(x: Any) -> Any:
    """The inverse of the error function."""
    if not is_wide(x):
        return NotImplemented
    p = tf.abs(x)
    inside = p < 1
    p = chosen(inside, p, of(x, 0.25))
    y = chosen(p < of(x, 1e-4), p * (math.sqrt(math.pi) / 2) * (1 + p * p * (math.pi / 12)), _inverse_of_erfc(1 - p, p))
    y = chosen(inside, y, chosen(tf.abs(x) > 1, of(x, math.nan), of(x, math.inf)))
    y = chosen(x < 0, -y, y)
    return chosen(tf.math.is_nan(x), x, y)


@TABLE.rewrite(
    "Ndtri",
    bound_u=64,
    source="-sqrt(2) erfcinv(2 p) on the smaller side, by Halley's steps",
    note=_WIDE,
)
def ndtri(x: Any) -> Any:
    """The quantile of the normal distribution."""
    if not is_wide(x):
        return NotImplemented
    inside = tf.logical_and(x > 0, x < 1)
    p = chosen(inside, x, of(x, 0.25))
    q = tf.minimum(p, 1 - p)
    y = math.sqrt(2.0) * _inverse_of_erfc(2 * q, 1 - 2 * q)
    y = chosen(p < 0.5, -y, y)
    outside = chosen(tf.equal(x, 0), of(x, -math.inf), chosen(tf.equal(x, 1), of(x, math.inf), of(x, math.nan)))
    return chosen(inside, y, outside)


@TABLE.rewrite("Log1p", bound_u=8, source="W. Kahan: log(u) x / (u - 1) with u = fl(1 + x)", note=_WIDE)
def log1p(x: Any) -> Any:
    """log(1 + x) without the loss of digits for small x."""
    if not is_wide(x):
        return NotImplemented
    u = 1 + x
    plain = tf.logical_or(tf.equal(u, 1), tf.logical_not(u < of(x, math.inf)))
    beside = tf.where(tf.equal(u, 1), tf.ones_like(u), u - 1)
    return chosen(plain, chosen(x < 2, x, u), tf.math.log(u) * (x / beside))


@TABLE.rewrite("Expm1", bound_u=8, source="W. Kahan: (u - 1) x / log(u) with u = fl(exp(x))", note=_WIDE)
def expm1(x: Any) -> Any:
    """exp(x) - 1 without the loss of digits for small x."""
    if not is_wide(x):
        return NotImplemented
    u = tf.exp(x)
    lowered = u - 1
    ratio = x / chosen(tf.logical_or(tf.equal(u, 1), u <= 0), of(x, 1.0), tf.math.log(u))
    near = chosen(tf.equal(u, 1), x, lowered * ratio)
    return chosen(tf.logical_or(tf.equal(lowered, -1), tf.logical_not(u < of(x, math.inf))), lowered, near)


@TABLE.rewrite("Xlogy", bound_u=4, source="TensorFlow, Xlogy: 0 where x is 0, whatever y is", note=_WIDE)
def xlogy(x: Any, y: Any) -> Any:
    """The product x log(y), and nothing of y where x is zero."""
    return chosen(tf.equal(x, 0), of(x, 0.0), x * tf.math.log(y)) if is_wide(x) else NotImplemented


@TABLE.rewrite("Xlog1py", bound_u=10, source="TensorFlow, Xlog1py: 0 where x is 0, whatever y is", note=_WIDE)
def xlog1py(x: Any, y: Any) -> Any:
    """The product x log(1 + y), and nothing of y where x is zero."""
    return chosen(tf.equal(x, 0), of(x, 0.0), x * log1p(y)) if is_wide(x) else NotImplemented


@TABLE.rewrite("Xdivy", bound_u=0, source="TensorFlow, Xdivy: 0 where x is 0, whatever y is", note=_WIDE)
def xdivy(x: Any, y: Any) -> Any:
    """The quotient x / y, and nothing of y where x is zero."""
    return chosen(tf.equal(x, 0), of(x, 0.0), x / y) if is_wide(x) else NotImplemented


@TABLE.rewrite("MulNoNan", bound_u=0, source="TensorFlow, MulNoNan: 0 where y is 0, whatever x is", note=_WIDE)
def mul_no_nan(x: Any, y: Any) -> Any:
    """The product x y, and nothing of x where y is zero."""
    return chosen(tf.equal(y, 0), of(x, 0.0), x * y) if is_wide(x) else NotImplemented


@TABLE.rewrite("DivNoNan", bound_u=0, source="TensorFlow, DivNoNan: 0 where y is 0, whatever x is", note=_WIDE)
def div_no_nan(x: Any, y: Any) -> Any:
    """The quotient x / y, and nothing of x where y is zero."""
    return chosen(tf.equal(y, 0), of(x, 0.0), x / y) if is_wide(x) else NotImplemented


@TABLE.rewrite("Inv", bound_u=4, source="the definition of the reciprocal", note=_WIDE)
def inv(x: Any) -> Any:
    """One divided by x."""
    return 1 / x if is_wide(x) else NotImplemented


def _sine_of_pi(x: Any) -> tuple[Any, Any]:
    """sin(pi x) and cos(pi x) of what x is beyond a whole number, but for their sign."""
    rest = x - tf.round(x)
    return tf.sin(math.pi * rest), tf.cos(math.pi * rest)


@TABLE.rewrite(
    "Lgamma",
    bound_u=64,
    source="NIST DLMF 5.11.1 (Stirling) above 8, 5.5.1 (recurrence) below, 5.5.3 (reflection) for negative numbers",
    note=_WIDE + "; near its zeros at 1 and 2 as exact as a sum of numbers near 10",
)
def lgamma(x: Any) -> Any:
    """The logarithm of the gamma function's magnitude."""
    if not is_wide(x):
        return NotImplemented
    negative = x < 0.5
    z = chosen(negative, 1 - x, x)
    product = tf.ones_like(z)
    for step in range(8):
        below = z + step < 8
        product = product * tf.where(below, tf.minimum(z, of(x, 8.0)) + step, tf.ones_like(z))
    shift = tf.reduce_sum(tf.cast(tf.expand_dims(z, -1) + np.arange(8).astype(x.dtype.as_numpy_dtype) < 8, x.dtype), -1)
    raised = z + shift
    inverse = 1 / raised
    series = of(x, 0.0)
    for one in (1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12):
        series = series * inverse * inverse + of(x, one)
    large = (raised - 0.5) * (tf.math.log(raised) - 1) + (0.5 * math.log(2 * math.pi) - 0.5) + series * inverse
    value = large - tf.math.log(product)
    sine, _ = _sine_of_pi(x)
    reflected = math.log(math.pi) - tf.math.log(tf.abs(sine)) - value
    return chosen(tf.math.is_inf(x), tf.abs(x), chosen(negative, reflected, value))


@TABLE.rewrite(
    "Digamma",
    bound_u=64,
    source="NIST DLMF 5.11.2 above 8, 5.5.2 (recurrence) below, 5.5.4 (reflection) for negative numbers",
    note=_WIDE,
)
def digamma(x: Any) -> Any:
    """The derivative of the logarithm of the gamma function."""
    if not is_wide(x):
        return NotImplemented
    negative = x <= 0
    z = chosen(negative, 1 - x, x)
    lowered, raised = tf.zeros_like(z), z
    for _ in range(8):
        below = raised < 8
        lowered = lowered + chosen(below, 1 / raised, of(x, 0.0))
        raised = chosen(below, raised + 1, raised)
    inverse = 1 / raised
    square = inverse * inverse
    series = of(x, 0.0)
    for one in (-1 / 12, 691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12):
        series = (series + of(x, one)) * square
    value = tf.math.log(raised) - 0.5 * inverse + series - lowered
    sine, cosine = _sine_of_pi(x)
    poles = chosen(tf.equal(sine, 0), of(x, math.nan), value - math.pi * cosine / sine)
    return chosen(negative, poles, value)
