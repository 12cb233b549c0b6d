"""The measured power of a check, on real conversions."""

from __future__ import annotations

import pytest
from small_models import HEAD

from tautomer.checking.attempts import Bench
from tautomer.checking.pipeline import convert, run_source
from tautomer.checking.power import measure
from tautomer.checking.sources import recognise, resolve_converters
from tautomer.execution import RunStore
from tautomer.model import CheckSettings, Limits

BLOCK = (
    HEAD
    + """
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(8)
        self.attention = torch.nn.Linear(8, 24)
        self.feed = torch.nn.Linear(8, 8)
        with torch.no_grad():
            for parameter in (self.norm.weight, self.norm.bias):
                parameter.add_(0.2 * torch.randn(8))

    def forward(self, x):
        q, k, v = self.attention(self.norm(x)).chunk(3, -1)
        scores = q @ k.transpose(-1, -2) / 8**0.5
        mask = torch.triu(torch.full((5, 5), -torch.inf), 1)
        x = x + torch.softmax(scores + mask, -1) @ v
        return x + torch.nn.functional.gelu(self.feed(x))

def inputs():
    return (torch.randn(2, 5, 8),)
"""
)

IDLE = (
    HEAD
    + """
class Model(torch.nn.Module):
    def forward(self, x):
        return torch.tanh(torch.clamp(x, -100.0, 0.5)), torch.clamp(x, -50.0, 60.0)

def inputs():
    return (torch.randn(4, 8),)
"""
)


class Silent:
    """Hears nothing."""

    def stage(self, name, detail=""):
        """Ignored."""

    def done(self, name, seconds, outcome=None):
        """Ignored."""


@pytest.fixture
def measured(pool, run_dir, write_module):
    """Converts a module and measures the power of checking it."""

    def run(text, *, count, seed=0, budget_s=300.0):
        source_file = recognise(write_module(text), trust_pickle=False)
        [converter] = resolve_converters(source_file, ())
        spec = {
            "path": str(source_file.path),
            "kind": str(source_file.kind),
            "seed": 0,
            "inputs": [],
            "trust_pickle": False,
        }
        with RunStore(run_dir).create("power") as folder:
            bench = Bench(pool, Limits(300.0, 4 << 30), folder)
            source = run_source(bench, source_file.adapter, spec)
            conversion = convert(
                bench, converter, spec=spec, source=source, settings=CheckSettings(), listener=Silent()
            )
            report = measure(bench, converter.host, conversion, source, count=count, seed=seed, budget_s=budget_s)
            folder.abandon()
        return report

    return run


@pytest.mark.slow
def test_a_check_of_an_attention_block_catches_the_faults_that_act_on_its_inputs(measured):
    report = measured(BLOCK, count=60)
    assert report.skipped is None
    assert report.kinds >= 15
    assert report.mutants >= 40
    assert report.killed >= 0.95 * report.mutants
    assert {fault.kind for fault in report.faults} >= {"softmax_axis", "weight_float16", "term_dropped", "epsilon"}
    assert report.power is not None
    assert (report.power.mutants, report.power.killed) == (report.mutants, report.killed)
    assert sum(count.active + count.inert for count in report.by_kind) == len(report.faults)


def test_bounds_that_never_act_are_where_the_inputs_have_no_power(measured):
    report = measured(IDLE, count=100)
    assert report.skipped is None
    bounds = {fault.description.partition(": ")[2]: fault for fault in report.faults if fault.kind == "clip_bound"}
    acting = [fault for text, fault in bounds.items() if text.startswith("bound max 0.5")]
    assert [fault.caught for fault in acting] == [True]
    idle = [fault for fault in bounds.values() if fault not in acting]
    assert len(idle) == 3
    assert not any(fault.active for fault in idle)
    [said] = [one for one in report.without_power() if "bound" in one]
    assert any(fault.description in said for fault in idle)
    assert "2 more of this kind" in said


def test_the_time_for_it_bounds_the_measurement_and_is_said(measured):
    report = measured(IDLE, count=100, budget_s=0.0)
    assert report.skipped is None
    assert report.faults == ()
    assert "ran out" in report.stopped
