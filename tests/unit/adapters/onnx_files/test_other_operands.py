"""A stored operand that is another tensor than it should be is found to be what is wrong with a formula."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from tautomer.adapters.onnx_files.node_repairs import Formula

GENERATOR = np.random.default_rng(0)
GIVEN = {
    "x": GENERATOR.standard_normal((3, 8, 5)).astype(np.float32),
    "w": GENERATOR.standard_normal((5, 4)).astype(np.float32),
    "b": GENERATOR.standard_normal(4).astype(np.float32),
}
LATER = {"Add": lambda x, y: x + y, "Sub": lambda x, y: x - y, "Mul": lambda x, y: x * y}


def formula(op_type, operands, expected):
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"], "product"),
        helper.make_node(op_type, operands, ["y"], "last"),
    ]
    return Formula(nodes, GIVEN, "y", expected, [helper.make_opsetid("", 18)], frozenset({"w", "b"}))


@pytest.mark.parametrize("op_type", LATER)
@pytest.mark.parametrize("operands", [("p", "b"), ("b", "p")], ids="/".join)
def test_another_bias_is_found_whatever_adds_it(op_type, operands):
    other = GENERATOR.standard_normal(4).astype(np.float32)
    values = {"p": GIVEN["x"] @ GIVEN["w"], "b": other}
    expected = LATER[op_type](*(values[name] for name in operands))
    assert formula(op_type, list(operands), expected).repairs() == {
        "last": f"another tensor instead of 'b' in {op_type}"
    }


def test_a_wrong_product_before_it_is_not_explained_by_another_bias():
    other = GENERATOR.standard_normal((5, 4)).astype(np.float32)
    assert formula("Add", ["p", "b"], GIVEN["x"] @ other + GIVEN["b"]).repairs() == {}


def test_an_operand_as_large_as_the_result_explains_nothing():
    given = {**GIVEN, "b": GENERATOR.standard_normal((3, 8, 4)).astype(np.float32)}
    one = formula("Add", ["p", "b"], GENERATOR.standard_normal((3, 8, 4)).astype(np.float32))
    assert Formula(one.nodes, given, "y", one.expected, one.opsets, one.stored).repairs() == {}
