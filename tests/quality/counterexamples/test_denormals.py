"""Denormal numbers: flushed to zero on one side, on both, and made large again."""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import Kind, Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

SMALL = {"x": "torch.tensor([1.0, -3.0, 1e-30, 2e-38, 4e-39, -1e-42])"}
HALVED = "(float[N] x) => (float[N] y) { h = Constant <value_float = 0.5> ()  y = Mul (x, h) }"
GROWN = """(float[N] x) => (float[N] y) {
    h = Constant <value_float = 0.5> ()  s = Mul (x, h)  g = Constant <value_float = 1e30> ()  y = Mul (s, g)
}"""
FLUSHING_SOURCE = "torch.set_flush_denormal(True)"


def test_gradual_underflow_on_both_sides_is_equivalent(judge):
    report = judge(Conversion(source="x * 0.5 * 1e30", inputs=SMALL, target=GROWN))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def test_denormal_outputs_that_only_the_target_flushes_are_a_warning(judge):
    report = judge(Conversion(source="x * 0.5", inputs=SMALL, target=HALVED, denormals_flushed=True))
    assert (report.outcome, report.reason, report.findings) == (Outcome.EQUIVALENT, None, [])
    assert any("denormal" in one for one in report.warnings)


def test_denormals_that_only_the_target_flushes_are_a_kernel_fault_where_they_are_made_large_again(judge):
    report = judge(Conversion(source="x * 0.5 * 1e30", inputs=SMALL, target=GROWN, denormals_flushed=True))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.KERNEL)


def test_denormals_that_both_sides_flush_are_equivalent(judge):
    report = judge(
        Conversion(before=FLUSHING_SOURCE, source="x * 0.5 * 1e30", inputs=SMALL, target=GROWN, denormals_flushed=True)
    )
    assert (report.outcome, report.findings) == (Outcome.EQUIVALENT, [])


def test_a_number_that_is_no_denormal_is_not_excused(judge):
    vanishing = """(float[N] x) => (float[N] y) {
        h = Constant <value_float = 0.5> ()  s = Mul (x, h)  m = Abs (s)  least = Constant <value_float = 1e-37> ()
        zero = Constant <value_float = 0.0> ()  c = Less (m, least)  y = Where (c, zero, s)
    }"""
    values = {"x": "torch.tensor([1.0, 5e-38, 1e-37])"}
    report = judge(Conversion(source="x * 0.5", inputs=values, target=vanishing, denormals_flushed=True))
    assert report.outcome is Outcome.DIVERGENT


@pytest.mark.needs("openvino")
def test_a_runtime_that_flushes_inside_a_softmax_is_equivalent(judge):
    spread = {"x": "30 * torch.randn(8, 64)"}
    report = judge(Conversion(source="torch.softmax(x, -1)", inputs=spread, to="openvino"))
    assert (report.outcome, report.findings) == (Outcome.EQUIVALENT, [])
