"""A failing ONNX graph is reduced to exactly the nodes that fail, however it fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.execution import HostSpec, Pool, Task
from tautomer.model import Completed, Limits, Tensor

pytestmark = [pytest.mark.slow, pytest.mark.needs("onnxruntime")]

KERNEL = {"outcome": "divergent", "kind": "kernel", "stage": "runtime_execution", "said": ""}
CRASH = {"outcome": "failed", "kind": "crash", "stage": "runtime_execution"}
BLOCKS = 12


@pytest.fixture(scope="module")
def pool():
    with Pool() as shared:
        yield shared


@pytest.fixture
def reduced(pool, tmp_path):
    """Reduces a model in a worker; gives what the task returned."""

    def reduce(model, given, failing, located=(), **more):
        path, inputs = tmp_path / "model.onnx", tmp_path / "inputs.safetensors"
        onnx.save(model, path)
        write_values(inputs, {name: Tensor.of(np.asarray(array)) for name, array in given.items()})
        arguments = {
            "model": str(path),
            "inputs": [str(inputs)],
            "feeds": {name: name for name in given},
            "failing": failing,
            "located_nodes": list(located),
            "level": "disabled",
            **more,
        }
        environment = {
            **ONNX_HOST.environment,
            "PYTHONPATH": str(Path(__file__).parent),
            "TAUTOMER_TEST_COUNT": str(tmp_path / "count"),
        }
        host = HostSpec("onnx", ONNX_HOST.preload, ONNX_HOST.prime, ONNX_HOST.fork_safe, environment=environment)
        task = Task(host, "tautomer.adapters.onnx_files.reduction.task:reduce_onnx", arguments, "reduce")
        attempt = pool.submit(task, replace(Limits(), timeout_s=120.0), folder=tmp_path / "attempt")
        assert isinstance(attempt, Completed), attempt
        return attempt.result

    return reduce


def residual_network():
    """Blocks of MatMul, Tanh and Add; the 7th has an Elu instead, and a node of the 11th is named `late`."""
    generator = np.random.default_rng(0)
    nodes, weights, last = [], [], "x"
    for index in range(BLOCKS):
        weights.append(numpy_helper.from_array(generator.standard_normal((8, 8)).astype(np.float32) / 3, f"w{index}"))
        nodes.append(helper.make_node("MatMul", [last, f"w{index}"], [f"m{index}"], name=f"product{index}"))
        nodes.append(
            helper.make_node("Elu", [f"m{index}"], [f"a{index}"], name="elu", alpha=0.7)
            if index == 6
            else helper.make_node("Tanh", [f"m{index}"], [f"a{index}"], name="late" if index == 10 else f"tanh{index}")
        )
        nodes.append(helper.make_node("Add", [f"a{index}", last], [f"r{index}"], name=f"sum{index}"))
        last = f"r{index}"
    return model_of(nodes, [("x", np.float32, [4, 8])], [(last, np.float32, [4, 8])], weights)


def model_of(nodes, inputs, outputs, initializers=(), opset=18):
    def described(values):
        return [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
            for name, dtype, shape in values
        ]

    graph = helper.make_graph(nodes, "g", described(inputs), described(outputs), list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


X = {"x": np.random.default_rng(1).standard_normal((4, 8)).astype(np.float32)}


@pytest.mark.parametrize("located", [["elu"], ["sum7"], []])
def test_a_wrong_kernel_is_reduced_to_its_node_and_one_number(reduced, located):
    answer = reduced(residual_network(), X, KERNEL, located, through="runtime_plants:wrong_elu")
    assert (answer["nodes"], answer["reason"], answer["finished"]) == (["elu"], None, True)
    inputs = read_values(Path(answer["inputs"]))
    assert [(name, one.array.size) for name, one in inputs.items()] == [("m6", 1)]
    assert inputs["m6"].array.item() < 0, "Elu is the identity above zero"


def test_two_distant_nodes_keep_only_the_shortest_way_between_them(reduced):
    model = residual_network()
    answer = reduced(model, X, KERNEL, ["elu", "late"], through="runtime_plants:wrong_after_elu")
    nodes = next(step for step in answer["steps"] if step["name"] == "nodes")
    assert nodes["nodes"] == len(["elu", "sum6", "sum7", "sum8", "sum9", "product10", "late"])
    assert set(answer["nodes"]) == {"elu", "late"}, "what lies between them can be bypassed"


def test_a_segfault_is_reduced_to_the_node_and_attribute_that_cause_it(reduced):
    answer = reduced(residual_network(), X, CRASH, [], through="runtime_plants:segfault_at_elu")
    assert (answer["nodes"], answer["observed"]["said"], answer["reason"]) == (["elu"], "SIGSEGV", None)
    (node,) = onnx.load(answer["model"]).graph.node
    assert [attribute.name for attribute in node.attribute] == ["alpha"]


@pytest.mark.needs("openvino")
def test_a_segfault_of_openvino_is_reduced_to_the_node_that_reads_outside_its_tensor(reduced):
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="before"),
        helper.make_node("Mul", ["i", "thousand"], ["far"], name="index"),
        helper.make_node("GatherND", ["a", "far"], ["b"], name="gather"),
        helper.make_node("Exp", ["b"], ["y"], name="after"),
        helper.make_node("Tanh", ["x"], ["z"], name="beside"),
    ]
    model = model_of(
        nodes,
        [("x", np.float32, [2]), ("i", np.int64, [1, 1])],
        [("y", np.float32, [1]), ("z", np.float32, [2])],
        [numpy_helper.from_array(np.int64(10**6), "thousand")],
    )
    given = {"x": np.ones(2, np.float32), "i": np.full((1, 1), 10**6)}
    answer = reduced(model, given, CRASH, [], runtime="openvino", level="all")
    assert (answer["nodes"], answer["observed"]["said"], answer["reason"]) == (["gather"], "SIGSEGV", None)


def test_a_loop_that_never_ends_is_reduced_to_itself(reduced):
    def info(name, element, shape):
        return helper.make_tensor_value_info(name, element, shape)

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Sin", ["state"], ["sine"]),
            helper.make_node("Cos", ["sine"], ["next"]),
        ],
        "body",
        [info("i", TensorProto.INT64, []), info("go", TensorProto.BOOL, []), info("state", TensorProto.FLOAT, [2])],
        [info("on", TensorProto.BOOL, []), info("next", TensorProto.FLOAT, [2])],
    )
    nodes = [
        helper.make_node("Tanh", ["x"], ["a"], name="before"),
        helper.make_node("Loop", ["times", "true", "a"], ["b"], name="loop", body=body),
        helper.make_node("Exp", ["b"], ["y"], name="after"),
    ]
    stored = [numpy_helper.from_array(np.int64(2**62), "times"), numpy_helper.from_array(np.bool_(True), "true")]
    model = model_of(nodes, [("x", np.float32, [2])], [("y", np.float32, [2])], stored)
    hang = {"outcome": "failed", "kind": "hang", "stage": "runtime_execution"}
    answer = reduced(model, {"x": np.ones(2, np.float32)}, hang, ["loop"], time_limit_s=1.0, recording_limit_s=1.0)
    assert (answer["nodes"], answer["observed"]["manner"], answer["reason"]) == (["loop"], "hung", None)
    assert answer["node_count"] == 3, "the loop, its condition, and a node that makes its output"


def test_a_refused_operator_is_reduced_to_its_node(reduced):
    model = residual_network()
    wide = [
        helper.make_node("Cast", ["a3"], ["wide"], name="widen", to=TensorProto.DOUBLE),
        helper.make_node("Celu", ["wide"], ["bent"], name="unknown"),
        helper.make_node("Cast", ["bent"], ["narrow"], name="narrow", to=TensorProto.FLOAT),
    ]
    for node in reversed(wide):
        model.graph.node.insert(12, node)
    model.graph.node[15].input[0] = "narrow"
    failing = {"outcome": "failed", "kind": "refused", "stage": "runtime_load"}
    answer = reduced(model, X, failing, ["unknown"], runtime="onnxruntime")
    assert (answer["nodes"], answer["observed"]["manner"], answer["reason"]) == (["unknown"], "refused", None)


def test_a_wrong_conversion_is_reduced_against_the_graph_before_it(reduced, tmp_path):
    sound = residual_network()
    onnx.save(sound, tmp_path / "sound.onnx")
    wrong = residual_network()
    (elu,) = (node for node in wrong.graph.node if node.op_type == "Elu")
    elu.attribute[0].f = 0.8
    failing = {"outcome": "divergent", "kind": "semantic", "stage": "optimization", "said": ""}
    answer = reduced(wrong, X, failing, [], reference=str(tmp_path / "sound.onnx"))
    assert (answer["nodes"], answer["reason"]) == (["elu"], None)


def test_a_failure_that_comes_and_goes_is_called_flaky(reduced):
    answer = reduced(residual_network(), X, KERNEL, ["elu"], through="runtime_plants:wrong_every_other_time")
    assert (answer["reason"], answer["finished"]) == ("flaky", False)


def test_what_does_not_fail_is_not_reduced(reduced):
    answer = reduced(residual_network(), X, KERNEL, ["elu"])
    assert (answer["model"], answer["reason"]) == (None, "not_reproduced")


def test_a_spent_budget_leaves_the_best_so_far(reduced):
    answer = reduced(residual_network(), X, KERNEL, [], through="runtime_plants:wrong_elu", max_calls=6)
    assert (answer["reason"], answer["calls"]) == ("budget", 6)
    assert "elu" in answer["nodes"]
    assert len(answer["nodes"]) < 3 * BLOCKS
    onnx.checker.check_model(answer["model"], full_check=True)


def test_the_same_seed_gives_the_same_model_and_inputs(reduced):
    def bytes_of(answer):
        return Path(answer["model"]).read_bytes(), Path(answer["inputs"]).read_bytes(), answer["calls"]

    first = bytes_of(reduced(residual_network(), X, KERNEL, [], through="runtime_plants:wrong_elu", seed=3))
    assert bytes_of(reduced(residual_network(), X, KERNEL, [], through="runtime_plants:wrong_elu", seed=3)) == first
