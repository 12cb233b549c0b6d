"""Integers: no rounding budget; overflow, division, shifts and casts that go out of range."""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import Kind, Outcome, Stage, Symptom

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

FLOOR_BY_FLOAT = """(int64[N] a, int64[N] b) => (int64[N] y) {
    fa = Cast <to = 1> (a)  fb = Cast <to = 1> (b)  q = Div (fa, fb)  f = Floor (q)  y = Cast <to = 7> (f)
}"""
FLOOR_BY_INTEGERS = """(int64[N] a, int64[N] b) => (int64[N] y) {
    q = Div (a, b)
    p = Mul (q, b)
    inexact = Equal (p, a)
    exact = Not (inexact)
    zero = Constant <value_int = 0> ()
    one = Constant <value_int = 1> ()
    an = Less (a, zero)
    bn = Less (b, zero)
    opposite = Xor (an, bn)
    acts = And (opposite, exact)
    below = Sub (q, one)
    y = Where (acts, below, q)
}"""
SMALL = {"a": "torch.tensor([7, -7, 7, -7, 6, -6, 0])", "b": "torch.tensor([2, 2, -2, -2, 3, 3, 5])"}
LARGE = {"a": "torch.tensor([7, {value}])", "b": "torch.tensor([2, 1])"}
FLOOR = "torch.floor_divide(a, b)"


def large(value: str) -> dict[str, str]:
    return {name: text.format(value=value) for name, text in LARGE.items()}


@pytest.mark.parametrize("inputs", [SMALL, large("2**24 + 1"), large("2**31 + 1")], ids=["small", "2^24+1", "2^31+1"])
def test_a_floor_division_in_integers_is_equivalent(judge, inputs):
    report = judge(Conversion(source=FLOOR, inputs=inputs, target=FLOOR_BY_INTEGERS))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


@pytest.mark.parametrize("value", ["2**24 + 1", "2**31 + 1"])
def test_a_floor_division_through_floats_is_another_function_beyond_2_to_the_24(judge, value):
    report = judge(Conversion(source=FLOOR, inputs=large(value), target=FLOOR_BY_FLOAT))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.SEMANTIC)


def test_a_division_that_truncates_is_not_a_floor_division(judge):
    truncating = "(int64[N] a, int64[N] b) => (int64[N] y) { y = Div (a, b) }"
    report = judge(Conversion(source=FLOOR, inputs=SMALL, target=truncating))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.SEMANTIC)


def test_the_least_integer_divided_by_minus_one_takes_the_runtime_down(judge):
    """The quotient is out of range: the processor traps, and ONNX Runtime does not see to it."""
    least = {"a": "torch.tensor([6, -2**63])", "b": "torch.tensor([3, -1])"}
    target = "(int64[N] a, int64[N] b) => (int64[N] y) { y = Div (a, b) }"
    report = judge(Conversion(source=FLOOR, inputs=least, target=target))
    assert (report.outcome, report.symptom) == (Outcome.FAILED, Symptom.CRASH)
    assert report.symptom_stage is Stage.RUNTIME_EXECUTION
    assert "SIGFPE" in report.findings[0].message


BOUNDS = {
    "a": "torch.tensor([2**31 - 1, -2**31, 5], dtype=torch.int32)",
    "b": "torch.tensor([1, -1, 3], dtype=torch.int32)",
}
BYTES = {"a": "torch.tensor([3, 250, 7], dtype=torch.uint8)", "b": "torch.tensor([5, 10, 7], dtype=torch.uint8)"}
WRAPPING = {
    "int32 sums, differences, products and negation": Conversion(
        source="return a + b, a - b, a * b, -a, torch.abs(a)",
        inputs=BOUNDS,
        target="""(int32[N] a, int32[N] b) => (int32[N] s, int32[N] d, int32[N] p, int32[N] n, int32[N] m) {
            s = Add (a, b)  d = Sub (a, b)  p = Mul (a, b)  n = Neg (a)  m = Abs (a)
        }""",
    ),
    "uint8 sums and differences": Conversion(
        source="return a + b, a - b",
        inputs=BYTES,
        target="(uint8[N] a, uint8[N] b) => (uint8[N] s, uint8[N] d) { s = Add (a, b)  d = Sub (a, b) }",
    ),
    "int64 to int32 and uint8": Conversion(
        source="return a.to(torch.int32), a.to(torch.uint8)",
        inputs={"a": "torch.tensor([2**31, 2**33 + 5, -2**31 - 1, 256, -1])"},
        target="(int64[N] a) => (int32[N] i, uint8[N] b) { i = Cast <to = 6> (a)  b = Cast <to = 2> (a) }",
    ),
    "shifts by the width and by more": Conversion(
        source="return a << b, a >> b",
        inputs={"a": BYTES["a"], "b": "torch.tensor([8, 9, 200], dtype=torch.uint8)"},
        target="""(uint8[N] a, uint8[N] b) => (uint8[N] l, uint8[N] r) {
            l = BitShift <direction = "LEFT"> (a, b)  r = BitShift <direction = "RIGHT"> (a, b)
        }""",
    ),
    "shifts by less than the width": Conversion(
        source="return a << b, a >> b",
        inputs={"a": BYTES["a"], "b": "torch.tensor([7, 1, 0], dtype=torch.uint8)"},
        target="""(uint8[N] a, uint8[N] b) => (uint8[N] l, uint8[N] r) {
            l = BitShift <direction = "LEFT"> (a, b)  r = BitShift <direction = "RIGHT"> (a, b)
        }""",
    ),
}
SATURATING = {
    "an int32 sum": Conversion(
        source="a + b",
        inputs=BOUNDS,
        target="""(int32[N] a, int32[N] b) => (int32[N] y)
        <int64 low = {-2147483648}, int64 high = {2147483647}> {
            wide_a = Cast <to = 7> (a)  wide_b = Cast <to = 7> (b)  s = Add (wide_a, wide_b)
            c = Clip (s, low, high)  y = Cast <to = 6> (c)
        }""",
    ),
    "a uint8 difference": Conversion(
        source="a - b",
        inputs=BYTES,
        target="""(uint8[N] a, uint8[N] b) => (uint8[N] y) <int32 low = {0}, int32 high = {255}> {
            wide_a = Cast <to = 6> (a)  wide_b = Cast <to = 6> (b)  s = Sub (wide_a, wide_b)
            c = Clip (s, low, high)  y = Cast <to = 2> (c)
        }""",
    ),
    "a cast from int64 to int32": Conversion(
        source="a.to(torch.int32)",
        inputs={"a": "torch.tensor([2**31, 2**33 + 5, 7])"},
        target="""(int64[N] a) => (int32[N] y) <int64 low = {-2147483648}, int64 high = {2147483647}> {
            c = Clip (a, low, high)  y = Cast <to = 6> (c)
        }""",
    ),
}


