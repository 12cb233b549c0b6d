"""Seeded choices: everything that is random in a generated model comes through here."""

from __future__ import annotations

import bisect
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """A stream of choices that a seed determines; Python's Mersenne Twister, whose stream is fixed by its language."""

    __slots__ = ("_random",)

    def __init__(self, seed: int, attempt: int = 0) -> None:
        self._random = random.Random(f"{seed}/{attempt}")

    def chance(self, probability: float) -> bool:
        """True as often as said."""
        return self._random.random() < probability

    def pick(self, choices: Sequence[T]) -> T:
        """One of them, each as likely."""
        return choices[int(self._random.random() * len(choices))]

    def place(self, weights: Sequence[float]) -> int:
        """The place of one of them, by weight; one without weight is never drawn."""
        point = self._random.random() * sum(weights)
        last = 0
        for place, weight in enumerate(weights):
            if weight > 0.0:
                point -= weight
                if point < 0.0:
                    return place
                last = place
        return last

    def weighted(self, choices: Sequence[T], weights: Sequence[float]) -> T:
        """One of them, by weight."""
        return choices[self.place(weights)]

    def by_cumulated_weight(self, choices: Sequence[T], cumulated: Sequence[float]) -> T:
        """One of them, by weights that were added up beforehand."""
        return choices[min(bisect.bisect(cumulated, self._random.random() * cumulated[-1]), len(choices) - 1)]

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def number(self, low: float, high: float, digits: int = 3) -> float:
        """A number between two, short enough to be read."""
        return round(low + (high - low) * self._random.random(), digits)

    def sample(self, choices: Sequence[T], count: int) -> list[T]:
        """So many different ones, in random order."""
        return self._random.sample(choices, count)

    def subset(self, choices: Sequence[T], *, least: int = 1) -> list[T]:
        """Some of them in their order: `least` to all."""
        count = self.between(least, len(choices))
        chosen = set(self._random.sample(range(len(choices)), count))
        return [one for index, one in enumerate(choices) if index in chosen]

    def seed(self) -> int:
        """A seed for values."""
        return self.between(0, 2**31 - 1)
