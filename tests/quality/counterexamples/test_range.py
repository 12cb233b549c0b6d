"""Infinities and NaN: in the source alone, in the target alone, in both."""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import Kind, Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

VALUES = {"x": "torch.tensor([-3.0, 0.5, 60.0, 100.0])"}
SQUARED_NORM = "(float[N] x) => (float[N] y) { s = Mul(x, x)  y = Sqrt(s) }"


def test_an_overflow_that_only_the_target_has_is_a_fault_of_range(judge):
    report = judge(Conversion(source="torch.abs(x)", inputs={"x": "torch.tensor([-3.0, 2e30])"}, target=SQUARED_NORM))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.RANGE)


def test_an_overflow_that_only_the_source_has_is_not_equivalent(judge):
    identity = "(float[N] x) => (float[N] y) { y = Identity(x) }"
    report = judge(Conversion(source="torch.log(torch.exp(x))", inputs=VALUES, target=identity))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.RANGE)


def test_an_overflow_that_both_have_is_equivalent_although_float64_has_a_number_there(judge):
    same = "(float[N] x) => (float[N] y) { e = Exp(x)  y = Log(e) }"
    report = judge(Conversion(source="torch.log(torch.exp(x))", inputs=VALUES, target=same))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def test_a_fault_beside_elements_that_overflow_in_both_is_found(judge):
    wrong = """(float[N] x) => (float[N] y) {
        factor = Constant <value_float = 1.0001> ()  e = Exp(x)  l = Log(e)  y = Mul(l, factor)
    }"""
    report = judge(Conversion(source="torch.log(torch.exp(x))", inputs=VALUES, target=wrong))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.SEMANTIC)


def test_not_a_number_where_the_source_has_an_infinity_is_a_fault(judge):
    wrong = "(float[N] x) => (float[N] y) { e = Exp(x)  d = Sub(e, e)  y = Add(e, d) }"
    report = judge(Conversion(source="torch.exp(x)", inputs=VALUES, target=wrong))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.RANGE)


def test_a_double_that_a_cast_takes_out_of_the_range_of_float32_is_infinite_on_both_sides(judge):
    cast = "(double[N] x) => (float[N] y) { y = Cast <to = 1> (x) }"
    values = {"x": "torch.tensor([1e39, -1e300, 3.4028235677973366e38, 1e-46, 0.1], dtype=torch.float64)"}
    report = judge(Conversion(source="x.to(torch.float32)", inputs=values, target=cast))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def test_a_cast_that_saturates_where_the_sources_goes_to_infinity_is_a_fault(judge):
    clipped = """(double[N] x) => (float[N] y)
    <double low = {-3.4028234663852886e+38}, double high = {3.4028234663852886e+38}> {
        c = Clip(x, low, high)  y = Cast <to = 1> (c)
    }"""
    values = {"x": "torch.tensor([1e39, -1e300, 0.1], dtype=torch.float64)"}
    report = judge(Conversion(source="x.to(torch.float32)", inputs=values, target=clipped))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.RANGE)
