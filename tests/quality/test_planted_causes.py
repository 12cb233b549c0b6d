"""Faults that a model module plants into its exporter: the node, operator, line and cause that a check names."""

from __future__ import annotations

import textwrap

import pytest

from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch", "torch.onnx", "onnxruntime")]

MODULE = """
import os
import signal

import torch
import torch.nn.functional as F
from onnxscript import opset18 as op
from torch.onnx._internal.exporter import _core, _registration


def translate(name, function):
    packet, overload = name.split(".")
    target = getattr(getattr(torch.ops.aten, packet), overload)
    real = _registration.ONNXRegistry.from_torchlib

    def from_torchlib(*arguments, **keywords):
        registry = real(*arguments, **keywords)
        registry.register_op(target, function)
        return registry

    _registration.ONNXRegistry.from_torchlib = staticmethod(from_torchlib)


def after_optimizer(change):
    import onnxscript.optimizer

    real = onnxscript.optimizer.optimize_ir

    def optimize(model, *arguments, **keywords):
        real(model, *arguments, **keywords)
        change(model.graph)

    onnxscript.optimizer.optimize_ir = optimize


def number(like, value):
    return op.CastLike(value, like)


{plant}


class Model(torch.nn.Module):
    def forward(self, x, y):
        {before}
        z = {faulty}  # the line
        return {after}


def inputs():
    torch.manual_seed(0)
    return torch.randn(4, 4), torch.rand(4, 4)
"""

IGNORED = """
def gelu(self, approximate="none"):
    cdf = op.Add(op.Erf(op.Mul(self, number(self, 0.7071067811865476))), number(self, 1.0))
    return op.Mul(op.Mul(self, number(self, 0.5)), cdf)
translate("gelu.default", gelu)
"""
EXCHANGED = """
translate("sub.Tensor", lambda self, other, alpha=1.0: op.Sub(other, self))
"""
ONE_OF_FORMULA = """
def softmax(self, dim, dtype=None):
    powers = op.Exp(self)
    return op.Div(powers, op.ReduceSum(powers, op.Constant(value_ints=[0])))
translate("softmax.int", softmax)
"""
GIVEN_ON = """
translate("mean.dim", lambda self, dim, keepdim=False, dtype=None: op.ReduceMean(self, dim, keepdims=0))
"""
SCALAR = """
translate("mul.Tensor", lambda self, other: op.Mul(self, number(self, 0.0999755859375)))
"""
TAKEN_AWAY = """
def without_transpose(graph):
    import onnx_ir as ir
    for node in [one for one in graph if one.op_type == "Transpose"]:
        ir.convenience.replace_all_uses_with(node.outputs[0], node.inputs[0])
        graph.remove(node, safe=True)
after_optimizer(without_transpose)
"""
DIES = """
translate("hardswish.default", lambda self: os.kill(os.getpid(), signal.SIGSEGV))
"""

FAULTS = {
    "an argument that a formula ignores": (
        (IGNORED, "F.gelu(x, approximate='tanh')", "z * y"),
        ("aten.gelu.default", "incompatibility", "which ignores approximate"),
        ("node_conversion", None),
    ),
    "operands in the other order": (
        (EXCHANGED, "torch.sub(x, y)", "torch.exp(z)"),
        ("aten.sub.Tensor", "algorithmic_error", "with self and other exchanged"),
        ("node_conversion", ["Sub"]),
    ),
    "one node of a formula": (
        (ONE_OF_FORMULA, "F.softmax(x, -1)", "z @ y"),
        ("aten.softmax.int", "algorithmic_error", "instead of 0 in ReduceSum the result is right"),
        ("node_conversion", ["ReduceSum"]),
    ),
    "a shape that shows where it is used": (
        (GIVEN_ON, "x.mean(1, keepdim=True)", "y - z"),
        ("aten.mean.dim", "algorithmic_error", "mean(keepdim=True) became ReduceMean(keepdims=0)"),
        ("node_conversion", ["ReduceMean"]),
    ),
    "a number that lost digits": (
        (SCALAR, "x * 0.1", "torch.tanh(z)"),
        ("aten.mul.Tensor", "algorithmic_error", "mul(other=0.1) became Mul(B=0.0999755859375)"),
        ("node_conversion", ["Mul"]),
    ),
    "a node that a pass took away": (
        (TAKEN_AWAY, "x.transpose(0, 1)", "z @ y"),
        ("aten.transpose.int", "algorithmic_error", "which the pass took away"),
        ("optimization", ["MatMul"]),
    ),
    "a translation that kills its process": (
        (DIES, "F.hardswish(x)", "z + y"),
        ("aten.hardswish.default", "unknown", "was being translated: the worker died (SIGSEGV)"),
        ("node_conversion", []),
    ),
}


@pytest.fixture(scope="module")
def pool():
    with Pool() as shared:
        yield shared


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_has_its_node_its_operator_its_line_and_its_cause(name, pool, tmp_path):
    (plant, faulty, after), (operator, category, evidence), (stage, types) = FAULTS[name]
    text = MODULE.format(plant=plant, before="x = torch.relu(x) + x", faulty=faulty, after=after)
    path = tmp_path / "model.py"
    path.write_text(textwrap.dedent(text))
    settings = CheckSettings(run_dir=tmp_path / "runs", keep=Keep.NONE)
    [report] = run_check(path, settings, runner=pool).report.reports
    [finding] = report.findings
    line = next(at for at, one in enumerate(text.splitlines(), 1) if one.endswith("# the line"))
    assert (finding.location.source_node, finding.cause.category) == (operator, category)
    assert evidence in finding.cause.evidence
    assert finding.stage == stage
    assert finding.location.source_line == f"model.py:{line}"
    assert types is None or finding.location.op_types == types
    assert types is None or len(finding.location.nodes) == len(types)
