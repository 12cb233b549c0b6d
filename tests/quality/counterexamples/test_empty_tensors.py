"""Tensors without elements: batches of none, and reductions over nothing."""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import CauseCategory, Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

NOTHING = {"x": "torch.zeros(2, 0)"}


def test_a_batch_of_none_is_equivalent(judge):
    target = """(float[N, M] x) => (float[N, M] p, int64[N] i, float[N] s) {
        p = Softmax (x)  i = ArgMax <axis = -1, keepdims = 0> (x)
        axes = Constant <value_ints = [1]> ()  s = ReduceSum <keepdims = 0> (x, axes)
    }"""
    source = "return F.softmax(x, -1), x.argmax(-1), x.sum(-1)"
    report = judge(Conversion(source=source, inputs={"x": "torch.zeros(0, 3)"}, target=target))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def test_a_batch_of_none_with_another_shape_is_found(judge):
    target = """(float[N, M] x) => (float[K, L] y) { y = Transpose (x) }"""
    report = judge(Conversion(source="F.relu(x)", inputs={"x": "torch.zeros(0, 3)"}, target=target))
    assert report.outcome is Outcome.DIVERGENT


def test_reductions_over_nothing_that_the_specification_defines_are_equivalent(judge):
    reductions = {"s": "ReduceSum", "p": "ReduceProd", "l": "ReduceLogSumExp", "n": "ReduceL2"}
    nodes = "  ".join(f"{name} = {operator} <keepdims = 0> (x, axes)" for name, operator in reductions.items())
    outputs = ", ".join(f"float[N] {name}" for name in reductions)
    target = f"(float[N, M] x) => ({outputs}) {{ axes = Constant <value_ints = [1]> ()  {nodes} }}"
    source = "return x.sum(-1), x.prod(-1), torch.logsumexp(x, -1), torch.linalg.vector_norm(x, dim=-1)"
    report = judge(Conversion(source=source, inputs=NOTHING, target=target))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def test_a_mean_of_nothing_is_undefined_by_the_specification(judge):
    """PyTorch gives NaN, ONNX Runtime 0; ReduceMean of an empty set "yields undefined"."""
    target = """(float[N, M] x) => (float[N] y) {
        axes = Constant <value_ints = [1]> ()  y = ReduceMean <keepdims = 0> (x, axes)
    }"""
    report = judge(Conversion(source="x.mean(-1)", inputs=NOTHING, target=target))
    named = (report.outcome, report.cause and report.cause.category)
    assert named == (Outcome.DIVERGENT, CauseCategory.UNDEFINED_BY_SPECIFICATION)
