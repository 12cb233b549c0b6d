"""How the elements of one value lie in another: layouts, and whether two arrays hold the same numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tautomer.numerics.fingerprints import LARGEST_SUMMED

Array = np.ndarray[Any, Any]

SAME_RELATIVE = 1e-12
"""Relative RMS distance of two values that are the same: clean conversions are within 1e-14, folded constants apart.

It must not be looser than the judgement: a product and its sum with a trained bias of 1e-9 are two values."""

ELEMENT_RELATIVE, OFF_SHARE = 1e-3, 0.01
"""No more than this share of the elements of a value may be off by more than this."""

NEAR_RELATIVE = 1e-2
"""Relative RMS distance up to which the value a source operator should have given is recognised although it is off."""

NEAR_ELEMENT_RELATIVE = 0.1
"""At least half of the elements must come this near themselves: large ones must not speak for small ones."""

LARGEST_PERMUTED_RANK = 5

_PROBES = 16
"""Elements that a layout is tried on before all are compared."""

SAMPLED, _SAMPLED_OFF_SHARE = 256, 0.7
"""Of that many elements, spread over the tensor, so many are never off where at most half of all are.

Of 256 independent draws that are off with probability 1/2, more than 70 % are with probability 1e-10."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the elements of a source value lie in the target's.

    Attributes:
        axes: a permutation; None where only the shape may differ.
        of_target: the permutation is of the target's axes, not of the source's.
    """

    axes: tuple[int, ...] | None = None
    of_target: bool = False

    def arranged(self, source: Array, shape: Sequence[int]) -> Array:
        """The source value in the target's layout.

        Args:
            source: the value.
            shape: the target's.
        """
        if self.axes is None:
            return source.reshape(shape)
        if not self.of_target:
            return source.transpose(self.axes).reshape(shape)
        return source.reshape([shape[axis] for axis in self.axes]).transpose(np.argsort(self.axes))

    def viewed(self, source: Array, shape: Sequence[int], index: tuple[Array, ...]) -> Array:
        """Some elements of `arranged(source, shape)`, without arranging all of them.

        Args:
            source: the value.
            shape: the target's.
            index: where the elements are in the target, one array an axis.
        """
        if self.axes is None or self.of_target:
            return np.asarray(self.arranged(source, shape)[index])
        moved = source.transpose(self.axes)
        flat = np.ravel_multi_index(index, tuple(shape))
        return np.asarray(moved[np.unravel_index(flat, moved.shape)])


def layouts(source_shape: Sequence[int], target_shape: Sequence[int]) -> Iterator[Layout]:
    """Every layout that could relate the two shapes, the likeliest first: none, then permutations of either side."""
    if math.prod(source_shape) != math.prod(target_shape):
        return
    yield Layout()
    for shape, of_target in ((source_shape, False), (target_shape, True)):
        if len(shape) > LARGEST_PERMUTED_RANK:
            continue
        large = [axis for axis, size in enumerate(shape) if size != 1]
        for order in itertools.permutations(large):
            if list(order) == large:
                continue
            moved = iter(order)
            yield Layout(tuple(next(moved) if size != 1 else axis for axis, size in enumerate(shape)), of_target)


def distance(one: Array, other: Array) -> float:
    """Relative RMS distance of two arrays of one shape; infinite where non-finite values are at other places."""
    with np.errstate(all="ignore"):
        plain, other_plain = np.abs(one) <= LARGEST_SUMMED, np.abs(other) <= LARGEST_SUMMED
        if not np.array_equal(plain, other_plain):
            return math.inf
        same_large = one[~plain], other[~plain]
        if not np.all((same_large[0] == same_large[1]) | np.isnan(same_large[0]) & np.isnan(same_large[1])):
            return math.inf
        scale = float(np.sqrt(np.square(np.where(plain, other, 0.0)).sum()))
        gap = float(np.sqrt(np.square(np.where(plain, one - other, 0.0)).sum()))
    return 0.0 if gap == 0 else gap / scale if scale else math.inf


def same(one: Array, other: Array, relative: float = SAME_RELATIVE) -> bool:
    """Whether two arrays of one shape hold the same values: as a whole, and element by element.

    A few elements may be off, since cancellation leaves them few right digits; but where many small ones differ beside
    large ones that do not (exp(x) and exp(x) - 1), the values are others.

    Args:
        one, other: the arrays.
        relative: relative RMS distance up to which they may be.
    """
    if distance(one, other) > relative:
        return False
    return share_off(one, other, ELEMENT_RELATIVE, 0.1 * relative) <= OFF_SHARE


def find_layout(source: Array, target: Array, relative: float = SAME_RELATIVE) -> Layout | None:
    """The likeliest layout in which a source's value is a target's; None where there is none.

    Most layouts are ruled out by a few elements: none may be off by more than the whole is allowed to be.

    Args:
        source: the source's value.
        target: the target's, of as many elements.
        relative: relative RMS distance up to which they are the same.
    """
    if source.shape == target.shape and same(target, source, relative):
        return Layout()
    probed = spread(target.shape, _PROBES)
    with np.errstate(all="ignore"):
        plain = np.abs(source) <= LARGEST_SUMMED
        allowed = 1.01 * relative * float(np.sqrt(np.square(np.where(plain, source, 0.0)).sum()))
    for layout in layouts(source.shape, target.shape):
        if probed is not None and not _agree(layout.viewed(source, target.shape, probed), target[probed], allowed):
            continue
        if same(target, layout.arranged(source, target.shape), relative):
            return layout
    return None


def nearest_layout(source: Array, target: Array, proposed: Layout) -> Layout:
    """The layout in which a source's value comes nearest to a target's of another shape, which deviates.

    A value of the same shape is compared as it lies: what a fault has made of it may come nearer in any order.

    Args:
        source: the source's value.
        target: the target's, of as many elements.
        proposed: what a name proposes.
    """
    if source.shape == target.shape:
        return proposed
    probed = spread(target.shape, SAMPLED) or tuple(np.indices(target.shape).reshape(target.ndim, -1))
    wanted = target[probed]

    def gap(layout: Layout) -> float:
        with np.errstate(all="ignore"):
            apart = np.abs(layout.viewed(source, target.shape, probed) - wanted)
        return float(np.sqrt(np.mean(np.square(np.where(apart <= LARGEST_SUMMED, apart, 0.0)))))

    return min(layouts(source.shape, target.shape), key=gap, default=proposed)


def spread(shape: Sequence[int], count: int) -> tuple[Array, ...] | None:
    """Where some elements lie that are spread over a tensor, one array an axis; None where it has no more than those.

    Source: multiplicative hashing by the golden ratio, 2**32 / 1.618 (Knuth, The Art of Computer Programming, 6.4).
    """
    size = math.prod(shape)
    if size <= count:
        return None
    positions = (np.arange(count, dtype=np.uint64) * np.uint64(2654435761)) % np.uint64(size)
    return np.unravel_index(positions.astype(np.int64), tuple(shape))


def _agree(one: Array, other: Array, allowed: float) -> bool:
    """Whether no element that is a plain number is off by more than `allowed`."""
    with np.errstate(all="ignore"):
        off = np.abs(one - other) > allowed
        plain = (np.abs(one) <= LARGEST_SUMMED) & (np.abs(other) <= LARGEST_SUMMED)
    return not np.any(off & plain) and np.array_equal(np.isnan(one), np.isnan(other))


def share_off(one: Array, other: Array, relative: float, of_typical: float) -> float:
    """The share of elements that are apart by more than a part of themselves and a part of the typical element."""
    with np.errstate(all="ignore"):
        scale = np.abs(other)
        plain = scale <= LARGEST_SUMMED
        typical = float(np.sqrt(np.mean(np.square(np.where(plain, scale, 0.0)))))
        off = plain & (np.abs(one - other) > relative * scale + of_typical * typical)
    return float(np.mean(off))


def mostly_off(one: Array, other: Array, typical: float) -> bool:
    """Whether so many of some sampled elements are apart that more than half of all are (`share_off`)."""
    with np.errstate(all="ignore"):
        off = np.abs(one - other) > NEAR_ELEMENT_RELATIVE * np.abs(other) + NEAR_RELATIVE**2 * typical
        plain = np.abs(other) <= LARGEST_SUMMED
    return float(np.mean(off & plain)) > _SAMPLED_OFF_SHARE
