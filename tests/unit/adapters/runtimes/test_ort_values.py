"""ONNX Runtime on types that numpy has not, on graphs that hand them through."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper

pytestmark = pytest.mark.needs("onnxruntime")

NARROW = {
    "bfloat16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
    "float8_e4m3fn": (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn),
    "float8_e5m2": (TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2),
}


def session(nodes, inputs, outputs):
    import onnxruntime

    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    return onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])


def call(*parts):
    from tautomer.adapters.runtimes.ort_values import session_call

    return session_call(session(*parts))


def doubling(code, shape):
    nodes = [
        helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["wide", "wide"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["y"], to=code),
    ]
    return nodes, [("x", code, shape)], [("y", code, shape), ("sum", TensorProto.FLOAT, shape)]


@pytest.mark.parametrize("name", NARROW)
def test_narrow_values_go_in_and_come_out_bit_by_bit(name):
    code, dtype = NARROW[name]
    given = np.array([[0.5, -1.25, 3.0], [0.0, -0.0, 7.0]]).astype(dtype)
    narrow, wide = call(*doubling(code, [2, 3]))({"x": given})
    assert (narrow.dtype, wide.dtype) == (given.dtype, np.float32)
    np.testing.assert_array_equal(wide, 2 * given.astype(np.float32))
    np.testing.assert_array_equal(narrow.view(f"u{narrow.itemsize}"), wide.astype(dtype).view(f"u{narrow.itemsize}"))


def test_values_outlive_the_session_that_made_them():
    code, dtype = NARROW["bfloat16"]
    results = [call(*doubling(code, [4096]))({"x": np.full(4096, one, dtype)})[0] for one in range(8)]
    assert [float(one[0]) for one in results] == [2.0 * one for one in range(8)]
    assert all((one == one[0]).all() for one in results)


def test_a_tensor_without_elements_keeps_its_shape():
    code, dtype = NARROW["bfloat16"]
    narrow, _ = call(*doubling(code, [0, 3]))({"x": np.zeros((0, 3), dtype)})
    assert (narrow.shape, narrow.dtype) == ((0, 3), np.dtype(dtype))


def test_inputs_that_are_not_contiguous_are_taken():
    code, dtype = NARROW["bfloat16"]
    given = np.arange(6).reshape(3, 2).astype(dtype).T
    narrow, _ = call(*doubling(code, [2, 3]))({"x": given})
    np.testing.assert_array_equal(narrow.astype(np.float32), 2 * given.astype(np.float32))


def test_sessions_without_such_types_give_what_they_give():
    nodes = [helper.make_node("Neg", ["x"], ["y"]), helper.make_node("SequenceConstruct", ["x", "y"], ["s"])]
    parts = nodes, [("x", TensorProto.FLOAT16, [2])], [("y", TensorProto.FLOAT16, [2])]
    sequence = helper.make_value_info(
        "s", helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT16, [2]))
    )
    import onnxruntime

    from tautomer.adapters.runtimes.ort_values import session_call

    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*parts[1][0])],
        [helper.make_tensor_value_info(*parts[2][0]), sequence],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    own = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    given = np.array([1.0, -2.0], np.float16)
    y, both = session_call(own)({"x": given})
    np.testing.assert_array_equal(y, -given)
    np.testing.assert_array_equal(np.stack(both), np.stack([given, -given]))


def test_a_scalar_of_bfloat16_keeps_its_shape():
    from tautomer.adapters.runtimes.ort_values import session_call

    code = TensorProto.BFLOAT16
    made = session([helper.make_node("Identity", ["x"], ["y"])], [("x", code, [])], [("y", code, [])])
    [y] = session_call(made)({"x": np.array(1.5, ml_dtypes.bfloat16)})
    assert (y.shape, float(y)) == ((), 1.5)
