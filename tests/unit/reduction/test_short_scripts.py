"""The few lines of an issue show a failure by themselves, or are not used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tautomer.model import Kind, Outcome, Stage
from tautomer.reduction.reproduction import GraphSource, Reproduction
from tautomer.reduction.short_script import short_script_of_graph, short_script_of_module, shown_by

WRONG_MODULE = '''"""A model."""

import torch


class Model(torch.nn.Module):
    def forward(self, totals, index, values):
        return totals.scatter_reduce(0, index, values, "mean")


def inputs():
    return (torch.tensor([0.0]), torch.tensor([0]), torch.tensor([1.0]))
'''

GRAPH = """<ir_version: 10, opset_import: ["" : 20]>
main (float[2] x) => (float[2] y) {
    y = Floor (x)
}"""


def failure(**changes) -> Reproduction:
    fields = {
        "title": "A failure.",
        "outcome": Outcome.DIVERGENT,
        "symptom_stage": Stage.RUNTIME_EXECUTION,
        "kind": Kind.SEMANTIC,
        "converter": "torch.onnx",
        "runtime": "onnxruntime",
    }
    return Reproduction(**(fields | changes))


@pytest.mark.slow
@pytest.mark.needs("torch", "torch.onnx", "onnxruntime", "openvino", "onnx-reference")
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "onnx-reference"])
def test_a_short_script_shows_a_wrong_conversion_and_leaves_nothing_behind(runtime, tmp_path):
    script = short_script_of_module(failure(runtime=runtime), WRONG_MODULE)
    assert script is not None
    assert len(script.splitlines()) < 45
    said = shown_by(script, tmp_path, 120)
    assert said is not None
    assert said.index("PyTorch in float64:\ntensor([0.5000]") < said.index("AssertionError: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.needs("torch", "torch.onnx", "onnxruntime")
@pytest.mark.parametrize(
    "sound", [WRONG_MODULE.replace("mean", "sum"), WRONG_MODULE.replace("import torch", "import torch, nothing_such")]
)
def test_a_script_that_does_not_show_it_is_not_used(sound, tmp_path):
    script = short_script_of_module(failure(), sound)
    assert script is not None
    assert shown_by(script, tmp_path, 120) is None


@pytest.mark.needs("onnx", "onnxruntime")
def test_a_graph_is_held_against_the_specification(tmp_path):
    one = failure(converter=None, kind=Kind.KERNEL)
    script = short_script_of_graph(one, GraphSource(GRAPH, [{"x": "np.array([0.5, 1.5], np.float32)"}]))
    assert script is not None
    assert shown_by(script, tmp_path, 120) is None
    wrong = script.replace("print(", "actual[0][1] = 7\nprint(")
    said = shown_by(wrong, tmp_path, 120)
    assert said is not None
    assert "Mismatched elements: 1 / 2" in said


@pytest.mark.parametrize(
    "beyond",
    [
        {"outcome": Outcome.FAILED},
        {"kind": Kind.CRASH},
        {"level": "disabled"},
        {"runtime_options": {"threads": 1}},
    ],
)
def test_what_takes_more_than_a_few_lines_has_no_short_script(beyond):
    assert short_script_of_module(failure(), WRONG_MODULE) is not None
    assert short_script_of_module(replace(failure(), **beyond), WRONG_MODULE) is None
