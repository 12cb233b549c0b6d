"""What is said of ONNX Runtime's formats agrees with the values that it computes."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import graph

from tautomer.adapters.runtimes.declared_formats import declared_nodes
from tautomer.adapters.runtimes.onnxruntime_precision import computed_formats, emit_precision
from tautomer.adapters.worker_api import EVENTS_FILE, Channel
from tautomer.checking.precision import precision_notes
from tautomer.model import Event

pytestmark = pytest.mark.needs("onnxruntime")

HALF = TensorProto.FLOAT16


def counts(precision):
    [event] = precision
    return [(one["declared"], one["computed"], one["rounded"], one["count"]) for one in event.fields["nodes"]]


@pytest.mark.parametrize("level", ["disabled", "all"])
def test_results_between_float16_nodes_in_float32_are_not_rounded(compute, level):
    """exp(x) - 1 at small x loses most digits where exp(x) is rounded to float16."""
    one = numpy_helper.from_array(np.array(1.0, np.float16), "one")
    nodes = [helper.make_node("Exp", ["x"], ["e"]), helper.make_node("Sub", ["e", "one"], ["y"])]
    model = graph(nodes, [("x", HALF, [1])], [("y", HALF, [1])], [one])
    x = np.array([0.0123], np.float16)
    _, values, precision = compute("onnxruntime", model, level, x=x)
    unrounded = (np.exp(x.astype(np.float32)) - np.float32(1)).astype(np.float16)
    rounded = np.exp(x.astype(np.float32)).astype(np.float16) - np.float16(1)
    assert unrounded != rounded
    assert values["y"].array == unrounded
    assert counts(precision) == [("float16", "float32", False, 1), ("float16", "float32", True, 1)]


def test_a_cast_of_the_graphs_own_rounds(compute):
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=HALF),
        helper.make_node("Cast", ["h"], ["y"], to=TensorProto.FLOAT),
    ]
    model = graph(nodes, [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, [1])])
    _, values, precision = compute("onnxruntime", model, x=np.array([1 / 3], np.float32))
    assert values["y"].array == np.float16(1 / 3)
    assert counts(precision) == [("float16", "float16", True, 1)]


def test_a_float32_graph_says_nothing(compute):
    model = graph(
        [helper.make_node("Exp", ["x"], ["y"])], [("x", TensorProto.FLOAT, [1])], [("y", TensorProto.FLOAT, [1])]
    )
    assert compute("onnxruntime", model, x=np.array([1.0], np.float32))[2] == []


def test_a_fused_node_computes_as_what_it_was_fused_into():
    chain = [helper.make_node("Exp", ["x"], ["e"]), helper.make_node("Erf", ["e"], ["y"])]
    given = declared_nodes(graph(chain, [("x", HALF, [1])], [("y", HALF, [1])]))
    fused = [
        helper.make_node("Cast", ["x"], ["InsertedPrecisionFreeCast_x"], to=TensorProto.FLOAT),
        helper.make_node(
            "ErfOfExp", ["InsertedPrecisionFreeCast_x"], ["InsertedPrecisionFreeCast_y"], domain="com.microsoft"
        ),
        helper.make_node("Cast", ["InsertedPrecisionFreeCast_y"], ["y"], to=HALF),
    ]
    executed = graph(fused, [("x", HALF, [1])], [("y", HALF, [1])])
    assert computed_formats(given, executed) == {("float16", "float32", False): 1, ("float16", "float32", True): 1}


def test_a_graph_that_cannot_be_saved_leaves_an_event_with_the_reason_and_nothing_is_said(tmp_path):
    model = graph([helper.make_node("Exp", ["x"], ["y"])], [("x", HALF, [1])], [("y", HALF, [1])])
    onnx.save(model, tmp_path / "model.onnx")

    def options():
        raise OSError("no space left")

    emit_precision(Channel(tmp_path), checkpoint="c", model=str(tmp_path / "model.onnx"), options=options)
    [line] = (tmp_path / EVENTS_FILE).read_text().splitlines()
    event = Event(**json.loads(line))
    assert event.fields["error"]["message"] == "no space left"
    assert precision_notes([event]) == []
