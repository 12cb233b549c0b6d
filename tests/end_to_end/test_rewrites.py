"""Workarounds by rewriting, on real conversions: found, verified against the model as it is, and written down."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tautomer.bisection.rewrites import find_rewrite
from tautomer.bisection.rewrites.trial import TrialBench
from tautomer.checking import run_check
from tautomer.model import CheckSettings, Keep, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch.onnx", "onnxruntime")]

SEVERAL = """
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 4)

        def forward(self, x, y):
            a = self.linear(x)
            b = torch.where(a > 0, a * 3, a - 1)
            r = torch.xlogy(x, y)
            return b + torch.abs(torch.where(r > 0, r * 3, r - 1)), a * 2

    def inputs():
        torch.manual_seed(0)
        x = torch.randn(5, 4)
        x[:2] = 0.0
        return x, torch.tensor([float("nan"), 1.0, 2.0, 0.5])
"""

HARMLESS = """
    import torch

    class Model(torch.nn.Module):
        def forward(self, x):
            return torch.nn.functional.conv2d(x, torch.ones(1, 1, 2, 2))

    def inputs():
        torch.manual_seed(0)
        return (torch.randn(1, 1, 3, 3),)
"""


def first_finding(path, settings, pool):
    return run_check(path, settings, runner=pool).report.reports[0].findings[0]


def test_a_rewrite_is_found_among_other_operators_and_the_patched_model_computes_what_pytorch_does(
    write_module, run_dir, tmp_path, pool
):
    import onnxruntime

    path = write_module(SEVERAL)
    settings = CheckSettings(run_dir=run_dir, keep=Keep.NONE)
    finding = first_finding(path, settings, pool)
    found = find_rewrite(finding, path, settings, pool, folder=tmp_path / "patched")
    assert [one.outcome for one in found] == [Outcome.EQUIVALENT]
    assert found[0].operators == ("aten.xlogy.Tensor",)
    space: dict = {}
    exec(found[0].code, space)
    assert "xlogy" in space
    session = onnxruntime.InferenceSession(str(found[0].model))
    x, y = np.zeros((5, 4), np.float32), np.array([np.nan, 1, 2, 0.5], np.float32)
    names = [one.name for one in session.get_inputs()]
    outputs = session.run(None, dict(zip(names, (x, y), strict=True)))
    assert np.isnan(outputs[0][:, 0]).all()
    assert not np.isnan(outputs[0][:, 1:]).any()


def test_nothing_is_proposed_where_no_rewrite_applies(write_module, run_dir, tmp_path, pool):
    settings = CheckSettings(run_dir=run_dir, keep=Keep.NONE)
    finding = first_finding(write_module(SEVERAL, "other.py"), settings, pool)
    assert find_rewrite(finding, write_module(HARMLESS), settings, pool, folder=tmp_path / "patched") == []


def test_a_patch_of_a_given_graph_is_checked_against_the_graph_as_it_is(run_dir, tmp_path, pool):
    nodes = [helper.make_node("Softmax", ["x"], ["p"]), helper.make_node("ArgMax", ["p"], ["best"], axis=1)]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3])]
    outputs = [
        helper.make_tensor_value_info("p", TensorProto.FLOAT, [4, 3]),
        helper.make_tensor_value_info("best", TensorProto.INT64, [4, 1]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs), ir_version=9)
    model.opset_import[0].version = 18
    onnx.save(model, tmp_path / "model.onnx")
    settings = CheckSettings(run_dir=run_dir, keep=Keep.NONE)
    with TrialBench(tmp_path / "model.onnx", settings, pool, None) as bench:
        trial = bench.try_patch({"method": "function_body", "operators": ["Softmax"]})
        assert trial.report.outcome is Outcome.EQUIVALENT, trial.report
        assert "Softmax" not in {node.op_type for node in onnx.load(trial.model).graph.node}
        assert bench.try_patch({"method": "function_body", "operators": ["ArgMax"]}) is None
        assert bench.opset == 18
