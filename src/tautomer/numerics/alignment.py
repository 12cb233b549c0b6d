"""Which value of a target stands for which value of the source: proposed by fingerprint or name, confirmed elementwise.

Both sides are given in float64, computed from the same values, so what corresponds is equal up to rounding of float64,
in the same or in another layout. Names only propose: equal names need not mean equal values (NHWC and NCHW).
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

SAME_RELATIVE = 1e-12
"""Relative RMS distance of two values that are the same: clean conversions are within 1e-14, folded constants apart.

It must not be looser than the judgement: a product and its sum with a trained bias of 1e-9 are two values."""

SURELY_NEARER = 1.5
"""A value that comes later in the target may be this many times as far and still be the one meant."""

ELEMENT_RELATIVE, OFF_SHARE = 1e-3, 0.01
"""No more than this share of the elements of a value may be off by more than this."""

NEAR_RELATIVE = 1e-2
"""Relative RMS distance up to which the value a source operator should have given is recognised although it is off."""

NEAR_ELEMENT_RELATIVE = 0.1
"""At least half of the elements must come this near themselves: large ones must not speak for small ones."""

LARGEST_FUSION = 4
"""Source operators in a row that a target may make into one."""

LARGEST_PERMUTED_RANK = 5
_LARGEST_SUMMED = 1e30
"""Mask values (-3.4e38) would drown everything else in a fingerprint's sums."""


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


@dataclass(frozen=True, slots=True, eq=False)
class SourceValue:
    """One value of the source's graph.

    Attributes:
        name: of the node that made it.
        operator: that made it, as the framework spells it.
        line: `file.py:12` of the user's code; None where unknown.
        parents: names of the source values it was computed from; moved or reshaped ones are looked through.
        exact: the value in float64.
    """

    name: str
    operator: str
    line: str | None
    parents: tuple[str, ...]
    exact: Array


@dataclass(frozen=True, slots=True)
class Match:
    """A target value and the source value it stands for.

    Attributes:
        source: name of the source value.
        layout: of the target's value.
        confirmed: whether the values are the same; False where only name or nearness says that they should be.
    """

    source: str
    layout: Layout
    confirmed: bool


def distance(one: Array, other: Array) -> float:
    """Relative RMS distance of two arrays of one shape; infinite where non-finite values are at other places."""
    with np.errstate(all="ignore"):
        plain, other_plain = np.abs(one) <= _LARGEST_SUMMED, np.abs(other) <= _LARGEST_SUMMED
        if not np.array_equal(plain, other_plain):
            return math.inf
        same_large = one[~plain], other[~plain]
        if not np.all((same_large[0] == same_large[1]) | np.isnan(same_large[0]) & np.isnan(same_large[1])):
            return math.inf
        scale = float(np.sqrt(np.square(np.where(plain, other, 0.0)).sum()))
        gap = float(np.sqrt(np.square(np.where(plain, one - other, 0.0)).sum()))
    return 0.0 if gap == 0 else gap / scale if scale else math.inf


def same(one: Array, other: Array) -> bool:
    """Whether two arrays of one shape hold the same values: as a whole, and element by element.

    A few elements may be off, since cancellation leaves them few right digits; but where many small ones differ beside
    large ones that do not (exp(x) and exp(x) - 1), the values are others.
    """
    if distance(one, other) > SAME_RELATIVE:
        return False
    return _share_off(one, other, ELEMENT_RELATIVE, 1e-13) <= OFF_SHARE


def _share_off(one: Array, other: Array, relative: float, of_typical: float) -> float:
    """The share of elements that are apart by more than a part of themselves and a part of the typical element."""
    with np.errstate(all="ignore"):
        scale = np.abs(other)
        plain = scale <= _LARGEST_SUMMED
        typical = float(np.sqrt(np.mean(np.square(np.where(plain, scale, 0.0)))))
        off = plain & (np.abs(one - other) > relative * scale + of_typical * typical)
    return float(np.mean(off))


