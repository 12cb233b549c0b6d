"""tf2onnx is watched without being changed: origins of its nodes, what it hides, and what can be left out."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from tautomer.adapters.converters.tf2onnx_levers import ConversionLevers, check_options
from tautomer.adapters.worker_api import Channel
from tautomer.errors import MisuseError

needs_tf2onnx = pytest.mark.needs("tensorflow", "tf2onnx")

NOTHING_EXPECTED = {"parameters_digest": None, "inputs_digests": [], "output_paths": ["output"]}

MODULE = """
import numpy as np
import tensorflow as tf

def model(x):
    return {expression}

def inputs():
    return (np.linspace(-1, 1, {size}, dtype="f").reshape({shape}),)
"""


class Converted:
    """One conversion in this process: its events, and what its checkpoints are."""

    def __init__(self, folder: Path, expression: str, shape: tuple[int, ...], **settings) -> None:
        from tf2onnx import utils

        from tautomer.adapters.converters.tf2onnx_converter import convert

        size = 1
        for one in shape:
            size *= one
        self.module = folder / "model.py"
        self.module.write_text(MODULE.format(expression=expression, size=size, shape=shape))
        folder = folder / "attempt"
        folder.mkdir()
        spec = {"path": str(self.module), "kind": "tensorflow_module", "seed": 0, "inputs": []}
        utils.INTERNAL_NAME = 0
        convert(Channel(folder), spec=spec, settings={"opset": None, **settings}, expected=NOTHING_EXPECTED)
        self.events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]

    def fields(self, name: str) -> list[dict]:
        return [one["fields"] for one in self.events if one["name"] == name]

    def checkpoint(self, name: str) -> dict:
        return next(one for one in self.fields("checkpoint") if one["checkpoint"] == name)

    def origins(self, name: str) -> dict[str, dict]:
        """By node of a checkpoint's graph, what it was made for."""
        import onnx

        one = self.checkpoint(name)
        known = json.loads(Path(one["facts"]["origins"]).read_text())
        return {node.name: known.get(node.name) for node in onnx.load(one["path"]).graph.node}


@pytest.fixture
def converted(tmp_path):
    return lambda expression, shape, **settings: Converted(tmp_path, expression, shape, **settings)


@needs_tf2onnx
def test_every_node_is_traced_to_the_operator_it_was_made_for_before_and_after_optimization(converted):
    found = converted("tf.image.resize(tf.nn.relu(x), (3, 4), method='area')", (1, 5, 7, 3))
    for name in ("raw", "optimized", "saved"):
        origins = found.origins(name)
        assert None not in origins.values()
        assert {one["operator"] for one in origins.values()} <= {"Relu", "ResizeArea", "Identity"}
        assert {one["line"] for one in origins.values() if one["operator"] == "ResizeArea"} == {"model.py:6"}
    made = {node: one["operator"] for node, one in found.origins("saved").items()}
    assert sorted(made.values()) == ["Relu", "ResizeArea", "ResizeArea", "ResizeArea"]


@needs_tf2onnx
def test_the_checkpoints_are_reported_in_the_order_of_the_steps_and_tensorflows_are_run_in_both_precisions(converted):
    found = converted("tf.matmul(x, x) + 1.", (3, 3))
    assert [one["checkpoint"] for one in found.fields("checkpoint")] == [
        "frozen",
        "grappler",
        "raw",
        "optimized",
        "saved",
    ]
    runs = {(one["checkpoint"], one["precision"]): one["error"] for one in found.fields("run")}
    assert runs == {(name, one): None for name in ("frozen", "grappler") for one in ("declared", "float64")}


