"""What users hand over: model modules, SavedModels and Keras files, their inputs, and what is refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tautomer.adapters.tf_programs.freezing import NotFreezable
from tautomer.adapters.tf_programs.interpreter import GraphDefRun
from tautomer.adapters.tf_programs.preparation import prepare
from tautomer.errors import InputsError, ModelFileError, UserCodeError

pytestmark = pytest.mark.needs("tensorflow")

HEAD = "import keras\nimport numpy as np\nimport tensorflow as tf\n"


def module(tmp_path, text, **spec):
    path = tmp_path / "m.py"
    path.write_text(HEAD + text)
    return prepare({"path": str(path), "kind": "tensorflow_module", "seed": 0, **spec})


def test_a_function_of_tensors_is_the_model_itself(tmp_path):
    prepared = module(
        tmp_path, "def model(x, y=None):\n  return {'b': x * 2, 'a': [x, None]}\ndef inputs(): return np.ones(3, 'f')\n"
    )
    assert list(prepared.values(0)) == ["x"]
    assert list(prepared.run(0)) == ["a.0", "b"]
    assert list(prepared.frozen().outputs) == ["a.0", "b"]
    assert [spec.shape.as_list() for spec in prepared.signature] == [[3]]


def test_a_function_without_parameters_makes_the_model(tmp_path):
    prepared = module(
        tmp_path,
        "def model(): return lambda **named: named['b'] - named['a']\n"
        "def inputs(): return {'b': np.ones(2, 'f'), 'a': tf.zeros(2)}\n",
    )
    assert list(prepared.values(0)) == ["b", "a"]
    assert prepared.run(0)["output"].array.tolist() == [1.0, 1.0]


def test_nested_inputs_and_constants_among_them_reach_the_model_and_the_graph(tmp_path):
    prepared = module(
        tmp_path,
        "def model(state, scale):\n  return state['h'][0] * scale + state['c']\n"
        "def inputs(): return {'h': [np.ones(2, 'f')], 'c': np.ones(2, 'f')}, 3.0\n",
    )
    assert list(prepared.values(0)) == ["state.c", "state.h.0"]
    assert prepared.run(0)["output"].array.tolist() == [4.0, 4.0]
    assert list(prepared.frozen().inputs) == ["state.c", "state.h.0"]


def test_a_functional_keras_model_gets_all_its_inputs_and_its_batch_is_dynamic(tmp_path):
    prepared = module(
        tmp_path,
        "def model():\n"
        "  a, b = keras.Input((4,), name='one'), keras.Input((2,), name='two')\n"
        "  return keras.Model([a, b], keras.layers.Dense(3)(keras.layers.Concatenate()([a, b])))\n"
        "def inputs(): return np.ones((2, 4)), np.ones((2, 2), 'f')\n",
    )
    assert {path: array.dtype.name for path, array in prepared.values(0).items()} == {
        "one": "float32",
        "two": "float32",
    }
    assert [(one.path, one.axis) for one in prepared.dimensions] == [("one", 0), ("two", 0)]
    assert [one.name for one in prepared.input_sets] == ["inputs()", "second size"]
    assert prepared.values(1)["one"].shape == (3, 4)


def test_dropout_is_inactive_unless_the_module_says_train(tmp_path):
    text = (
        "def model(): return keras.Sequential([keras.Input((50,)), keras.layers.Dropout(0.5)])\n"
        "def inputs(): return np.ones((1, 50), 'f')\n"
    )
    assert (module(tmp_path, text).run(0)["output"].array == 1.0).all()
    assert (module(tmp_path, text + "TRAIN = True\n").run(0)["output"].array != 1.0).any()


def test_the_signature_states_the_dynamic_dimensions(tmp_path):
    prepared = module(
        tmp_path,
        "SIGNATURE = [tf.TensorSpec([None, 3]), tf.TensorSpec([])]\n"
        "def model(x, s): return x * s\ndef inputs(): return np.ones((2, 3), 'f'), np.float32(2)\n",
    )
    assert [(one.path, one.axis, one.size) for one in prepared.dimensions] == [("x", 0, 2)]
    assert prepared.values(1)["x"].shape == (3, 3)
    assert prepared.concrete().inputs[0].shape.as_list() == [None, 3]


def test_nodes_know_the_users_line_also_after_inlining(tmp_path):
    prepared = module(
        tmp_path,
        "@tf.function\ndef inner(x):\n  return tf.nn.relu(x)\n"
        "def model(x):\n  y = inner(x)\n  return y + 1.5\ndef inputs(): return np.ones(3, 'f')\n",
    )
    frozen = prepared.frozen()
    lines = {node.op: frozen.line_of(node.name) for node in frozen.graph_def.node}
    assert (lines["Relu"], lines["AddV2"]) == ("m.py:6", "m.py:9")


def test_layers_of_a_functional_model_know_the_line_where_they_were_called(tmp_path):
    prepared = module(
        tmp_path,
        "def model():\n  x = keras.Input((4,))\n  y = keras.layers.Dense(3, name='first')(x)\n"
        "  return keras.Model(x, keras.layers.ReLU()(y))\ndef inputs(): return np.ones((1, 4), 'f')\n",
    )
    frozen = prepared.frozen()
    lines = {node.op: frozen.line_of(node.name) for node in frozen.graph_def.node}
    assert (lines["MatMul"], lines["Relu"]) == ("m.py:6", "m.py:7")


def test_variables_begin_each_run_as_they_were_loaded(tmp_path):
    prepared = module(
        tmp_path,
        "v = tf.Variable(0.0)\ndef model(x):\n  v.assign_add(1.0)\n  return x + v\n"
        "def inputs(): return np.zeros(1, 'f')\n",
    )
    assert [prepared.run(0)["output"].array[0] for _ in range(2)] == [1.0, 1.0]
    with pytest.raises(NotFreezable, match="AssignAddVariableOp"):
        prepared.frozen()


def test_the_same_source_is_recognised_and_another_is_not(tmp_path):
    text = (
        "def model(): return keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])\n"
        "def inputs(): return np.ones((1, 2), 'f')\n"
    )
    one, same = module(tmp_path, text), module(tmp_path, text)
    same.verify({"parameters_digest": one.parameters_digest()})
    with pytest.raises(UserCodeError) as refused:
        module(tmp_path, text, seed=1).verify({"parameters_digest": one.parameters_digest()})
    assert refused.value.code == "TA127"
    with pytest.raises(UserCodeError) as refused:
        same.verify({"inputs_digests": ["another"]})
    assert refused.value.code == "TA128"


MISUSE = {
    "TA120": "raise ValueError('no')",
    "TA121": "def inputs(): return ()",
    "TA122": "def model(x): return x",
    "TA123": "def model(): return 3\ndef inputs(): return ()",
    "TA124": "def model(): raise ValueError('no')\ndef inputs(): return ()",
    "TA125": "def model(x): return x\ndef inputs(): raise ValueError('no')",
    "TA137": "SIGNATURE = [3]\ndef model(x): return x\ndef inputs(): return np.ones(2, 'f')",
}


@pytest.mark.parametrize("code", MISUSE)
def test_misuse_is_told_with_its_code(tmp_path, code):
    with pytest.raises(UserCodeError) as refused:
        module(tmp_path, MISUSE[code])
    assert refused.value.code == code


def test_an_exception_of_the_model_is_told_with_the_users_line(tmp_path):
    prepared = module(tmp_path, "def model(x):\n  return tf.reshape(x, [7])\ndef inputs(): return np.ones(2, 'f')\n")
    with pytest.raises(UserCodeError, match=r"m\.py:5") as refused:
        prepared.run(0)
    assert refused.value.code == "TA126"


def test_run_inputs_that_do_not_fit_the_first_are_refused(tmp_path):
    with pytest.raises(InputsError) as refused:
        module(
            tmp_path,
            "def model(x): return x\ndef inputs(): return np.ones(2, 'f')\n"
            "def run_inputs(): return [(np.ones(3, 'f'),)]\n",
        )
    assert refused.value.code == "TA139"


def test_samples_replace_the_run_inputs(tmp_path):
    np.savez(tmp_path / "s.npz", x=np.full(2, 5.0, np.float32))
    prepared = module(
        tmp_path, "def model(x): return x\ndef inputs(): return np.ones(2, 'f')\n", inputs=[str(tmp_path / "s.npz")]
    )
    assert [one.name for one in prepared.input_sets] == ["inputs()", "s.npz"]
    with pytest.raises(InputsError) as refused:
        module(
            tmp_path, "def model(x): return x\ndef inputs(): return np.ones(2, 'f')\n", inputs=[str(tmp_path / "m.py")]
        )
    assert refused.value.code == "TA133"


def small():
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="tanh")])


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "exported", "saved"])
def test_saved_models_and_keras_files_answer_as_the_model_they_were_saved_from(tmp_path, name):
    model, path = small(), tmp_path / name
    if name == "exported":
        model.export(path, verbose=False)
    elif name == "saved":
        tf.saved_model.save(model, str(path))
    else:
        model.save(path)
    kind = "keras_file" if path.is_file() else "saved_model"
    prepared = prepare({"path": str(path), "kind": kind, "seed": 0})
    assert "seeded" in prepared.notes[-1]
    [given] = prepared.values(0).values()
    [value] = prepared.run(0).values()
    np.testing.assert_allclose(value.array, model(given).numpy(), rtol=1e-6)
    assert len(prepared.frozen().inputs) == 1


def test_a_signature_of_tensorflow_1_is_read(tmp_path):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, (None, 3))
        y = tf.nn.relu(x @ tf.compat.v1.get_variable("w", (3, 2)))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(tmp_path / "v1"), {"features": x}, {"scores": y})
    prepared = prepare({"path": str(tmp_path / "v1"), "kind": "saved_model", "seed": 0})
    assert list(prepared.values(0)) == ["features"]
    assert list(prepared.run(0)) == list(prepared.frozen().outputs) == ["scores"]


class Looked(tf.Module):
    """Looks texts up in a table."""

    def __init__(self):
        super().__init__()
        rows = tf.lookup.KeyValueTensorInitializer(["a", "b"], [0.1, 0.2])
        self.table = tf.lookup.StaticHashTable(rows, -1.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, texts):
        return {"found": self.table.lookup(texts) * 3.0}


def test_a_lookup_table_is_fed_to_the_frozen_graph(tmp_path):
    looked = Looked()
    tf.saved_model.save(looked, str(tmp_path / "t"), signatures=looked.__call__)
    prepared = prepare({"path": str(tmp_path / "t"), "kind": "saved_model", "seed": 0})
    frozen = prepared.frozen()
    assert [value.dtype for value in frozen.captured.values()] == [tf.resource]
    feeds = {**frozen.captured, frozen.inputs["texts"]: np.array([b"a", b"z"])}
    [value] = GraphDefRun(frozen.graph_def, lift=True).run(feeds, list(frozen.outputs.values()))
    assert value.numpy().tolist() == [3 * float(np.float32(0.1)), -3.0]


def test_unreadable_and_pickled_files_are_refused(tmp_path):
    (tmp_path / "m.keras").write_bytes(b"nothing")
    with pytest.raises(ModelFileError) as refused:
        prepare({"path": str(tmp_path / "m.keras"), "kind": "keras_file", "seed": 0})
    assert refused.value.code == "TA114"
    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x * 2)])
    model.save(tmp_path / "l.keras")
    with pytest.raises(ModelFileError) as refused:
        prepare({"path": str(tmp_path / "l.keras"), "kind": "keras_file", "seed": 0})
    assert refused.value.code == "TA119"
    trusted = prepare({"path": str(tmp_path / "l.keras"), "kind": "keras_file", "seed": 0, "trust_pickle": True})
    [given], [value] = trusted.values(0).values(), trusted.run(0).values()
    assert np.array_equal(value.array, given * 2)


def test_a_sequential_model_without_an_input_is_built_by_its_first_inputs(tmp_path):
    prepared = module(
        tmp_path,
        "def model(): return keras.Sequential([keras.layers.Dense(2)])\ndef inputs(): return np.ones((3, 4), 'f')\n",
    )
    assert prepared.run(0)["output"].shape == (3, 2)
    assert len(prepared.frozen().inputs) == 1


def test_a_model_of_its_own_class_takes_its_arguments_as_its_call_does(tmp_path):
    prepared = module(
        tmp_path,
        "class Model(keras.Model):\n"
        "  def __init__(self):\n    super().__init__()\n    self.dense = keras.layers.Dense(2)\n"
        "  def call(self, x, scale, training=None):\n    return self.dense(x) * scale\n"
        "def inputs(): return np.ones((3, 4), 'f'), np.float32(0.0)\n",
    )
    assert list(prepared.values(0)) == ["x", "scale"]
    assert (prepared.run(0)["output"].array == 0.0).all()
    assert {"MatMul"} <= {node.op for node in prepared.frozen().graph_def.node}
