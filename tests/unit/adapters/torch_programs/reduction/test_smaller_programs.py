"""The steps of a reduction: every candidate runs, is smaller, and together they reach a known minimum."""

from __future__ import annotations

import pytest
import torch

from tautomer.adapters.torch_programs.reduction.minimisation import minimised
from tautomer.adapters.torch_programs.reduction.module_text import module_text
from tautomer.adapters.torch_programs.reduction.program import (
    Call,
    Constant,
    Input,
    Program,
    Recorded,
    Ref,
    is_aten,
    outputs,
    run,
)
from tautomer.adapters.torch_programs.reduction.shrinking import candidates
from tautomer.adapters.torch_programs.reduction.weight import weight

pytestmark = pytest.mark.needs("torch")


def recorded(*values):
    return tuple(Recorded(value) for value in values)


def chain(*operators, size=4):
    """Operators one after the other on a matrix, with a weight."""
    calls, last = [], "x"
    for index, operator in enumerate(operators):
        args = (Ref(last), Ref("weight")) if operator.endswith(".Tensor") else (Ref(last),)
        calls.append(Call(f"v{index}", f"aten.{operator}", args))
        last = f"v{index}"
    torch.manual_seed(0)
    return Program(
        (Input("x", recorded(torch.randn(3, size), torch.randn(5, size)), (0,)),),
        (Constant("weight", Recorded(torch.randn(size)), trainable=True),),
        tuple(calls),
        (last,),
    )


def smallest(program, fails, seed=0):
    found, _ = minimised(
        program,
        fails,
        printed=lambda one: module_text(one, title="t"),
        budget=500,
        seed=seed,
        on_best=lambda _: None,
    )
    return found


def test_every_candidate_runs_and_is_smaller():
    program = chain("mul.Tensor", "relu.default", "exp.default", "add.Tensor")
    found = list(candidates(program))
    assert len(found) > 20
    for one in found:
        assert one.weight < weight(program), one.step
        for each in one.program.inputs:
            assert each.dynamic or len({value.tensor.shape for value in each.values}) == 1, one.step
        assert all(outputs(one.program, index) for index in range(one.program.sets)), one.step


def test_the_same_seed_gives_the_same_candidates():
    program = chain("mul.Tensor", "relu.default", size=40)
    first, second = ([one.step for one in candidates(program, seed=3)] for _ in range(2))
    assert first == second


def calls_of(program, name):
    return [call for call in program.calls if call.operator == f"aten.{name}"]


def test_one_operator_is_left_alone_with_simple_numbers():
    program = chain("mul.Tensor", "relu.default", "exp.default", "add.Tensor", "tanh.default")
    found = smallest(program, lambda one: bool(calls_of(one, "exp.default")))
    assert [call.operator for call in found.calls] == ["aten.exp.default"]
    assert found.sets == 1
    assert not found.inputs[0].dynamic
    assert torch.equal(found.inputs[0].values[0].tensor, torch.zeros(1, 1))


def test_two_distant_operators_keep_what_connects_them_and_nothing_else():
    program = chain("relu.default", "mul.Tensor", "tanh.default", "sin.default", "exp.default", "cos.default")

    def fails(one):
        """As a fault that needs the value of the first to reach the second."""
        if not (calls_of(one, "mul.Tensor") and calls_of(one, "exp.default")):
            return False
        reached = {calls_of(one, "mul.Tensor")[0].name}
        for call in one.calls:
            if reached & set(call.refs()):
                reached.add(call.name)
        return calls_of(one, "exp.default")[0].name in reached

    found = smallest(program, fails)
    assert [call.operator for call in found.calls if is_aten(call)] == ["aten.mul.Tensor", "aten.exp.default"]


def test_a_special_value_that_the_failure_needs_is_kept():
    program = chain("mul.Tensor", "relu.default")
    values = program.inputs[0].values[0].tensor
    values[1, 2] = float("nan")

    def fails(one):
        return any(bool(run(one)[call.name].isnan().any()) for call in calls_of(one, "relu.default"))

    found = smallest(program, fails)
    assert [call.operator for call in found.calls] == ["aten.relu.default"]
    assert found.inputs[0].values[0].tensor.numel() == 1
    assert bool(found.inputs[0].values[0].tensor.isnan().all())


def test_a_dynamic_dimension_that_the_failure_needs_is_kept_with_its_second_set():
    program = chain("mul.Tensor", "relu.default")

    def fails(one):
        sizes = {value.tensor.shape[0] for value in one.inputs[0].values}
        return bool(calls_of(one, "relu.default")) and bool(one.inputs[0].dynamic) and len(sizes) > 1

    found = smallest(program, fails)
    assert [call.operator for call in found.calls] == ["aten.relu.default"]
    assert found.sets == 2
    assert found.inputs[0].dynamic == (0,)


def test_arguments_at_their_defaults_are_dropped_and_others_get_small():
    x = Input("x", recorded(torch.randn(1, 1, 9, 9)))
    call = Call("y", "aten.avg_pool2d.default", (Ref("x"), [3, 3], [2, 2], [1, 1], True, False, 5))
    program = Program((x,), (), (call,), ("y",))

    def fails(one):
        return any(each.args[6:] == (5,) for each in one.calls)

    found = smallest(program, fails)
    assert found.calls[0].args[1] == [1, 1]
    assert found.calls[0].args[4:6] == (False, True)
    assert found.inputs[0].values[0].tensor.numel() == 1


def one_constant(values):
    """One operator with a stored operand of these numbers."""
    x = Input("x", recorded(torch.zeros(len(values))))
    call = Call("y", "aten.add.Tensor", (Ref("x"), Ref("weight")))
    return Program((x,), (Constant("weight", Recorded(torch.tensor(values))),), (call,), ("y",))


def test_the_numbers_that_the_failure_needs_are_kept_and_those_beside_them_are_simple():
    values = [0.1234567 + index for index in range(16)]

    def fails(one):
        """As a fault of two of the numbers; leaving any out is no question here."""
        found = [each.value.tensor.tolist() for each in one.constants]
        return any(each[5:7] == pytest.approx(values[5:7], abs=1e-6) and len(each) == 16 for each in found)

    (found,) = smallest(one_constant(values), fails).constants
    kept = found.value.tensor.tolist()
    assert kept[5:7] == pytest.approx(values[5:7], abs=1e-6)
    assert set(kept[:4] + kept[8:]) == {0.0}


def test_where_no_number_may_change_few_parts_are_tried():
    values = torch.randn(64, generator=torch.Generator().manual_seed(0)).tolist()
    tried = []

    def fails(one):
        tried.append(one)
        return any(each.value.tensor.tolist() == pytest.approx(values, abs=0) for each in one.constants)

    smallest(one_constant(values), fails)
    same_size = [one for one in tried if any(each.value.tensor.numel() == 64 for each in one.constants)]
    parts, whole_tensor, all_tensors = 2 + 4, 6, 6
    assert len(same_size) <= parts + whole_tensor + all_tensors + 4


def test_running_a_program_leaves_its_recorded_values_as_they_are():
    x = Input("x", recorded(torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))))
    constants = tuple(Constant(name, Recorded(torch.full((3,), 0.5))) for name in ("mean", "var"))
    args = (Ref("x"), None, None, Ref("mean"), Ref("var"), True, 0.1, 1e-5, False)
    program = Program((x,), constants, (Call("y", "aten.batch_norm.default", args),), ("y",))
    run(program)
    assert all(torch.equal(one.value.tensor, torch.full((3,), 0.5)) for one in program.constants)
