"""Values on which no input has an influence stay constants when a part is cut out, as the exporter folds them."""

from __future__ import annotations

import pytest
import torch

from tautomer.adapters.torch_programs.preparation import prepare
from tautomer.adapters.torch_programs.reduction.extraction import extract
from tautomer.adapters.torch_programs.reduction.fixed_values import fixed_calls, fixed_nodes
from tautomer.adapters.torch_programs.reduction.minimisation import Parts
from tautomer.adapters.torch_programs.reduction.program import Call, Input, Program, Recorded, Ref, same_bits
from tautomer.adapters.torch_programs.reduction.recording import capture_model

pytestmark = pytest.mark.needs("torch")

MASKED = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        allowed = torch.arange(4)[:, None] >= torch.arange(4)[None, :]
        unknown = torch.rand(4, 4) > 2
        given = x.new_ones(4, 4, dtype=torch.bool) & (x > 0)
        return allowed & given | unknown

def inputs(): return (torch.eye(4),)
{more}
"""


def captured(folder, more=""):
    path = folder / "model.py"
    path.write_text(MASKED.format(more=more))
    return capture_model(prepare({"path": str(path), "kind": "model_module", "seed": 0}))


def test_what_no_input_and_no_generator_reaches_is_fixed(tmp_path):
    fixed = fixed_nodes(captured(tmp_path).graph.graph)
    assert {"arange", "ge", "new_ones"} <= fixed
    assert not {"x", "gt", "rand", "gt_1", "and_1", "and_2", "or_1"} & fixed


def test_the_sizes_of_a_dynamic_input_are_not_fixed(tmp_path):
    more = 'DYNAMIC_SHAPES = ({0: torch.export.Dim("n")},)'
    path = tmp_path / "model.py"
    path.write_text(MASKED.replace("torch.rand(4, 4) > 2", "torch.ones_like(x) > 2").format(more=more))
    source = path.read_text().replace("(4, 4, dtype", "(*x.shape, dtype").replace("allowed & given", "given")
    path.write_text(source)
    fixed = fixed_nodes(capture_model(prepare({"path": str(path), "kind": "model_module", "seed": 0})).graph.graph)
    assert not {"new_ones", "ones_like"} & fixed


def test_a_part_keeps_a_fixed_operand_as_a_constant(tmp_path):
    model = captured(tmp_path)
    (name,) = model.named(["bitwise_and_1"])
    program = extract(model, [name])
    assert [one.name for one in program.constants] == ["constant"]
    assert same_bits(program.constants[0].value.tensor, torch.ones(4, 4, dtype=torch.bool).tril())
    assert [one.name for one in program.inputs] == ["x"]


def test_a_part_of_fixed_values_alone_is_given_them_as_inputs(tmp_path):
    program = extract(captured(tmp_path), ["ge"])
    assert not program.constants
    assert len(program.inputs) == 2


def program_with_a_mask():
    return Program(
        (Input("x", (Recorded(torch.ones(3)),)),),
        (),
        (
            Call("arange", "aten.arange.default", (3,)),
            Call("mask", "aten.ge.Scalar", (Ref("arange"), 1)),
            Call("shown", "aten.gt.Scalar", (Ref("x"), 0)),
            Call("both", "aten.bitwise_and.Tensor", (Ref("mask"), Ref("shown"))),
        ),
        ("both",),
    )


def test_leaving_operators_out_keeps_what_they_fixed_constant():
    program = program_with_a_mask()
    assert fixed_calls(program) == {"arange", "mask"}
    smaller = Parts(program).only([3])
    assert [call.name for call in smaller.calls] == ["both"]
    (constant,) = smaller.constants
    assert constant.value.tensor.tolist() == [False, True, True]
    # torch 2.13 cannot export a buffer that is called as the result of an operator.
    assert constant.name not in {call.name for call in program.calls}
    assert [one.name for one in smaller.inputs] == ["shown"]


def test_no_program_is_left_without_inputs():
    smaller = Parts(program_with_a_mask()).only([1])
    assert not smaller.constants
    assert [one.name for one in smaller.inputs] == ["arange"]
