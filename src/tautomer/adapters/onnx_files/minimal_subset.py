"""The smallest subset that still passes a test: delta debugging.

Source: A. Zeller, R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2), 2002, figure 5.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subset:
    """What delta debugging found.

    Attributes:
        items: in their given order; the test passes on them.
        tests: how often the test was run.
        minimal: whether the test fails without any one of them; False where the budget ended before that was known.
    """

    items: tuple[int, ...]
    tests: int
    minimal: bool


def minimal_subset(items: Sequence[int], passes: Callable[[Sequence[int]], bool], *, budget: int) -> Subset:
    """A smallest subset of `items` on which `passes` is true, in the sense that none of it can be left out.

    Args:
        items: `passes(items)` is true.
        passes: the test; it need not be monotone.
        budget: the most tests to run.
    """
    search = _Search(passes, budget)
    current, parts = list(items), 2
    while current and not search.spent:
        if len(current) == 1:
            if search([]):
                current = []
            break
        chunks = _split(current, parts)
        smaller = next((chunk for chunk in chunks if search(chunk)), None)
        if smaller is not None:
            current, parts = smaller, 2
            continue
        rest = next((one for one in _complements(chunks) if search(one)), None) if parts > 2 else None
        if rest is not None:
            current, parts = rest, max(parts - 1, 2)
        elif parts >= len(current):
            break
        else:
            parts = min(2 * parts, len(current))
    return Subset(tuple(current), search.tests, not search.spent)


class _Search:
    """Runs the test, each subset once, until the budget is spent."""

    def __init__(self, passes: Callable[[Sequence[int]], bool], budget: int) -> None:
        self._passes = passes
        self._budget = budget
        self._known: dict[tuple[int, ...], bool] = {}
        self.tests = 0
        self.spent = False

    def __call__(self, subset: Sequence[int]) -> bool:
        key = tuple(subset)
        if key not in self._known:
            if self.tests >= self._budget:
                self.spent = True
                return False
            self.tests += 1
            self._known[key] = self._passes(subset)
        return self._known[key]


def _split(items: list[int], parts: int) -> list[list[int]]:
    bounds = [round(index * len(items) / parts) for index in range(parts + 1)]
    return [items[low:high] for low, high in itertools.pairwise(bounds) if high > low]


def _complements(chunks: list[list[int]]) -> list[list[int]]:
    return [
        [item for index, chunk in enumerate(chunks) if index != left_out for item in chunk]
        for left_out in range(len(chunks))
    ]
