"""Division, remainders and bits of whole numbers, by truncated division alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.rewrites.rule import Table

TABLE = Table()

_DIVISION = "Knuth, The Art of Computer Programming, 1.2.4: the quotient rounded down, from the one that was cut off"
_BITS = "two's complement: the sum of bits times powers of two, the last one's negative"
_WHOLE = "whole numbers only"
_CONVERTS = "8 and 16 bits are computed in 32"


def widened(value: Any) -> Any:
    """Whole numbers of a type for which division is widely available."""
    return tf.cast(value, tf.int32) if value.dtype in (tf.int8, tf.int16, tf.uint8, tf.uint16) else value


def is_whole(value: Any) -> bool:
    """Whether a tensor holds signed integers, or unsigned ones of up to 16 bits."""
    return bool(value.dtype in (tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16))


def quotient_and_rest(x: Any, y: Any) -> tuple[Any, Any]:
    """Quotient and remainder of division that is rounded down."""
    quotient = tf.truncatediv(x, y)
    rest = x - quotient * y
    lowered = tf.logical_and(tf.not_equal(rest, 0), tf.not_equal(rest < 0, y < 0))
    return quotient - tf.cast(lowered, x.dtype), rest + tf.cast(lowered, x.dtype) * y


@TABLE.rewrite("FloorDiv", bound_u=0, source=_DIVISION, note=f"{_WHOLE}; {_CONVERTS}")
def floor_div(x: Any, y: Any) -> Any:
    """The quotient rounded down, without a detour through floating point."""
    if not is_whole(x):
        return NotImplemented
    return tf.cast(quotient_and_rest(widened(x), widened(y))[0], x.dtype)


@TABLE.rewrite("FloorMod", bound_u=0, source=_DIVISION, note=f"{_WHOLE}; {_CONVERTS}")
def floor_mod(x: Any, y: Any) -> Any:
    """The remainder that has the divisor's sign."""
    if not is_whole(x):
        return NotImplemented
    return tf.cast(quotient_and_rest(widened(x), widened(y))[1], x.dtype)


@TABLE.rewrite("TruncateMod", "Mod", bound_u=0, source=_DIVISION, note=f"{_WHOLE}; {_CONVERTS}")
def truncate_mod(x: Any, y: Any) -> Any:
    """The remainder that has the dividend's sign."""
    if not is_whole(x):
        return NotImplemented
    wide, divisor = widened(x), widened(y)
    return tf.cast(wide - tf.truncatediv(wide, divisor) * divisor, x.dtype)


@TABLE.rewrite(
    "TruncateDiv", bound_u=0, source="C's division of integers", note=f"integers of 8 and 16 bits; {_CONVERTS}"
)
def truncate_div(x: Any, y: Any) -> Any:
    """The quotient cut off, in 32 bits."""
    wide = widened(x)
    if not is_whole(x) or wide.dtype == x.dtype:
        return NotImplemented
    return tf.cast(tf.truncatediv(wide, widened(y)), x.dtype)


def bits(x: Any) -> Any:
    """Bits but for the sign's, along a new last axis, the lowest first; each 0 or 1."""
    count = 8 * x.dtype.size - 1
    powers = np.array([1 << at for at in range(count)], x.dtype.as_numpy_dtype)
    # Of -1 - x the bits are the opposite, and it is not negative where x is.
    positive = tf.where(x < 0, -1 - x, x)
    places = tf.truncatediv(tf.expand_dims(positive, -1), powers)
    found = places - 2 * tf.truncatediv(places, tf.constant(2, x.dtype))
    return tf.where(tf.expand_dims(x < 0, -1), 1 - found, found)


def from_bits(found: Any, negative: Any) -> Any:
    """The number with these bits and this sign."""
    count = 8 * found.dtype.size - 1
    powers = np.array([1 << at for at in range(count)], found.dtype.as_numpy_dtype)
    lowest = tf.constant(found.dtype.min, found.dtype)
    return tf.reduce_sum(found * powers, -1) + tf.where(negative, lowest, tf.zeros_like(lowest))


