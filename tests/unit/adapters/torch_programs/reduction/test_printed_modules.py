"""Programs cut out of models: what is printed is readable, and computes the bits that were recorded."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils import _pytree as pytree

from tautomer.adapters.torch_programs.preparation import prepare
from tautomer.adapters.torch_programs.reduction.extraction import extract
from tautomer.adapters.torch_programs.reduction.module_text import module_text
from tautomer.adapters.torch_programs.reduction.program import Call, Input, Program, Recorded, Ref, outputs, same_bits
from tautomer.adapters.torch_programs.reduction.recording import capture_model
from tautomer.adapters.torch_programs.reduction.state_file import read_program, write_program

pytestmark = pytest.mark.needs("torch")


def prepared(folder, source, name="model"):
    path = folder / f"{name}.py"
    path.write_text("import torch\nimport torch.nn.functional as F\n" + source)
    return prepare({"path": str(path), "kind": "model_module", "seed": 0})


def cut(folder, source, operators=()):
    model = capture_model(prepared(folder, source))
    return extract(model, model.find(operators) if operators else model.grown((), -1))


def assert_printed_computes_the_same(program, folder):
    """Print, import, run: the same bits on every input set."""
    path = folder / "printed.py"
    text = module_text(program, title="Printed.", stem="printed")
    text.write(path)
    again = prepare({"path": str(path), "kind": "model_module", "seed": 0})
    for index in range(program.sets):
        torch.manual_seed(0)
        with torch.no_grad():
            found = pytree.tree_leaves(again.program.callable(*again.program.input_sets[index].call.args))
        wanted = pytree.tree_leaves(outputs(program, index))
        assert len(found) == len(wanted)
        assert all(same_bits(one, other) for one, other in zip(found, wanted, strict=True)), text.text
    return text.text


MODELS = {
    "views, broadcasting and a choice of results": """
class Model(torch.nn.Module):
    def forward(self, x):
        a, b = x.view(2, 3, 4).transpose(1, 2).split(2, dim=1)
        values, indices = torch.topk(a * b.flip(0) + 1.5, 2)
        return values, indices, x[:, 1:3].sum()
def inputs(): return (torch.randn(2, 12),)
""",
    "layers with parameters": """
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.BatchNorm2d(3), torch.nn.ReLU(inplace=True),
            torch.nn.AvgPool2d(2, ceil_mode=True), torch.nn.Flatten(), torch.nn.Linear(27, 5))
        self.norm = torch.nn.LayerNorm(5, eps=1e-6)
    def forward(self, x):
        return F.gelu(self.norm(self.layers(x)), approximate="tanh")
def inputs(): return (torch.randn(1, 2, 5, 5),)
""",
    "sizes that are dynamic": """
