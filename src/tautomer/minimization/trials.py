"""Runs the test of a search: each candidate once, within a budget, with the best failing one always at hand."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

C = TypeVar("C")


class BudgetSpent(Exception):
    """The search has used all the tests it was given; `Trials.best` is what it found."""


class Flaky(Exception):
    """The same candidate failed once and did not fail another time, so that no search can be trusted.

    Args:
        runs: how often it was tested.
        failed: how often it failed.
    """

    def __init__(self, runs: int, failed: int) -> None:
        super().__init__(f"the same candidate failed in {failed} of {runs} runs")
        self.runs = runs
        self.failed = failed


class Trials(Generic[C]):
    """A test of candidates that remembers.

    Whatever ends a search (the budget, an exception of the test, an interrupt), `best` is the smallest candidate that
    has failed so far.

    Args:
        fails: whether a candidate shows the failure. It may be expensive.
        key: what two candidates share exactly if they are the same.
        size: smaller is better; the first of equals stays the best.
        budget: the most tests to run.
        on_best: called with every candidate that is better than all before.
    """

    def __init__(
        self,
        fails: Callable[[C], bool],
        *,
        key: Callable[[C], Hashable],
        size: Callable[[C], tuple[int, ...]],
        budget: int,
        on_best: Callable[[C], None] = lambda _: None,
    ) -> None:
        self._fails = fails
        self._key = key
        self._size = size
        self._budget = budget
        self._on_best = on_best
        self._known: dict[Hashable, bool] = {}
        self.calls = 0
        self._best: C | None = None
        self._best_size: tuple[int, ...] = ()

    @property
    def best(self) -> C | None:
        """The smallest that has failed so far; it can be set to one that is known to."""
        return self._best

    @best.setter
    def best(self, candidate: C) -> None:
        self._best, self._best_size = candidate, self._size(candidate)

    def __call__(self, candidate: C) -> bool:
        """Whether the candidate fails; tested at most once.

        Raises:
            BudgetSpent: it would take one test more than there are.
        """
        key = self._key(candidate)
        if key not in self._known:
            self._known[key] = self._test(candidate)
        if self._known[key]:
            self._compare(candidate)
        return self._known[key]

    def _compare(self, candidate: C) -> None:
        """Remember a failing candidate that is smaller than the best so far."""
        size = self._size(candidate)
        if self._best is None or size < self._best_size:
            self._best, self._best_size = candidate, size
            self._on_best(candidate)

    def confirm(self, candidate: C, runs: int = 2) -> bool:
        """Whether the candidate fails, tested afresh `runs` times.

        Raises:
            BudgetSpent: there are not as many tests left.
            Flaky: it failed in some of these runs, or in an earlier one, and not in all.
        """
        known = self._known.get(self._key(candidate))
        answers = [self._test(candidate) for _ in range(runs)] + ([] if known is None else [known])
        if len(set(answers)) > 1:
            raise Flaky(len(answers), sum(answers))
        return self(candidate) if known is not None else self._noted(candidate, fails=answers[0])

    def _noted(self, candidate: C, *, fails: bool) -> bool:
        self._known[self._key(candidate)] = fails
        return self(candidate)

    def _test(self, candidate: C) -> bool:
        if self.calls >= self._budget:
            raise BudgetSpent(f"all {self._budget} tests are used")
        self.calls += 1
        return self._fails(candidate)
