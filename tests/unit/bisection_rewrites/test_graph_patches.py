"""Patches of finished graphs: the operator is gone, and in float64 the function is the same."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from small_graphs import graph

from tautomer.adapters.onnx_files.patches.patching import patch
from tautomer.adapters.worker_api import Channel
from tautomer.numerics.onnx_evaluator import Evaluator

OPERATORS = {
    "Celu": {"alpha": 0.7},
    "Elu": {},
    "Gelu": {"approximate": "tanh"},
    "HardSigmoid": {},
    "HardSwish": {},
    "LeakyRelu": {},
    "LogSoftmax": {"axis": 0},
    "Mish": {},
    "ReduceLogSumExp": {},
    "ReduceSumSquare": {"keepdims": 0},
    "Selu": {},
    "Shrink": {"lambd": 0.3},
    "Softmax": {},
    "Softplus": {},
    "Softsign": {},
    "ThresholdedRelu": {},
}

ROUNDED_CONSTANTS = {"Gelu", "HardSwish"}
"""Whose definitions hold constants that float32 has rounded (1/6, the square root of 2 over pi)."""


def chain(op_type, attributes, opset=20):
    """The operator between two others, beside another input and output; the first dimension is symbolic."""
    reduced = op_type.startswith("Reduce")
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["a"], name="scale"),
        helper.make_node(op_type, ["a"], ["b"], name="here", **attributes),
        helper.make_node("Add", ["b", "b"], ["y"], name="twice"),
        helper.make_node("Neg", ["v"], ["z"], name="other"),
    ]
    shape = None if reduced else ["n", 4]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4], [1.0, -2.0, 0.5, 3.0])
    inputs = [("x", TensorProto.FLOAT, ["n", 4]), ("v", TensorProto.FLOAT, [2])]
    return graph(nodes, inputs, [("y", TensorProto.FLOAT, shape), ("z", TensorProto.FLOAT, [2])], [weight], opset)


def patched(tmp_path, model, **request):
    folder = tmp_path / "attempt"
    folder.mkdir()
    onnx.save(model, tmp_path / "model.onnx")
    return patch(Channel(folder), model=str(tmp_path / "model.onnx"), **request)


def answers(model, seed):
    random = np.random.default_rng(seed)
    feeds = {"x": random.normal(0, 2, (5, 4)).astype(np.float32), "v": np.float32([np.nan, -0.0])}
    return Evaluator(model, lift=True).run(feeds)


@pytest.mark.parametrize("op_type", OPERATORS)
def test_an_operator_is_replaced_by_its_definition_and_nothing_else_changes(tmp_path, op_type):
    model = chain(op_type, OPERATORS[op_type])
    done = patched(tmp_path, model, method="function_body", operators=[op_type, "Neg"])
    after = onnx.load(done["model"])
    onnx.checker.check_model(after, full_check=True)
    types = [node.op_type for node in after.graph.node]
    assert op_type not in types
    assert {"scale", "twice", "other"} <= {node.name for node in after.graph.node}
    assert (done["operators"], done["nodes"]) == ([op_type], ["here"])
    for seed in range(3):
        expected, given = answers(model, seed), answers(after, seed)
        u = 2.0**-24 if op_type in ROUNDED_CONSTANTS else 2.0**-50
        np.testing.assert_allclose(given["y"], expected["y"], rtol=0, atol=2 * u * np.abs(expected["y"]).max())
        np.testing.assert_array_equal(given["z"], expected["z"])


def test_an_operator_without_a_definition_is_left_alone(tmp_path):
    done = patched(tmp_path, chain("Softmax", {}), method="function_body", operators=["Mul", "NoSuchOperator"])
    assert done["model"] is None


@pytest.mark.parametrize(("before", "opset"), [(20, 22), (22, 20)])
def test_a_graph_is_converted_to_another_opset(tmp_path, before, opset):
    model = chain("Elu", {}, before)
    done = patched(tmp_path, model, method="opset", operators=["Elu"], opset=opset)
    after = onnx.load(done["model"])
    assert [one.version for one in after.opset_import] == [opset]
    np.testing.assert_array_equal(answers(after, 0)["y"], answers(model, 0)["y"])


@pytest.mark.parametrize("opset", [20, 22])
def test_an_opset_with_the_same_version_of_the_operators_at_fault_is_no_patch(tmp_path, opset):
    done = patched(tmp_path, chain("Elu", {}), method="opset", operators=["Neg", "Mul"], opset=opset)
    assert done["model"] is None
