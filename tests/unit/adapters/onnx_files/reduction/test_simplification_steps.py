"""Each step makes a failing case as simple as the failure allows, and no simpler."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from small_graphs import graph

from tautomer.adapters.onnx_files.reduction import simplification
from tautomer.adapters.onnx_files.reduction.case import Case
from tautomer.adapters.onnx_files.reduction.simplification.tensors import tensors
from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError

FLOAT = TensorProto.FLOAT


def runs(case):
    """The outputs of a case in the declared types; None where it means nothing."""
    try:
        return Evaluator(case.proto, lift=False).run(case.inputs)
    except EvaluatorError:
        return None


def test_bookkeeping_goes_and_what_is_computed_stays():
    node = helper.make_node("Relu", ["x"], ["y"], doc_string="why")
    node.metadata_props.add(key="namespace", value="secret")
    model = graph([node], [("x", FLOAT, ["n"])], [("y", FLOAT, [7])])
    model.producer_name = "exporter"
    model.opset_import.append(helper.make_opsetid("unused.domain", 1))
    case = simplification.without_bookkeeping(Case(model, {"x": np.ones(3, np.float32)}), lambda _: True)
    text = str(case.proto)
    assert not any(word in text for word in ("why", "secret", "exporter", "unused.domain", "7"))
    assert case.proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 3


def test_an_attribute_that_the_failure_needs_stays_and_the_others_go():
    node = helper.make_node("Gemm", ["a", "b", "c"], ["y"], alpha=2.0, beta=3.0, transB=1)
    square = ("a", FLOAT, [2, 2]), ("b", FLOAT, [2, 2]), ("c", FLOAT, [2, 2])
    given = {name: np.eye(2, dtype=np.float32) for name, *_ in square}

    def fails(case):
        (one,) = case.proto.graph.node
        return any(attribute.name == "beta" for attribute in one.attribute)

    case = Case(graph([node], square, [("y", FLOAT, [2, 2])]), given)
    found = simplification.without_attributes(case, fails)
    assert [attribute.name for attribute in found.proto.graph.node[0].attribute] == ["beta"]
    bare = simplification.without_optional_inputs(found, fails)
    assert (list(bare.proto.graph.node[0].input), sorted(bare.inputs)) == (["a", "b"], ["a", "b"])
    assert sorted(case.inputs) == ["a", "b", "c"], "a case is never changed"


def test_a_required_attribute_is_not_touched():
    case = Case(graph([helper.make_node("Cast", ["x"], ["y"], to=FLOAT)], [("x", FLOAT, [1])], [("y", FLOAT, [1])]), {})
    assert simplification.without_attributes(case, lambda _: True) is case


def test_axes_of_one_size_shrink_together_and_keep_the_element_that_fails():
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["p", "b"], ["y"])]
    stored = [
        numpy_helper.from_array(np.ones((6, 5), np.float32), "w"),
        numpy_helper.from_array(np.arange(5, dtype=np.float32), "b"),
    ]
    x = np.zeros((3, 6), np.float32)
    x[1, 4] = np.nan
    case = Case(graph(nodes, [("x", FLOAT, [3, 6])], [("y", FLOAT, [3, 5])], stored), {"x": x})

    def fails(one):
        found = runs(one)
        return found is not None and bool(np.isnan(found["y"]).any())

    found = simplification.with_smaller_tensors(case, fails)
    assert {name: array.shape for name, array in tensors(found).items()} == {"x": (1, 1), "w": (1, 1), "b": (1,)}
    assert np.isnan(found.inputs["x"]).all()


def test_stated_sizes_follow_the_axes_that_shrink():
    nodes = [
        helper.make_node("Reshape", ["x", "sizes"], ["r"]),
        helper.make_node("Transpose", ["r"], ["y"], perm=[1, 0, 2]),
    ]
    stored = [numpy_helper.from_array(np.array([4, 3, 8]), "sizes")]
    case = Case(
        graph(nodes, [("x", FLOAT, [4, 24])], [("y", FLOAT, None)], stored), {"x": np.ones((4, 24), np.float32)}
    )
    found = simplification.with_smaller_tensors(case, lambda one: runs(one) is not None)
    assert found.inputs["x"].size == 1
    assert tensors(found)["sizes"].tolist() == [1, 1, 1]


def test_no_tensor_becomes_empty_that_was_not():
    case = Case(
        graph([helper.make_node("Relu", ["x"], ["y"])], [("x", FLOAT, [5])], [("y", FLOAT, [5])]),
        {"x": np.ones(5, np.float32)},
    )
    assert simplification.with_smaller_tensors(case, lambda _: True).inputs["x"].shape == (1,)


def test_numbers_become_as_simple_as_the_failure_allows():
    x = np.array([3.7123, -2.4567, 0.333], np.float32)
    node = helper.make_node("Relu", ["x"], ["y"])
    case = Case(graph([node], [("x", FLOAT, [3])], [("y", FLOAT, [3])]), {"x": x})
    found = simplification.with_simpler_values(case, lambda one: float(one.inputs["x"][1]) < -2)
    assert found.inputs["x"].tolist() == [0.0, -2.5, 0.0]
    assert found.inputs["x"].dtype == np.float32


def test_narrow_types_become_float32_with_their_casts():
    nodes = [helper.make_node("Cast", ["x"], ["c"], to=TensorProto.BFLOAT16), helper.make_node("Relu", ["c"], ["y"])]
    model = graph(nodes, [("x", TensorProto.FLOAT16, [2])], [("y", TensorProto.BFLOAT16, [2])])
    case = Case(model, {"x": np.ones(2, np.float16)})
    found = simplification.in_float32(case, lambda one: runs(one) is not None)
    assert runs(found)["y"].dtype == np.float32
    onnx.checker.check_model(found.proto, full_check=True)
    assert simplification.in_float32(case, lambda _: False) is case


def test_bfloat16_and_empty_and_text_tensors_survive_the_steps():
    node = helper.make_node("Identity", ["x"], ["y"])
    for array, element in (
        (np.array([1.5, 2.25], ml_dtypes.bfloat16), TensorProto.BFLOAT16),
        (np.zeros((0, 3), np.float32), FLOAT),
        (np.array(["a", "b"], object), TensorProto.STRING),
        (np.array(True), TensorProto.BOOL),
    ):
        model = graph([node], [("x", element, array.shape)], [("y", element, array.shape)])
        case = Case(model, {"x": array})
        for step in (simplification.with_smaller_tensors, simplification.with_simpler_values):
            case = step(case, lambda one: runs(one) is not None)
        assert case.inputs["x"].dtype == array.dtype
        assert case.inputs["x"].ndim == array.ndim


def test_nodes_of_a_body_go():
    def info(name, element, shape):
        return helper.make_tensor_value_info(name, element, shape)

    body = helper.make_graph(
        [
            helper.make_node("Exp", ["s"], ["grown"]),
            helper.make_node("Neg", ["grown"], ["negative"]),
            helper.make_node("Abs", ["s"], ["unused"]),
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Tanh", ["negative"], ["next"]),
        ],
        "body",
        [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), info("s", FLOAT, [2])],
        [info("on", TensorProto.BOOL, []), info("next", FLOAT, [2])],
    )
    stored = [numpy_helper.from_array(np.int64(2), "n"), numpy_helper.from_array(np.bool_(True), "c")]
    model = graph(
        [helper.make_node("Loop", ["n", "c", "x"], ["y"], body=body)], [("x", FLOAT, [2])], [("y", FLOAT, [2])], stored
    )
    case = Case(model, {"x": np.ones(2, np.float32)})
    found = simplification.with_smaller_bodies(case, lambda one: runs(one) is not None)
    assert [node.op_type for node in found.proto.graph.node[0].attribute[0].g.node] == ["Identity", "Tanh"]
