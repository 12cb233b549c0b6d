"""The search for the smallest program that still fails: operators first, then all else, until nothing goes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from typing import Any

import torch

from tautomer.adapters.torch_programs.reduction.module_text import ModuleText
from tautomer.adapters.torch_programs.reduction.program import Program, is_aten, run
from tautomer.adapters.torch_programs.reduction.shrinking import PASSES, VALUES, candidates_of, runs, without
from tautomer.adapters.torch_programs.reduction.shrunk_tensors import Part, divisions
from tautomer.adapters.torch_programs.reduction.weight import weight
from tautomer.minimization import BudgetSpent, Dag, Trials, connected_minimum

_TELLING_PARTS = 4
"""A tensor of which so many parts must all stay as they are is not divided any further."""


def minimised(
    program: Program,
    fails: Callable[[Program], bool],
    *,
    printed: Callable[[Program], ModuleText],
    budget: int,
    seed: int,
    on_best: Callable[[Program], None],
) -> tuple[Program, int]:
    """The smallest failing program that was found within the budget, and the number of tests.

    Args:
        program: fails; that is not tested again.
        fails: the test.
        printed: two programs that are printed the same are the same.
        budget: the most tests.
        seed: of what is chosen at random.
        on_best: called with every better one.
    """

    def key(candidate: Program) -> Hashable:
        text = printed(candidate)
        return text.text, tuple((name, hash(tensor.numpy(force=True).tobytes())) for name, tensor in _plain(text))

    trials: Trials[Program] = Trials(fails, key=key, size=weight, budget=budget, on_best=on_best)
    trials.best = program
    best: Any = program
    try:
        while True:
            _fewest_calls(best, trials)
            for name in PASSES:
                _exhaust(trials, name, seed)
            _simpler_parts(trials)
            if trials.best is best:
                break
            best = trials.best
    except BudgetSpent:
        pass
    smallest: Any = trials.best
    return smallest, trials.calls


def _plain(text: ModuleText) -> list[tuple[str, torch.Tensor]]:
    return [(name, tensor.contiguous().reshape(-1).view(torch.uint8)) for name, tensor in text.tensors.items()]


def _fewest_calls(program: Program, trials: Trials[Program]) -> None:
    """The fewest operators, whatever distance lies between them."""
    parts = Parts(program)

    def fails(nodes: frozenset[int]) -> bool:
        candidate = parts.only(nodes)
        return candidate is not None and trials(candidate)

    if len(parts.names) > 1:
        connected_minimum(Dag(parts.parents), frozenset(range(len(parts.names))), fails)


class Parts:
    """The operators of a program, to choose from.

    Attributes:
        names: of their results, in order.
        parents: for each, those it depends on, through sizes and choices of results too.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._recorded = [run(program, index) for index in range(program.sets)]
        self.names = [call.name for call in program.calls if is_aten(call)]
        self.parents: list[set[int]] = []
        number = {name: index for index, name in enumerate(self.names)}
        through: dict[str, set[int]] = {}
        for call in program.calls:
            found: set[int] = set()
            for ref in call.refs():
                found |= {number[ref]} if ref in number else through.get(ref, set())
            through[call.name] = found
            if call.name in number:
                self.parents.append(found)

    def only(self, kept: Collection[int]) -> Program | None:
        """The program with some of its operators, the results of others being inputs; None where it does not run."""
        names = {self.names[index] for index in kept}
        found = without(self._program, {*self.names} - names, self._recorded) if names else None
        return found if found is not None and runs(found) else None


def _exhaust(trials: Trials[Program], name: str, seed: int) -> None:
    """Take every step of one pass that keeps the failure.

    Values have so many steps, each of little use, that they are gone through once: what one step has made possible for
    those before it waits until all passes begin again.
    """
    while _swept(trials, name, seed) and name != VALUES:
        pass


def _swept(trials: Trials[Program], name: str, seed: int) -> bool:
    """Go once through the steps of a pass, each from what those before it have left; whether one kept the failure."""
    place, changed = 0, False
    while True:
        current: Any = trials.best
        taken = next((one for one in candidates_of(name, current, seed=seed, first=place) if trials(one.program)), None)
        if taken is None:
            return changed
        place, changed = taken.place, True


def _simpler_parts(trials: Trials[Program]) -> None:
    """Simplify what is written out part by part, where it is not all needed as it is."""
    first: Any = trials.best
    for tensor in divisions(first):
        for division in tensor:
            simpler = [_is_simpler(trials, part) for part in division]
            if len(simpler) >= _TELLING_PARTS and not any(simpler):
                break


def _is_simpler(trials: Trials[Program], part: Part) -> bool:
    """Make a part simpler; where the least change is too much, no other is tried."""
    before: Any = trials.best
    least = part.least_changed(before)
    if weight(least) < weight(before) and not _improves(trials, least):
        return False
    best: Any = trials.best
    any(_improves(trials, one) for one in part.simpler(best))
    return True


def _improves(trials: Trials[Program], candidate: Program) -> bool:
    """Whether a program is smaller than the best so far, runs, and still fails."""
    best: Any = trials.best
    return weight(candidate) < weight(best) and runs(candidate) and trials(candidate)
