"""Where a reduced-precision graph leaves its formats, on graphs in which that is known."""

from __future__ import annotations

import numpy as np
import pytest
from narrow_graphs import LARGE, SMALL, model, rms_norm
from onnx import TensorProto, helper

from tautomer.adapters.onnx_files.headroom import headroom

F16, F32, BF16 = TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.BFLOAT16


def by_name(result):
    return {one["value"]: one for one in result["values"]}


def test_the_first_value_that_leaves_float16_is_named_with_what_it_should_be(run_task):
    result = run_task(headroom, rms_norm(), {"x": LARGE})
    first = result["first_non_finite"]
    assert (first["value"], first["node"], first["op_type"], first["dtype"]) == ("squares", "square", "Mul", "float16")
    assert first["non_finite"]["found"] == "inf"
    assert first["non_finite"]["should_be"] == float(LARGE[0, 0].astype(np.float64) ** 2)
    squares = np.square(LARGE.astype(np.float64))
    assert first["non_finite"]["count"] == (squares >= 65520).sum()
    assert first["overflowing_share"] == (squares >= 65520).mean()


def test_what_is_outside_comes_first_and_the_rest_by_rising_headroom(run_task):
    values = run_task(headroom, rms_norm(), {"x": LARGE})["values"]
    assert [one["value"] for one in values[:3]] == ["squares", "mean", "rms"]  # the root of infinity is infinite
    rest = [one["headroom_bits"] for one in values if one["non_finite"] is None]
    assert rest == sorted(rest)
    assert len(rest) == 3


def test_headroom_is_that_of_the_largest_over_all_input_sets(run_task):
    alone = by_name(run_task(headroom, rms_norm(), {"x": SMALL}))["squares"]
    assert alone["non_finite"] is None
    assert alone["headroom_bits"] == pytest.approx(np.log2(65504 / 9))
    both = by_name(run_task(headroom, rms_norm(), {"x": SMALL}, {"x": LARGE}))["squares"]
    assert both["non_finite"]["input"] == 1
    assert both["largest"] == float(LARGE[0, 0].astype(np.float64) ** 2)


def test_a_cast_to_float16_is_measured_by_what_goes_into_it(run_task):
    nodes = [helper.make_node("Cast", ["x"], ["h"], name="narrow", to=F16), helper.make_node("Neg", ["h"], ["y"])]
    made = model(nodes, [("x", F32, [3])], [("y", F16, [3])])
    result = run_task(headroom, made, {"x": np.array([1.0, 7e4, 1e-9], np.float32)})
    first = result["first_non_finite"]
    assert (first["value"], first["non_finite"]["should_be"]) == ("h", 7e4)
    assert first["vanishing_share"] == pytest.approx(1 / 3)


def test_infinities_that_float64_has_too_are_no_fault_of_the_format(run_task):
    nodes = [helper.make_node("Log", ["x"], ["y"], name="log")]
    made = model(nodes, [("x", F16, [2])], [("y", F16, [2])])
    result = run_task(headroom, made, {"x": np.array([0.0, 1.0], np.float16)})
    assert result["first_non_finite"] is None


def test_numbers_below_the_smallest_of_float16_are_counted(run_task):
    nodes = [helper.make_node("Mul", ["x", "x"], ["y"], name="square")]
    made = model(nodes, [("x", F16, [4])], [("y", F16, [4])])
    [one] = run_task(headroom, made, {"x": np.array([1e-4, 3e-3, 1.0, 0.0], np.float16)})["values"]
    assert (one["vanishing_share"], one["subnormal_share"]) == (0.25, 0.25)


def test_bfloat16_has_the_range_of_float32(run_task):
    result = run_task(headroom, rms_norm(BF16), {"x": LARGE.astype(np.float32).astype("bfloat16")})
    assert result["first_non_finite"] is None
    assert all(one["headroom_bits"] > 100 for one in result["values"])


def test_a_graph_without_reduced_formats_is_not_computed(run_task):
    result = run_task(headroom, rms_norm(F32), {"x": LARGE.astype(np.float32)})
    assert result == {"values": [], "first_non_finite": None, "constants_not_finite": [], "reasons": []}


def test_a_stored_constant_that_is_infinite_is_named(run_task):
    made = model(
        [helper.make_node("Add", ["x", "mask"], ["y"])],
        [("x", F16, [2])],
        [("y", F16, [2])],
        [("mask", np.array([0, -np.inf], np.float16))],
    )
    assert run_task(headroom, made, {"x": np.ones(2, np.float16)})["constants_not_finite"] == ["mask"]


def test_a_graph_that_cannot_be_evaluated_gives_a_reason(run_task):
    made = model([helper.make_node("Neg", ["x"], ["y"])], [("x", F16, [2])], [("y", F16, [2])])
    made.graph.node[0].domain = "com.example"
    made.opset_import.append(helper.make_opsetid("com.example", 1))
    result = run_task(headroom, made, {"x": np.ones(2, np.float16)})
    assert result["values"] == []
    assert "Neg" in result["reasons"][0]
