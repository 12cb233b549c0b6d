"""`tautomer compare`: artefacts of every kind in either place, located by names and without them."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from tautomer.checking.comparison import run_comparison
from tautomer.errors import InputsError, ModelFileError
from tautomer.model import CheckSettings, Kind, Limits, Outcome
from tautomer.model.report_json import decode

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch", "onnx", "onnxruntime")]

MODULE = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Linear(8, 16)
        self.norm = torch.nn.LayerNorm(16, eps={eps})
        self.second = torch.nn.Linear(16, 4)
        with torch.no_grad():
            self.second.weight[1, 1] += {bump}

    def forward(self, x):
        return torch.sigmoid(self.second(self.norm(torch.relu(self.first(x)))))

def inputs():
    torch.manual_seed(3)
    return (torch.randn(5, 8),)
"""


@pytest.fixture
def compare(pool, run_dir):
    """Compares two files, every setting a keyword; gives the one report."""

    def run(reference, judged, **settings):
        given = CheckSettings(run_dir=run_dir, limits=Limits(120.0, 4 << 30), **settings)
        [report] = run_comparison(reference, judged, given, runner=pool).report.reports
        return report

    return run


@pytest.fixture
def module(write_module):
    """Writes the small network as a model module."""

    def write(name="a.py", *, eps="1e-5", bump="0.0"):
        return write_module(MODULE.format(eps=eps, bump=bump), name)

    return write


def loaded(path):
    namespace = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    return namespace["Model"]().eval(), namespace["inputs"]()


