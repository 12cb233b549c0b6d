"""Single kernels judged on the runtime's own values: planted faults are found at their node, sound ones pass."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tautomer.adapters.onnx_files.node_judgement import judge_nodes, judge_set
from tautomer.adapters.runtimes.onnxruntime_probes import ProbedModel
from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.worker_api import EVENTS_FILE, Channel
from tautomer.model import Tensor
from tautomer.numerics.approximation_tables import table_for

pytestmark = pytest.mark.needs("onnxruntime")
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def floats(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def model(nodes, inputs, outputs, initializers=None, opset=20, opsets=(), functions=()):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(value, name) for name, value in (initializers or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(*one) for one in opsets)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10, functions=list(functions))


def encoder():
    """A layer of an encoder: a product, a normalization, an activation, a softmax."""
    return model(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["linear"], name="linear", transB=1),
            helper.make_node("Add", ["linear", "x"], ["sum"], name="residual"),
            helper.make_node("LayerNormalization", ["sum", "scale", "bias"], ["normal"], name="norm", epsilon=1e-5),
            helper.make_node("Gelu", ["normal"], ["active"], name="gelu"),
            helper.make_node("Softmax", ["active"], ["y"], name="softmax", axis=-1),
        ],
        [("x", FLOAT, ["n", 32])],
        [("y", FLOAT, ["n", 32])],
        {"w": floats(32, 32, seed=1), "b": floats(32, seed=2), "scale": floats(32, seed=3), "bias": floats(32, seed=4)},
    )


@pytest.fixture
def table():
    return table_for("onnxruntime", "1.32.0")


@pytest.fixture
def judged(tmp_path, table):
    """Judges a model on inputs; the runtime may be given another one."""

    def judge(given_model, inputs, runs=None, **options):
        path, other = tmp_path / "model.onnx", tmp_path / "other.onnx"
        onnx.save(given_model, path)
        if runs is not None:
            onnx.save(runs, other)
        return judge_set(path, inputs, table, runs_as=None if runs is None else other, **options)

    return judge


def changed(change):
    other = encoder()
    change({node.name: node for node in other.graph.node}, {one.name: one for one in other.graph.initializer})
    return other


def set_attribute(node, name, value):
    del node.attribute[:]
    node.attribute.append(helper.make_attribute(name, value))


def without_one_weight(_, tensors):
    values = numpy_helper.to_array(tensors["w"]).copy()
    values[7, 11] = 0
    tensors["w"].CopyFrom(numpy_helper.from_array(values, "w"))


def weights_in_float16(_, tensors):
    values = numpy_helper.to_array(tensors["w"]).astype(np.float16).astype(np.float32)
    tensors["w"].CopyFrom(numpy_helper.from_array(values, "w"))


FAULTS = {
    "another epsilon": ("norm", lambda nodes, _: set_attribute(nodes["norm"], "epsilon", 1e-3)),
    "the other gelu": ("gelu", lambda nodes, _: set_attribute(nodes["gelu"], "approximate", "tanh")),
    "another axis": ("softmax", lambda nodes, _: set_attribute(nodes["softmax"], "axis", 0)),
    "a dropped bias": ("linear", lambda nodes, _: nodes["linear"].input.pop()),
    "a dropped weight": ("linear", without_one_weight),
    "weights through float16": ("linear", weights_in_float16),
}


def test_a_sound_runtime_has_every_node_within_its_bound(judged):
    found = judged(encoder(), {"x": floats(5, 32)})
    assert found.over_bound == []
    assert found.judged == 5
    assert not found.without_bound
    summary = found.summary()
    assert 0 < summary["largest_ratio"] <= 1
    assert summary["probes_change_answer"] == []
    assert set(summary["largest_ratio_by_op"]) == {"Gemm", "Add", "LayerNormalization", "Gelu", "Softmax"}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_runtime_that_computes_something_else_is_found_at_that_node_alone(judged, fault):
    node, change = FAULTS[fault]
    found = judged(encoder(), {"x": floats(5, 32)}, runs=changed(change))
    assert {one["node"] for one in found.over_bound} == {node}
    [worst] = found.over_bound
    assert worst["ratio"] > 1
    assert worst["error"] > worst["bound"] > 0
    assert abs(worst["found"] - worst["exact"]) == worst["error"]
    assert len(worst["index"]) == 2


def test_a_model_is_run_in_parts_where_its_values_do_not_fit_and_the_answer_is_the_same(judged):
    whole = judged(encoder(), {"x": floats(5, 32)})
    parts = judged(encoder(), {"x": floats(5, 32)}, budget_bytes=2 * 5 * 32 * 8)
    assert whole.sessions == 1
    assert parts.sessions == 3
    assert parts.summary() | {"sessions": 1} == whole.summary()


def test_a_value_between_nodes_of_another_shape_is_a_fault(judged):
    given = model(
        [helper.make_node("Flatten", ["x"], ["f"], name="flat", axis=1), helper.make_node("Neg", ["f"], ["y"])],
        [("x", FLOAT, [2, 3, 4])],
        [("y", FLOAT, None)],
    )
    other = model(
        [helper.make_node("Flatten", ["x"], ["f"], name="flat", axis=2), helper.make_node("Neg", ["f"], ["y"])],
        [("x", FLOAT, [2, 3, 4])],
        [("y", FLOAT, None)],
    )
    found = judged(given, {"x": floats(2, 3, 4)}, runs=other)
    assert [(one["node"], one["shapes"]) for one in found.over_bound] == [("flat", [[6, 4], [2, 12]])]


def test_an_operator_without_a_rule_is_counted_and_the_others_are_judged(judged):
    given = model(
        [
            helper.make_node("GridSample", ["x", "grid"], ["sampled"], name="sample"),
            helper.make_node("Add", ["sampled", "sampled"], ["y"], name="double"),
        ],
        [("x", FLOAT, [1, 1, 4, 4]), ("grid", FLOAT, [1, 3, 3, 2])],
        [("y", FLOAT, None)],
    )
    found = judged(given, {"x": floats(1, 1, 4, 4), "grid": floats(1, 3, 3, 2, seed=1)})
    assert dict(found.without_bound) == {"GridSample": 1}
    assert found.judged == 1


def test_an_operator_that_only_the_runtime_knows_is_taken_from_it(judged):
    given = model(
        [
            helper.make_node("Neg", ["x"], ["n"], name="negate"),
            helper.make_node("QuickGelu", ["n"], ["q"], name="quick", domain="com.microsoft", alpha=1.702),
            helper.make_node("Add", ["q", "x"], ["y"], name="add"),
        ],
        [("x", FLOAT, [20])],
        [("y", FLOAT, [20])],
        opsets=[("com.microsoft", 1)],
    )
    found = judged(given, {"x": floats(20)})
    assert dict(found.without_bound) == {"QuickGelu": 1}
    assert found.judged == 2
    assert found.over_bound == []


def test_functions_and_control_flow_are_left_without_a_bound_and_what_follows_is_judged(judged):
    function = helper.make_function(
        "here", "twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 20)]
    )
    branch = helper.make_graph(
        [helper.make_node("Neg", ["t"], ["out"])], "branch", [], [helper.make_tensor_value_info("out", FLOAT, None)]
    )
    given = model(
        [
            helper.make_node("twice", ["x"], ["t"], name="call", domain="here"),
            helper.make_node("If", ["c"], ["i"], name="branching", then_branch=branch, else_branch=branch),
            helper.make_node("Tanh", ["i"], ["y"], name="tanh"),
        ],
        [("x", FLOAT, [6]), ("c", TensorProto.BOOL, [])],
        [("y", FLOAT, [6])],
        opsets=[("here", 1)],
        functions=[function],
    )
    found = judged(given, {"x": floats(6), "c": np.array(True)})
    assert dict(found.without_bound) == {"twice": 1, "If": 1}
    assert found.judged == 1


def test_a_lookup_reads_the_table_without_rounding(judged):
    given = model(
        [
            helper.make_node("Gather", ["table", "ids"], ["rows"], name="lookup"),
            helper.make_node("Neg", ["rows"], ["y"]),
        ],
        [("ids", INT64, [4])],
        [("y", FLOAT, [4, 8])],
        {"table": floats(50, 8)},
    )
    other = onnx.ModelProto()
    other.CopyFrom(given)
    other.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.nextafter(floats(50, 8), np.float32(9)), "table"))
    ids = {"ids": np.array([3, 1, 4, 1])}
    assert judged(given, ids).over_bound == []
    assert [one["node"] for one in judged(given, ids, runs=other).over_bound] == ["lookup"]


def test_float16_nodes_are_judged_by_what_float32_and_one_rounding_explain(judged):
    half = TensorProto.FLOAT16
    nodes = [helper.make_node("MatMul", ["x", "w"], ["m"], name="product"), helper.make_node("Tanh", ["m"], ["y"])]
    weights = floats(64, 64, seed=1).astype(np.float16)
    given = model(nodes, [("x", half, [3, 64])], [("y", half, [3, 64])], {"w": weights})
    coarse = (weights.view(np.uint16) & np.uint16(0xFFE0)).view(np.float16)
    other = model(nodes, [("x", half, [3, 64])], [("y", half, [3, 64])], {"w": coarse})
    inputs = {"x": floats(3, 64).astype(np.float16)}
    assert judged(given, inputs).over_bound == []
    assert [one["node"] for one in judged(given, inputs, runs=other).over_bound] == ["product"]


def test_weights_outside_the_file_are_found_though_the_probed_model_is_in_memory(tmp_path, table):
    path = tmp_path / "model.onnx"
    onnx.save(encoder(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (tmp_path / "weights.bin").stat().st_size > 4000
    found = judge_set(path, {"x": floats(5, 32)}, table)
    assert found.judged == 5
    assert found.over_bound == []


def test_an_answer_that_probes_change_is_said_to_be_changed(judged, monkeypatch):
    plain = ProbedModel.session

    def nudged(self, probes=()):
        session = plain(self, probes)
        if not probes or probes[0].startswith("tautomer."):
            return session

        class Nudged:
            def get_outputs(self):
                return session.get_outputs()

            def run(self, names, given):
                first, *others = session.run(names, given)
                return [np.nextafter(first, np.float32(9)), *others]

        return Nudged()

    monkeypatch.setattr(ProbedModel, "session", nudged)
    assert judged(encoder(), {"x": floats(5, 32)}).probes_change_answer == ["y"]


def test_the_task_reports_each_node_beyond_its_bound_and_sums_up_each_input_set(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(encoder(), path)
    files = []
    for index in range(2):
        files.append(tmp_path / f"inputs-{index}.safetensors")
        write_values(files[-1], {"args.0": Tensor.of(floats(4, 32, seed=index))})
    folder = tmp_path / "attempt"
    folder.mkdir()
    answer = judge_nodes(
        Channel(folder),
        model=str(path),
        checkpoint="ort unoptimized",
        inputs=[str(file) for file in files],
        feeds={"x": "args.0"},
    )
    events = [json.loads(line) for line in (folder / EVENTS_FILE).read_text().splitlines()]
    assert [event["name"] for event in events] == ["nodes", "nodes"]
    assert [event["fields"]["input"] for event in events] == [0, 1]
    assert all(event["fields"]["nodes_judged"] == 5 for event in events)
    assert answer["table"] is not None


def test_a_runtime_that_shows_no_values_is_refused(tmp_path):
    with pytest.raises(ValueError, match="does not show values"):
        judge_nodes(Channel(tmp_path), model="m", checkpoint="c", inputs=[], feeds={}, runtime="openvino")
