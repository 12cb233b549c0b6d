"""Nodes declared in another format than float32 are found wherever they stand."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from small_graphs import graph

from tautomer.adapters.runtimes.declared_formats import declared_nodes

FLOAT, HALF, BRAIN, DOUBLE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE


def named(model):
    return [(node.op_type, node.output, node.format) for node in declared_nodes(model)]


def test_a_float32_graph_has_none_whatever_its_integers():
    nodes = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Exp", ["x"], ["y"])]
    assert named(graph(nodes, [("x", FLOAT, [2])], [("y", FLOAT, [2]), ("s", TensorProto.INT64, [1])])) == []


def test_types_that_are_not_stated_are_inferred():
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=HALF),
        helper.make_node("Exp", ["h"], ["e"]),
        helper.make_node("Cast", ["e"], ["d"], to=DOUBLE),
        helper.make_node("Log", ["d"], ["l"]),
        helper.make_node("Cast", ["l"], ["y"], to=FLOAT),
    ]
    assert named(graph(nodes, [("x", FLOAT, [2])], [("y", FLOAT, [2])])) == [
        ("Cast", "h", "float16"),
        ("Exp", "e", "float16"),
        ("Cast", "d", "float64"),
        ("Log", "l", "float64"),
    ]


def test_a_node_of_another_domain_keeps_the_type_of_its_input():
    nodes = [helper.make_node("FastGelu", ["x"], ["g"], domain="com.microsoft"), helper.make_node("Neg", ["g"], ["y"])]
    assert named(graph(nodes, [("x", BRAIN, [2])], [("y", BRAIN, [2])])) == [
        ("FastGelu", "g", "bfloat16"),
        ("Neg", "y", "bfloat16"),
    ]


def test_nodes_that_hand_values_on_and_comparisons_do_not_count():
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
        helper.make_node("Less", ["t", "t"], ["b"]),
        helper.make_node("Sqrt", ["t"], ["y"]),
    ]
    outputs = [("y", HALF, [2, 3]), ("b", TensorProto.BOOL, [2, 3])]
    assert named(graph(nodes, [("x", HALF, [3, 2])], outputs)) == [("Sqrt", "y", "float16")]


def test_the_branches_of_control_flow_are_searched():
    def branch(op_type):
        return helper.make_graph(
            [helper.make_node(op_type, ["h"], [op_type])],
            op_type,
            [],
            [helper.make_tensor_value_info(op_type, HALF, [2])],
        )

    node = helper.make_node("If", ["c"], ["y"], then_branch=branch("Exp"), else_branch=branch("Log"))
    half = numpy_helper.from_array(np.ones(2, np.float16), "h")
    model = graph([node], [("c", TensorProto.BOOL, [])], [("y", HALF, [2])], [half])
    assert {one[:2] for one in named(model)} == {("Exp", "Exp"), ("Log", "Log")}
