"""What a runtime's graph optimizations break is found in the graph they make: nodes, operators, the user's line."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import parser

from tautomer.checking import run_check
from tautomer.model import CheckSettings, Outcome, Stage

pytestmark = pytest.mark.slow

GRAPH = """
    <ir_version: 10, opset_import: ["" : 18]>
    g (float[1, 1, 2, 2] x) => (float[1, 1, 2, 2] y)
    <float[1, 1, 1, 1] w = {1e20}, float[1, 1, 1] k = {1e25}>
    {
        [first] r = Relu(x)
        [convolve] c = Conv(r, w)
        [scale] z = Mul(c, k)
        [last] y = Neg(z)
    }
"""
"""Finite as written; ONNX Runtime multiplies the two constants, which overflows."""

MODULE = """
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.full((1, 1, 1, 1), 1e20))
        self.register_buffer("scale", torch.full((1, 1, 1), 1e25))

    def forward(self, x):
        made = torch.nn.functional.conv2d(torch.relu(x), self.weight)
        return torch.neg(made * self.scale)


def inputs():
    return (torch.full((1, 1, 2, 2), 1e-30),)
"""


@pytest.fixture
def graph(tmp_path):
    path = tmp_path / "scaled.onnx"
    onnx.save(parser.parse_model(GRAPH), path)
    np.savez(tmp_path / "small.npz", x=np.full((1, 1, 2, 2), 1e-30, np.float32))
    return path


def finding_of(model, settings):
    report = run_check(model, settings).report.reports[0]
    assert report.outcome is Outcome.DIVERGENT
    assert len(report.findings) == 1
    found = report.findings[0]
    assert found.stage is Stage.RUNTIME_OPTIMIZATION
    return found


@pytest.mark.needs("onnx", "onnxruntime", "ort-offline")
def test_the_nodes_of_a_file_that_the_runtime_fused_are_named(graph, run_dir):
    found = finding_of(graph, CheckSettings(run_dir=run_dir, inputs=graph.with_name("small.npz")))
    assert "convolve" in found.location.nodes
    assert "first" not in found.location.nodes
    assert "the graph that onnxruntime saves" in found.cause.evidence


@pytest.mark.needs("onnx", "onnxruntime", "ort-offline")
def test_without_the_fusion_there_is_nothing_to_name(graph, run_dir):
    settings = CheckSettings(
        run_dir=run_dir,
        inputs=graph.with_name("small.npz"),
        runtime_options={"disabled_optimizers": "ConvMulFusion"},
    )
    assert run_check(graph, settings).report.reports[0].outcome is Outcome.EQUIVALENT


@pytest.mark.needs("torch", "torch.onnx", "onnxruntime", "ort-offline")
def test_a_line_of_the_source_is_named_through_a_converter(write_module, run_dir):
    found = finding_of(write_module(MODULE, "scaled.py"), CheckSettings(run_dir=run_dir))
    assert "Conv" in found.location.op_types
    assert found.location.source_line in ("scaled.py:12", "scaled.py:13")
    assert found.link is None