@pytest.mark.parametrize("name", WRAPPING)
def test_integers_that_wrap_around_on_both_sides_are_equivalent(judge, name):
    report = judge(WRAPPING[name])
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


@pytest.mark.parametrize("name", SATURATING)
def test_integers_that_saturate_where_the_sources_wrap_around_are_another_function(judge, name):
    report = judge(SATURATING[name])
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.SEMANTIC)


def test_integers_that_go_through_floats_are_another_function(judge):
    through = """(int64[N] a) => (int64[N] y) {
        one = Constant <value_float = 1.0> ()  f = Cast <to = 1> (a)  s = Add (f, one)  y = Cast <to = 7> (s)
    }"""
    report = judge(Conversion(source="a + 1", inputs={"a": "torch.tensor([5, 2**24])"}, target=through))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.SEMANTIC)


def test_an_integer_that_the_source_itself_rounds_to_a_float_stays_rounded_on_both_sides(judge):
    """Above 2^24 an integer loses its last bits in float32: that is part of the source's function."""
    target = (
        "(int64[N] a) => (float[N] y) { h = Constant <value_float = 0.5> ()  f = Cast <to = 1> (a)  y = Mul (f, h) }"
    )
    values = {"a": "torch.tensor([5, 2**24 + 1, 2**31 + 129])"}
    report = judge(Conversion(source="a.to(torch.float32) * 0.5", inputs=values, target=target))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


OUT_OF_RANGE = {"x": "torch.tensor([torch.nan, torch.inf, -torch.inf, 1e20, -1e20, 3e9, 300.0, -1.5])"}


@pytest.mark.parametrize(("of_torch", "of_onnx", "text"), [("int32", 6, "int32"), ("uint8", 2, "uint8")])
def test_a_cast_out_of_range_is_equivalent_where_both_sides_do_the_same(judge, of_torch, of_onnx, text):
    target = f"(float[N] x) => ({text}[N] y) {{ y = Cast <to = {of_onnx}> (x) }}"
    report = judge(Conversion(source=f"x.to(torch.{of_torch})", inputs=OUT_OF_RANGE, target=target))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def test_a_cast_that_saturates_where_the_source_goes_out_of_range_is_divergent(judge):
    target = """(float[N] x) => (int32[N] y) <float low = {-2147483648.0}, float high = {2147483520.0}> {
        c = Clip (x, low, high)  y = Cast <to = 6> (c)
    }"""
    assert (
        judge(Conversion(source="x.to(torch.int32)", inputs=OUT_OF_RANGE, target=target)).outcome is Outcome.DIVERGENT
    )


def test_not_a_number_is_true(judge):
    target = "(float[N] x) => (bool[N] y) { y = Cast <to = 9> (x) }"
    values = {"x": "torch.tensor([torch.nan, 0.0, -0.0, 1e-45, torch.inf])"}
    report = judge(Conversion(source="x.to(torch.bool)", inputs=values, target=target))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)
    zero_is_false = """(float[N] x) => (bool[N] y) {
        zero = Constant <value_float = 0.0> ()  m = Abs (x)  y = Greater (m, zero)
    }"""
    assert (
        judge(Conversion(source="x.to(torch.bool)", inputs=values, target=zero_is_false)).outcome is Outcome.DIVERGENT
    )
