"""Nothing that an author or an exporter named is left in a redacted graph, and it computes the same."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx
import onnx.parser
import pytest
from onnx.reference import ReferenceEvaluator

from tautomer.reduction.redacted_graph import renamed_graph, resampled_graph
from tautomer.reduction.redacted_values import Resampling
from tautomer.reduction.redaction import names_hashed_with

TEXT = """
<ir_version: 8, opset_import: ["" : 18, "secret.domain" : 1], producer_name: "secret">
secret_graph (float[secret_n, 3] secret_x) => (float[secret_n, 3] secret_y)
<float[3] secret_weight = {0.5, 1.5, 2.5}>
{
  secret_sum = Add (secret_x, secret_weight)
  secret_y = secret.domain.secret_function (secret_sum)
}
<domain: "secret.domain", opset_import: ["" : 18]>
secret_function (secret_a) => (secret_b) { secret_b = Neg (secret_a) }
"""

DEEP = """
<ir_version: 8, opset_import: ["" : 18, "secret.domain" : 1]>
secret_graph (float[2] secret_x, bool secret_if) => (float[2] secret_y)
<int64[2] secret_size = {1, 2}>
{
  secret_c = Constant <value_floats = [1.25, 2.25]> ()
  secret_d = Constant <value = float[2] secret_tensor {3.25, 4.25}> ()
  secret_e = If (secret_if) <
    then_branch = secret_then () => (float[2] secret_t)
      <float[2] secret_w = {5.25, 6.25}> { secret_t = Add (secret_x, secret_w) },
    else_branch = secret_else () => (float[2] secret_f) { secret_f = Sub (secret_x, secret_d) }
  >
  secret_g = secret.domain.secret_function <secret_alpha = 0> (secret_e)
  secret_h = Reshape (secret_c, secret_size)
  secret_i = Flatten <axis = 0> (secret_h)
  secret_j = Squeeze (secret_i)
  secret_y = Add (secret_g, secret_j)
}
<domain: "secret.domain", opset_import: ["" : 18]>
secret_function <secret_alpha> (secret_a) => (secret_b) { secret_b = Concat <axis: int = @secret_alpha> (secret_a) }
"""

hashed = names_hashed_with(b"key")


def model():
    parsed = onnx.parser.parse_model(TEXT)
    parsed.graph.node[0].metadata_props.add(key="stack", value="secret.py")
    parsed.graph.node[0].doc_string = "secret"
    parsed.graph.node[0].name = "secret_node"
    return parsed


def test_nothing_that_was_named_is_left():
    assert b"secret" not in renamed_graph(model(), hashed).SerializeToString()


def test_names_within_functions_branches_and_sequences_are_not_forgotten():
    parsed = onnx.parser.parse_model(DEEP)
    parsed.graph.value_info.add(name="secret_list").type.sequence_type.elem_type.tensor_type.shape.dim.add(
        dim_param="secret_size"
    )
    onnx.checker.check_model(parsed)
    renamed = renamed_graph(parsed, hashed)
    assert b"secret" not in renamed.SerializeToString()
    given = {"secret_x": np.array([-2.0, 3.0], np.float32), "secret_if": np.array(True)}
    (expected,) = ReferenceEvaluator(parsed).run(None, given)
    (found,) = ReferenceEvaluator(renamed).run(None, {hashed(name): one for name, one in given.items()})
    np.testing.assert_array_equal(found, expected)


def test_weights_in_nodes_and_branches_are_drawn_anew_and_sizes_stay():
    before = onnx.parser.parse_model(DEEP)
    drawn = resampled_graph(before, Resampling.DRAWN, np.random.default_rng(0))
    assert list(before.graph.node[0].attribute[0].floats) == [1.25, 2.25]
    assert not np.isin([1.25, 2.25], list(drawn.graph.node[0].attribute[0].floats)).any()
    for numbers in ((3.25, 4.25), (5.25, 6.25)):
        assert np.array(numbers, np.float32).tobytes() in before.SerializeToString()
        assert np.array(numbers, np.float32).tobytes() not in drawn.SerializeToString()
    (size,) = (one for one in drawn.graph.initializer if one.name == "secret_size")
    assert onnx.numpy_helper.to_array(size).tolist() == [1, 2]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "int8", "uint8", "string"])
def test_weights_of_any_type_are_drawn_anew(dtype):
    before = np.array(["acme", "customer", "acme"], object) if dtype == "string" else np.array([3, 7, 101])
    if dtype == "string":
        tensor = onnx.helper.make_tensor("w", onnx.TensorProto.STRING, [3], [one.encode() for one in before])
    else:
        tensor = onnx.numpy_helper.from_array(before.astype(getattr(ml_dtypes, dtype, None) or dtype), "w")
    graph = onnx.helper.make_graph([], "g", [], [], [tensor])
    drawn = resampled_graph(onnx.helper.make_model(graph), Resampling.DRAWN, np.random.default_rng(0))
    after = onnx.numpy_helper.to_array(drawn.graph.initializer[0])
    assert (drawn.graph.initializer[0].data_type, after.shape) == (tensor.data_type, (3,))
    if dtype == "string":
        assert after.tolist() == ["text0", "text1", "text0"]
    else:
        assert after.astype(float).tolist() != before.tolist()


def test_a_renamed_graph_computes_the_same():
    x = np.array([[1.0, 2.0, 3.0]], np.float32)
    (expected,) = ReferenceEvaluator(model()).run(None, {"secret_x": x})
    (found,) = ReferenceEvaluator(renamed_graph(model(), hashed)).run(None, {hashed("secret_x"): x})
    np.testing.assert_array_equal(found, expected)


def test_weights_are_drawn_anew_and_the_original_stays_as_it_was():
    original = model()
    drawn = resampled_graph(original, Resampling.DRAWN, np.random.default_rng(0))
    weight = onnx.numpy_helper.to_array(drawn.graph.initializer[0])
    assert weight.shape == (3,)
    assert not np.isin([0.5, 1.5, 2.5], weight).any()
    assert onnx.numpy_helper.to_array(original.graph.initializer[0]).tolist() == [0.5, 1.5, 2.5]
