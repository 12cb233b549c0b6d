"""Faults of a converter in the middle of a model are cut out and shrunk to the one operator, and fail the same way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tautomer.adapters.torch_host import TORCH_HOST
from tautomer.checking import run_check
from tautomer.checking.signatures import signature_of
from tautomer.execution import HostSpec, Pool, Task
from tautomer.model import CheckSettings, Completed, Limits

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch", "torch.onnx", "onnxruntime")]

TASKS = "tautomer.adapters.torch_programs.reduction.task"
SETTINGS = {"converter": "torch.onnx"}

MODEL = """
import torch
import torch.nn.functional as F


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(6, 8)
        self.last = torch.nn.Linear(8, 2)

    def forward(self, x):
        h = F.gelu(self.first(x)) * 2
        {fault}
        return self.last(torch.relu(h)).softmax(-1)


def inputs():
    return (torch.randn(3, 6),)
"""

FAULTS = {
    "an average pool without its divisor": (
        "h = F.avg_pool2d(h[None, None], 3, 1, 1, divisor_override=4)[0, 0]",
        "aten.avg_pool2d.default",
        {"AveragePool"},
        2,  # a window of one element, without padding, is divided by nothing else
    ),
    "a floor that the runtime has for no integer": (
        "h = h + torch.floor((h * 4).to(torch.int64)).to(torch.float32)",
        "aten.floor.default",
        {"Floor"},
        1,
    ),
}


@pytest.fixture(scope="module")
def pool():
    with Pool() as shared:
        yield shared


def result_of(pool, function, arguments, folder):
    host = HostSpec(TORCH_HOST.name, TORCH_HOST.preload, TORCH_HOST.prime, TORCH_HOST.fork_safe)
    events = []
    attempt = pool.submit(
        Task(host, f"{TASKS}:{function}", arguments, function),
        Limits(900.0, 8 << 30),
        folder=folder / function,
        on_event=events.append,
    )
    assert isinstance(attempt, Completed), attempt
    return attempt.result, events


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_inside_a_model_is_reduced_to_its_operator(name, pool, tmp_path):
    fault, operator, op_types, elements = FAULTS[name]
    path = tmp_path / "model.py"
    path.write_text(MODEL.format(fault=fault))
    spec = {"path": str(path), "kind": "model_module", "seed": 0}
    (cut,) = result_of(pool, "extract", {"spec": spec, "ways": [{"operators": [operator], "grow": 1}]}, tmp_path)[0][
        "cuts"
    ]
    assert len(cut["operators"]) > 1
    smallest, events = result_of(pool, "shrink", {"state": cut["state"], "settings": SETTINGS}, tmp_path)
    assert smallest["operators"] == [operator]
    assert smallest["elements"] == elements
    assert set(smallest["probe"]["op_types"]) == op_types
    weights = [event.fields["weight"] for event in events if event.name == "best"]
    assert weights == sorted(weights, reverse=True)
    settings = CheckSettings(run_dir=tmp_path / "runs")
    whole, reduced = (
        run_check(Path(each), settings, runner=pool).report.reports[0] for each in (path, smallest["module"])
    )
    assert signature_of(reduced.findings[0]).is_same_failure(signature_of(whole.findings[0]))


def test_a_sound_model_has_nothing_to_shrink(pool, tmp_path):
    path = tmp_path / "model.py"
    path.write_text(MODEL.format(fault="h = h + 1"))
    spec = {"path": str(path), "kind": "model_module", "seed": 0}
    (cut,) = result_of(pool, "extract", {"spec": spec, "ways": [{"grow": -1}]}, tmp_path)[0]["cuts"]
    smallest, _ = result_of(pool, "shrink", {"state": cut["state"], "settings": SETTINGS}, tmp_path)
    assert smallest["module"] is None
    assert smallest["probe"]["outcome"] == "equivalent"
    offered, _ = result_of(pool, "candidates", {"state": cut["state"], "count": 3}, tmp_path)
    assert len(offered["candidates"]) == 3
    assert not offered["exhausted"]
    seen, _ = result_of(
        pool, "probe", {"modules": [one["module"] for one in offered["candidates"]], "settings": SETTINGS}, tmp_path
    )
    assert {one["outcome"] for one in seen["probes"]} == {"equivalent"}
