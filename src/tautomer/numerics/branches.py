"""Branches and trip counts are those of the declared precision: recorded in its run, taken again in float64."""

from __future__ import annotations

from collections.abc import Sequence


class Branches:
    """Conditions of a run's loops and branches, in the order they are met.

    Args:
        taken: conditions to take, whatever a run computes itself; none to record what it computes.
    """

    def __init__(self, taken: Sequence[bool] = ()) -> None:
        self._taken = list(taken)
        self.met: list[bool] = []

    def decide(self, computed: bool) -> bool:
        """The condition to act on."""
        place = len(self.met)
        decided = self._taken[place] if place < len(self._taken) else computed
        self.met.append(decided)
        return decided

    def again(self) -> Branches:
        """For another run, to take the same."""
        return Branches(self.met)
