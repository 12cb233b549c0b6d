"""Sums, products and extremes of what belongs together, by comparing every number with every place.

tf2onnx scatters or loops, which loses duplicates or gives other values to what nothing belongs to. What costs as many
comparisons as there are places says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.rewrites.choosing import chosen
from tautomer.adapters.tf_programs.rewrites.rule import Table, static

TABLE = Table()

_COST = "costs places times elements"
_SIZES = f"where the number of places is a constant; {_COST}"
_DEFINED = "the operator's definition; a negative place means that an element belongs nowhere"


def spread(data: Any, places: Any, count: int, neutral: Any) -> Any:
    """Each element at its place, the neutral number at every other.

    Shapes: `data (N, ...), places (N) -> (count, N, ...)`
    """
    known, every = tf.get_static_value(places), np.arange(count, dtype=np.int64)[:, None]
    inner = [1] * (data.shape.rank - 1)
    if known is not None:
        own = np.equal(every, known[None, :]).reshape(count, len(known), *inner)
    else:
        own = tf.equal(every, tf.cast(places, tf.int64)[None, :])
        own = tf.reshape(own, tf.concat([tf.shape(own), tf.constant(inner, tf.int32)], 0))
    return chosen(own, data[None], tf.constant(neutral, data.dtype))


def with_one_more(spread_out: Any, neutral: Any) -> Any:
    """With the neutral number once more at each place, which is all that is there where nothing belongs."""
    shape = tf.shape(spread_out)
    more = tf.concat([shape[:1], [1], shape[2:]], 0)
    return tf.concat([spread_out, tf.fill(more, tf.constant(neutral, spread_out.dtype))], 1)


def _flat(data: Any, segment_ids: Any) -> tuple[Any, Any]:
    """With one axis in the place of those of the places."""
    rank = segment_ids.shape.rank
    known, inner = tf.get_static_value(segment_ids), tf.shape(data)[rank:]
    places = tf.reshape(segment_ids, [-1]) if known is None else tf.constant(known.reshape(-1))
    return tf.reshape(data, tf.concat([[tf.size(segment_ids)], inner], 0)), places


def _by_segment(data: Any, segment_ids: Any, num_segments: Any, neutral: Any, combine: Any) -> Any:
    count = tf.get_static_value(num_segments)
    known = data.shape.rank is not None and segment_ids.shape.rank
    if count is None or not known or not (data.dtype.is_floating or data.dtype.is_integer) or data.dtype.is_complex:
        return NotImplemented
    elements, places = _flat(data, segment_ids)
    return combine(with_one_more(spread(elements, places, int(count), neutral), neutral), 1)


@TABLE.rewrite("UnsortedSegmentSum", bound_u=2, source=_DEFINED, note=_SIZES)
def segment_sum(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    """The sum of what belongs to each place."""
    return _by_segment(data, segment_ids, num_segments, 0, tf.reduce_sum)


@TABLE.rewrite("UnsortedSegmentProd", bound_u=16, source=_DEFINED, note=_SIZES)
def segment_prod(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    """The product of what belongs to each place."""
    return _by_segment(data, segment_ids, num_segments, 1, tf.reduce_prod)


@TABLE.rewrite(
    "UnsortedSegmentMax",
    bound_u=0,
    source=f"{_DEFINED}; the lowest finite number where nothing belongs",
    note=_SIZES,
)
def segment_max(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    """The largest of what belongs to each place."""
    return _by_segment(data, segment_ids, num_segments, data.dtype.min, tf.reduce_max)


@TABLE.rewrite(
    "UnsortedSegmentMin",
    bound_u=0,
    source=f"{_DEFINED}; the largest finite number where nothing belongs",
    note=_SIZES,
)
def segment_min(data: Any, segment_ids: Any, num_segments: Any) -> Any:
    """The smallest of what belongs to each place."""
    return _by_segment(data, segment_ids, num_segments, data.dtype.max, tf.reduce_min)


def _flat_places(indices: Any, sizes: Any) -> Any:
    """Numbers of places in a tensor of these sizes, from their coordinates."""
    strides = [int(np.prod(sizes[at + 1 :])) for at in range(len(sizes))]
    known = tf.get_static_value(indices)
    if known is not None:
        return tf.constant((known.astype(np.int64) @ np.array(strides, np.int64)).reshape(-1))
    return tf.reshape(tf.reduce_sum(tf.cast(indices, tf.int64) * np.array(strides, np.int64), -1), [-1])


def _scattered(indices: Any, updates: Any, shape: Any, neutral: Any, combine: Any) -> Any:
    """What several updates of one place come to. Shapes: of a tensor whose leading axes the indices name."""
    if shape is None or indices.shape.rank is None or indices.shape[-1] is None or updates.dtype == tf.bool:
        return NotImplemented
    depth = indices.shape[-1]
    outer, inner = list(shape[:depth]), list(shape[depth:])
    places = _flat_places(indices, outer)
    elements = tf.reshape(updates, tf.concat([tf.reshape(tf.size(places), [1]), tf.constant(inner, tf.int32)], 0))
    count = int(np.prod(outer))
    return tf.reshape(combine(with_one_more(spread(elements, places, count, neutral), neutral), 1), shape)


@TABLE.rewrite(
    "ScatterNd",
    bound_u=2,
    source="TensorFlow, ScatterNd: updates of one place are added",
    note=f"numbers, where the shape is a constant; {_COST}",
)
def scatter_nd(indices: Any, updates: Any, shape: Any, *, bad_indices_policy: str = "") -> Any:
    """The sum of the updates of each place."""
    sizes = tf.get_static_value(shape)
    return _scattered(indices, updates, None if sizes is None else [int(one) for one in sizes], 0, tf.reduce_sum)


@TABLE.rewrite(
    "TensorScatterAdd",
    bound_u=2,
    source="TensorFlow, TensorScatterAdd: updates of one place are added",
    note=f"numbers, where the shape is known; {_COST}",
)
def tensor_scatter_add(tensor: Any, indices: Any, updates: Any, *, bad_indices_policy: str = "") -> Any:
    """The tensor and the sum of the updates of each place."""
    found = _scattered(indices, updates, static(tensor.shape), 0, tf.reduce_sum)
    return found if found is NotImplemented else tensor + found


@TABLE.rewrite(
    "TensorScatterSub",
    bound_u=2,
    source="TensorFlow, TensorScatterSub: updates of one place are taken away one by one",
    note=f"numbers, where the shape is known; {_COST}",
)
def tensor_scatter_sub(tensor: Any, indices: Any, updates: Any, *, bad_indices_policy: str = "") -> Any:
    """The tensor less the sum of the updates of each place."""
    found = _scattered(indices, updates, static(tensor.shape), 0, tf.reduce_sum)
    return found if found is NotImplemented else tensor - found


@TABLE.rewrite(
    "TensorScatterMax",
    bound_u=0,
    source="TensorFlow, TensorScatterMax: the largest of the element and its updates",
    note=f"numbers, where the shape is known; {_COST}",
)
def tensor_scatter_max(tensor: Any, indices: Any, updates: Any) -> Any:
    """The larger of the tensor and the largest update of each place."""
    lowest = -np.inf if tensor.dtype.is_floating else tensor.dtype.min
    found = _scattered(indices, updates, static(tensor.shape), lowest, tf.reduce_max)
    return found if found is NotImplemented else tf.maximum(tensor, found)


@TABLE.rewrite(
    "TensorScatterMin",
    bound_u=0,
    source="TensorFlow, TensorScatterMin: the smallest of the element and its updates",
    note=f"numbers, where the shape is known; {_COST}",
)
def tensor_scatter_min(tensor: Any, indices: Any, updates: Any) -> Any:
    """The smaller of the tensor and the smallest update of each place."""
    highest = np.inf if tensor.dtype.is_floating else tensor.dtype.max
    found = _scattered(indices, updates, static(tensor.shape), highest, tf.reduce_min)
    return found if found is NotImplemented else tf.minimum(tensor, found)


def _counted(values: Any, count: int, weights: Any, dtype: Any) -> Any:
    """How often each whole number occurs in the last axis, or the sum of the weights that it occurs with."""
    own = tf.equal(tf.expand_dims(tf.cast(values, tf.int64), -1), np.arange(count, dtype=np.int64))
    if weights is None:
        return tf.reduce_sum(tf.cast(own, dtype), -2)
    return tf.reduce_sum(chosen(own, tf.expand_dims(weights, -1), tf.zeros([], dtype)), -2)


@TABLE.rewrite(
    "Bincount",
    bound_u=2,
    source="the operator's definition; what is not below the size is not counted",
    note=_SIZES,
)
def bincount(arr: Any, size: Any, weights: Any) -> Any:
    """How often each number occurs, or with which weight."""
    count, many = tf.get_static_value(size), weights.shape.num_elements()
    if count is None or many is None:
        return NotImplemented
    flat = tf.reshape(arr, [-1])
    return _counted(flat, int(count), tf.reshape(weights, [-1]) if many else None, weights.dtype)


@TABLE.rewrite(
    "DenseBincount",
    bound_u=2,
    source="the operator's definition; what is not below the size is not counted",
    note=_SIZES,
)
def dense_bincount(input: Any, size: Any, weights: Any, *, binary_output: bool = False) -> Any:  # noqa: A002
    """How often each number occurs in each row, or with which weight."""
    count, many = tf.get_static_value(size), weights.shape.num_elements()
    if count is None or many is None or input.shape.rank is None:
        return NotImplemented
    found = _counted(input, int(count), weights if many and not binary_output else None, weights.dtype)
    return tf.cast(found > 0, weights.dtype) if binary_output else found


@TABLE.rewrite(
    "HistogramFixedWidth",
    bound_u=0,
    source="TensorFlow, core/kernels/histogram_op.cc: floor((x - low) / step) within the bins",
    note=_SIZES,
)
def histogram_fixed_width(values: Any, value_range: Any, nbins: Any, *, dtype: Any = tf.int32) -> Any:
    """How many values lie in each bin."""
    count = tf.get_static_value(nbins)
    if count is None or values.dtype not in (tf.float32, tf.float64):
        return NotImplemented
    low, high = value_range[0], value_range[1]
    step = (high - low) / tf.cast(nbins, values.dtype)
    place = tf.minimum((tf.maximum(tf.reshape(values, [-1]), low) - low) / step, tf.cast(nbins - 1, values.dtype))
    return _counted(tf.cast(place, tf.int32), int(count), None, dtype)
