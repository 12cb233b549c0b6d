"""The search for the smallest change of settings that makes a failure go away; knows nothing of checks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from tautomer.bisection.changes import OPSET, Change, Dimension, Where
from tautomer.bisection.trials import Effect, Oracle, Trial


class Search:
    """Tries changes with an oracle, and keeps what was found when it is interrupted.

    Attributes:
        trials: those made so far, in order.
    """

    def __init__(self, oracle: Oracle, *, max_trials: int, everything: bool = False) -> None:
        self._oracle = oracle
        self._left = max_trials
        self._everything = everything
        self._refused = False
        self._tried: dict[tuple[Change, ...], Trial] = {}
        self._of: dict[Change, int] = {}
        self._every: list[Dimension] = []

    @property
    def trials(self) -> list[Trial]:
        """What was tried, in order."""
        return list(self._tried.values())

    @property
    def exhausted(self) -> bool:
        """Whether there was more to try than trials to make."""
        return self._refused

    def singles(self, tiers: Sequence[Sequence[Dimension]]) -> None:
        """Try single changes, tier by tier until one helps.

        Args:
            tiers: what can be changed, besides what was tried before; the likeliest to help in the first.
        """
        for dimension in (dimension for tier in tiers for dimension in tier):
            for change in dimension.changes:
                self._of.setdefault(change, len(self._every))
            self._every.append(dimension)
        for tier in tiers:
            for dimension in tier:
                self._single(dimension)
            if self.helpful() and not self._everything:
                return

    def helpful(self) -> list[Trial]:
        """The smallest changes that help: those of one setting, else of two; a part before what it is a part of.

        Changes that make everything equivalent come before those that leave other failures.
        """
        found = [trial for trial in self.trials if trial.effect.helps]
        fewest = min((len(trial.changes) for trial in found), default=0)
        found = [trial for trial in found if len(trial.changes) == fewest]
        return sorted(found, key=self._order)

    def _order(self, trial: Trial) -> tuple[bool, int, bool]:
        wholes = {change for dimension in self._every for change in dimension.parts}
        size = sum(map(_size, trial.changes))
        return trial.effect is not Effect.EQUIVALENT, size, not wholes.isdisjoint(trial.changes)

    def _try(self, *changes: Change) -> Trial | None:
        if changes in self._tried:
            return self._tried[changes]
        if self._left <= 0:
            self._refused = True
            return None
        self._left -= 1
        trial = self._oracle(changes)
        self._tried[changes] = trial
        return trial

    def _single(self, dimension: Dimension) -> None:
        screen = self._tried.get((dimension.screen,)) if dimension.screen is not None else None
        if screen is not None and screen.effect.is_same and not self._everything:
            return
        for change in dimension.changes:
            trial = self._try(change)
            if trial is None:
                return
            if not trial.effect.helps:
                continue
            for part in dimension.parts.get(change, ()):
                found = self._try(part)
                if found is not None and found.effect.helps and not self._everything:
                    break
            if dimension.in_order and not self._everything:
                return

    def pairs(self) -> None:
        """Try two changes together, first those that did something alone; the first pair that helps is enough.

        Where one of that pair turns off several things at once, they are tried one by one in its place.
        """
        for pair in self._candidates():
            trial = self._try(*pair)
            if trial is None:
                return
            if not trial.effect.helps:
                continue
            for whole in pair:
                for part in self._parts_of(whole):
                    self._try(*[part if one == whole else one for one in pair])
            if not self._everything:
                return

    def _parts_of(self, whole: Change) -> list[Change]:
        return [change for dimension in self._every if dimension.screen == whole for change in dimension.changes]

    def _candidates(self) -> Iterator[tuple[Change, ...]]:
        singles = [trial for trial in self.trials if len(trial.changes) == 1 and trial.changes[0] in self._of]
        ran = [one for one in singles if one.effect not in (Effect.NOT_RUN, Effect.BUILD_FAILURE)]
        acting = [one.changes[0] for one in ran if not one.effect.is_same]
        idle = [one.changes[0] for one in ran if one.effect.is_same]
        # Of those that did nothing alone, only two of different sides are likely: each side may do the same harm.
        idle_pairs = sorted(itertools.combinations(idle, 2), key=_is_of_one_side)
        if not self._everything:
            idle_pairs = [pair for pair in idle_pairs if not _is_of_one_side(pair)]
        for pairs in (itertools.combinations(acting, 2), itertools.product(acting, idle), idle_pairs):
            yield from filter(self._together, pairs)

    def _together(self, pair: tuple[Change, ...]) -> bool:
        """Whether two changes can be made at once: not of one setting, nor of a converter and of another's setting."""
        converters = [one for one in pair if one.where is Where.CONVERTER]
        settings = [one for one in pair if one.where is Where.OPTION and one.name != OPSET]
        return self._of[pair[0]] != self._of[pair[1]] and len(converters) < 2 and not (converters and settings)


def _is_of_one_side(pair: tuple[Change, ...]) -> bool:
    return len({change.where is Where.RUNTIME_OPTION for change in pair}) == 1


def _size(change: Change) -> int:
    """How large a change is, for choosing among those that help.

    Another opset, or one pass left out, is less than a setting that turns all passes off, and that is less than another
    converter.
    """
    if change.where is Where.CONVERTER:
        return 2
    return 0 if change.element or change.name == OPSET else 1
