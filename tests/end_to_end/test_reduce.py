"""`tautomer reduce` on real failures: how small, whether proven, what the script shows and what a redaction hides."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

from tautomer.errors import MisuseError
from tautomer.model import CheckSettings, Crashed, Keep, Limits
from tautomer.model.report_json import decode
from tautomer.reduction import Request, reduce

pytestmark = [pytest.mark.needs("torch", "torch.onnx", "onnxruntime"), pytest.mark.slow]

FAILURES = Path(__file__).parents[2] / "benchmarks" / "reduce" / "failures"

SCATTERED = """
import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.customer = torch.nn.Linear(6, 6)

    def forward(self, x, index):
        x = torch.tanh(self.customer(x))
        x = torch.zeros(3, 6).scatter_reduce(0, index, x, "mean", include_self=False)
        return torch.softmax(x * 2.0, 1)


def inputs():
    return torch.randn(4, 6), torch.tensor([[0, 1, 2, 0, 1, 2]] * 4)
"""

GRAPH = """
<ir_version: 8, opset_import: ["" : 18], producer_name: "customer">
customer_graph (double[3, 3] customer_x) => (double customer_y, double[3, 3] customer_z)
<double[3, 3] customer_w = {0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 9.5}>
{
  customer_a = Add (customer_x, customer_w)
  customer_b = Tanh (customer_a)
  customer_y = Det (customer_b)
  customer_z = Neg (customer_a)
}
"""
"""ONNX Runtime has no kernel for Det of doubles."""


OVERFLOWING = """
<ir_version: 8, opset_import: ["" : 18]>
g (int64[3] a, int64[3] b) => (float[3] y, int64[3] z)
{
  c = Abs (a)
  d = Neg (c)
  e = Add (d, b)
  z = Sub (e, b)
  f = Div (z, b)
  h = Cast <to = 1> (f)
  y = Relu (h)
}
"""
"""ONNX Runtime divides the smallest int64 by -1 with an instruction that raises SIGFPE."""


BRANCHING = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        index = torch.tensor([0, 0, 1])[:, None].expand(3, 4)

        def mean(x):
            return torch.zeros(2, 4).scatter_reduce(0, index, x, "mean", include_self=False)

        return torch.cond(x.sum() > 0, mean, lambda x: x[:2] - 1, (x,)) * 2

def inputs():
    return (torch.linspace(1, 2, 12).reshape(3, 4),)
"""


class Hearer:
    """Hears a reduction, and interrupts it where it is told to."""

    def __init__(self, interrupt_at=None):
        self.heard = []
        self._interrupt_at = interrupt_at

    def stage(self, name, detail=""):
        self.heard.append((name, detail))
        if self._interrupt_at is not None and self._interrupt_at(name, detail):
            self._interrupt_at = None
            raise KeyboardInterrupt

    def done(self, name, seconds, outcome=None):
        pass


@pytest.fixture
def reduced(pool, run_dir, tmp_path):
    def run(subject, *, hearer=None, inputs=None, **more):
        settings = CheckSettings(run_dir=run_dir, limits=Limits(120.0, 4 << 30), inputs=inputs)
        request = Request(subject=str(subject), settings=settings, out=tmp_path / "out", **more)
        return reduce(request, hearer=hearer or Hearer(), runner=pool)

    return run


@pytest.fixture
def graph(tmp_path):
    model = onnx.parser.parse_model(GRAPH)
    model.graph.node[0].metadata_props.add(key="customer", value="/home/customer/x.py")
    path = tmp_path / "customer.onnx"
    onnx.save_model(model, str(path))
    return path


def test_a_fault_within_a_run_is_reduced_to_its_operator_with_a_script_that_shows_it(checked, reduced, write_module):
    run = checked(write_module(SCATTERED), keep=Keep.FAILURES)
    found = reduced(run.report.run_id)
    assert found.exit_status == 0
    assert found.nodes_after <= 3 < found.nodes_before
    text = (found.folder / "model.py").read_text()
    assert "scatter_reduce" in text
    for gone in ("customer", "tanh", "softmax", "linear"):
        assert gone not in text
    assert found.script.status == 1
    assert "float64" in found.script.output
    report = decode((found.folder / "recheck.json").read_bytes())
    assert report.reports[0].location.source_node == "aten.scatter_reduce.two"
    issue = (found.folder / "issue.md").read_text()
    for field in ("### 🐛 Describe the bug", "### Versions", "scatter_reduce", "```python"):
        assert field in issue
    for file in found.folder.iterdir():
        assert str(found.folder.parent).encode() not in file.read_bytes()


def test_a_fault_inside_a_branch_is_reduced_to_its_operator_without_the_branch(reduced, write_module):
    found = reduced(write_module(BRANCHING))
    assert found.exit_status == 0
    assert found.nodes_after == 1 < found.nodes_before
    text = (found.folder / "model.py").read_text()
    assert "scatter_reduce" in text
    assert "cond" not in text
    assert found.script.status == 1


