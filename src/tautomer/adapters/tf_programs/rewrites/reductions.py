"""Means, norms and running logarithms of sums."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: A002

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.rewrites.choosing import chosen
from tautomer.adapters.tf_programs.rewrites.rule import Table
from tautomer.adapters.tf_programs.rewrites.special import is_wide

TABLE = Table()

_WIDE = "float32 and float64"


@TABLE.rewrite(
    "Mean",
    bound_u=4,
    source="the sum divided by the number of elements: of nothing it is 0 / 0",
    note=_WIDE,
)
def mean(input: Any, axis: Any, *, keep_dims: bool = False) -> Any:
    """A sum, divided by how many elements it is of."""
    axes = tf.get_static_value(axis)
    if axes is None or input.shape.rank is None or not is_wide(input):
        return NotImplemented
    axes = sorted({int(one) % input.shape.rank for one in np.reshape(axes, [-1])})
    sizes = [input.shape[one] for one in axes]
    if None in sizes:
        count = tf.cast(tf.reduce_prod(tf.gather(tf.shape(input), axes)), input.dtype)
    else:
        count = tf.constant(float(np.prod(sizes)), input.dtype)
    return tf.reduce_sum(input, axes, keepdims=keep_dims) / count


@TABLE.rewrite("L2Loss", bound_u=8, source="the operator's definition: half the sum of squares", note=_WIDE)
def l2_loss(t: Any) -> Any:
    """Half the sum of the squares."""
    return tf.reduce_sum(t * t) * 0.5 if is_wide(t) else NotImplemented


@TABLE.rewrite(
    "EuclideanNorm", bound_u=8, source="the operator's definition: the root of the sum of squares", note=_WIDE
)
def euclidean_norm(input: Any, axis: Any, *, keep_dims: bool = False) -> Any:
    """The root of the sum of the squares."""
    if not is_wide(input):
        return NotImplemented
    return tf.sqrt(tf.reduce_sum(input * input, axis, keepdims=keep_dims))


@TABLE.rewrite(
    "CumulativeLogsumexp",
    bound_u=64,
    source="log sum exp(x - m) + m with m the largest of what is summed",
    note=f"{_WIDE}, where axis and length are constants; costs the square of the length; NaN stays NaN",
)
def cumulative_logsumexp(x: Any, axis: Any, *, exclusive: bool = False, reverse: bool = False) -> Any:
    """The logarithm of the sum of exponentials up to each place."""
    place = tf.get_static_value(axis)
    if place is None or x.shape.rank is None or not is_wide(x):
        return NotImplemented
    at = int(place) % x.shape.rank
    count = x.shape[at]
    if not count:
        return NotImplemented
    rows, columns = np.ogrid[:count, :count]
    taken = rows >= columns if not reverse else rows <= columns
    if exclusive:
        taken = taken & (rows != columns)
    rest = [1] * (x.shape.rank - at - 1)
    lowest = tf.constant(-np.inf, x.dtype)
    each = chosen(taken.reshape(count, count, *rest), tf.expand_dims(x, at), lowest)
    largest = tf.reduce_max(each, at + 1, keepdims=True)
    base = chosen(tf.math.is_inf(largest), tf.zeros([], x.dtype), largest)
    total = tf.reduce_sum(tf.exp(each - base), at + 1)
    result = tf.math.log(total) + tf.squeeze(base, at + 1)
    nothing = ~taken.any(1)
    if nothing.any():
        result = chosen(
            np.broadcast_to(~nothing.reshape(count, *rest), [count, *rest]), result, tf.constant(x.dtype.min, x.dtype)
        )
    return result
