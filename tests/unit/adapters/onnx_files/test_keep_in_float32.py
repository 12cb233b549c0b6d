"""The smallest list of nodes to keep in float32, on graphs in which it is known."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from narrow_graphs import LARGE, SMALL, model, rms_norm, types_of
from onnx import TensorProto, helper

from tautomer.adapters.onnx_files.float32_islands import narrow_graph, with_float32
from tautomer.adapters.onnx_files.keep_in_float32 import keep_in_float32, relative_error
from tautomer.numerics.onnx_evaluator import Evaluator, load_model

pytestmark = pytest.mark.needs("onnxruntime")
F16 = TensorProto.FLOAT16


def names(result):
    return [one["name"] for one in result["nodes"]]


def test_exactly_the_nodes_around_the_overflow_are_kept(run_task):
    result = run_task(keep_in_float32, rms_norm(), {"x": LARGE})
    assert names(result) == ["square", "average", "root"]
    assert result["minimal"]
    assert result["reason"] is None
    assert result["before"]["non_finite"] == ["squares", "mean", "rms"]
    assert result["after"]["non_finite"] == []
    assert result["after"]["relative_error"] < 1e-3 < result["before"]["relative_error"]


def test_the_file_is_a_valid_model_that_onnxruntime_confirms_at_both_levels(run_task):
    result = run_task(keep_in_float32, rms_norm(), {"x": LARGE})
    onnx.checker.check_model(result["file"], full_check=True)
    assert [(one["level"], one["passes"]) for one in result["verified"]] == [("disabled", True), ("all", True)]


def test_leaving_out_any_node_of_the_list_lets_a_value_overflow_again(run_task):
    made = rms_norm()
    result = run_task(keep_in_float32, made, {"x": LARGE})
    for left_out in names(result):
        kept = [index for index, node in enumerate(made.graph.node) if node.name in {*names(result)} - {left_out}]
        seen = {}
        Evaluator(with_float32(narrow_graph(made, types_of(made)), kept).proto, lift=False).run(
            {"x": LARGE}, seen.__setitem__
        )
        assert not all(np.isfinite(value).all() for value in seen.values())


def test_a_graph_that_stays_within_its_format_needs_nothing(run_task):
    result = run_task(keep_in_float32, rms_norm(), {"x": SMALL})
    assert (result["nodes"], result["file"], result["reason"]) == ([], None, None)


def test_all_input_sets_count(run_task):
    assert names(run_task(keep_in_float32, rms_norm(), {"x": SMALL}, {"x": LARGE})) == ["square", "average", "root"]


def test_an_output_that_float16_cannot_hold_is_said_not_to_be_saved_by_any_list(run_task):
    made = model([helper.make_node("Mul", ["x", "x"], ["y"], name="square")], [("x", F16, [2])], [("y", F16, [2])])
    result = run_task(keep_in_float32, made, {"x": np.array([300.0, 1.0], np.float16)})
    assert result["nodes"] == []
    assert "'y'" in result["reason"]


def cancelling():
    """y = tanh((x + 1000) - 1000) and z = tanh(x): only the sum and the difference lose what float16 cannot hold."""
    nodes = [
        helper.make_node("Add", ["x", "big"], ["sum"], name="add"),
        helper.make_node("Sub", ["sum", "big"], ["difference"], name="subtract"),
        helper.make_node("Tanh", ["difference"], ["y"], name="tanh"),
        helper.make_node("Tanh", ["x"], ["z"], name="other"),
    ]
    return model(
        nodes,
        [("x", F16, [16])],
        [("y", F16, [16]), ("z", F16, [16])],
        [("big", np.array(1000.0, np.float16))],
    )


def test_an_error_limit_keeps_the_nodes_that_make_the_error(run_task):
    given = {"x": np.linspace(-1, 1, 16).astype(np.float16)}
    result = run_task(keep_in_float32, cancelling(), given, error_limit=1e-3)
    assert names(result) == ["add", "subtract"]
    assert result["before"]["relative_error"] > 1e-2
    assert all(one["passes"] and one["relative_error"] < 1e-3 for one in result["verified"])


def test_a_limit_that_float32_does_not_reach_either_is_refused_with_the_figure(run_task):
    given = {"x": np.linspace(-1, 1, 16).astype(np.float16)}
    result = run_task(keep_in_float32, cancelling(), given, error_limit=1e-9)
    assert result["nodes"] == []
    assert "with every node in float32 the error is still" in result["reason"]


def test_a_graph_that_cannot_be_evaluated_gives_a_reason(run_task):
    made = rms_norm()
    made.graph.node[0].domain = "com.example"
    made.opset_import.append(helper.make_opsetid("com.example", 1))
    result = run_task(keep_in_float32, made, {"x": SMALL})
    assert "cannot be evaluated" in result["reason"]


def test_weights_in_another_file_come_along(run_task, tmp_path):
    made = rms_norm()
    path = tmp_path / "model.onnx"

    def external(channel, **arguments):
        onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=0)
        return keep_in_float32(channel, **arguments)

    result = run_task(external, made, {"x": LARGE})
    assert names(result) == ["square", "average", "root"]
    moved = tmp_path / "elsewhere.onnx"
    moved.write_bytes((tmp_path / "kept-in-float32.onnx").read_bytes())
    (tmp_path / "w.bin").unlink()
    outputs = Evaluator(load_model(moved), lift=False).run({"x": LARGE})
    assert np.isfinite(outputs["y"]).all()


def test_relative_error_is_that_of_the_worst_output_and_infinite_where_one_is_not_finite():
    exact = {"a": np.array([3.0, 4.0]), "b": np.array([1.0, np.inf])}
    given = {"a": np.array([3.0, 4.5]), "b": np.array([1.0, 5.0])}
    assert relative_error(given, exact) == pytest.approx(0.5 / 5)
    assert relative_error(given | {"a": np.array([np.inf, 4.0])}, exact) == np.inf
    assert relative_error(exact, exact) == 0.0
