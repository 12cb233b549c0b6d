"""Fragments: each of the source's operators is judged on the source's own values, and the one at fault is named."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from tautomer.adapters.onnx_files.aligned_source import Source
from tautomer.adapters.onnx_files.derived_constants import Constants
from tautomer.adapters.onnx_files.evaluation import load_as
from tautomer.adapters.onnx_files.fragments import FragmentJudge
from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.tracing import traced
from tautomer.adapters.torch_programs.trees import CallArguments, to_tensor
from tautomer.numerics.branches import Branches

pytestmark = pytest.mark.needs("torch", "onnx")

GRAPH = """<ir_version: 9, opset_import: ["" : 20]>
target (float[4, 16] x) => (float[4, 16] y) {{
    h = {first}
    {add}
    n = {second}
    y = Tanh (n)
}}"""
CLEAN = {"add": "", "first": "Gelu (x)", "second": "Softmax <axis = -1> (h)"}


def program(x: torch.Tensor) -> torch.Tensor:
    return torch.tanh(torch.softmax(torch.nn.functional.gelu(x), -1))


@pytest.fixture
def judged(tmp_path):
    """Judge a graph against `program`, by the target's name of each fragment's value."""

    def judge(x: torch.Tensor | None = None, function=program, graph: str = GRAPH, **nodes):
        given = torch.linspace(-3, 3, 64).reshape(4, 16) if x is None else x
        captured = capture(function, CallArguments((given,), {}))
        run = traced(
            captured, [given], Branches(), watch=(), seed=0, budget_bytes=1 << 30, folder=tmp_path, stem="trace"
        )
        [path] = captured.output_paths
        write_values(tmp_path / "s32", {path: to_tensor(function(given))})
        write_values(tmp_path / "s64", {path: to_tensor(run.exact[0])})
        model = onnx.parser.parse_model(graph.format(**{**CLEAN, **nodes}) if graph is GRAPH else graph)
        onnx.save(model, tmp_path / "model.onnx")
        files = {"trace": tmp_path / "trace.json", "s32": tmp_path / "s32", "s64": tmp_path / "s64"}
        judge = FragmentJudge(
            load_as(str(tmp_path / "model.onnx"), None),
            {"x": given.numpy()},
            Source.read({key: str(one) for key, one in files.items()}),
            {"y": path},
            Constants(([], []), {}, [], 0),
        )
        return {one.value: one for one in judge.judgements()}

    return judge


def test_a_clean_graph_is_sound_in_every_fragment(judged):
    found = judged()
    assert list(found) == ["h", "n", "y"]
    assert [one.operator for one in found.values()] == ["aten.gelu.default", "aten.softmax.int", "aten.tanh.default"]
    assert not any(one.faulty for one in found.values())
    assert max(one.semantic_residual_u for one in found.values()) < 1e-6


def test_a_small_fault_is_named_and_what_follows_it_is_sound(judged):
    found = judged(first='Gelu <approximate = "tanh"> (x)')
    assert [name for name, one in found.items() if one.semantic_fault] == ["h"]
    assert found["h"].op_types == ("Gelu",)
    assert found["h"].operator == "aten.gelu.default"


def test_a_fault_that_changes_a_value_beyond_recognition_is_between_its_neighbours(judged):
    found = judged(second="Softmax <axis = 0> (h)")
    [fault] = [one for one in found.values() if one.semantic_fault]
    assert "Softmax" in fault.op_types
    assert not found["h"].faulty


def test_a_formula_that_loses_its_digits_is_unstable_and_no_other_function(judged):
    found = judged(
        torch.logspace(-12, -3, 64).reshape(4, 16),
        lambda x: torch.tanh(torch.log1p(x)),
        first="Constant <value_float = 1.0> ()",
        second="Log (p)",
        add="p = Add (x, h)",
    )
    [fault] = [one for one in found.values() if one.faulty]
    assert not fault.semantic_fault
    assert fault.unstable
    assert fault.operator == "aten.log1p.default"


def test_one_operator_has_no_formula_that_could_lose_digits(judged):
    # A mean that cancels: what is left of it is the rounding of sums, which a kernel orders as it likes.
    graph = """<ir_version: 9, opset_import: ["" : 20]>
    target (float[4, 16] x) => (float y) { y = ReduceMean <keepdims = 0> (x) }"""
    given = torch.rand(4, 16, generator=torch.Generator().manual_seed(391)) - 0.5  # seldom is it as far off as here
    found = judged(given, torch.mean, graph)
    assert not found["y"].faulty


@pytest.mark.parametrize("taken", ["Less", "Greater"])
def test_of_two_branches_only_the_one_that_is_taken_tells_how_accurate_a_formula_is(judged, taken):
    # x + w (y - x) is y - (1 - w) (y - x) in exact arithmetic; where x is small and w as well, the second cancels.
    given = torch.logspace(-3, -1, 64).reshape(4, 16)
    graph = f"""<ir_version: 9, opset_import: ["" : 20]>
    target (float[4, 16] x) => (float[4, 16] y)
    <float w = {{0.00999999978}}, float one = {{1}}, float half = {{0.5}}> {{
        gap = Sub (one, x)
        first = Mul (w, gap)
        low = Add (x, first)
        rest = Sub (one, w)
        second = Mul (gap, rest)
        high = Sub (one, second)
        small = {taken} (w, half)
        y = Where (small, low, high)
    }}"""
    weight = torch.tensor(0.01)
    found = judged(given, lambda x: torch.lerp(x, torch.ones_like(x), weight), graph)
    assert [name for name, one in found.items() if one.faulty] == ([] if taken == "Less" else ["y"])


@pytest.mark.parametrize("wrong", [False, True])
def test_a_value_inside_a_formula_may_be_called_as_the_output_is(judged, wrong):
    # The output deviates as far as its constant is rounded; `sub`, as the source calls it, is another value here.
    graph = f"""<ir_version: 9, opset_import: ["" : 20]>
    target (float[4, 16] x) => (float[4, 16] y) <float c = {{0.100000009}}, float one = {{1}}> {{
        neg = Neg (x)
        exp = Exp (neg)
        sub = Add (exp, one)
        sigmoid = Reciprocal (sub)
        y = {"Add" if wrong else "Sub"} (sigmoid, c)
    }}"""
    found = judged(None, lambda x: torch.sub(torch.sigmoid(x), 0.1), graph)
    assert ("sub" in found) is wrong  # where the output is beyond recognition, the name is all there is
    assert found["y"].semantic_fault is wrong


def test_values_that_need_more_than_the_budget_leave_no_trace(tmp_path):
    given = torch.randn(4, 16)
    run = traced(
        capture(program, CallArguments((given,), {})),
        [given],
        Branches(),
        watch=(),
        seed=0,
        budget_bytes=16,
        folder=tmp_path,
        stem="trace",
    )
    assert run.trace is None
    assert "GiB" in run.reason
    assert np.isfinite(run.exact[0].numpy()).all()
