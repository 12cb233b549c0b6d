"""A test of candidates that remembers: once each, within a budget, the best at hand."""

from __future__ import annotations

import itertools

import pytest

from tautomer.minimization import BudgetSpent, Flaky, Trials


def trials(fails, **options):
    given = {"key": lambda one: one, "size": lambda one: (len(one),), "budget": 100, **options}
    return Trials(fails, **given)


def test_a_candidate_is_tested_once():
    asked = []
    tried = trials(lambda one: bool(asked.append(one)) or "x" in one)
    assert [tried("axb"), tried("axb"), tried("ab")] == [True, True, False]
    assert asked == ["axb", "ab"]
    assert tried.calls == 2


def test_the_best_is_the_smallest_that_failed_and_is_announced_only_when_it_gets_better():
    announced = []
    tried = trials(lambda one: "x" in one, on_best=announced.append)
    for one in ("aaax", "ab", "xa", "xb", "axx", "x"):
        tried(one)
    assert tried.best == "x"
    assert announced == ["aaax", "xa", "x"]


def test_a_spent_budget_ends_the_search_and_leaves_the_best():
    tried = trials(lambda one: "x" in one, budget=2)
    tried("xaa")
    tried("aa")
    with pytest.raises(BudgetSpent):
        tried("x")
    assert (tried.best, tried.calls) == ("xaa", 2)


def test_an_interrupt_of_the_test_leaves_the_best():
    def fails(one):
        if one == "x":
            raise KeyboardInterrupt
        return True

    tried = trials(fails)
    tried("xaa")
    with pytest.raises(KeyboardInterrupt):
        tried("x")
    assert tried.best == "xaa"


def test_what_fails_only_sometimes_is_flaky():
    answers = itertools.cycle((True, False))
    tried = trials(lambda _: next(answers))
    with pytest.raises(Flaky) as caught:
        tried.confirm("a", 4)
    assert (caught.value.runs, caught.value.failed) == (4, 2)


def test_what_is_confirmed_otherwise_than_it_was_found_is_flaky():
    answers = iter((True, False))
    tried = trials(lambda _: next(answers))
    assert tried("a")
    with pytest.raises(Flaky):
        tried.confirm("a", 1)


def test_a_confirmed_candidate_counts_as_found():
    tried = trials(lambda _: True)
    assert tried.confirm("abc", 2)
    assert (tried.best, tried.calls) == ("abc", 2)
    assert tried("abc")
    assert tried.calls == 2
