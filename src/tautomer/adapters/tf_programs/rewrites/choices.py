"""Places of extremes, one-hot codes, bands, ranks and bins."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: A002

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.rewrites.choosing import chosen
from tautomer.adapters.tf_programs.rewrites.rule import Table

TABLE = Table()

_NARROW = "booleans and integers of 8 and 16 bits only"


def _narrow_as_int32(input: Any) -> Any:
    narrow = (tf.bool, tf.int8, tf.uint8, tf.int16, tf.uint16)
    return tf.cast(input, tf.int32) if input.dtype in narrow else NotImplemented


@TABLE.rewrite("ArgMax", bound_u=0, source="order is kept by a wider type", note=_NARROW)
def arg_max(input: Any, dimension: Any, *, output_type: Any = tf.int64) -> Any:
    """The place of the largest element, among integers of 32 bits."""
    wide = _narrow_as_int32(input)
    return wide if wide is NotImplemented else tf.argmax(wide, dimension, output_type)


@TABLE.rewrite("ArgMin", bound_u=0, source="order is kept by a wider type", note=_NARROW)
def arg_min(input: Any, dimension: Any, *, output_type: Any = tf.int64) -> Any:
    """The place of the smallest element, among integers of 32 bits."""
    wide = _narrow_as_int32(input)
    return wide if wide is NotImplemented else tf.argmin(wide, dimension, output_type)


@TABLE.rewrite(
    "OneHot",
    bound_u=0,
    source="the operator's definition: on where the place is the index",
    note="where `depth` is a constant",
)
def one_hot(indices: Any, depth: Any, on_value: Any, off_value: Any, *, axis: int = -1) -> Any:
    """A comparison of indices with all places."""
    count = tf.get_static_value(depth)
    if count is None or indices.shape.rank is None:
        return NotImplemented
    axis = axis if axis >= 0 else indices.shape.rank
    places = np.arange(int(count), dtype=np.int64).reshape([-1, *[1] * (indices.shape.rank - axis)])
    found = tf.equal(tf.expand_dims(tf.cast(indices, tf.int64), axis), places)
    if on_value.dtype == tf.bool:
        return tf.logical_or(tf.logical_and(found, on_value), tf.logical_and(tf.logical_not(found), off_value))
    return chosen(found, on_value, off_value)


@TABLE.rewrite(
    "MatrixBandPart",
    bound_u=0,
    source="the operator's definition: what is outside the band is zero, whatever it was",
    note="where the sizes of the matrices and of the band are constants",
)
def matrix_band_part(input: Any, num_lower: Any, num_upper: Any) -> Any:
    """A choice by place, in which what is outside takes no part."""
    lower, upper = tf.get_static_value(num_lower), tf.get_static_value(num_upper)
    if lower is None or upper is None or input.shape.rank is None or None in input.shape[-2:].as_list():
        return NotImplemented
    rows, columns = np.ogrid[: input.shape[-2], : input.shape[-1]]
    keep = ((int(lower) < 0) | (rows - columns <= int(lower))) & ((int(upper) < 0) | (columns - rows <= int(upper)))
    if input.dtype == tf.bool:
        return tf.logical_and(input, keep)
    return tf.identity(input) if keep.all() else chosen(keep, input, tf.zeros([], input.dtype))


def _in_top(predictions: Any, targets: Any, k: Any) -> Any:
    classes = predictions.shape[-1]
    if classes is None or predictions.dtype != tf.float32:
        return NotImplemented
    places = np.arange(classes, dtype=np.int64)
    mine = tf.equal(tf.expand_dims(tf.cast(targets, tf.int64), -1), places)
    largest = tf.constant(-np.inf, predictions.dtype)
    target = tf.reduce_max(chosen(mine, predictions, largest), -1, keepdims=True)
    before = tf.reduce_sum(tf.cast(predictions > target, tf.int64), -1)
    finite = tf.reduce_all(tf.abs(predictions) < np.float32(np.inf), -1)
    known = tf.logical_and(finite, tf.reduce_any(mine, -1))
    return tf.logical_and(known, before < tf.cast(k, tf.int64))


@TABLE.rewrite("InTopK", bound_u=0, source="TensorFlow, core/kernels/in_topk_op.h: ties count as within")
def in_top_k(predictions: Any, targets: Any, *, k: int) -> Any:
    """Whether fewer than k predictions are larger than the target's."""
    return _in_top(predictions, targets, tf.constant(k, tf.int64))


@TABLE.rewrite("InTopKV2", bound_u=0, source="TensorFlow, core/kernels/in_topk_op.h: ties count as within")
def in_top_k_v2(predictions: Any, targets: Any, k: Any) -> Any:
    """Whether fewer than k predictions are larger than the target's."""
    return _in_top(predictions, targets, k)


@TABLE.rewrite(
    "NthElement",
    bound_u=0,
    source="the element of that rank in sorted order",
    note="floating-point numbers, where the rank is a constant; NaN has no rank",
)
def nth_element(input: Any, n: Any, *, reverse: bool = False) -> Any:
    """The last of the n + 1 first."""
    rank = tf.get_static_value(n)
    if rank is None or not input.dtype.is_floating:
        return NotImplemented
    values = tf.math.top_k(input if reverse else -input, int(rank) + 1).values[..., int(rank)]
    return values if reverse else -values


@TABLE.rewrite("Bucketize", bound_u=0, source="TensorFlow, core/kernels/bucketize_op.cc: the first boundary above")
def bucketize(input: Any, *, boundaries: Any) -> Any:
    """How many boundaries are not above."""
    edges = np.array(list(boundaries), np.float32)
    below = tf.cast(tf.expand_dims(input, -1), tf.float32) < edges
    if input.dtype not in (tf.float32, tf.int32) or not len(edges):
        return NotImplemented
    if input.dtype == tf.int32:
        below = tf.expand_dims(input, -1) < np.ceil(edges.astype(np.float64)).clip(-(2.0**31), 2.0**31 - 1).astype("i4")
    return tf.reduce_sum(1 - tf.cast(below, tf.int32), -1)


@TABLE.rewrite("LowerBound", bound_u=0, source="C++, std::lower_bound: the first element that is not smaller")
def lower_bound(sorted_inputs: Any, values: Any, *, out_type: Any = tf.int32) -> Any:
    """How many elements of the sorted row are smaller."""
    below = tf.expand_dims(sorted_inputs, -2) < tf.expand_dims(values, -1)
    return tf.reduce_sum(tf.cast(below, out_type), -1)


@TABLE.rewrite("UpperBound", bound_u=0, source="C++, std::upper_bound: the first element that is larger")
def upper_bound(sorted_inputs: Any, values: Any, *, out_type: Any = tf.int32) -> Any:
    """How many elements of the sorted row are not larger."""
    above = tf.expand_dims(values, -1) < tf.expand_dims(sorted_inputs, -2)
    return tf.reduce_sum(1 - tf.cast(above, out_type), -1)


@TABLE.rewrite("ApproximateEqual", bound_u=0, source="TensorFlow's kernel: |x - y| is at most the tolerance")
def approximate_equal(x: Any, y: Any, *, tolerance: float = 1e-5) -> Any:
    """A comparison of the distance."""
    if x.dtype not in (tf.float32, tf.float64):
        return NotImplemented
    return tf.abs(x - y) <= tf.constant(tolerance, x.dtype)
