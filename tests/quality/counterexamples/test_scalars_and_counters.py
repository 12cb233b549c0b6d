"""Python scalars, ranges with a fractional step, and loops that count in float32."""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import Kind, Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

NEAR_A_TENTH = {"x": "0.1 + torch.arange(-32, 32) * 2.0**-27"}

COUNTER = Conversion(
    source="""
        steps = torch.zeros(())
        while steps < {bound}:
            steps = steps + {step}
            x = x * 1.0625 + 0.25
        return x, steps
    """,
    inputs={"x": "torch.randn(5)"},
    target="""(float[N] x) => (float[N] y, float steps) {{
        trips = Constant <value_int = 10000> ()
        start = Constant <value_float = 0.0> ()
        bound = Constant <value_float = {bound}> ()
        more = Less (start, bound)
        steps, y = Loop (trips, more, start, x) <body = body
            (int64 trip, bool on, float count, float[N] value) => (bool again, float counted, float[N] next) {{
                step = Constant <value_float = {step}> ()
                growth = Constant <value_float = {growth}> ()
                shift = Constant <value_float = 0.25> ()
                limit = Constant <value_float = {bound}> ()
                counted = Add (count, step)
                grown = Mul (value, growth)
                next = Add (grown, shift)
                again = Less (counted, limit)
            }}>
    }}""",
)


def counting(step: str, bound: str, growth: str = "1.0625") -> Conversion:
    return Conversion(
        source=COUNTER.source.format(step=step, bound=bound),
        inputs=COUNTER.inputs,
        target=(COUNTER.target or "").format(step=step, bound=bound, growth=growth),
    )


def test_python_scalars_are_what_the_kernel_makes_of_them(judge):
    source = "return x + 0.1, x - 0.1, 0.1 - x, x * 0.1, x / 0.1"
    target = """(float[N] x) => (float[N] a, float[N] s, float[N] r, float[N] m, float[N] d) {
        tenth = Constant <value_float = 0.1> ()
        a = Add (x, tenth)  s = Sub (x, tenth)  r = Sub (tenth, x)  m = Mul (x, tenth)  d = Div (x, tenth)
    }"""
    report = judge(Conversion(source=source, inputs=NEAR_A_TENTH, target=target))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def test_a_scalar_beside_the_right_one_is_found(judge):
    target = """(float[N] x) => (float[N] y) { tenth = Constant <value_float = 0.10000002> ()  y = Sub (x, tenth) }"""
    report = judge(Conversion(source="x - 0.1", inputs=NEAR_A_TENTH, target=target))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.SEMANTIC)


@pytest.mark.parametrize("source", ["return x + 0.1, x - 0.1", "x * torch.arange(0, 6.4, 0.1)"])
def test_the_exporters_own_scalars_and_ranges_are_equivalent(judge, source):
    report = judge(Conversion(source=source, inputs=NEAR_A_TENTH, target=None))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def ranging(source: str, start: str, limit: str, delta: str) -> Conversion:
    return Conversion(
        source=f"x[0] * 0 + torch.arange({source})",
        inputs={"x": "torch.ones(1)"},
        target=f"""(float[1] x) => (float[N] y) {{
            start = Constant <value_float = {start}> ()
            limit = Constant <value_float = {limit}> ()
            delta = Constant <value_float = {delta}> ()
            zero = Constant <value_float = 0.0> ()
            nothing = Mul (x, zero)
            count = Range (start, limit, delta)
            y = Add (count, nothing)
        }}""",
    )


def test_a_short_range_with_a_fractional_step_is_equivalent(judge):
    report = judge(ranging("0.0, 0.8, 0.1", "0.0", "0.75", "0.1"))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def test_a_range_whose_runtime_adds_up_its_step_a_thousand_times_is_a_kernel_fault(judge):
    report = judge(ranging("0.0, 100.0, 0.1", "0.0", "100.0", "0.1"))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.KERNEL)


def test_a_range_that_ends_one_element_early_is_found(judge):
    report = judge(ranging("1.0, 1.3, 0.1", "1.0", "1.3", "0.1"))
    assert report.outcome is Outcome.DIVERGENT


@pytest.mark.parametrize(("step", "bound"), [("0.1", "1.0"), ("0.1", "3.0"), ("0.01", "5.0")])
def test_a_loop_on_a_float_counter_has_the_trips_that_float32_gives_it(judge, step, bound):
    report = judge(counting(step, bound))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def test_a_fault_in_a_loop_on_a_float_counter_is_found(judge):
    report = judge(counting("0.1", "3.0", growth="1.06251"))
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.SEMANTIC)


def test_an_epsilon_that_depends_on_the_format_is_that_of_the_declared_one(judge):
    report = judge(Conversion(source="torch.rms_norm(x, [64])", inputs={"x": "torch.randn(8, 64)"}))
    assert (report.outcome, report.reason, report.warnings) == (Outcome.EQUIVALENT, None, [])


def test_the_number_that_stands_for_infinity_is_the_largest_of_the_declared_format(judge):
    report = judge(Conversion(source="torch.nan_to_num(x / 0) * 1e-3", inputs={"x": "torch.randn(8)"}))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)
