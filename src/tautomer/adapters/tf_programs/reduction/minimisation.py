"""The search for the smallest program that still fails: operators first, then all else, until nothing goes."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from tautomer.adapters.tf_programs.reduction.module_text import module_text
from tautomer.adapters.tf_programs.reduction.parts import DoesNotRun, Parts, Values, values_of
from tautomer.adapters.tf_programs.reduction.program import Program
from tautomer.adapters.tf_programs.reduction.shrinking import PASSES, candidates_of
from tautomer.adapters.tf_programs.reduction.weight import weight
from tautomer.minimization import BudgetSpent, Dag, Trials, connected_minimum

VALUES = "values"


def minimised(
    program: Program,
    fails: Callable[[Program], bool],
    *,
    budget: int,
    on_best: Callable[[Program], None],
) -> Program:
    """The smallest failing program that was found within the budget.

    Args:
        program: fails; that is not tested again.
        fails: the test.
        budget: the most tests.
        on_best: called with every better one.
    """

    def key(candidate: Program) -> Hashable:
        text = module_text(candidate, title="")
        return text.text, tuple((name, array.tobytes()) for name, array in text.arrays.items())

    trials: Trials[Program] = Trials(fails, key=key, size=weight, budget=budget, on_best=on_best)
    trials.best = best = program
    try:
        while True:
            _fewest_operators(best, trials)
            for name in PASSES:
                _exhaust(trials, name)
            if trials.best is best:
                break
            assert trials.best is not None
            best = trials.best
    except BudgetSpent:
        pass
    assert trials.best is not None
    return trials.best


def _fewest_operators(program: Program, trials: Trials[Program]) -> None:
    """The fewest operators, whatever distance lies between them."""
    try:
        parts = Parts(program)
    except DoesNotRun:
        return

    def fails(nodes: frozenset[int]) -> bool:
        candidate = parts.only(nodes) if nodes else None
        return candidate is not None and bool(candidate.outputs) and trials(candidate)

    if len(parts.steps) > 1:
        connected_minimum(Dag(parts.parents), frozenset(range(len(parts.steps))), fails)


def _exhaust(trials: Trials[Program], name: str) -> None:
    """Take every step of one pass that keeps the failure; values are gone through once a round, for they are many."""
    while _swept(trials, name) and name != VALUES:
        pass


def _swept(trials: Trials[Program], name: str) -> bool:
    """Go once through the steps of a pass, each from what those before it have left; whether one kept the failure."""
    place, changed = 0, False
    while True:
        current = trials.best
        assert current is not None
        values = _values(current)
        taken = next(
            (
                at
                for at, one in candidates_of(name, current, values, first=place)
                if weight(one.program) < weight(current) and trials(one.program)
            ),
            None,
        )
        if taken is None:
            return changed
        place, changed = taken, True


def _values(program: Program) -> list[Values]:
    """The values of a program; none where it does not run, which is how some models fail."""
    try:
        return values_of(program)
    except DoesNotRun:
        return [{} for _ in range(program.sets)]
