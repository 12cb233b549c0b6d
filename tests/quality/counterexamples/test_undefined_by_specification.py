"""What the ONNX specification leaves open stays a divergence, and its cause says so."""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import CauseCategory, Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

WITH_NAN = {"x": "torch.tensor([[1.0, torch.nan, 3.0], [4.0, 2.0, 3.0], [2.0, 5.0, 5.0]])"}
WITHOUT_NAN = {"x": "torch.tensor([[1.0, 0.5, 3.0], [4.0, 2.0, 3.0], [2.0, 5.0, 4.0]])"}
AXES = "axes = Constant <value_ints = [1]> ()"

OPEN = {
    "ArgMax of NaN": ("x.argmax(-1)", "(float[N, M] x) => (int64[N] y) { y = ArgMax <axis = 1, keepdims = 0> (x) }"),
    "ReduceMax of NaN": (
        "x.amax(-1)",
        f"(float[N, M] x) => (float[N] y) {{ {AXES}  y = ReduceMax <keepdims = 0> (x, axes) }}",
    ),
    "MaxPool of NaN": (
        "F.max_pool1d(x, 3)",
        """(float[N, M] x) => (float[N, K] y) {
            first = Constant <value_ints = [0]> ()
            batched = Unsqueeze (x, first)
            pooled = MaxPool <kernel_shape = [3]> (batched)
            y = Squeeze (pooled, first)
        }""",
    ),
    "Sign of NaN": ("torch.sign(x)", "(float[N, M] x) => (float[N, M] y) { y = Sign (x) }"),
    "ArgMax of NaN, and a lookup by it": (
        "torch.linspace(0.0, 2.0, 3)[x.argmax(-1)] * 3",
        """(float[N, M] x) => (float[N] y) <float[3] table = {0.0, 1.0, 2.0}, float three = {3.0}> {
            i = ArgMax <axis = 1, keepdims = 0> (x)  g = Gather (table, i)  y = Mul (g, three)
        }""",
    ),
}


@pytest.mark.parametrize("name", OPEN)
def test_what_the_specification_leaves_open_is_divergent_with_that_cause(judge, name):
    source, target = OPEN[name]
    report = judge(Conversion(source=source, inputs=WITH_NAN, target=target))
    named = (report.outcome, report.cause and report.cause.category)
    assert named == (Outcome.DIVERGENT, CauseCategory.UNDEFINED_BY_SPECIFICATION)


@pytest.mark.parametrize("name", OPEN)
def test_where_nothing_is_open_the_same_conversion_is_equivalent(judge, name):
    source, target = OPEN[name]
    report = judge(Conversion(source=source, inputs=WITHOUT_NAN, target=target))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


@pytest.mark.parametrize("inputs", [WITH_NAN, WITHOUT_NAN], ids=["with NaN", "without"])
def test_a_fault_beside_what_is_open_has_another_cause(judge, inputs):
    """ArgMin for ArgMax is wrong in the rows without NaN, too."""
    wrong = "(float[N, M] x) => (int64[N] y) { y = ArgMin <axis = 1, keepdims = 0> (x) }"
    report = judge(Conversion(source="x.argmax(-1)", inputs=inputs, target=wrong))
    assert report.outcome is Outcome.DIVERGENT
    assert report.cause is not None
    assert report.cause.category is not CauseCategory.UNDEFINED_BY_SPECIFICATION
