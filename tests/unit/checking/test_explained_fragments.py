"""Sets of suspect nodes are made smaller by what is known of values and formulas inside them."""

from __future__ import annotations

import pytest
from onnx import TensorProto, helper

from tautomer.adapters.onnx_files.evaluation import _stated_shapes
from tautomer.adapters.onnx_files.graph_paths import GraphPaths
from tautomer.adapters.onnx_files.named_values import _rearranged
from tautomer.checking.causes.changes import Change, narrowed
from tautomer.checking.causes.responsible_sets import ResponsibleSet, TargetGraph, names_in, repaired, unexplained
from tautomer.checking.causes.target_nodes import TargetNode
from tautomer.model import Event, Kind

NORM = TargetNode("norm", "LayerNormalization", "", {}, {}, ("n",), False, False, "n", "aten.layer_norm", "model.py:4")
FAULT = ResponsibleSet((NORM,), "aten.layer_norm", "model.py:4", None, Kind.SEMANTIC, "off", ("n",), (0,), 1e8)
SPANS = {"n": {"cat", "norm"}}


def compared(names):
    return Event("computed", {"input": 0, "file": "f", "compared": names}, 0.0)


def wrong(value, *nodes):
    return Event("named", {"input": 0, "value": value, "nodes": list(nodes)}, 0.0)


def test_what_a_wrong_value_inside_it_explains_is_left_out():
    assert unexplained({FAULT.key: FAULT}, SPANS, [wrong("c", "cat"), compared(["c", "n"])]) == {}


@pytest.mark.parametrize(
    "events",
    [
        [compared(["c", "n"])],
        [wrong("c", "elsewhere"), compared(["c", "n"])],
        [wrong("c", "cat"), wrong("n", "norm"), compared(["c", "n"])],
        [wrong("c", "cat"), compared(["c"])],
    ],
    ids=["nothing is wrong by name", "only another part is", "its own value is, too", "its own value has no name"],
)
def test_a_fragment_that_nothing_inside_explains_stays(events):
    assert unexplained({FAULT.key: FAULT}, SPANS, events) == {FAULT.key: FAULT}


def linear(number):
    return [
        TargetNode(f"{op_type}{number}", op_type, "", {}, {}, ("v",), False, False, "n", "aten.linear", "model.py:4")
        for op_type in ("MatMul", "Add")
    ]


LINEARS = ResponsibleSet(
    (*linear(1), *linear(2)), "aten.linear", "model.py:4", None, Kind.SEMANTIC, "off", ("l1", "l2"), (0,), 1e8
)
FORMULAS = {"l1": {"MatMul1", "Add1"}, "l2": {"MatMul2", "Add2"}}
ANSWER = {f"l{number}": {"node": f"Add{number}", "change": "another tensor"} for number in (1, 2)}


def test_of_every_formula_of_a_fault_only_the_wrong_node_is_named():
    found = repaired(LINEARS, ANSWER, FORMULAS)
    assert [node.name for node in found.nodes] == ["Add1", "Add2"]
    assert found.said == "off; of MatMul -> Add, 'Add1' is wrong: with another tensor the result is right"


def test_a_fault_at_two_places_keeps_what_a_pass_changed_at_each():
    graph = TargetGraph({node.name: node for node in LINEARS.nodes}, None)
    changes = [Change("v", 0, "is 1 where it was 2", (f"MatMul{number}",), (f"MatMul{number}",)) for number in (1, 2)]
    [found] = narrowed([LINEARS], changes, graph, graph)
    assert [node.name for node in found.nodes] == ["MatMul1", "MatMul2"]


def test_a_pass_that_changed_a_node_which_only_moves_values_is_named_by_it():
    moving = TargetNode("turn", "Transpose", "", {}, {}, ("t",), False, True, "n", "aten.layer_norm", "model.py:4")
    graph = TargetGraph({"turn": moving, "norm": NORM}, None)
    changes = [Change("t", 0, "is 1 where it was 2", ("turn",), ("turn",))]
    [found] = narrowed([FAULT], changes, graph, graph, {"n": {"turn", "norm"}})
    assert [node.name for node in found.nodes] == ["turn"]


def test_formulas_are_named_whole_where_one_of_them_cannot_be_repaired():
    assert repaired(LINEARS, {**ANSWER, "l2": None}, FORMULAS) == LINEARS


def test_a_formula_that_was_not_looked_into_is_named_whole():
    found = repaired(LINEARS, {"l1": ANSWER["l1"]}, FORMULAS)
    assert [node.name for node in found.nodes] == ["Add1", "MatMul2", "Add2"]


def test_the_stated_shape_of_a_value_that_nothing_takes_is_not_compared():
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("x", "y", "a", "b")]
    nodes = [
        helper.make_node("Tanh", ["x"], ["a"]),
        helper.make_node("Identity", ["x"], ["b"]),
        helper.make_node("Exp", ["a"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:2], value_info=values[2:])
    assert _stated_shapes(helper.make_model(graph)) == {"y": (3,), "a": (3,)}


def made_for(source, *names, moves=False):
    return [TargetNode(name, "Op", "", {}, {}, (name,), False, moves, source, "Op", None) for name in names]


def test_nodes_that_passes_have_replaced_are_called_as_what_was_made_for_the_same():
    saved = {one.name: one for one in [*made_for("conv", "Conv", "conv_fused"), *made_for("pool", "Pool")]}
    assert names_in(saved, made_for("conv", "Conv")) == ["Conv"]
    assert names_in(saved, made_for("pool", "gone")) == ["Pool"]
    assert names_in(saved, made_for("relu", "gone")) == ["gone"]


def test_what_is_only_rearranged_into_a_right_value_is_right():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["conv"]),
        helper.make_node("Transpose", ["conv"], ["moved"], perm=[0, 2, 3, 1]),
        helper.make_node("Relu", ["moved"], ["relu"]),
        helper.make_node("Slice", ["relu", "a", "b"], ["part"]),
    ]
    paths = GraphPaths(helper.make_graph(nodes, "g", [], []))
    assert _rearranged(paths, ["moved"]) == {"conv"}
    assert _rearranged(paths, ["part", "relu"]) == set()
