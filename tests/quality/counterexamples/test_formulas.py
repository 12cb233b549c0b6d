"""A target that computes the same function by a formula that loses accuracy or range, and by one that does not."""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import Kind, Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

LOSES_ACCURACY = {
    "logsigmoid as Log(Sigmoid(x))": Conversion(
        source="F.logsigmoid(x)",
        inputs={"x": "torch.linspace(-15.0, 15.0, 512)"},
        target="(float[N] x) => (float[N] y) { s = Sigmoid(x)  y = Log(s) }",
    ),
    "log1p as Log(1 + x)": Conversion(
        source="torch.log1p(x)",
        inputs={"x": "torch.logspace(-9, 1, 256)"},
        target="(float[N] x) => (float[N] y) { one = Constant <value_float = 1.0> ()  s = Add(one, x)  y = Log(s) }",
    ),
    "expm1 as Exp(x) - 1": Conversion(
        source="torch.expm1(x)",
        inputs={"x": "torch.logspace(-9, 1, 256)"},
        target="(float[N] x) => (float[N] y) { one = Constant <value_float = 1.0> ()  e = Exp(x)  y = Sub(e, one) }",
    ),
    "erfc as 1 - Erf(x)": Conversion(
        source="torch.erfc(x)",
        inputs={"x": "torch.linspace(0.0, 3.5, 256)"},
        target="(float[N] x) => (float[N] y) { one = Constant <value_float = 1.0> ()  e = Erf(x)  y = Sub(one, e) }",
    ),
    "remainder as a - Floor(a / b) * b": Conversion(
        source="torch.remainder(a, b)",
        inputs={"a": "torch.arange(256) * 397.3 + 1e4", "b": "torch.full((256,), 3.7)"},
        target="""(float[N] a, float[N] b) => (float[N] y) {
            q = Div(a, b)  f = Floor(q)  p = Mul(f, b)  y = Sub(a, p)
        }""",
    ),
    "layer norm by the naive variance, at mean 1000": Conversion(
        source="F.layer_norm(x, (64,), eps=1e-5)",
        inputs={"x": "1000 + torch.randn(8, 64)"},
        target="""(float[N, 64] x) => (float[N, 64] y) {
            axes = Constant <value_ints = [-1]> ()
            epsilon = Constant <value_float = 1e-5> ()
            mean = ReduceMean (x, axes)
            square = Mul (x, x)
            mean_square = ReduceMean (square, axes)
            square_mean = Mul (mean, mean)
            variance = Sub (mean_square, square_mean)
            padded = Add (variance, epsilon)
            deviation = Sqrt (padded)
            centred = Sub (x, mean)
            y = Div (centred, deviation)
        }""",
    ),
}

LOSES_RANGE = {
    "logsigmoid as Log(Sigmoid(x)), at -110": Conversion(
        source="F.logsigmoid(x)",
        inputs={"x": "torch.tensor([-110.0, -1.0, 1.0])"},
        target="(float[N] x) => (float[N] y) { s = Sigmoid(x)  y = Log(s) }",
    ),
    "logaddexp as Log(Exp(a) + Exp(b)), at (89, 0)": Conversion(
        source="torch.logaddexp(a, b)",
        inputs={"a": "torch.tensor([89.0, 1.0, -3.0])", "b": "torch.tensor([0.0, 2.0, -2.0])"},
        target="""(float[N] a, float[N] b) => (float[N] y) {
            p = Exp(a)  q = Exp(b)  s = Add(p, q)  y = Log(s)
        }""",
    ),
    "softmax without the shift": Conversion(
        source="F.softmax(x, -1)",
        inputs={"x": "torch.linspace(-100.0, 100.0, 60).reshape(4, 15)"},
        target="""(float[N, M] x) => (float[N, M] y) {
            axes = Constant <value_ints = [-1]> ()  e = Exp(x)  s = ReduceSum(e, axes)  y = Div(e, s)
        }""",
    ),
    "logsumexp without the shift, where everything underflows": Conversion(
        source="torch.logsumexp(x, -1)",
        inputs={"x": "torch.tensor([[-200.0, -201.0, -202.0], [1.0, 2.0, 3.0]])"},
        target="""(float[N, M] x) => (float[N] y) {
            axes = Constant <value_ints = [-1]> ()
            e = Exp(x)
            s = ReduceSum <keepdims = 0> (e, axes)
            y = Log(s)
        }""",
    ),
    "softplus as Log(1 + Exp(x))": Conversion(
        source="F.softplus(x)",
        inputs={"x": "torch.tensor([-1.0, 0.0, 100.0])"},
        target="""(float[N] x) => (float[N] y) {
            one = Constant <value_float = 1.0> ()  e = Exp(x)  s = Add(one, e)  y = Log(s)
        }""",
    ),
}

