"""The sign of zero: a finding where the model makes it visible, a warning where only an output's own zero differs."""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import Kind, Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

ZEROS = {"x": "torch.tensor([-0.0, 0.0, -1.5, 2.0])"}


FIFTH = "f = Constant <value_float = 0.2> ()  s = Mul (x, f)"
KEEPING = {
    "relu": ("torch.relu(x)", "r = Relu (x)"),
    "sqrt": ("torch.sqrt(x * 0.0)", "z = Constant <value_float = 0.0> ()  p = Mul (x, z)  r = Sqrt (p)"),
    "round": ("torch.round(x * 0.2)", f"{FIFTH}  r = Round (s)"),
    "ceil": ("torch.ceil(x * 0.2)", f"{FIFTH}  r = Ceil (s)"),
    "neg": ("-x", "r = Neg (x)"),
    "abs": ("torch.abs(x)", "r = Abs (x)"),
}


@pytest.mark.parametrize("name", KEEPING)
def test_operators_that_keep_the_sign_of_zero_keep_it_on_both_sides(judge, name):
    source, nodes = KEEPING[name]
    target = f"(float[N] x) => (float[N] y) {{ {nodes}  y = Reciprocal (r) }}"
    report = judge(Conversion(source=f"1 / ({source})", inputs=ZEROS, target=target))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


LOSING = {
    "relu by max": ("torch.relu(x)", "z = Constant <value_float = 0.0> ()  {y} = Max (x, z)"),
    "-x by 0 - x": ("-x", "z = Constant <value_float = 0.0> ()  {y} = Sub (z, x)"),
}


@pytest.mark.parametrize("name", LOSING)
def test_a_sign_of_zero_that_is_divided_by_is_a_fault_of_range(judge, name):
    source, nodes = LOSING[name]
    target = f"(float[N] x) => (float[N] y) {{ {nodes.format(y='r')}  y = Reciprocal (r) }}"
    report = judge(Conversion(source=f"1 / ({source})", inputs=ZEROS, target=target))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.RANGE)


@pytest.mark.parametrize(
    ("source", "inputs", "target"),
    [
        pytest.param(
            "torch.copysign(torch.ones(4), x)",
            ZEROS,
            """(float[N] x) => (float[N] y) <float[4] ones = {1.0, 1.0, 1.0, 1.0}, float zero = {0.0}> {
                minus = Neg (ones)  c = Less (x, zero)  y = Where (c, minus, ones)
            }""",
            id="copysign by a comparison",
        ),
        pytest.param(
            "torch.atan2(x, torch.full((4,), -1.0))",
            ZEROS,
            """(float[N] x) => (float[N] y) <float zero = {0.0}, float pi = {3.1415927}> {
                minus = Neg (x)  a = Atan (minus)  up = Add (a, pi)  down = Sub (a, pi)
                c = Less (x, zero)  y = Where (c, down, up)
            }""",
            id="atan2 by atan",
        ),
        pytest.param(
            "torch.signbit(x)",
            ZEROS,
            "(float[N] x) => (bool[N] y) <float zero = {0.0}> { y = Less (x, zero) }",
            id="signbit by a comparison",
        ),
    ],
)
def test_a_sign_of_zero_that_is_asked_for_is_part_of_the_function(judge, source, inputs, target):
    report = judge(Conversion(source=source, inputs=inputs, target=target))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.SEMANTIC)


@pytest.mark.parametrize("name", LOSING)
def test_a_zero_of_the_other_sign_at_an_output_is_equal_and_a_warning(judge, name):
    source, nodes = LOSING[name]
    target = f"(float[N] x) => (float[N] y) {{ {nodes.format(y='y')} }}"
    report = judge(Conversion(source=source, inputs=ZEROS, target=target))
    assert (report.outcome, report.reason, report.findings) == (Outcome.EQUIVALENT, None, [])
    assert any("sign of zero" in one for one in report.warnings)