@dataclass(slots=True)
class Aligner:
    """Finds, value by value in the target's order, what each stands for.

    Attributes:
        values: the source's, by name, in its order.
        hints: target value name -> a match that another input set or another checkpoint of the same conversion had.
        missing: source values that no target value equals. None accepts equal values only; otherwise these may also be
            found by a hint alone, so that what follows a deviating value can still be compared.
        survey: only look which target value comes nearest to each missing one.
        found: the matches so far, by target value name.
        near: in a survey, by source value the nearest target value, with its distance.
    """

    values: Mapping[str, SourceValue]
    hints: Mapping[str, Match] = field(default_factory=dict)
    missing: frozenset[str] | None = None
    survey: bool = False
    near: dict[str, tuple[float, str, Match]] = field(default_factory=dict)
    found: dict[str, Match] = field(default_factory=dict)
    _by_size: dict[int, list[tuple[float, int, str]]] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Index the source's values by size and norm."""
        for position, (name, value) in enumerate(self.values.items()):
            bisect.insort(self._by_size.setdefault(value.exact.size, []), (_norm(value.exact), position, name))

    def match(self, name: str, value: Array) -> Match | None:
        """What a target value stands for, or None. A match is remembered in `found`.

        Args:
            name: the target's name of it.
            value: in float64, computed from source values.
        """
        # Exporters name values after the source's nodes; that, too, only proposes.
        hint = self.hints.get(name) or (Match(name, Layout(), confirmed=False) if name in self.values else None)
        found = self._confirmed(hint, value) if hint is not None else None
        if found is None:
            found = self._equal(value)
        if found is None and self.missing is not None:
            if self.survey:
                self._note_nearest(name, value, self.missing)
            elif hint is not None:
                found = self._expected(hint, value)
        if found is not None:
            self.found[name] = found
            self._taken.add(found.source)
        return found

    def _confirmed(self, hint: Match, value: Array) -> Match | None:
        arranged = self._arranged(hint.source, hint.layout, value.shape)
        equal = arranged is not None and same(value, arranged)
        return Match(hint.source, hint.layout, confirmed=True) if equal else None

    def _expected(self, hint: Match, value: Array) -> Match | None:
        fits = self._arranged(hint.source, hint.layout, value.shape) is not None
        return Match(hint.source, hint.layout, confirmed=False) if fits else None

    def _equal(self, value: Array) -> Match | None:
        for name in self._neighbours(value, SAME_RELATIVE):
            for layout in layouts(self.values[name].exact.shape, value.shape):
                arranged = self._arranged(name, layout, value.shape)
                if arranged is not None and same(value, arranged):
                    return Match(name, layout, confirmed=True)
        return None

    def _note_nearest(self, target: str, value: Array, missing: frozenset[str]) -> None:
        if value.size > 1 and np.ptp(value) == 0:
            return  # a mask of ones comes near whatever is nearly one
        # A product without its bias comes near the sum, and the sum comes nearer: the nearest of all is what counts.
        for name in self._neighbours(value, NEAR_RELATIVE):
            if name not in missing or not self._reached(name):
                continue
            for layout in layouts(self.values[name].exact.shape, value.shape):
                arranged = self._arranged(name, layout, value.shape)
                apart = distance(value, arranged) if arranged is not None else math.inf
                if apart >= NEAR_RELATIVE or self._named(name, self.near.get(name)):
                    continue
                if arranged is None or _share_off(value, arranged, NEAR_ELEMENT_RELATIVE, NEAR_RELATIVE**2) > 0.5:
                    continue
                found = (apart, target, Match(name, layout, confirmed=False))
                so_far = self.near.get(name, (NEAR_RELATIVE,))[0]
                # What deviates upstream hides which of two is nearer; then it is the one that comes last.
                if apart < SURELY_NEARER * so_far or self._named(name, found):
                    self.near[name] = found

    def _named(self, source: str, found: tuple[float, str, Match] | None) -> bool:
        """Whether a target value is the one whose name, or an earlier alignment, says that it is the source's."""
        if found is None:
            return False
        hint = self.hints.get(found[1])
        return hint.source == source if hint is not None else found[1] == source

    def nearest(self) -> dict[str, Match]:
        """By target value, the source value that it comes nearest to of all target values, none being equal."""
        best: dict[str, tuple[float, Match]] = {}
        for source, (apart, target, match) in self.near.items():
            if source not in self._taken and (target not in best or apart < best[target][0]):
                best[target] = (apart, match)
        return {target: match for target, (_, match) in best.items()}

    def _reached(self, name: str) -> bool:
        """Whether something that a source value is computed from, a few operators back, has been found."""
        nearest = {name}
        for _ in range(LARGEST_FUSION):
            parents = {parent for one in nearest for parent in self.values[one].parents if parent in self.values}
            if not parents or parents & self._taken or parents & self.near.keys():
                return True
            nearest = parents
        return False

    def _neighbours(self, value: Array, relative: float) -> list[str]:
        """Source values of this size and norm; those not yet found first, then in the source's order."""
        entries = self._by_size.get(value.size, [])
        norm = _norm(value)
        within = relative * norm * 1.01 + 1e-300
        near = []
        for other, position, name in entries[bisect.bisect_left(entries, (norm - within, -1, "")) :]:
            if other > norm + within:
                break
            near.append((name in self._taken, position, name))
        return [name for _, _, name in sorted(near)]

    def _arranged(self, name: str, layout: Layout, shape: Sequence[int]) -> Array | None:
        source = self.values.get(name)
        if source is None or source.exact.size != math.prod(shape):
            return None
        rank = len(shape) if layout.of_target else source.exact.ndim
        if layout.axes is not None and len(layout.axes) != rank:
            return None
        return layout.arranged(source.exact, shape)


def _norm(array: Array) -> float:
    """Euclidean norm of what is no mask value: no permutation or reshape changes it."""
    with np.errstate(all="ignore"):
        magnitude = np.abs(array)
        plain = magnitude <= _LARGEST_SUMMED  # false for NaN, too
        if not plain.all():
            magnitude = np.where(plain, magnitude, 0.0)
        return float(np.sqrt(np.square(magnitude).sum()))