SOUND = {
    # Kahan's formulas: the error of 1 + x (of Exp) is taken back by a factor with the same error.
    # Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, section 1.14.1 and problem 1.5.
    "log1p and expm1 by Kahan's formulas": Conversion(
        source="return torch.log1p(x), torch.expm1(x)",
        inputs={"x": "torch.logspace(-9, 1, 256)"},
        target="""(float[N] x) => (float[N] l, float[N] e) {
            one = Constant <value_float = 1.0> ()
            w = Add (one, x)
            near = Equal (w, one)
            below = Sub (w, one)
            safe_below = Where (near, one, below)
            log_w = Log (w)
            scaled = Mul (log_w, x)
            quotient = Div (scaled, safe_below)
            l = Where (near, x, quotient)
            v = Exp (x)
            v_near = Equal (v, one)
            v_below = Sub (v, one)
            log_v = Log (v)
            safe_log_v = Where (v_near, one, log_v)
            v_scaled = Mul (v_below, x)
            v_quotient = Div (v_scaled, safe_log_v)
            e = Where (v_near, x, v_quotient)
        }""",
    ),
    "logsigmoid, logaddexp, remainder and softplus by stable formulas": Conversion(
        source="return F.logsigmoid(a), torch.logaddexp(a, b), torch.remainder(a, b), F.softplus(a)",
        inputs={
            "a": "torch.cat([torch.linspace(-15, 15, 255), torch.tensor([89.0])])",
            "b": "torch.cat([torch.linspace(3, -7, 255), torch.tensor([1.0])])",
        },
        target="""(float[N] a, float[N] b) => (float[N] s, float[N] l, float[N] r, float[N] p) {
            one = Constant <value_float = 1.0> ()
            zero = Constant <value_float = 0.0> ()
            minus_a = Neg (a)
            plus = Softplus (minus_a)
            s = Neg (plus)
            p = Softplus (a)
            m = Max (a, b)
            d = Sub (a, b)
            distance = Abs (d)
            minus_distance = Neg (distance)
            tail = Softplus (minus_distance)
            l = Add (m, tail)
            f = Mod <fmod = 1> (a, b)
            fb = Add (f, b)
            f_negative = Less (f, zero)
            b_negative = Less (b, zero)
            f_zero = Equal (f, zero)
            f_acts = Not (f_zero)
            opposite = Xor (f_negative, b_negative)
            wrong_side = And (opposite, f_acts)
            r = Where (wrong_side, fb, f)
        }""",
    ),
    "layer norm, softmax and logsumexp as operators, at mean 1000": Conversion(
        source="return F.layer_norm(x, (64,), eps=1e-5), F.softmax(x, -1), torch.logsumexp(x, -1)",
        inputs={"x": "1000 + torch.randn(8, 64)"},
        target="""(float[N, 64] x) => (float[N, 64] y, float[N, 64] p, float[N] l) {
            features = Constant <value_ints = [64]> ()
            ones = ConstantOfShape <value = float[1] {1.0}> (features)
            y = LayerNormalization <epsilon = 1e-5> (x, ones)
            p = Softmax (x)
            axes = Constant <value_ints = [-1]> ()
            m = ReduceMax (x, axes)
            d = Sub (x, m)
            e = Exp (d)
            t = ReduceSum <keepdims = 0> (e, axes)
            log_t = Log (t)
            flat = Squeeze (m, axes)
            l = Add (log_t, flat)
        }""",
    ),
}


@pytest.mark.parametrize("name", LOSES_ACCURACY)
def test_a_formula_that_loses_accuracy_is_unstable(judge, name):
    report = judge(LOSES_ACCURACY[name])
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.STABILITY)


@pytest.mark.parametrize("name", LOSES_RANGE)
def test_a_formula_that_overflows_where_the_source_does_not_loses_range(judge, name):
    report = judge(LOSES_RANGE[name])
    assert (report.outcome, report.cause and report.cause.kind) == (Outcome.DIVERGENT, Kind.RANGE)


@pytest.mark.parametrize("name", SOUND)
def test_another_formula_that_keeps_accuracy_and_range_is_equivalent(judge, name):
    report = judge(SOUND[name])
    assert (report.outcome, report.reason, [one.message for one in report.findings]) == (Outcome.EQUIVALENT, None, [])
