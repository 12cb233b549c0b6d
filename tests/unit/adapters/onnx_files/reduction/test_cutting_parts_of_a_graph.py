"""Parts cut out of a graph: what crosses the cut is fed with recorded values, and the part computes what it did."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import graph

from tautomer.adapters.onnx_files.reduction.case import Case
from tautomer.adapters.onnx_files.reduction.selection import Cutter, Selection
from tautomer.numerics.onnx_evaluator import Evaluator

X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)


def diamond():
    """x -> Neg -> (Exp, Shape -> Gather -> Reshape) -> Mul, with stored tensors and one unused output."""
    nodes = [
        helper.make_node("Neg", ["x"], ["n"], name="neg"),
        helper.make_node("Exp", ["n"], ["e"], name="exp"),
        helper.make_node("Add", ["one", "one"], ["two"], name="constant"),
        helper.make_node("Mul", ["e", "two"], ["p"], name="times"),
        helper.make_node("Add", ["p", "n"], ["s"], name="sum"),
        helper.make_node("Split", ["s"], ["left", "right"], name="split", axis=1, num_outputs=2),
        helper.make_node("Relu", ["left"], ["y"], name="relu"),
    ]
    stored = [numpy_helper.from_array(np.float32(1), "one"), numpy_helper.from_array(np.float32(9), "unused")]
    return graph(nodes, [("x", TensorProto.FLOAT, ["batch", 4])], [("y", TensorProto.FLOAT, ["batch", 2])], stored)


def recorded(model, given):
    values = dict(given)
    Evaluator(model, lift=False).run(given, values.__setitem__)
    return values


@pytest.fixture
def cutter():
    model = diamond()
    return Cutter(model, None, recorded(model, {"x": X}))


def outputs(case: Case):
    onnx.checker.check_model(case.proto, full_check=True)
    return Evaluator(case.proto, lift=False).run(case.inputs)


def test_every_connected_or_unconnected_part_computes_the_recorded_values(cutter):
    count = len(cutter.nodes)
    for bits in range(1, 2**count):
        case = cutter.cut(Selection(frozenset(index for index in range(count) if bits >> index & 1)))
        for name, value in outputs(case).items():
            np.testing.assert_array_equal(value, cutter.recorded[name])


def test_a_part_feeds_only_what_crosses_the_cut(cutter):
    case = cutter.cut(Selection(cutter.positions(["sum"])))
    assert sorted(case.inputs) == ["n", "p"]
    assert [one.name for one in case.proto.graph.output] == ["s"]
    assert not case.proto.graph.initializer


def test_what_does_not_depend_on_inputs_is_stored_at_the_cut_not_fed(cutter):
    case = cutter.cut(Selection(cutter.positions(["times"])))
    assert sorted(case.inputs) == ["e"]
    assert [one.name for one in case.proto.graph.initializer] == ["two"]


def test_a_part_shows_what_nothing_in_it_uses(cutter):
    case = cutter.cut(Selection(cutter.positions(["sum", "split", "relu"])))
    assert [one.name for one in case.proto.graph.output] == ["y"]
    case = cutter.cut(Selection(cutter.positions(["split"])))
    assert [one.name for one in case.proto.graph.output] == ["left", "right"]
    case = cutter.cut(Selection(cutter.positions(["split"]), hidden=frozenset({"right"})))
    assert [one.name for one in case.proto.graph.output] == ["left"]


def test_a_bypassed_node_passes_its_input_on(cutter):
    (way,) = cutter.bypasses(next(iter(cutter.positions(["exp"]))))
    case = cutter.cut(Selection(cutter.positions(["exp", "times"]), bypassed=frozenset({way})))
    assert [node.name for node in case.proto.graph.node] == ["times"]
    np.testing.assert_array_equal(outputs(case)["p"], 2 * -X)


def test_a_node_whose_output_has_another_shape_cannot_be_bypassed(cutter):
    assert cutter.bypasses(next(iter(cutter.positions(["split"])))) == []
    assert cutter.bypasses(next(iter(cutter.positions(["constant"])))) == []


def test_nodes_are_found_by_name_by_position_and_by_output(cutter):
    assert cutter.positions(["exp"]) == cutter.positions(["Exp#1"]) == cutter.positions(["e"]) == {1}
    assert cutter.positions(["no such node"]) == frozenset()


def test_a_value_that_was_not_recorded_cannot_be_fed():
    model = diamond()
    cutter = Cutter(model, None, {"x": X})
    assert cutter.cut(Selection(cutter.positions(["relu"]))) is None
    assert cutter.cut(Selection(cutter.positions(["neg"]))) is not None


def test_a_body_takes_what_it_uses_of_the_outer_graph_along():
    body = graph([helper.make_node("Mul", ["n", "scale"], ["r"])], [], [("r", TensorProto.FLOAT, None)]).graph
    nodes = [
        helper.make_node("Neg", ["x"], ["n"]),
        helper.make_node("Not", ["c"], ["d"]),
        helper.make_node("If", ["d"], ["y"], then_branch=body, else_branch=body),
    ]
    stored = [numpy_helper.from_array(np.float32(3), "scale")]
    inputs = [("x", TensorProto.FLOAT, [2, 4]), ("c", TensorProto.BOOL, [])]
    model = graph(nodes, inputs, [("y", TensorProto.FLOAT, None)], stored)
    values = recorded(model, {"x": X, "c": np.array(True)})
    case = Cutter(model, None, values).cut(Selection(frozenset({2})))
    assert sorted(case.inputs) == ["d", "n"]
    np.testing.assert_array_equal(Evaluator(case.proto, lift=False).run(case.inputs)["y"], -3 * X)