def _combined(x: Any, y: Any, combine: Any) -> Any:
    """Two numbers combined bit by bit: `combine` takes and gives 0 or 1."""
    if not is_whole(x):
        return NotImplemented
    first, second = widened(x), widened(y)
    negative = combine(tf.cast(first < 0, first.dtype), tf.cast(second < 0, first.dtype)) > 0
    return tf.cast(from_bits(combine(bits(first), bits(second)), negative), x.dtype)


def _both(a: Any, b: Any) -> Any:
    return a * b


def _either(a: Any, b: Any) -> Any:
    return a + b - a * b


def _one_of_two(a: Any, b: Any) -> Any:
    return a + b - 2 * a * b


@TABLE.rewrite("BitwiseAnd", bound_u=0, source=_BITS, note=f"{_WHOLE}; costs as many numbers as there are bits")
def bitwise_and(x: Any, y: Any) -> Any:
    """Bits that both have."""
    return _combined(x, y, _both)


@TABLE.rewrite("BitwiseOr", bound_u=0, source=_BITS, note=f"{_WHOLE}; costs as many numbers as there are bits")
def bitwise_or(x: Any, y: Any) -> Any:
    """Bits that one of them has."""
    return _combined(x, y, _either)


@TABLE.rewrite("BitwiseXor", bound_u=0, source=_BITS, note=f"{_WHOLE}; costs as many numbers as there are bits")
def bitwise_xor(x: Any, y: Any) -> Any:
    """Bits that just one of them has."""
    return _combined(x, y, _one_of_two)


@TABLE.rewrite("Invert", bound_u=0, source="two's complement: ~x = -1 - x", note="signed integers only")
def invert(x: Any) -> Any:
    """All bits turned."""
    return -1 - x if x.dtype in (tf.int8, tf.int16, tf.int32, tf.int64) else NotImplemented


@TABLE.rewrite("PopulationCount", bound_u=0, source=_BITS, note=_WHOLE)
def population_count(x: Any) -> Any:
    """How many bits are set."""
    if not is_whole(x):
        return NotImplemented
    wide = widened(x)
    count = tf.reduce_sum(bits(wide), -1)
    signs = tf.where(x < 0, tf.constant(1 - 8 * (wide.dtype.size - x.dtype.size), wide.dtype), tf.zeros_like(wide))
    return tf.cast(count + signs, tf.uint8)


@TABLE.rewrite(
    "RightShift", bound_u=0, source="two's complement: the quotient by a power of two, rounded down", note=_WHOLE
)
def right_shift(x: Any, y: Any) -> Any:
    """A shift to the right that keeps the sign, as a division."""
    if not is_whole(x):
        return NotImplemented
    wide = widened(x)
    last = 8 * wide.dtype.size - 2
    powers = tf.constant([1 << at for at in range(last + 1)], wide.dtype)
    divisor = tf.gather(powers, tf.clip_by_value(tf.cast(y, tf.int32), 0, last))
    quotient, _ = quotient_and_rest(wide, divisor)
    beyond = tf.cast(y, tf.int32) > last
    return tf.cast(tf.where(beyond, -tf.cast(wide < 0, wide.dtype), quotient), x.dtype)


@TABLE.rewrite("LeftShift", bound_u=0, source="the product with a power of two, modulo the range", note=_WHOLE)
def left_shift(x: Any, y: Any) -> Any:
    """A shift to the left, as a product."""
    if x.dtype not in (tf.int32, tf.int64):
        return NotImplemented
    last = 8 * x.dtype.size - 2
    powers = tf.constant([1 << at for at in range(last + 1)] + [x.dtype.min], x.dtype)
    return x * tf.gather(powers, tf.clip_by_value(tf.cast(y, tf.int32), 0, last + 1))
