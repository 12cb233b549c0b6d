"""The TensorFlow source's task in a worker: its files and facts, traces, decisions, and sources that vary."""

from __future__ import annotations

import numpy as np
import pytest

from tautomer.adapters.source_trace import SourceTrace
from tautomer.adapters.sources.tf_source import MODEL_MODULE
from tautomer.adapters.tensor_file import read_values
from tautomer.checking.attempts import Bench
from tautomer.execution import Pool, RunStore
from tautomer.model import Completed, Limits

pytestmark = pytest.mark.needs("tensorflow")

HEAD = "import keras\nimport numpy as np\nimport tensorflow as tf\n"


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Runs the task on a module's text: the facts, and the folder with its files."""
    with Pool() as pool, RunStore(tmp_path_factory.mktemp("runs")).create("source") as folder:

        def run(text):
            path = tmp_path_factory.mktemp("module") / "m.py"
            path.write_text(HEAD + text)
            spec = {"path": str(path), "kind": "tensorflow_module", "seed": 0}
            bench = Bench(pool, Limits(timeout_s=120.0), folder)
            attempt = bench.run(MODEL_MODULE.host, MODEL_MODULE.task, {"spec": spec}, label=path.parent.name)
            assert isinstance(attempt, Completed), attempt
            return attempt.result, attempt.log.parent

        yield run


def test_the_trace_holds_what_each_operator_computes_with_its_line(reference):
    facts, folder = reference(
        "w = tf.constant([[1.0, 0.1], [0.3, 2.0]])\n"
        "def model(x):\n  h = tf.matmul(x, w)\n  h = tf.transpose(h)\n  return {'y': tf.tanh(h)}\n"
        "def inputs(): return np.array([[0.2, 0.7], [1.1, -0.4]], 'f')\n"
    )
    [entry] = facts["sets"]
    assert entry["reason"] is None
    trace = SourceTrace.read(folder / entry["trace"])
    assert [(one.name, one.operator, one.line) for one in trace.values] == [
        ("MatMul:0", "MatMul", "m.py:6"),
        ("Tanh:0", "Tanh", "m.py:8"),
    ]
    assert trace.values[1].parents == ("MatMul:0",)
    assert trace.producers == {"y": "Tanh:0"}
    product = trace.exact["MatMul:0"].array
    w = np.array([[1.0, 0.1], [0.3, 2.0]], np.float32).astype(float)
    x = np.array([[0.2, 0.7], [1.1, -0.4]], np.float32).astype(float)
    np.testing.assert_allclose(product, x @ w, rtol=1e-15)
    assert 0 < trace.deviation["MatMul:0"].array.max() < 1e-6
    exact, own = read_values(folder / entry["float64"])["y"].array, read_values(folder / entry["s32"])["y"].array
    np.testing.assert_allclose(exact, np.tanh(product.T), rtol=1e-14)
    assert np.array_equal(own, read_values(folder / entry["replay"])["y"].array)
    assert float(np.float32(0.1)) in facts["scalars"] or facts["constants"]


def test_a_decision_within_rounding_is_undecided_and_taken_as_the_source_takes_it(reference):
    facts, folder = reference(
        "def model(x): return tf.round(x * 0.1) + x\ndef inputs(): return np.array([5.0, 7.0], 'f')\n"
    )
    [entry] = facts["sets"]
    [undecided] = entry["undecided"]
    assert (undecided["operator"], undecided["elements"], undecided["of"]) == ("Round", 1, 2)
    exact = read_values(folder / entry["float64"])["output"].array
    same = read_values(folder / entry["same_decisions"]["float64"])["output"].array
    own = read_values(folder / entry["s32"])["output"].array
    assert (own.tolist(), same.tolist(), exact.tolist()) == ([5.0, 8.0], [5.0, 8.0], [6.0, 8.0])


def test_integers_are_given_with_the_places_that_rounding_can_turn(reference):
    facts, folder = reference(
        "def model(x): return tf.argmax(x * 1.1, -1)\n"
        "def inputs(): return np.array([[1.0, 1.0000001, 0.0], [0.0, 3.0, 1.0]], 'f')\n"
    )
    [entry] = facts["sets"]
    assert read_values(folder / entry["flips"])["output"].array.tolist() == [True, False]


def test_a_source_that_draws_random_numbers_varies_with_the_seed(reference):
    facts, _ = reference("def model(x): return x + tf.random.normal([2])\ndef inputs(): return np.ones(2, 'f')\n")
    assert [one["varies"] for one in facts["nondeterministic"]] == ["seed"]
    assert "draws random numbers" in facts["sets"][0]["reason"]


def test_a_source_that_keeps_state_says_so_and_is_not_lifted(reference):
    facts, folder = reference(
        "v = tf.Variable(0.0)\ndef model(x):\n  v.assign_add(1.0)\n  return x + v\n"
        "def inputs(): return np.ones(2, 'f')\n"
    )
    assert [one["varies"] for one in facts["nondeterministic"]] == ["state"]
    [entry] = facts["sets"]
    assert "assigns variables" in entry["reason"]
    assert read_values(folder / entry["s32"])["output"].array.tolist() == [2.0, 2.0]


def test_what_cannot_be_traced_still_has_its_own_answer(reference):
    facts, folder = reference(
        "def model(x): return tf.constant(np.sort(x.numpy()))\ndef inputs(): return np.array([2, 1], 'f')\n"
    )
    [entry] = facts["sets"]
    assert "cannot be traced" in entry["reason"]
    assert read_values(folder / entry["s32"])["output"].array.tolist() == [1.0, 2.0]


def test_dynamic_dimensions_get_a_second_size_and_unused_inputs_are_told(reference):
    facts, _ = reference(
        "SIGNATURE = [tf.TensorSpec([None, 3]), tf.TensorSpec([2])]\n"
        "def model(x, unused): return x * 2.0\ndef inputs(): return np.ones((2, 3), 'f'), np.ones(2, 'f')\n"
    )
    assert facts["dynamic"] == [{"path": "x", "axis": 0, "symbol": "size 2", "size": 2}]
    assert [one["name"] for one in facts["sets"]] == ["inputs()", "second size"]
    assert facts["unused_inputs"] == ["unused"]


def test_what_the_inputs_do_not_exercise_is_told(reference):
    facts, _ = reference(
        "def model(x): return {'r': tf.nn.relu(x), 'w': tf.where(x > 0.5, x, 1.0), 'c': x * 0.0}\n"
        "def inputs(): return np.array([1.0, 2.0], 'f')\n"
    )
    [seen] = facts["exercised"]
    never = {(one["operator"], one["lacking"]) for one in seen["observations"] if not one["acted"]}
    assert never == {
        ("Relu", "no value is below 0"),
        ("SelectV2", "its condition is never false"),
        ("Mul values", "all its values are equal"),
    }
    assert list(seen["outputs"]) == ["c", "r", "w"]
