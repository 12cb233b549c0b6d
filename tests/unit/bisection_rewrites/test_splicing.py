"""Putting a rewrite in the place of a node, and the code that is given to people."""

from __future__ import annotations

import builtins
import types

import pytest
import torch

from tautomer.adapters.torch_programs.rewrites.candidates import Target, choice
from tautomer.adapters.torch_programs.rewrites.rule import code_of
from tautomer.adapters.torch_programs.rewrites.splice import spliced
from tautomer.adapters.torch_programs.rewrites.table import TABLE

pytestmark = pytest.mark.needs("torch")


class TwoRemainders(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor([2.0, 3.0, 4.0]))

    def forward(self, x, y):
        first = torch.remainder(x * self.scale, y)
        return {"sum": first + 1, "again": torch.remainder(first, 0.1)}, x.max(0)


class Enlarged(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.interpolate(x, size=(3, 4), mode="bicubic", antialias=True, align_corners=True)


class Squeezed(torch.nn.Module):
    def forward(self, x):
        return x.squeeze(0) * 2


def exported(module, *args, **shapes):
    return torch.export.export(module.eval(), args, **shapes)


def rewritten(program, method="table", operator=None, line=None):
    return spliced(program, choice(program, Target(method, operator, line)).choose)


def targets(program):
    return [str(node.target) for node in program.graph.nodes if node.op == "call_function"]


def test_every_node_of_the_table_is_replaced_and_the_answer_stays():
    args = (torch.tensor([[1.0, 0.3, 6.0], [-0.0, 5.0, 2.0]]), torch.tensor([0.1, 0.1, -0.2]))
    program = exported(TwoRemainders(), *args)
    after, replaced = rewritten(program)
    assert sorted(one.operator for one in replaced) == [
        "aten.max.dim",
        "aten.remainder.Scalar",
        "aten.remainder.Tensor",
    ]
    assert not any("remainder" in one or "max.dim" in one for one in targets(after))
    expected, given = program.module()(*args), after.module()(*args)
    assert torch.equal(expected[0]["sum"], given[0]["sum"])
    assert torch.equal(expected[0]["again"], given[0]["again"])
    assert torch.equal(expected[1][1], given[1][1])


def test_only_the_operator_asked_for_is_replaced():
    program = exported(TwoRemainders(), torch.rand(2, 3), torch.rand(3))
    after, replaced = rewritten(program, operator="aten.remainder.Tensor")
    assert [one.name for one in replaced] == ["remainder"]
    assert "aten.remainder.Scalar" in targets(after)


def test_only_the_line_asked_for_is_replaced():
    program = exported(TwoRemainders(), torch.rand(2, 3), torch.rand(3))
    assert rewritten(program, operator="aten.remainder.Tensor", line="elsewhere.py:1")[1] == []


def test_the_program_given_is_not_changed():
    program = exported(TwoRemainders(), torch.rand(2, 3), torch.rand(3))
    before = str(program.graph)
    rewritten(program)
    assert str(program.graph) == before


def test_constants_of_a_rewrite_become_constants_of_the_program():
    x = torch.randn(1, 2, 7, 9)
    program = exported(Enlarged(), x)
    after, replaced = rewritten(program)
    assert len(replaced) == 1
    assert len(after.constants) == 2
    assert torch.allclose(program.module()(x), after.module()(x), rtol=1e-5, atol=1e-6)


def test_a_dimension_that_is_dynamic_stays_dynamic():
    dynamic = ({0: torch.export.Dim.DYNAMIC}, None)
    program = exported(TwoRemainders(), torch.rand(2, 3), torch.rand(3), dynamic_shapes=dynamic)
    after, _ = rewritten(program)
    assert after.module()(torch.rand(5, 3), torch.ones(3))[0]["sum"].shape == (5, 3)


def test_a_squeeze_of_a_dynamic_dimension_is_what_the_program_took_it_for():
    program = exported(Squeezed(), torch.rand(2, 5), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    after, replaced = rewritten(program)
    assert len(replaced) == 1
    assert "aten.squeeze.dim" not in targets(after)
    assert after.module()(torch.ones(3, 5)).shape == (3, 5)


def test_pytorchs_own_decomposition_can_replace_an_operator():
    x = torch.randn(4, 3)
    program = exported(torch.nn.Sequential(torch.nn.Hardswish()), x)
    operator = next(one for one in targets(program) if "hardswish" in one)
    after, replaced = rewritten(program, method="decomposition", operator=operator)
    assert len(replaced) == 1
    assert torch.allclose(program.module()(x), after.module()(x))


@pytest.mark.parametrize("name", list(TABLE.entries))
def test_the_code_given_to_people_needs_nothing_but_torch(name):
    text = code_of(TABLE.entries[name].function)
    assert "tautomer" not in text
    space: dict = {}
    exec(compile(text, name, "exec"), space)
    for one in list(space.values()):
        if isinstance(one, types.FunctionType) and one.__code__.co_filename == name:
            assert all(
                used in space or hasattr(builtins, used) or f".{used}" in text or f"{used}=" in text
                for used in one.__code__.co_names
            )
