"""Which node of a wrong formula is found to be the wrong one."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tautomer.adapters.onnx_files.node_repairs import Formula

OPSETS = [helper.make_opsetid("", 18)]
GELU = [
    helper.make_node("Div", ["x", "root"], ["scaled"], "scale"),
    helper.make_node("Erf", ["scaled"], ["erf"], "erf"),
    helper.make_node("Add", ["erf", "one"], ["shifted"], "shift"),
    helper.make_node("Mul", ["x", "shifted"], ["doubled"], "gate"),
    helper.make_node("Mul", ["doubled", "half"], ["y"], "halve"),
]
SOFTMAX = [
    helper.make_node("Exp", ["x"], ["e"], "exp"),
    helper.make_node("ReduceSum", ["e", "axes"], ["sum"], "sum", keepdims=1),
    helper.make_node("Div", ["e", "sum"], ["y"], "quotient"),
]


def given(**numbers):
    values = {"root": 2.0**0.5, "one": 1.0, "half": 0.5, **numbers}
    return {
        "x": np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32),
        "axes": np.array([1]),
        **{name: np.array(value, np.float32) for name, value in values.items()},
    }


def made(nodes, values):
    used = {name: values[name] for node in nodes for name in node.input if name in values}
    return Formula(nodes, used, "y", np.zeros(1), OPSETS).result({})


def repairs(nodes, values, expected):
    used = {name: values[name] for node in nodes for name in node.input if name in values}
    return Formula(nodes, used, "y", expected, OPSETS).repairs()


def with_node(nodes, position, *arguments):
    return [*nodes[:position], helper.make_node(*arguments), *nodes[position + 1 :]]


@pytest.mark.parametrize(
    ("nodes", "values", "right", "node", "change"),
    [
        (SOFTMAX, {**given(), "axes": np.array([0])}, SOFTMAX, "sum", "axis -1 instead of 0 in ReduceSum"),
        (GELU, given(root=1.3), GELU, "scale", "1.414214 instead of 1.3 in Div"),
        (with_node(GELU, 1, "Tanh", ["scaled"], ["erf"], "erf"), given(), GELU, "erf", "Erf instead of Tanh"),
        (with_node(GELU, 2, "Sub", ["erf", "one"], ["shifted"], "shift"), given(), GELU, "shift", "Add instead of Sub"),
    ],
)
def test_the_one_node_whose_change_makes_the_result_right_is_found(nodes, values, right, node, change):
    assert repairs(nodes, values, made(right, given())) == {node: change}


def test_a_formula_that_is_right_needs_no_repair():
    assert repairs(GELU, given(), made(GELU, given())) == {}


def test_a_fault_that_no_change_of_one_node_undoes_leaves_the_formula_whole():
    values = given()
    assert repairs(SOFTMAX, values, np.cumsum(made(SOFTMAX, values), axis=1)) == {}


def test_two_nodes_that_could_both_be_wrong_are_both_named():
    product = [
        helper.make_node("Mul", ["x", "root"], ["m"], "first"),
        helper.make_node("Mul", ["m", "half"], ["y"], "second"),
    ]
    assert set(repairs(product, given(root=3.0), made(product, given()))) == {"first", "second"}


def test_a_number_is_not_fitted_to_a_few_elements():
    values = {**given(root=3.0), "x": np.ones(5, np.float32)}
    right = {**values, "root": np.array(2.0, np.float32)}
    product = [
        helper.make_node("Mul", ["x", "root"], ["m"], "first"),
        helper.make_node("Sqrt", ["m"], ["y"], "second"),
    ]
    assert repairs(product, values, made(product, right)) == {}