@needs_tf2onnx
def test_watching_changes_nothing_in_what_is_saved_and_puts_everything_back(converted, tmp_path):
    import tensorflow as tf
    from tf2onnx import convert, graph, handler, optimizer, tf_loader, tfonnx, utils

    from tautomer.adapters.onnx_files.digest import function_digest

    watched = (
        (tf_loader, "tf_optimize"),
        (convert, "process_tf_graph"),
        (tfonnx, "tensorflow_onnx_mapping"),
        (tfonnx, "run_rewriters"),
        (handler.tf_op, "create_mapping"),
        (optimizer, "optimize_graph"),
        (graph.Graph, "replace_all_inputs"),
    )
    before = [getattr(owner, name) for owner, name in watched]
    expression = "tf.reduce_mean(tf.nn.conv2d(x, tf.ones((2, 2, 3, 2)), 1, 'SAME'), [1, 2])"
    found = converted(expression, (1, 5, 7, 3))
    assert [getattr(owner, name) for owner, name in watched] == before
    utils.INTERNAL_NAME = 0
    path = tmp_path / "unwatched.onnx"
    module = runpy.run_path(str(found.module))
    signature = [tf.TensorSpec((1, 5, 7, 3), tf.float32, name="x")]
    convert.from_function(tf.function(module["model"]), signature, output_path=str(path))
    assert function_digest(path) == found.checkpoint("saved")["digest"]


@needs_tf2onnx
@pytest.mark.parametrize(
    ("expression", "shape", "operator", "error"),
    [
        ("tf.math.erfc(x)", (3,), "Erfc", "UnmappedOperator"),
        ("tf.scan(lambda a, row: a + row, x)", (3, 2), "StatelessWhile", "ValueError"),
    ],
)
def test_what_is_only_logged_is_told_with_the_operator_and_the_line(converted, expression, shape, operator, error):
    told = [one for one in converted(expression, shape).fields("hidden_failure") if one["operator"]]
    assert [(one["operator"], one["error"]["type"], one["line"]) for one in told] == [(operator, error, "model.py:6")]


@needs_tf2onnx
def test_a_branch_that_was_lowered_is_told_as_the_operator_that_the_user_wrote(converted):
    expression = "tf.switch_case(tf.cast(x[0] > 0, tf.int32), [lambda: x, lambda: x * 2])"
    told = [one for one in converted(expression, (3,)).fields("hidden_failure") if one["operator"]]
    assert {one["operator"] for one in told} == {"StatelessCase"}


@needs_tf2onnx
def test_a_pass_that_is_left_out_changes_nothing_and_what_passes_did_is_told(converted):
    found = converted("tf.transpose(tf.transpose(x, [1, 0]), [1, 0]) + 1.", (2, 3), options={"optimize": False})
    assert found.checkpoint("optimized")["digest"] == found.checkpoint("raw")["digest"]
    assert found.fields("lever") == [{"lever": "skip_passes", "values": []}]


@needs_tf2onnx
def test_passes_that_changed_the_graph_can_be_left_out_by_name(converted, tmp_path):
    settings = {"options": {"skip_passes": ["remove_identity"]}}
    found = converted("x + 1.", (2, 3), **settings)
    kept = [one for node, one in found.origins("saved").items() if "Identity" in node]
    assert len(kept) == 2
    assert found.fields("lever") == [{"lever": "skip_passes", "values": []}]


@needs_tf2onnx
@pytest.mark.parametrize(("grappler", "operator"), [(True, "Mul"), (False, "RealDiv")])
def test_tensorflows_own_optimizer_can_be_left_out(converted, grappler, operator):
    found = converted("x / 3.0", (2, 3), options={"grappler": grappler})
    kept = [Path(found.checkpoint(name)["facts"]["graph_def"]).read_bytes() for name in ("frozen", "grappler")]
    assert (kept[0] == kept[1]) is not grappler
    assert operator in {one["operator"] for one in found.fields("translating")}


@needs_tf2onnx
@pytest.mark.parametrize(
    "options", [{"skip_passes": "no_such_pass"}, {"optimize": "sometimes"}, {"through": "from_torch"}]
)
def test_a_lever_that_has_no_such_position_is_refused(options):
    with pytest.raises(MisuseError) as refused:
        ConversionLevers.of(options)
    assert refused.value.code == "TA101"
    assert refused.value.next_step.startswith("Known: ")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no_such_option", "is no option of tf2onnx"),
        ("opset", "is set by Tautomer itself"),
        ("custom_rewriter", "is no option of tf2onnx that can be given here"),
    ],
)
def test_an_option_that_there_is_not_or_that_tautomer_sets_is_refused(name, why):
    with pytest.raises(MisuseError, match=why) as refused:
        check_options({name: 1})
    assert "large_model" in refused.value.next_step
