"""Which conversions made the same model, and what a trial need not compute again."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import graph

from tautomer.adapters.onnx_files.digest import function_digest
from tautomer.bisection.same_model import SavedGraph
from tautomer.bisection.trials import Converted, SameModel, TrialRunner
from tautomer.execution import HostSpec, Task
from tautomer.model import Completed, Event, Limits, Resources


def saved(tmp_path, name, *, opset=18, op_type="ArgMax", axis=0, weight=1.0, doc=""):
    nodes = [
        helper.make_node("Mul", ["x", "w"], ["a"], doc_string=doc),
        helper.make_node(op_type, ["a"], ["y"], axis=axis),
    ]
    initializers = [numpy_helper.from_array(np.float32([weight]), "w")]
    path = tmp_path / f"{name}.onnx"
    inputs, outputs = [("x", TensorProto.FLOAT, [2, 3])], [("y", TensorProto.INT64, None)]
    onnx.save(graph(nodes, inputs, outputs, initializers, opset), path)
    return path


def conversion(*paths):
    """Events of a converter whose checkpoints are these files."""
    return tuple(
        Event("checkpoint", {"checkpoint": f"{number}", "path": str(path), "digest": function_digest(path)}, 0.0)
        for number, path in enumerate(paths)
    )


@pytest.mark.parametrize(
    ("changed", "same_graph", "same_under_any_opset"),
    [
        ({"doc": "from another line"}, True, True),
        ({"opset": 17}, False, True),
        ({"opset": 12}, False, False),
        ({"axis": 1}, False, False),
        ({"op_type": "ArgMin"}, False, False),
        ({"weight": 2.0}, False, False),
    ],
)
def test_models_are_the_same_by_what_they_compute(tmp_path, changed, same_graph, same_under_any_opset):
    before, after = (
        SavedGraph.of(conversion(saved(tmp_path, name, **one))) for name, one in (("a", {}), ("b", changed))
    )
    assert before.is_same(after, whatever_opset=False) is same_graph
    assert before.is_same(after, whatever_opset=True) is same_under_any_opset


def test_what_was_saved_last_counts_and_there_may_be_nothing(tmp_path):
    one, other = saved(tmp_path, "one"), saved(tmp_path, "other", axis=1)
    assert SavedGraph.of(conversion(one, other)).path == other
    assert SavedGraph.of([]) is None


class Counting:
    """A runner whose tasks all report one conversion."""

    def __init__(self, events):
        self.ran = []
        self._events = events

    def submit(self, task, limits, *, folder, on_event=None):
        self.ran.append(task.label)
        return Completed(Resources(0.0, 0), folder / "log.txt", self._events, {"values": [1]})


def test_what_the_failing_check_has_computed_is_taken_again_and_a_conversion_to_the_same_model_ends_the_trial(tmp_path):
    runner = Counting(conversion(saved(tmp_path, "model")))
    trials = TrialRunner(runner, tmp_path / "scratch")

    def submit(**arguments):
        task = Task(HostSpec("bare"), "module:convert", arguments, "convert it")
        return trials.submit(task, Limits(), folder=tmp_path / "attempt")

    trials.remembers = True
    first = submit(opset=18)
    first.result["values"].append(2)
    trials.remembers = False
    assert first.log.is_relative_to(tmp_path / "scratch"), "it outlives the check that made it"
    assert submit(opset=18).result == {"values": [1]}
    assert len(runner.ran) == 1
    submit(opset=19)
    assert len(runner.ran) == 2
    trials.failing = Converted("module:convert", trials.converted("module:convert"), whatever_opset=False)
    with pytest.raises(SameModel):
        submit(opset=19)
    trials.in_environment, trials.interpreter = frozenset({"module:convert"}), tmp_path / "python"
    submit(opset=18)
    assert len(runner.ran) == 4, "in another environment everything is computed"
