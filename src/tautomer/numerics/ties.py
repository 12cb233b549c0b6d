"""Which differing indices stand for equal values, where the source leaves open which of these comes first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class TieKeys:
    """What an output of indices was chosen by.

    Attributes:
        keys: the values the source chose among, in its own precision; compared, never computed with.
        axis: of `keys` that the indices count along, from the front.
        distinct: whether no index may come twice along the axis (an order, not a single choice).
    """

    keys: Array
    axis: int
    distinct: bool


def open_by_ties(ties: TieKeys, source: Array, target: Array) -> Array:
    """Where the target's index differs from the source's and stands for an equal value.

    The target must also choose no element twice where the source cannot: an order that repeats one of two equal values
    and leaves the other out is no order.

    Args:
        ties: what the indices were chosen by.
        source, target: the indices.

    Shapes: keys (..., N, ...), source and target (..., K, ...) or, for a single choice, (..., ...) without the axis.

    Returns:
        A boolean array of the shape of `source`; all False where the shapes do not fit together.
    """
    nothing = np.zeros(source.shape, dtype=bool)
    axis, size = ties.axis, ties.keys.shape[ties.axis] if ties.keys.ndim else 1
    reduced = source.ndim == ties.keys.ndim - 1
    if source.shape != target.shape or not (reduced or source.ndim == ties.keys.ndim):
        return nothing
    s, t = (np.expand_dims(one, axis) if reduced else one for one in (source, target))
    if any(a != b for at, (a, b) in enumerate(zip(s.shape, ties.keys.shape, strict=True)) if at != axis):
        return nothing
    inside = (t >= 0) & (t < size)
    of_source = np.take_along_axis(ties.keys, s, axis)
    of_target = np.take_along_axis(ties.keys, np.where(inside, t, 0), axis)
    equal = of_source == of_target
    if ties.keys.dtype.kind in "fc":
        equal |= np.isnan(of_source) & np.isnan(of_target)
    found = inside & equal & (s != t)
    if ties.distinct:
        ordered = np.sort(t, axis=axis)
        repeated = (np.diff(ordered, axis=axis) == 0).any(axis=axis, keepdims=True)
        found &= ~repeated
    return np.asarray(np.squeeze(found, axis) if reduced else found)