class Model(torch.nn.Module):
    def forward(self, x):
        n = x.shape[0]
        return x.reshape(n // 2, 2, -1).mean(1), torch.arange(n) * 2
def inputs(): return (torch.randn(4, 3),)
def run_inputs(): return (torch.randn(6, 3),)
DYNAMIC_SHAPES = ({0: 2 * torch.export.Dim("half", min=2)},)
""",
    "narrow types, constants and indexing": """
class Model(torch.nn.Module):
    def forward(self, x, i):
        y = x.to(torch.bfloat16) * torch.tensor([1.5, -0.0, float("inf")], dtype=torch.bfloat16)
        return torch.where(y.isnan(), 0.0, y.float())[i, :], x.masked_fill(x > 0, -1e30), i.bitwise_and(1)
def inputs(): return (torch.randn(4, 3), torch.tensor([3, 0]))
""",
    "a recurrent layer": """
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(3, 4, batch_first=True, bidirectional=True)
    def forward(self, x):
        return self.lstm(x)[0]
def inputs(): return (torch.randn(2, 5, 3),)
""",
}


@pytest.mark.parametrize("name", MODELS)
def test_a_printed_model_computes_the_same_bits(name, tmp_path):
    program = cut(tmp_path, MODELS[name])
    text = assert_printed_computes_the_same(program, tmp_path)
    assert "torch.ops." not in text


def test_only_the_operator_asked_for_is_cut_out_with_its_recorded_input(tmp_path):
    program = cut(tmp_path, MODELS["layers with parameters"], ["aten.layer_norm.default"])
    assert program.operators() == ("aten.layer_norm.default",)
    text = assert_printed_computes_the_same(program, tmp_path)
    assert "return F.layer_norm(x, [5], weight=self.weight, bias=self.bias, eps=1e-06)" in text


def test_sizes_stay_dynamic_and_both_sets_are_kept(tmp_path):
    program = cut(tmp_path, MODELS["sizes that are dynamic"], ["aten.mean.dim"])
    assert [one.dynamic for one in program.inputs] == [(0,)]
    assert [value.tensor.shape[0] for value in program.inputs[0].values] == [2, 3]


def test_an_operator_without_a_public_spelling_is_called_by_its_own_name(tmp_path):
    source = """
class Model(torch.nn.Module):
    def forward(self, x):
        return torch.ops.aten._safe_softmax(x, -1)
def inputs(): return (torch.randn(2, 3),)
"""
    text = assert_printed_computes_the_same(cut(tmp_path, source), tmp_path)
    assert "torch.ops.aten._safe_softmax.default(x, -1)" in text


def test_what_torch_export_cannot_capture_is_recorded_from_a_run(tmp_path):
    source = """
class Model(torch.nn.Module):
    def forward(self, x):
        return x.sin() if float(x.sum()) > 0 else x.cos()
def inputs(): return (torch.ones(3),)
"""
    model = capture_model(prepared(tmp_path, source))
    assert model.how == "one recorded run"
    assert "return torch.sin(x)" in assert_printed_computes_the_same(
        extract(model, model.find(["aten.sin.default"])), tmp_path
    )


def test_large_tensors_lie_beside_the_module(tmp_path):
    source = """
class Model(torch.nn.Module):
    def forward(self, x):
        return x.view(torch.complex64) * 2
def inputs(): return (torch.randn(100, 2),)
"""
    program = cut(tmp_path, source)
    assert_printed_computes_the_same(program, tmp_path)
    assert (tmp_path / "printed.safetensors").exists()


@pytest.mark.parametrize("name", MODELS)
def test_a_program_goes_through_its_files_unchanged(name, tmp_path):
    program = cut(tmp_path, MODELS[name])
    write_program(tmp_path / "state.json", program)
    again = read_program(tmp_path / "state.json")
    assert again.calls == program.calls
    assert module_text(again, title="t").text == module_text(program, title="t").text


UNARY = ("relu", "tanh", "neg", "abs", "exp", "sign", "floor", "isnan", "logical_not")
BINARY = ("add.Tensor", "sub.Tensor", "mul.Tensor", "div.Tensor", "atan2", "maximum", "remainder.Tensor", "lt.Tensor")


@st.composite
def programs(draw):
    """Random straight-line code over one shape."""
    names = ["x", "y"]
    calls = []
    for index in range(draw(st.integers(1, 8))):
        operator = draw(st.sampled_from(UNARY + BINARY))
        arity = 1 if operator in UNARY else 2
        args = tuple(Ref(draw(st.sampled_from(names))) for _ in range(arity))
        spelled = operator if "." in operator else f"{operator}.default"
        calls.append(Call(f"v{index}", f"aten.{spelled}", args))
        names.append(f"v{index}")
    wanted = draw(st.lists(st.sampled_from([call.name for call in calls]), min_size=1, max_size=3, unique=True))
    value = st.lists(st.floats(width=32), min_size=3, max_size=3)
    inputs = tuple(Input(name, (Recorded(torch.tensor(draw(value))),)) for name in ("x", "y"))
    return Program(inputs, (), tuple(calls), tuple(wanted))


@settings(max_examples=25, deadline=None)
@given(program=programs())
def test_random_code_is_printed_as_code_that_computes_the_same(program, tmp_path_factory):
    try:
        outputs(program)
    except RuntimeError:  # negating a boolean, for one
        return
    assert_printed_computes_the_same(program, tmp_path_factory.mktemp("random"))


def test_cross_entropy_of_functional_is_spelled_as_such(tmp_path):
    source = """
class Model(torch.nn.Module):
    def forward(self, x, y):
        return F.cross_entropy(x, y)
def inputs(): return (torch.randn(4, 3), torch.tensor([0, 2, 1, 1]))
"""
    assert F.cross_entropy.__name__ in assert_printed_computes_the_same(cut(tmp_path, source), tmp_path)
