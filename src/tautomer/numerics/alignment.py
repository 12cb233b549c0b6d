"""Which value of a target stands for which value of the source: proposed by fingerprint or name, confirmed elementwise.

Both sides are given in float64, computed from the same values, so what corresponds is equal up to rounding of float64,
in the same or in another layout. Names only propose: equal names need not mean equal values (NHWC and NCHW).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tautomer.numerics.fingerprints import Fingerprint, FingerprintIndex, fingerprint
from tautomer.numerics.layouts import (
    NEAR_ELEMENT_RELATIVE,
    NEAR_RELATIVE,
    SAME_RELATIVE,
    SAMPLED,
    Array,
    Layout,
    distance,
    find_layout,
    layouts,
    mostly_off,
    nearest_layout,
    same,
    share_off,
    spread,
)

SURELY_NEARER = 1.5
"""A value that comes later in the target may be this many times as far and still be the one meant."""

LARGEST_FUSION = 4
"""Source operators in a row that a target may make into one."""


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
        elif found is not None and hint is not None and self._forgets(name, hint.source, found.source, value):
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

    def _forgets(self, name: str, source: str, equal: str, value: Array) -> bool:
        """Whether a value that was to be a source value is what that is computed from, and which is there already.

        A converter that forgets what an operator does with its operand gives the operand under the result's name.
        """
        if self.survey or equal == source or not self._may_stand_for(name, source):
            return False
        operands = [one for one in self.values[source].parents if one in self._taken]
        return any(self._confirmed(Match(one, Layout(), confirmed=False), value) is not None for one in operands)

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
        sampled = spread(value.shape, SAMPLED)
        some = value[sampled] if sampled is not None else value
        mark = fingerprint(value)
        typical = (1 + NEAR_RELATIVE) * mark.norm / math.sqrt(max(value.size, 1))
        # A product without its bias comes near the sum, and the sum comes nearer: the nearest of all is what counts.
        for name in self._neighbours(mark, NEAR_RELATIVE):
            if name not in missing or not self._reached(name):
                continue
            source = self.values[name].exact
            for layout in layouts(source.shape, value.shape):
                if sampled is not None and mostly_off(some, layout.viewed(source, value.shape, sampled), typical):
                    continue
                arranged = self._arranged(name, layout, value.shape)
                apart = distance(value, arranged) if arranged is not None else math.inf
                if apart >= NEAR_RELATIVE or self._named(name, self.near.get(name)):
                    continue
                if arranged is None or share_off(value, arranged, NEAR_ELEMENT_RELATIVE, NEAR_RELATIVE**2) > 0.5:
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


def undisputed(hints: Mapping[str, Match], nearest: Mapping[str, Match]) -> dict[str, Match]:
    """The hints without those of which another for the same source value is nearer here.

    Where branches of a formula are equal on one input set (atan2 is an arc tangent where x is positive), several values
    were found to be the source's; on another set only one of them is.

    Args:
        hints: what other input sets or checkpoints proposed.
        nearest: of a survey on this set.
    """
    settled = {match.source for name, match in nearest.items() if name in hints and hints[name].source == match.source}
    return {name: match for name, match in hints.items() if match.source not in settled or name in nearest}
