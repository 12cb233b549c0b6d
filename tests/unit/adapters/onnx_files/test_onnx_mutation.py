"""Changes applied to ONNX graphs: what is rewired, what stays, what is refused."""

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from tautomer.adapters.onnx_files.mutation import changed, fitting_table, separated
from tautomer.numerics.onnx_evaluator import Evaluator, load_model
from tautomer.synthesis import DrawnTensor, Reference, TensorType
from tautomer.synthesis.mutation import Change, NoEffect, Placed
from tautomer.synthesis.rules.elementwise import broadcasting
from tautomer.synthesis.specification import Specification

X = np.array([[-1.0, 2.0], [3.0, -4.0]], np.float32)

GRAPH = """<ir_version: 10, opset_import: ["" : 18]>
small (float[N, 2] x) => (float[N, 2] y, float[N, 2] z)
<int64[1] axes = {1}, float[2] w = {2.0, 3.0}>
{
    a = Mul(x, w)
    b = Relu(a)
    s = ReduceSum<keepdims = 1>(b, axes)
    t = ReduceMax<keepdims = 1>(b, axes)
    y = Add(b, s)
    z = Sub(b, t)
    unread = Exp(x)
}"""
DTYPES = dict.fromkeys(("x", "a", "b", "s", "t", "y", "z", "w", "unread"), "float32")


def run(graph, tmp_path, text=None):
    path = tmp_path / "made.onnx"
    whole = graph.whole()
    onnx.checker.check_model(whole, full_check=True)
    path.write_bytes(whole.SerializeToString())
    return Evaluator(load_model(path), lift=False).run({"x": X})


def small(text=GRAPH, **options):
    return separated(onnx.parser.parse_model(text), **options)


def operators(graph):
    return [node.op_type for node in graph.proto.graph.node]


def test_what_is_taken_out_is_rewired(tmp_path):
    made = changed(small(), [Change("remove", "b", "", stays="a")], DTYPES)
    assert operators(made) == ["Mul", "ReduceSum", "ReduceMax", "Add", "Sub"]
    a = X * np.float32([2, 3])
    np.testing.assert_array_equal(run(made, tmp_path)["y"], a + a.sum(1, keepdims=True))


def test_an_output_keeps_its_name_when_its_node_is_taken_out(tmp_path):
    made = changed(small(), [Change("remove", "y", "", stays="b")], DTYPES)
    np.testing.assert_array_equal(run(made, tmp_path)["y"], np.maximum(X * np.float32([2, 3]), 0))


def test_what_follows_one_another_can_be_taken_out_together(tmp_path):
    both = [Change("remove", "b", "", stays="a"), Change("remove", "a", "", stays="x")]
    made = changed(small(), both, DTYPES)
    np.testing.assert_array_equal(run(made, tmp_path)["z"], X - X.max(1, keepdims=True))


def test_a_constant_is_set_for_one_node_only(tmp_path):
    made = run(changed(small(), [Change("attribute", "s", "", setting=("axes", [0]))], DTYPES), tmp_path)
    b = np.maximum(X * np.float32([2, 3]), 0)
    np.testing.assert_array_equal(made["y"], b + b.sum(0, keepdims=True))
    np.testing.assert_array_equal(made["z"], b - b.max(1, keepdims=True))


def test_what_is_put_in_is_read_by_all_that_read_the_value_before(tmp_path):
    specification = Specification("Add", "Add(x, y)", broadcasting(), ("float32",))
    drawn = DrawnTensor("b_w0", TensorType("float32", (2,)), 1.0, 2.0, 5)
    placed = Placed(specification, {"x": Reference("b"), "y": Reference("b_w0")}, (drawn,))
    made = changed(small(), [Change("insert", "b", "", placed=placed)], DTYPES)
    weight = next(numpy_helper.to_array(one) for one in made.proto.graph.initializer if one.name == "b_w0")
    b = np.maximum(X * np.float32([2, 3]), 0) + weight
    answers = run(made, tmp_path)
    np.testing.assert_array_equal(answers["y"], b + b.sum(1, keepdims=True))
    np.testing.assert_array_equal(answers["z"], b - b.max(1, keepdims=True))


def test_a_node_in_another_dtype_gives_its_own_back(tmp_path):
    made = changed(small(), [Change("dtype", "s", "", dtype="float16")], DTYPES)
    assert operators(made).count("Cast") == 2
    b = np.maximum(X * np.float32([2, 3]), 0)
    np.testing.assert_array_equal(run(made, tmp_path)["y"], b + b.astype(np.float16).sum(1, keepdims=True))


@pytest.mark.parametrize("inline", [0, 1024])
def test_weights_of_another_size_are_declared_so(inline, tmp_path):
    change = Change("shape", "w", "", shapes={"w": (4,), "x": (2, 4)}, size=(2, 4))
    made = changed(small(GRAPH.replace("[N, 2]", "[N, M]"), inline=inline), [change], DTYPES)
    assert [one.dim_value for one in made.proto.graph.input[0].type.tensor_type.shape.dim] == [2, 4]
    held = {one.name: one for one in made.whole().graph.initializer}
    np.testing.assert_array_equal(numpy_helper.to_array(held["w"]), [2, 3, 2, 3])


def test_a_change_that_no_output_sees_is_refused():
    with pytest.raises(NoEffect):
        changed(small(), [Change("attribute", "unread", "", setting=("axis", 1))], DTYPES)


def test_a_body_goes_on_reading_what_was_taken_out_around_it():
    text = """<ir_version: 10, opset_import: ["" : 18]>
    outer (bool c, float[2] x) => (float[2] y)
    {
        a = Relu(x)
        y = If (c) <then_branch = yes () => (float[2] p) { p = Neg(a) },
                    else_branch = no () => (float[2] q) { q = Abs(a) }>
    }"""
    made = changed(small(text), [Change("remove", "a", "", stays="x")], {"a": "float32", "x": "float32"})
    assert operators(made) == ["Identity", "If"]
    onnx.checker.check_model(made.proto, full_check=True)


def test_an_older_opset_has_only_operators_that_it_writes_alike():
    names = {one.graph_operator for one in fitting_table(12)}
    assert "Relu" in names
    assert "ReduceSum" not in names  # its axes were an attribute
    assert "Gelu" not in names
