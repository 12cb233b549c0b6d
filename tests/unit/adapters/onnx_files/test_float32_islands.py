"""Graphs with some nodes in float32: types, names, and the answers of ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from narrow_graphs import LARGE, SMALL, model, rms_norm, types_of
from onnx import TensorProto, helper

from tautomer.adapters.onnx_files.float32_islands import narrow_graph, with_float32
from tautomer.numerics.onnx_evaluator import Evaluator

F16, F32 = TensorProto.FLOAT16, TensorProto.FLOAT


def positions(made, *names):
    return [index for index, node in enumerate(made.graph.node) if node.name in names]


def rewritten(made, *names):
    return with_float32(narrow_graph(made, types_of(made)), positions(made, *names)).proto


def values_in(made, given):
    seen = {}
    Evaluator(made, lift=False).run(given, seen.__setitem__)
    return seen


def test_every_choice_of_nodes_gives_a_valid_graph_with_the_same_interface():
    made = rms_norm()
    for chosen in range(2 ** len(made.graph.node)):
        names = [node.name for index, node in enumerate(made.graph.node) if chosen >> index & 1]
        other = rewritten(made, *names)
        onnx.checker.check_model(other, full_check=True)
        assert (other.graph.input, other.graph.output) == (made.graph.input, made.graph.output)


def test_values_between_chosen_nodes_stay_in_float32():
    seen = values_in(rewritten(rms_norm(), "square", "average", "root"), {"x": LARGE})
    wide = {name: value for name, value in seen.items() if name.endswith("_float32")}
    assert set(wide) == {"a_float32", "squares_float32", "mean_float32", "rms_float32"}
    assert all(value.dtype == np.float32 and np.isfinite(value).all() for value in wide.values())
    assert seen["y"].dtype == np.float16
    assert np.isfinite(seen["y"]).all()
    assert "squares" not in seen  # nothing takes it in float16


def test_each_value_is_brought_up_and_down_once():
    casts = [node for node in rewritten(rms_norm(), "square", "divide").graph.node if node.op_type == "Cast"]
    assert sorted((node.input[0], node.output[0]) for node in casts) == [
        ("a", "a_float32"),
        ("normal_float32", "normal"),
        ("rms", "rms_float32"),
        ("squares_float32", "squares"),
    ]


def test_no_chosen_node_leaves_the_graph_as_it_is():
    assert rewritten(rms_norm()) == rms_norm()


def test_a_result_that_a_subgraph_takes_is_brought_down():
    def branch(name):
        out = helper.make_tensor_value_info(f"{name}_y", F16, [2])
        return helper.make_graph([helper.make_node("Neg", ["h"], [f"{name}_y"])], name, [], [out])

    nodes = [
        helper.make_node("Exp", ["x"], ["h"], name="exp"),
        helper.make_node("If", ["flag"], ["y"], then_branch=branch("then"), else_branch=branch("otherwise")),
    ]
    made = model(nodes, [("x", F16, [2]), ("flag", TensorProto.BOOL, [])], [("y", F16, [2])])
    other = rewritten(made, "exp")
    onnx.checker.check_model(other, full_check=True)
    assert values_in(other, {"x": SMALL[0, :2], "flag": np.array(True)})["h"].dtype == np.float16


def test_a_cast_from_float32_can_be_left_out_of_float16():
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], name="narrow", to=F16),
        helper.make_node("Tanh", ["h"], ["y"], name="tanh"),
    ]
    made = model(nodes, [("x", F32, [1])], [("y", F16, [1])])
    given = {"x": np.array([7e4], np.float32)}
    assert np.isinf(values_in(made, given)["h"]).all()
    seen = values_in(rewritten(made, "narrow", "tanh"), given)
    assert seen["h_float32"] == np.float32(7e4)


def test_quantization_and_other_typed_operators_are_left_where_they_are():
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["h"], value=helper.make_tensor("v", F16, [1], [2.0])),
        helper.make_node("Cast", ["h"], ["w"], to=F32),
        helper.make_node("Neg", ["w"], ["y"]),
    ]
    made = model(nodes, [("s", TensorProto.INT64, [1])], [("y", F32, ["n"])])
    assert narrow_graph(made, types_of(made)).movable == ()


def test_new_names_are_unlike_any_in_the_graph():
    nodes = [
        helper.make_node("Exp", ["x"], ["a_float32"], name="exp"),
        helper.make_node("Neg", ["a_float32"], ["a"], name="neg"),
        helper.make_node("Abs", ["a"], ["y"], name="abs"),
    ]
    made = model(nodes, [("x", F16, [2])], [("y", F16, [2])])
    other = rewritten(made, "neg", "abs")
    onnx.checker.check_model(other, full_check=True)
    names = [name for node in other.graph.node for name in node.output]
    assert len(names) == len(set(names))


@pytest.mark.needs("onnxruntime")
def test_onnxruntime_gives_what_float32_gives_where_everything_is_kept():
    import onnxruntime

    other = rewritten(rms_norm(), *[node.name for node in rms_norm().graph.node])
    session = onnxruntime.InferenceSession(other.SerializeToString(), providers=["CPUExecutionProvider"])
    [given] = session.run(None, {"x": LARGE})
    [expected] = Evaluator(rms_norm(), lift=True).run({"x": LARGE}).values()
    np.testing.assert_array_less(np.abs(given - expected), 2.0**-10 * np.abs(expected) + 1e-6)
