"""Probes: how a small module fails is told in a child process, whatever happens to it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tautomer.adapters.probing.forked import in_child
from tautomer.adapters.probing.probe import HANG, Probe
from tautomer.adapters.torch_programs.reduction.exporter_tables import ExporterTables
from tautomer.adapters.torch_programs.reduction.probing import TorchProber

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime")]


def test_a_child_that_returns_tells_all_it_said():
    assert in_child(lambda say: say(stage="here") or {"answer": 1}, timeout_s=30) == {"stage": "here", "answer": 1}


def test_a_child_that_dies_has_said_where_it_was():
    def die(say):
        say(stage="loading")
        os.kill(os.getpid(), signal.SIGSEGV)

    assert in_child(die, timeout_s=30) == {"stage": "loading", "ended": "SIGSEGV"}


def test_a_child_that_does_not_end_is_ended():
    assert in_child(lambda say: time.sleep(600), timeout_s=0.5) == {"ended": "late"}


def test_a_child_that_raises_ends_with_a_status():
    assert in_child(lambda say: 1 / 0, timeout_s=30) == {"ended": "exit status 1"}


MODULE = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        {body}

def inputs():
    return ({value},)
"""

CASES = {
    "sound": ("return torch.sin(x) + 1", "torch.ones(3)", "equivalent", "compared"),
    "the exporter does not know the operator": (
        "return torch.linalg.eigvalsh(x)", "torch.eye(3)", "failed", "node_conversion",
    ),
    "the runtime refuses the type": (
        "return torch.floor(x)", "torch.tensor([1, 2])", "failed", "runtime_load",
    ),
    "another value at negative zero": ("return torch.signbit(x)", "torch.tensor([-0.0])", "divergent", "compared"),
    "the source raises": ("return x @ x.T @ x.new_ones(2)", "torch.ones(1)", "invalid", "source"),
    "the source dies": ("import os; os.abort()", "torch.ones(1)", "failed", "source"),
}  # fmt: skip


@pytest.mark.slow
def test_a_probe_says_how_and_where_a_module_fails(tmp_path):
    prober = TorchProber({"converter": "torch.onnx"}, seed=0, timeout_s=120)
    for name, (body, value, outcome, stage) in CASES.items():
        path = tmp_path / "model.py"
        path.write_text(MODULE.format(body=body, value=value))
        found = prober.probe(path)
        assert (found.outcome, found.stage) == (outcome, stage), (name, found)
        assert Probe.of(found.fields()) == found
        assert found.is_same_failure(found) == (outcome in ("divergent", "failed"))


@pytest.mark.slow
@pytest.mark.needs("openvino")
def test_another_runtime_is_asked_through_its_adapter(tmp_path):
    task = "tautomer.adapters.runtimes.openvino_runtime:run"
    prober = TorchProber({"converter": "torch.onnx", "runtime_task": task}, seed=0, timeout_s=120)
    path = tmp_path / "model.py"
    path.write_text(MODULE.format(body="return torch.sin(x) + 1", value="torch.ones(3)"))
    assert prober.probe(path).outcome == "equivalent"
    # OpenVINO computes int64 in int32: the index is far outside the tensor.
    body = "return torch.ones(4, 1)[x // 1000000000 - 1700000000, torch.zeros(1, dtype=torch.int64)]"
    path.write_text(MODULE.format(body=body, value="torch.tensor([1700000003000000000])"))
    found = prober.probe(path)
    assert (found.outcome, found.stage, found.error) == ("failed", "runtime_execution", "SIGSEGV")


def test_probes_are_the_same_failure_whatever_their_size():
    one = Probe("divergent", "compared", differs=("model: range",), nodes=30, op_types=("Softmax",))
    assert one.is_same_failure(Probe("divergent", "compared", differs=("model: range",), nodes=1, op_types=("Exp",)))
    assert not one.is_same_failure(Probe("divergent", "compared", differs=("model: semantic",)))
    assert not one.is_same_failure(Probe("failed", "runtime_execution", HANG))


@pytest.mark.parametrize(("opset", "op_types"), [(None, ("Gelu",)), (18, ("Add", "Div", "Erf", "Mul"))])
def test_a_probe_exports_as_a_check_does_at_every_opset(opset, op_types, tmp_path):
    # PyTorch translates some operators in another way from a certain opset on.
    path = tmp_path / "model.py"
    path.write_text(MODULE.format(body="return torch.nn.functional.gelu(x)", value="torch.ones(3)"))
    found = TorchProber({"converter": "torch.onnx", "opset": opset}, seed=0, timeout_s=120).probe(path)
    assert (found.outcome, found.op_types) == ("equivalent", op_types)
    assert found.made_for == ("aten.gelu.default",)


def test_what_is_an_integer_is_as_semantic_as_a_number(tmp_path, monkeypatch):
    from onnxscript.rewriter import onnx_fusions

    def no_and(model, *arguments, **keywords):
        for node in model.graph:
            node.op_type = "Or" if node.op_type == "And" else node.op_type

    monkeypatch.setattr(onnx_fusions, "fuse", no_and)
    path = tmp_path / "model.py"
    path.write_text(MODULE.format(body="return x & ~x", value="torch.tensor([True, False])"))
    found = TorchProber({"converter": "torch.onnx"}, seed=0, timeout_s=120).probe(path)
    # The fault is in the optimizer: the graph was right when it was translated.
    assert (found.outcome, found.differs) == ("divergent", ("model: semantic", "model: visible"))
    assert found.has_one_of(["aten.bitwise_and.Tensor"])
    assert not found.has_one_of(["And"])


def test_the_exporter_is_told_of_operators_that_a_library_has_registered_since():
    import torch
    from torch.export import exported_program

    tables = ExporterTables.of(None)
    with tables.given():
        assert exported_program._collect_all_valid_cia_ops() == tables.whole
    with torch.library._scoped_library("late_library", "DEF") as library:
        library.define("twice(Tensor x) -> Tensor")
        library.impl("twice", lambda x: x + x, "CompositeImplicitAutograd")
        twice = torch.ops.late_library.twice.default
        assert twice not in tables.whole
        with tables.given():
            assert twice in exported_program._collect_all_valid_cia_ops()