def test_a_redacted_graph_fails_the_same_way_and_names_nothing(graph, reduced):
    found = reduced(graph, redact=True)
    assert found.exit_status == 0
    assert found.nodes_after == 1
    assert found.tracker == "onnxruntime"
    for file in found.folder.iterdir():
        assert b"customer" not in file.read_bytes(), file.name
    assert "Det" in (found.folder / "redaction.md").read_text()


def test_a_crash_of_the_runtime_is_reduced_to_the_node_that_dies(reduced, tmp_path):
    onnx.save(onnx.parser.parse_model(OVERFLOWING), tmp_path / "overflowing.onnx")
    samples = tmp_path / "samples.npz"
    np.savez(samples, a=np.array([-(2**63), 4, 5]), b=np.array([-1, 2, 3]))
    found = reduced(tmp_path / "overflowing.onnx", inputs=samples)
    assert (found.exit_status, found.nodes_before, found.nodes_after) == (0, 7, 1)
    (node,) = onnx.load(found.folder / "model.onnx").graph.node
    assert node.op_type == "Div"
    assert found.script.status == 1
    assert "died of signal 8" in found.script.output


def test_a_crash_on_a_converted_program_leaves_the_smallest_graph_beside_the_program(reduced):
    found = reduced(FAILURES / "sigfpe_onnxruntime.py")
    assert (found.exit_status, found.nodes_after, found.tracker) == (0, 1, "onnxruntime")
    assert found.nodes_before > 10
    assert {"model.py", "model.onnx", "inputs.safetensors"} <= {*found.files}
    (node,) = onnx.load(found.folder / "model.onnx").graph.node
    assert node.op_type == "Div"
    text = (found.folder / "model.py").read_text()
    assert "//" in text or "floor_divide" in text
    assert "relu" not in text
    assert found.script.status == 1
    assert "died of signal 8" in found.script.output


def test_the_same_seed_gives_the_same_model(graph, reduced, tmp_path):
    first = reduced(graph)
    shutil.move(first.folder, tmp_path / "first")
    second = reduced(graph)
    for name in ("model.onnx", "inputs.safetensors", "repro.py"):
        assert (tmp_path / "first" / name).read_bytes() == (second.folder / name).read_bytes()


def test_an_interrupt_keeps_what_was_found_until_then(graph, reduced):
    hearer = Hearer(lambda name, detail: name == "shrink" and "node" in detail)
    found = reduced(graph, hearer=hearer)
    assert found.interrupted
    assert found.proven
    assert found.nodes_after < 4


class LosesItsWorker:
    """A pool whose worker of a search is killed when it has found something smaller."""

    def __init__(self, pool):
        self._pool = pool
        self.killed = False

    def submit(self, task, limits, *, folder, on_event=None):
        found = []

        def hear(event):
            # What comes after the kill is lost, as it is where the worker had no time to send it.
            if not found and on_event is not None:
                on_event(event)
            if event.name == "best" and task.label == "reduce":
                found.append(event)
                for host in children(os.getpid()):
                    for worker in children(host):
                        os.kill(worker, signal.SIGKILL)

        attempt = self._pool.submit(task, limits, folder=folder, on_event=hear)
        if not found or self.killed:
            return attempt
        self.killed = True
        if isinstance(attempt, Crashed):
            return attempt
        # It had come to its end before the signal did.
        return Crashed(attempt.resources, attempt.log, attempt.events, signal="SIGKILL", exit_status=None)


def children(process):
    files = Path(f"/proc/{process}/task").glob("*/children")
    return [int(one) for file in files for one in file.read_text().split()]


def test_a_search_whose_worker_is_killed_leaves_the_best_until_then(graph, pool, run_dir, tmp_path):
    losing = LosesItsWorker(pool)
    settings = CheckSettings(run_dir=run_dir, limits=Limits(120.0, 4 << 30))
    found = reduce(Request(subject=str(graph), settings=settings, out=tmp_path / "out"), hearer=Hearer(), runner=losing)
    assert losing.killed
    assert (found.proven, found.interrupted) == (True, False)
    assert found.nodes_after < 4
    assert "ended by SIGKILL" in found.said[0]


def test_an_interrupt_of_the_last_proof_keeps_what_the_search_had_proven(graph, reduced):
    found = reduced(graph, hearer=Hearer(lambda name, detail: name == "proof"))
    assert (found.interrupted, found.proven, found.nodes_after) == (True, True, 1)


def test_an_interrupt_before_anything_smaller_was_found_leaves_nothing(graph, reduced, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        reduced(graph, hearer=Hearer(lambda name, detail: name != "check"))
    assert not (tmp_path / "out").exists()


def test_an_equivalent_model_is_misuse(reduced, write_module):
    sound = SCATTERED.replace('"mean", include_self=False', '"sum"')
    with pytest.raises(MisuseError) as refused:
        reduced(write_module(sound))
    assert refused.value.code == "TA170"


def test_a_folder_of_somebody_else_is_left_alone(graph, reduced, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(MisuseError) as refused:
        reduced(graph)
    assert refused.value.code == "TA146"
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_a_run_that_is_not_there_is_misuse(command):
    said = command("reduce", "last")
    assert said.status == 2
    assert "TA150" in said.stderr
