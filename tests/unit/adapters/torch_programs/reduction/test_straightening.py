"""Control flow given as an operator becomes what it did in one run."""

from __future__ import annotations

import pytest
import torch
from torch._higher_order_ops.while_loop import while_loop

from tautomer.adapters.torch_programs.reduction.straightening import has_control_flow, straightened

pytestmark = pytest.mark.needs("torch")


class Branching(torch.nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: x.exp() * 2, lambda x: x.sin() - 1, (x,)) + 1


class Looping(torch.nn.Module):
    def forward(self, x):
        return while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y.tanh()), (torch.tensor(0), x))[1]


def operators(graph):
    return [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]


@pytest.mark.parametrize(("sign", "taken", "left"), [(1, "exp", "sin"), (-1, "sin", "exp")])
def test_the_branch_that_was_taken_is_left_and_its_operators_are_those_of_the_condition(sign, taken, left):
    x = sign * torch.linspace(0.1, 1, 6)
    graph = torch.export.export(Branching(), (x,)).module(check_guards=False)
    assert has_control_flow(graph)
    straight, became = straightened(graph, [x])
    assert not has_control_flow(straight)
    assert f"aten.{taken}.default" in operators(straight)
    assert f"aten.{left}.default" not in operators(straight)
    [cond] = [names for name, names in became.items() if name == "cond"]
    assert taken in cond
    torch.testing.assert_close(straight(x), Branching()(x), rtol=0, atol=0)


def test_each_turn_of_a_loop_stands_after_the_one_before():
    x = torch.linspace(-1, 1, 6)
    graph = torch.export.export(Looping(), (x,)).module(check_guards=False)
    straight, _ = straightened(graph, [x])
    assert operators(straight).count("aten.tanh.default") == 3
    torch.testing.assert_close(straight(x), x.tanh().tanh().tanh(), rtol=0, atol=0)
