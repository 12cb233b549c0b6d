"""Loops of the operator table are what PyTorch itself runs, whatever the strides of what they carry."""

from __future__ import annotations

import pytest
import torch

from tautomer.adapters.torch_programs.kernels import TorchKernels
from tautomer.adapters.torch_programs.operators import OPERATORS
from tautomer.adapters.torch_programs.operators.control_flow import LOOP

pytestmark = pytest.mark.needs("torch")


@pytest.mark.parametrize("name", [one.name for one in OPERATORS if one.graph_operator == LOOP])
def test_a_loop_carries_values_that_are_not_contiguous(name):
    entry = next(one for one in OPERATORS if one.name == name)
    x = torch.linspace(-2, 2, 24).reshape(2, 3, 4)[:, :, ::2]
    bound = {"x": x, "y": x + 1, "turns": 2, "factor": 0.5, "least": 0.1}
    expected = TorchKernels().evaluate(entry, bound)
    torch.compiler.reset()
    made = eval(entry.expression, {"torch": torch, **bound})
    for one, other in zip(made if isinstance(made, tuple) else (made,), expected, strict=True):
        assert torch.equal(one, other)


def test_what_pytorch_refuses_to_carry_is_refused_while_growing():
    entry = next(one for one in OPERATORS if one.name == "torch.while_loop")
    x = torch.ones(4, 6)[:1, :3]  # contiguous, with a stride of six where there is one row
    assert x.is_contiguous()
    bound = {"x": x, "turns": 2, "factor": 0.5}
    with pytest.raises(RuntimeError, match="strides"):
        TorchKernels().evaluate(entry, bound)
    torch.compiler.reset()
    with pytest.raises(RuntimeError, match="stride"):
        eval(entry.expression, {"torch": torch, **bound})