@pytest.fixture
def graph(tmp_path):
    """Writes a chain of two products with a normalization between them as .onnx."""

    def write(name, *, epsilon=1e-5, bump=0.0, renamed=False, width=8, extra_input=False, outputs=1):
        random = np.random.default_rng(0)
        first, second = (random.standard_normal(shape).astype(np.float32) for shape in ((8, 16), (16, 4)))
        scale, bias = (random.standard_normal(16).astype(np.float32) for _ in range(2))
        second[3, 3] += bump

        def called(text):
            return "v" + str(sum(map(ord, text)) * 31) if renamed else text

        nodes = [
            helper.make_node("MatMul", ["x", "w1"], [called("m1")], called("first")),
            helper.make_node("Relu", [called("m1")], [called("r")], called("relu")),
            helper.make_node(
                "LayerNormalization", [called("r"), "s", "b"], [called("n")], called("norm"), epsilon=epsilon
            ),
            helper.make_node("MatMul", [called("n"), "w2"], [called("m2")], called("second")),
            helper.make_node("Transpose", [called("m2")], [called("t")], called("moved"), perm=[1, 0]),
            helper.make_node("Sigmoid", [called("t")], ["y"], called("last")),
        ]
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [3, width])]
        made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 3])]
        if extra_input:
            inputs.append(helper.make_tensor_value_info("shift", TensorProto.FLOAT, [4, 3]))
            nodes[-1].output[0] = "before"
            nodes.append(helper.make_node("Add", ["before", "shift"], ["y"], "shifted"))
        if outputs == 2:
            nodes.append(helper.make_node("Neg", ["y"], ["z"], "negated"))
            made.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [4, 3]))
        if width != 8:
            first = random.standard_normal((width, 16)).astype(np.float32)
        stored = {"w1": first, "w2": second, "s": scale, "b": bias}
        proto = helper.make_graph(
            nodes, "chain", inputs, made, [numpy_helper.from_array(array, key) for key, array in stored.items()]
        )
        path = tmp_path / name
        onnx.save(helper.make_model(proto, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
        return path, called("norm")

    return write


def located(report):
    return {node for finding in report.findings for node in finding.location.nodes}


@pytest.mark.parametrize("renamed", [False, True])
def test_two_graphs_of_one_function_are_equivalent_whatever_their_values_are_called(compare, graph, renamed):
    report = compare(graph("a.onnx")[0], graph("b.onnx", renamed=renamed)[0])
    assert report.outcome is Outcome.EQUIVALENT, report.reason
    assert any("seeded" in warning for warning in report.warnings)


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_node_at_which_two_graphs_part_is_named_with_and_without_names(compare, graph, renamed, swapped):
    right, norm = graph("a.onnx")
    wrong, wrong_norm = graph("b.onnx", epsilon=1e-2, renamed=renamed)
    report = compare(wrong, right) if swapped else compare(right, wrong)
    assert report.outcome is Outcome.DIVERGENT
    assert report.findings[0].cause.kind is Kind.SEMANTIC
    assert located(report) == {norm if swapped else wrong_norm}


def test_two_faults_in_a_graph_without_names_are_two_findings(compare, graph):
    wrong, norm = graph("b.onnx", epsilon=1e-2, bump=0.5, renamed=True)
    report = compare(graph("a.onnx")[0], wrong)
    assert norm in located(report)
    assert {kind for finding in report.findings for kind in finding.location.op_types} == {
        "LayerNormalization",
        "MatMul",
    }


def test_a_graph_that_asks_for_another_input_is_a_difference_of_interfaces(compare, graph):
    report = compare(graph("a.onnx")[0], graph("b.onnx", extra_input=True)[0])
    assert report.findings[0].cause.kind is Kind.INTERFACE
    assert "'shift'" in report.findings[0].message


def test_a_graph_with_an_output_more_is_a_difference_of_interfaces(compare, graph):
    report = compare(graph("a.onnx")[0], graph("b.onnx", outputs=2)[0])
    assert report.outcome is Outcome.DIVERGENT
    assert report.findings[0].cause.kind is Kind.INTERFACE
    assert "'z'" in report.findings[0].message


def test_sizes_that_fit_only_one_of_the_two_are_misuse(compare, graph):
    with pytest.raises(InputsError, match="no inputs fit both"):
        compare(graph("a.onnx")[0], graph("b.onnx", width=7)[0])


def test_all_places_at_which_two_modules_part_are_named_with_the_users_lines(compare, module):
    report = compare(module(), module("b.py", eps="1e-3", bump="0.25"))
    assert report.outcome is Outcome.DIVERGENT
    assert report.runtime == "torch"
    assert located(report) == {"layer_norm", "linear_1"}
    assert {finding.location.source_line for finding in report.findings} == {"a.py:15"}


def test_a_module_is_judged_against_an_onnx_reference_on_its_own_inputs(compare, module, tmp_path):
    model, inputs = loaded(module())
    torch.onnx.export(model, inputs, tmp_path / "a.onnx", dynamo=True, verbose=False, external_data=False)
    report = compare(tmp_path / "a.onnx", module("b.py", eps="1e-3"))
    assert located(report) == {"layer_norm"}
    assert report.inputs[0].origin == "inputs()"


def test_two_models_that_say_nothing_of_their_inputs_need_samples(compare, module, tmp_path):
    model, inputs = loaded(module())
    path = tmp_path / "a.ts"
    torch.jit.trace(model, inputs).save(path)
    with pytest.raises(InputsError, match="--inputs"):
        compare(path, path)
    np.savez(tmp_path / "sample.npz", arr_0=inputs[0].numpy())
    assert compare(path, path, inputs=tmp_path / "sample.npz").outcome is Outcome.EQUIVALENT


def test_a_file_that_is_no_model_is_misuse(compare, graph, tmp_path):
    (tmp_path / "c.onnx").write_bytes(b"no model")
    with pytest.raises(ModelFileError):
        compare(graph("a.onnx")[0], tmp_path / "c.onnx")


def test_the_command_has_the_exit_statuses_and_the_json_of_a_check(command, graph, tmp_path):
    right, wrong = graph("a.onnx")[0], graph("b.onnx", epsilon=1e-2)[0]
    same = command("compare", right, right, "--json", "-")
    assert same.status == 0
    report = decode(same.stdout)
    assert report.schema == "tautomer/check/1"
    assert report.settings["compared"]["model"] == str(right)
    assert json.loads(same.stdout)["reports"][0]["links"] == ["a.onnx"]
    assert command("compare", right, wrong).status == 1
    assert command("compare", right, tmp_path / "nothing.onnx").status == 2
