"""Aligns two programs whose names say nothing: by equal values, and past a deviation by the place in the graph.

A value that has no equal although all it is computed from has been found is where two programs part. To judge what
follows it as well, it is taken for the value that the source computes from the same values at that place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tautomer.numerics.alignment import SURELY_NEARER, Aligner, Match, SourceValue
from tautomer.numerics.layouts import Layout, distance, layouts

Array = np.ndarray[Any, Any]

STILL_NEAR = 0.3
"""Relative RMS distance up to which two operators of different kinds are taken for two forms of one."""

MOST_PASSES = 24
"""Deviations, one after the other, past which values are looked for; each costs an evaluation."""

SURELY_THE_SAME = 1e-6
"""Relative RMS distance up to which a value at a source value's place is that one, computed from constants that were
folded in float32 (6e-8 each): all such places are settled at once."""

KEPT_BYTES = 256 << 20
"""The most that unmatched values may take to be kept for comparison."""

_LAYOUTS_TRIED = 24


def structural_alignment(
    values: Mapping[str, SourceValue], run: Callable[[StructuralAligner], None], *, named: bool = False
) -> dict[str, Match]:
    """Matches by target value name: equal values, and past each deviation what is expected at its place.

    Deviations are settled one by one, the source's first one first: what follows one is computed from the source's
    values before the next is looked for, so that what is equal then is not mistaken for a deviation of its own.

    Args:
        values: the source's.
        run: computes the target once, asking an aligner of each value.
        named: whether a target value that is called as a source value proposes that one.
    """
    placed: dict[str, Match] = {}
    for _ in range(MOST_PASSES):
        aligner = StructuralAligner(values, placed, named=named)
        run(aligner)
        places = aligner.next_places()
        if not places:
            break
        placed |= places
    return aligner.found


@dataclass(frozen=True, slots=True, eq=False)
class _Unmatched:
    """A target value that no source value equals."""

    name: str
    operator: str
    behind: frozenset[str]
    direct: bool
    value: Array


@dataclass(slots=True)
class StructuralAligner:
    """Finds, value by value in the target's order, what each stands for.

    Attributes:
        values: the source's, by name, in its order.
        placed: by target value name, what is known to be expected there although it is not equal.
        named: whether a target value that is called as a source value proposes that one.
        found: the matches so far, by target value name.
    """

    values: Mapping[str, SourceValue]
    placed: Mapping[str, Match] = field(default_factory=dict)
    named: bool = False
    found: dict[str, Match] = field(default_factory=dict)
    _by_value: Aligner = field(init=False)
    _behind: dict[str, frozenset[str]] = field(default_factory=dict)
    _unmatched: list[_Unmatched] = field(default_factory=list)
    _kept_bytes: int = 0

    def __post_init__(self) -> None:
        """Index the source's values."""
        self._by_value = Aligner(self.values, named=self.named)

    def match(self, name: str, operator: str, parents: Sequence[str], value: Array) -> Match | None:
        """What a target value stands for, or None.

        Args:
            name: the target's name of it.
            operator: that made it, as the target spells it.
            parents: names of the target values it was computed from, as given to earlier calls.
            value: in float64, computed from the source's values where those were found.
        """
        # What was found by place counts as found for those that are told apart by their parents.
        self._by_value.found = self.found
        known = all(parent in self.found for parent in parents)
        found = self.placed.get(name) or self._by_value.match(name, value, parents if known else None)
        self._behind[name] = behind = self._found_behind(parents)
        if found is not None:
            self.found[name] = found
        elif self._kept_bytes + value.nbytes <= KEPT_BYTES:
            self._kept_bytes += value.nbytes
            self._unmatched.append(_Unmatched(name, operator, behind, known, np.array(value)))
        return found

    def next_places(self) -> dict[str, Match]:
        """By target value, source values that were not found although all they are computed from was: all that are
        surely the same, else those at the first place.
        """
        taken = {match.source for match in self.found.values()}
        missing = {name: self._source_behind(name, taken) for name in self.values if name not in taken}
        groups: dict[frozenset[str], list[SourceValue]] = {}
        for name, behind in missing.items():
            groups.setdefault(behind, []).append(self.values[name])
        places = [place for group in groups.items() if (place := self._place_in(*group)) is not None]
        same = {one.name: match for one, match, apart in places if apart <= SURELY_THE_SAME}
        if same:
            return same
        if places:
            one, match, _ = places[0]
            return {one.name: match}
        only = next((found for group in groups.items() if (found := self._only_place_in(*group)) is not None), None)
        return {} if only is None else {only[0].name: only[1]}

    def _source_behind(self, name: str, taken: Collection[str]) -> frozenset[str]:
        """The nearest source values that were found among the ancestors of one that was not."""
        behind: set[str] = set()
        pending, seen = list(self.values[name].parents), set[str]()
        while pending:
            parent = pending.pop()
            if parent in seen or parent not in self.values:
                continue
            seen.add(parent)
            if parent in taken:
                behind.add(parent)
            else:
                pending.extend(self.values[parent].parents)
        return frozenset(behind)

    def _found_behind(self, parents: Iterable[str]) -> frozenset[str]:
        """Source values that the nearest found ones among a value's ancestors stand for."""
        behind: set[str] = set()
        for parent in parents:
            match = self.found.get(parent)
            behind |= {match.source} if match is not None else self._behind.get(parent, frozenset())
        return frozenset(behind)

    def _pairs(
        self, behind: frozenset[str], sources: Sequence[SourceValue]
    ) -> list[tuple[_Unmatched, SourceValue, Layout, float]]:
        """Source values and target values that are computed from the same, with how near they come."""
        here = [one for one in self._unmatched if one.behind == behind]
        return [
            (one, source, *_nearest_layout(source.exact, one.value))
            for source in sources
            for one in here
            if one.value.size == source.exact.size
        ]

    def _place_in(
        self, behind: frozenset[str], sources: Sequence[SourceValue]
    ) -> tuple[_Unmatched, Match, float] | None:
        """The target value of a source value's kind, where both are computed at once, or one that comes near it."""
        pairs = self._pairs(behind, sources)
        nearest = min((apart for *_, apart in pairs), default=math.inf)
        alike = [
            pair
            for pair in pairs
            if pair[0].direct and set(pair[1].parents) == behind and _kind(pair[0].operator) == _kind(pair[1].operator)
        ]
        # Of a formula's values the last is meant: a product without its bias comes near the sum.
        close = [pair for pair in pairs if pair[3] <= min(STILL_NEAR, SURELY_NEARER * nearest)]
        if not alike and not close:
            return None
        one, source, layout, apart = min(alike, key=lambda pair: pair[3]) if alike else close[-1]
        return one, Match(source.name, layout, confirmed=False), apart

    def _only_place_in(self, behind: frozenset[str], sources: Sequence[SourceValue]) -> tuple[_Unmatched, Match] | None:
        """Another operator, that comes nowhere near, where nothing else can be meant."""
        pairs = self._pairs(behind, sources)
        if len(pairs) != 1 or not pairs[0][0].direct:
            return None
        return pairs[0][0], Match(pairs[0][1].name, pairs[0][2], confirmed=False)


def _kind(operator: str) -> str:
    """An operator's name as far as frameworks agree on it: `aten.leaky_relu_.default` and `LeakyRelu` are one."""
    spelled = operator.removeprefix("aten.").partition(".")[0]
    return spelled.replace("_", "").lower()


def _nearest_layout(source: Array, target: Array) -> tuple[Layout, float]:
    """The layout in which a source value comes nearest to a target's, and how near."""
    best, nearest = Layout(), math.inf
    for count, layout in enumerate(layouts(source.shape, target.shape)):
        if count == _LAYOUTS_TRIED:
            break
        apart = distance(target, layout.arranged(source, target.shape))
        if apart < nearest:
            best, nearest = layout, apart
        if source.shape == target.shape and apart < STILL_NEAR:
            break
    return best, nearest
