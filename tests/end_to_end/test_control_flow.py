"""Control flow that a PyTorch program gives as operators: `torch.cond`, `while_loop`."""

from __future__ import annotations

import pytest

from tautomer.checking import run_check
from tautomer.model import CheckSettings, Limits, Outcome, Stage

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch", "torch.onnx", "onnxruntime")]

COND = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda x: x.exp() * 2, lambda x: x.sin() - 1, (x,))

def inputs():
    return (torch.linspace(-1, 2, 12).reshape(3, 4),)

def run_inputs():
    return (torch.linspace(-2, 1, 12).reshape(3, 4),)
"""

LOOP = """
import torch
from torch._higher_order_ops.while_loop import while_loop

class Model(torch.nn.Module):
    def forward(self, x):
        count, total = while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, y * 0.5 + 1), (torch.tensor(0), x))
        return total

def inputs():
    return (torch.linspace(-1, 2, 12).reshape(3, 4),)
"""

WRONG_BRANCH = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        index = torch.tensor([0, 0, 1])[:, None].expand(3, 4)

        def mean(x):
            return torch.zeros(2, 4).scatter_reduce(0, index, x, "mean", include_self=False)

        return torch.cond(x.sum() > 0, mean, lambda x: x[:2] - 1, (x,)) * 2

def inputs():
    return (torch.linspace(1, 2, 12).reshape(3, 4),)
"""


@pytest.fixture
def report(pool, run_dir, write_module):
    """The report of a check of a module's text."""

    def check(text):
        settings = CheckSettings(run_dir=run_dir, limits=Limits(120.0, 4 << 30))
        return run_check(write_module(text), settings, runner=pool).report.reports[0]

    return check


@pytest.mark.parametrize("text", [COND, LOOP], ids=["cond", "while_loop"])
def test_a_program_with_control_flow_is_converted_and_judged(report, text):
    found = report(text)
    assert found.outcome is Outcome.EQUIVALENT, (found.reason, found.findings)
    assert all(checkpoint.outcome is Outcome.EQUIVALENT for checkpoint in found.checkpoints)


def test_a_fault_inside_a_branch_is_found_and_the_condition_is_named(report):
    found = report(WRONG_BRANCH)
    assert found.outcome is Outcome.DIVERGENT
    assert found.stage is Stage.NODE_CONVERSION
    assert found.location.op_types == ["If"]
    assert found.location.source_node == "higher_order.cond"
