"""Which value of a target stands for which value of the source: proposed by fingerprint or name, confirmed elementwise.

Both sides are given in float64, computed from the same values, so what corresponds is equal up to rounding of float64,
in the same or in another layout. Names only propose: equal names need not mean equal values (NHWC and NCHW).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tautomer.numerics.fingerprints import LARGEST_SUMMED, Fingerprint, FingerprintIndex, fingerprint

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

_PROBES = 16
"""Elements that a layout is tried on before all are compared."""

_SAMPLED, _SAMPLED_OFF_SHARE = 256, 0.7
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
    return _share_off(one, other, ELEMENT_RELATIVE, 0.1 * relative) <= OFF_SHARE


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
    probed = _spread(target.shape, _PROBES)
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
    probed = _spread(target.shape, _SAMPLED) or tuple(np.indices(target.shape).reshape(target.ndim, -1))
    wanted = target[probed]

    def gap(layout: Layout) -> float:
        with np.errstate(all="ignore"):
            apart = np.abs(layout.viewed(source, target.shape, probed) - wanted)
        return float(np.sqrt(np.mean(np.square(np.where(apart <= LARGEST_SUMMED, apart, 0.0)))))

    return min(layouts(source.shape, target.shape), key=gap, default=proposed)


def _spread(shape: Sequence[int], count: int) -> tuple[Array, ...] | None:
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


def _share_off(one: Array, other: Array, relative: float, of_typical: float) -> float:
    """The share of elements that are apart by more than a part of themselves and a part of the typical element."""
    with np.errstate(all="ignore"):
        scale = np.abs(other)
        plain = scale <= LARGEST_SUMMED
        typical = float(np.sqrt(np.mean(np.square(np.where(plain, scale, 0.0)))))
        off = plain & (np.abs(one - other) > relative * scale + of_typical * typical)
    return float(np.mean(off))


def _mostly_off(one: Array, other: Array, typical: float) -> bool:
    """Whether so many of some sampled elements are apart that more than half of all are (`_share_off`)."""
    with np.errstate(all="ignore"):
        off = np.abs(one - other) > NEAR_ELEMENT_RELATIVE * np.abs(other) + NEAR_RELATIVE**2 * typical
        plain = np.abs(other) <= LARGEST_SUMMED
    return float(np.mean(off & plain)) > _SAMPLED_OFF_SHARE


@dataclass(slots=True)
class Aligner:
    """Finds, value by value in the target's order, what each stands for.

    Attributes:
        values: the source's, by name, in its order.
        hints: target value name -> a match that another input set or another checkpoint of the same conversion had.
        missing: source values that no target value equals. None accepts equal values only; otherwise these may also be
            found by a hint alone, so that what follows a deviating value can still be compared.
        survey: only look which target value comes nearest to each missing one.
        relative: relative RMS distance of values that are the same.
        named: whether a target value that is called as a source value proposes that one.
        found: the matches so far, by target value name.
        near: in a survey, by source value the nearest target value, with its distance.
    """

    values: Mapping[str, SourceValue]
    hints: Mapping[str, Match] = field(default_factory=dict)
    missing: frozenset[str] | None = None
    survey: bool = False
    relative: float = SAME_RELATIVE
    named: bool = True
    near: dict[str, tuple[float, str, Match]] = field(default_factory=dict)
    found: dict[str, Match] = field(default_factory=dict)
    _index: FingerprintIndex = field(init=False)
    _taken: set[str] = field(default_factory=set)
    _hinted: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        """Take the fingerprints of the source's values."""
        self._hinted = frozenset(match.source for match in self.hints.values())
        self._index = FingerprintIndex({name: fingerprint(value.exact) for name, value in self.values.items()})

    def match(self, name: str, value: Array, parents: Sequence[str] | None = None) -> Match | None:
        """What a target value stands for, or None. A match is remembered in `found`.

        Args:
            name: the target's name of it.
            value: in float64, computed from source values.
            parents: names of the matched target values it was computed from, by which source values that are equal are
                told apart; None where they are not known, and the source's order decides.
        """
        # Exporters name values after the source's nodes; that, too, only proposes.
        hint = self.hints.get(name)
        if hint is None and self.named and name in self.values:
            hint = Match(name, Layout(), confirmed=False)
        found = self._confirmed(hint, value) if hint is not None else None
        if found is None:
            found = self._equal(value, parents)
        if found is None and self.missing is not None:
            if self.survey:
                self._note_nearest(name, value, self.missing)
            elif hint is not None and self._may_stand_for(name, hint.source):
                found = self._expected(hint, value)
        if found is not None:
            self.found[name] = found
            self._taken.add(found.source)
        return found

    def _may_stand_for(self, name: str, source: str) -> bool:
        """Whether a deviating target value may be what a source value became: no other one equals it, or comes near.

        A converter that makes two nodes of an operator gives its name to one, which need not be the one that ends it.
        """
        if self.missing is None or source not in self.missing:
            return False
        return name in self.hints or source not in self._hinted

    def _confirmed(self, hint: Match, value: Array) -> Match | None:
        arranged = self._arranged(hint.source, hint.layout, value.shape)
        equal = arranged is not None and same(value, arranged, self.relative)
        return Match(hint.source, hint.layout, confirmed=True) if equal else None

    def _expected(self, hint: Match, value: Array) -> Match | None:
        arranged = self._arranged(hint.source, hint.layout, value.shape)
        if arranged is None:
            return None
        if distance(value, arranged) < NEAR_RELATIVE:
            return Match(hint.source, hint.layout, confirmed=False)
        # A name says nothing of the layout: passes that move transpositions keep the names of what lies between them.
        source = self.values[hint.source].exact
        layout = find_layout(source, value, NEAR_RELATIVE) or nearest_layout(source, value, hint.layout)
        return Match(hint.source, layout, confirmed=False)

    def _equal(self, value: Array, parents: Sequence[str] | None) -> Match | None:
        near = self._index.near(fingerprint(value), self.relative)
        if parents is not None:
            made_from = {self.found[one].source for one in parents if one in self.found}
            near.sort(key=lambda name: (set(self.values[name].parents) != made_from, name in self._taken))
        else:
            near.sort(key=self._taken.__contains__)
        for name in near:
            layout = find_layout(self.values[name].exact, value, self.relative)
            if layout is not None:
                return Match(name, layout, confirmed=True)
        return None

    def _note_nearest(self, target: str, value: Array, missing: frozenset[str]) -> None:
        if value.size > 1 and np.ptp(value) == 0:
            return  # a mask of ones comes near whatever is nearly one
        sampled = _spread(value.shape, _SAMPLED)
        some = value[sampled] if sampled is not None else value
        mark = fingerprint(value)
        typical = (1 + NEAR_RELATIVE) * mark.norm / math.sqrt(max(value.size, 1))
        # A product without its bias comes near the sum, and the sum comes nearer: the nearest of all is what counts.
        for name in self._neighbours(mark, NEAR_RELATIVE):
            if name not in missing or not self._reached(name):
                continue
            source = self.values[name].exact
            for layout in layouts(source.shape, value.shape):
                if sampled is not None and _mostly_off(some, layout.viewed(source, value.shape, sampled), typical):
                    continue
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

    def _neighbours(self, mark: Fingerprint, relative: float) -> list[str]:
        """Source values of this size and norm; those not yet found first, then in the source's order."""
        near = self._index.near(mark, relative, by_norm_alone=True)
        return sorted(near, key=self._taken.__contains__)

    def _arranged(self, name: str, layout: Layout, shape: Sequence[int]) -> Array | None:
        source = self.values.get(name)
        if source is None or source.exact.size != math.prod(shape):
            return None
        rank = len(shape) if layout.of_target else source.exact.ndim
        if layout.axes is not None and len(layout.axes) != rank:
            return None
        return layout.arranged(source.exact, shape)
