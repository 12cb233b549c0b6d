"""A check whose runtime is OpenVINO: sound models are equivalent, and what its plugin changes is found."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from small_models import HEAD, LINEAR

pytestmark = pytest.mark.needs("torch", "torch.onnx", "openvino")


def module(expression, inputs):
    return (
        f"{HEAD}class Model(torch.nn.Module):\n    def forward(self, x):\n        return {expression}\n\n"
        f"def inputs():\n    return ({inputs},)\n"
    )


def test_a_sound_model_is_equivalent(check):
    report = check(LINEAR, to=("openvino",))
    assert report.outcome == "equivalent", report.findings or report.reason
    last = report.checkpoints[-1]
    assert (last.name, last.stage, last.outcome) == ("openvino", "runtime_execution", "equivalent")


def test_the_same_conversion_is_judged_in_two_runtimes(checked):
    reports = checked(LINEAR, to=("onnxruntime", "openvino")).report.reports
    assert [(one.runtime, one.outcome) for one in reports] == [
        ("onnxruntime", "equivalent"),
        ("openvino", "equivalent"),
    ]


@pytest.mark.parametrize(
    ("expression", "inputs"),
    [
        ("x + 1", "torch.zeros(0, 4)"),
        ("x * 2", "torch.tensor(3.0)"),
        ("(x > 0).any(1)", "torch.randn(3, 4)"),
        ("x.topk(5, 1)", "torch.randn(3, 40)"),
        ("torch.nonzero(x > 0)", "torch.randn(3, 4)"),
    ],
    ids=["empty", "scalar", "boolean", "indices", "sizes that depend on values"],
)
def test_shapes_and_types_of_every_kind_are_compared(check, expression, inputs):
    report = check(module(expression, inputs), to=("openvino",))
    assert report.outcome == "equivalent", report.findings or report.reason


@pytest.mark.parametrize(
    ("expression", "inputs"),
    [
        ("x.half().float()", "torch.full((3,), 1 / 3)"),
        ("x.half().float()", "torch.full((3,), 2.0**20)"),
        ("x + 1", "torch.tensor([2**31 + 5])"),
        ("x + x", "torch.full((3,), 200, dtype=torch.uint8)"),
    ],
    ids=["precision of float16", "range of float16", "int64 beyond int32", "uint8 that wraps"],
)
def test_what_the_plugin_computes_differently_is_a_fault_of_the_runtime(check, expression, inputs):
    report = check(module(expression, inputs), to=("openvino",))
    assert (report.outcome, report.symptom) == ("divergent", "wrong_model")
    assert (report.stage, report.symptom_stage) == ("runtime_execution", "runtime_execution")
    assert check(module(expression, inputs), to=("onnxruntime",)).outcome == "equivalent"


def test_an_operator_that_the_plugin_lacks_is_refused_where_it_is_loaded(check, tmp_path):
    node = helper.make_node("StringNormalizer", ["x"], ["y"], case_change_action="LOWER")
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.STRING, [2])],
        [helper.make_tensor_value_info("y", TensorProto.STRING, [2])],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    np.savez(tmp_path / "inputs.npz", x=np.array(["A", "B"]))
    report = check(path, to=("openvino",), inputs=tmp_path / "inputs.npz")
    assert (report.outcome, report.symptom_stage) == ("failed", "runtime_load")
    assert "StringNormalizer" in report.findings[0].message
