"""Perturbed runs decide both ways what lies near a tie, and leave alone what does not."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tautomer.numerics.onnx_evaluator import Evaluator, RoundingNoise

U = 2.0**-24


def graph(nodes, out_type, initializers=(), n=8):
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [n])],
        [helper.make_tensor_value_info("y", out_type, [n])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in initializers],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def samples(model, x, count=8):
    exact = Evaluator(model, lift=True).run({"x": x})["y"]
    runs = [Evaluator(model, lift=True, noise=RoundingNoise(seed)).run({"x": x})["y"] for seed in range(count)]
    return exact, np.stack(runs)


SCALE = np.float32(0.0273)


def quantize(x):
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], name="quantize")]
    return samples(graph(nodes, TensorProto.UINT8, [("s", SCALE), ("z", np.uint8(128))], n=x.size), x)


def near_ties(distance_u):
    """Float64 inputs whose quotient by the scale is a tie, off by so many u."""
    steps = np.arange(8) + 20.5
    return steps * float(SCALE) * (1 + distance_u * U)


@pytest.mark.parametrize("distance_u", [-7.0, -1.0, 1e-3, 1.0, 7.0])
def test_what_lies_within_8_u_of_a_tie_is_decided_both_ways_in_every_pair(distance_u):
    exact, runs = quantize(near_ties(distance_u))
    changed = runs != exact
    assert (changed.reshape(4, 2, -1).sum(axis=1) == 1).all()


@pytest.mark.parametrize("distance_u", [-9.0, 9.0, 1e3])
def test_what_lies_further_away_is_left_as_it_is(distance_u):
    exact, runs = quantize(near_ties(distance_u))
    assert (runs == exact).all()


@pytest.mark.parametrize("operator", ["Round", "Floor", "Ceil"])
def test_exact_values_are_decided_as_they_are(operator):
    x = np.array([0.5, 1.5, -0.5, 3.0, -2.0, 0.0, 7.0, 1e6], np.float32)
    exact, runs = samples(graph([helper.make_node(operator, ["x"], ["y"])], TensorProto.FLOAT), x)
    assert (runs == exact).all()


def test_values_that_carry_rounding_are_decided_both_ways_near_a_step():
    nodes = [helper.make_node("Mul", ["x", "c"], ["h"]), helper.make_node("Floor", ["h"], ["y"])]
    x = np.arange(1, 9, dtype=np.float32)
    exact, runs = samples(graph(nodes, TensorProto.FLOAT, [("c", np.float32(3.0))]), x)
    assert (runs != exact).any(axis=0).all()


def test_a_cast_to_float16_near_a_tie_is_decided_both_ways_and_one_to_a_wider_type_is_not_touched():
    tie = 1 + 2.0**-11
    narrow = [
        helper.make_node("Mul", ["x", "one"], ["h"]),
        helper.make_node("Cast", ["h"], ["n"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["n"], ["y"], to=TensorProto.FLOAT),
    ]
    made = graph(narrow, TensorProto.FLOAT, [("one", np.float32(1.0))])
    _, runs = samples(made, np.full(8, tie, np.float32))
    assert set(np.unique(runs)) == {1.0, 1 + 2.0**-10}
    wide = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.DOUBLE)]
    exact, runs = samples(graph(wide, TensorProto.DOUBLE), np.full(8, tie, np.float32))
    assert (runs == exact).all()


def test_dequantization_rounds():
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s"], ["y"]),
    ]
    exact, runs = samples(graph(nodes, TensorProto.FLOAT, [("s", SCALE)]), np.full(8, 1.0, np.float32))
    relative = np.abs(runs / exact - 1)
    assert 0 < relative.max() <= 4 * U * (1 + 1e-6)
