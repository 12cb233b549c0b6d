"""Decisions: an element is undecided by its margin, and only where its input was rounded."""

from __future__ import annotations

import pytest
import torch

from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.decisions import Decisions, taken_decisions
from tautomer.adapters.torch_programs.lift import GraphRun
from tautomer.adapters.torch_programs.sampling import Envelope
from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.numerics.branches import Branches

pytestmark = pytest.mark.needs("torch")
STD = 1e-7
"""RMS deviation that is given to every inexact input."""


def undecided(function, *, declared: torch.Tensor, exact: torch.Tensor):
    """What is undecided where `function` decides on twice its argument, which has these values."""
    captured = capture(lambda x: function(x * 2.0), CallArguments((declared / 2,), {}))
    decisions = Decisions(captured.graph)
    [name] = [one for one in decisions.inputs if one.startswith("mul")]
    deviation = {name: torch.full_like(exact, STD)}
    return decisions.undecided({name: declared}, {name: exact}, deviation)


NEAR, FAR = 1e-7, 1e-3


@pytest.mark.parametrize(
    ("function", "turns_at"),
    [
        (torch.round, 2.5),
        (torch.floor, 3.0),
        (torch.ceil, -2.0),
        (torch.trunc, 4.0),
        (lambda x: x.to(torch.int64), 5.0),
        (lambda x: x < 1.5, 1.5),
        (lambda x: x >= 0.25, 0.25),
        (torch.sign, 0.0),
        (lambda x: torch.remainder(x, 3.0), 6.0),
    ],
)
def test_only_elements_close_to_where_a_decision_turns_are_undecided(function, turns_at):
    exact = torch.tensor([turns_at + NEAR, turns_at + FAR, turns_at + 0.3], dtype=torch.float64)
    declared = exact.to(torch.float32) + 1e-6
    [one] = undecided(function, declared=declared, exact=exact)
    assert (one.elements, one.of) == (1, 3)
    assert one.margin <= one.bound


def test_a_decision_on_exact_values_is_decided_however_close():
    exact = torch.tensor([2.5, 3.5, 4.0], dtype=torch.float64)
    assert undecided(torch.round, declared=exact.to(torch.float32), exact=exact) == []


def test_the_runner_up_of_an_arg_max_counts():
    exact = torch.tensor([[1.0, 3.0, 3.0 + NEAR], [1.0, 3.0, 4.0]], dtype=torch.float64)
    declared = exact.to(torch.float32) + 1e-6
    [one] = undecided(lambda x: x.argmax(1), declared=declared, exact=exact)
    assert (one.elements, one.of) == (1, 2)


def test_a_decision_on_exact_values_that_noise_would_turn_is_kept_in_the_envelope():
    def scaled(x):
        return x * torch.ceil(torch.log(torch.full((), 8.0)) / torch.log(torch.full((), 8.0)))

    x = torch.randn(16)
    captured, branches = capture(scaled, CallArguments((x,), {})), Branches()
    exact = GraphRun(captured.graph, lift=True, branches=branches).outputs(x)
    settled = taken_decisions(captured.graph, [x], Decisions(captured.graph).stepping, branches, lift=True)
    free = Envelope(captured, [x], exact, seed=0, samples=8, branches=branches, settled=settled)
    kept = Envelope(captured, [x], exact, seed=0, samples=8, branches=branches, decisions=settled)
    assert free.turned == set(settled)
    assert float(next(iter(free.variance.values())).array.max()) > 1e-2
    assert float(next(iter(kept.variance.values())).array.max()) < 1e-10
