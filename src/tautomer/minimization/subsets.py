"""The smallest subset that still fails: delta debugging.

Source: A. Zeller, R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input, IEEE TSE 28(2), 2002, figure 5.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def one_minimal_subset(
    items: Sequence[T], fails: Callable[[list[T]], bool], *, most_parts: int | None = None
) -> list[T]:
    """A subset that fails and of which no single item can be left out, in the order given.

    Tests the empty set first: in the steps of a reduction most items turn out to be needless together. Then halves,
    quarters and so on are left out; parts smaller than a half are not tried by themselves, as the algorithm's authors
    do, because that is half of all tests and seldom fails (121 items none of which can go take 241 tests, not 478).
    Every subset is tested at most once.

    Args:
        items: `fails(items)` is true; it is not tested again.
        fails: the test; it need not be monotone.
        most_parts: parts that a set is at most divided into; a larger set may then end with needless items, after
            twice as many tests as that instead of twice as many as it has items.
    """
    known: dict[tuple[int, ...], bool] = {}

    def test(positions: Sequence[int]) -> bool:
        key = tuple(positions)
        if key not in known:
            known[key] = fails([items[position] for position in key])
        return known[key]

    current = list(range(len(items)))
    if current and test([]):
        return []
    parts = 2
    while len(current) > 1:
        chunks = _split(current, parts)
        smaller = next((one for one in _complements(chunks) if test(one)), None)
        if smaller is not None:
            current, parts = smaller, max(parts - 1, 2)
        elif parts >= min(len(current), most_parts or len(current)):
            break
        else:
            parts = min(2 * parts, len(current))
    return [items[position] for position in current]


def _split(items: list[int], parts: int) -> list[list[int]]:
    bounds = [round(index * len(items) / parts) for index in range(parts + 1)]
    return [items[low:high] for low, high in itertools.pairwise(bounds) if high > low]


def _complements(chunks: list[list[int]]) -> list[list[int]]:
    # What was added last is left out first: nodes after the fault are needless more often than nodes before it.
    return [
        [item for index, chunk in enumerate(chunks) if index != left_out for item in chunk]
        for left_out in reversed(range(len(chunks)))
    ]
