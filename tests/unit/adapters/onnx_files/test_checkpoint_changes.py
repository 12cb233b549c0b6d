"""What is found to have changed between two checkpoints of one conversion."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tautomer.adapters.onnx_files.checkpoint_changes import changes
from tautomer.adapters.worker_api import EVENTS_FILE

WEIGHT = np.random.default_rng(0).standard_normal((4, 4)).astype(np.float32)
X = np.random.default_rng(1).standard_normal((4, 4)).astype(np.float32)


def graph(*nodes, **stored):
    made = helper.make_graph(
        list(nodes),
        "checkpoint",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 4])],
        [numpy_helper.from_array(array, name) for name, array in stored.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


EXP = helper.make_node("Exp", ["w"], ["scale"], "exp")
SIGMOID = helper.make_node("Sigmoid", ["x"], ["s"], "sigmoid")
TURN = helper.make_node("Transpose", ["s"], ["t"], "turn", perm=[1, 0])
PRODUCT = helper.make_node("MatMul", ["t", "scale"], ["m"], "product")
SOFTMAX = helper.make_node("Softmax", ["m"], ["y"], "softmax", axis=1)
BEFORE = graph(EXP, SIGMOID, TURN, PRODUCT, SOFTMAX, w=WEIGHT)


@pytest.fixture
def changed(run_task, tmp_path):
    """What the task reports of a later checkpoint: by value, the nodes, and those that made it before."""

    def run(later):
        onnx.save(BEFORE, tmp_path / "before.onnx")
        run_task(changes, later, {"x": X}, before=str(tmp_path / "before.onnx"))
        file = tmp_path / EVENTS_FILE
        lines = file.read_text().splitlines() if file.exists() else []
        events = [json.loads(line)["fields"] for line in lines]
        return {one["value"]: (one["nodes"], one["was"]) for one in events}

    return run


def test_a_constant_that_was_folded_rightly_is_no_change(changed):
    assert changed(graph(SIGMOID, TURN, PRODUCT, SOFTMAX, scale=np.exp(WEIGHT))) == {}


def test_a_constant_that_was_folded_wrongly_names_what_was_folded(changed):
    later = graph(SIGMOID, TURN, PRODUCT, SOFTMAX, scale=np.exp(WEIGHT) * np.float32(1.001))
    assert changed(later) == {"scale": (["product"], ["exp"])}


def test_only_the_node_that_is_another_function_is_a_change(changed):
    wrong = helper.make_node("Softmax", ["m"], ["y"], "softmax", axis=0)
    assert changed(graph(EXP, SIGMOID, TURN, PRODUCT, wrong, w=WEIGHT)) == {"y": (["softmax"], ["softmax"])}


def test_a_node_that_was_taken_away_is_among_those_that_made_the_value_before(changed):
    alone = helper.make_node("MatMul", ["s", "scale"], ["m"], "product")
    assert changed(graph(EXP, SIGMOID, alone, SOFTMAX, w=WEIGHT)) == {"m": (["product"], ["turn", "product"])}
