"""Mutants of ONNX and TensorFlow models: valid, finite, other functions, the same for the same seed, checkable."""

import json

import numpy as np
import pytest

from tautomer.adapters.tensor_file import read_values
from tautomer.cli.application import main

pytestmark = pytest.mark.slow

GRAPH = '''
import numpy as np
from onnx import numpy_helper, parser

def model():
    made = parser.parse_model("""<ir_version: 10, opset_import: ["" : 18]>
    net (float[N, 3, 8, 8] x) => (float[N, 4] y)
    <int64[2] axes = {2, 3}>
    {
        c = Conv<pads = [1, 1, 1, 1]>(x, w)
        n = Relu(c)
        m = ReduceMean<keepdims = 0>(n, axes)
        y = Softmax<axis = -1>(m)
    }""")
    weight = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    made.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    return made

def inputs():
    return (np.random.default_rng(1).standard_normal((2, 3, 8, 8)).astype(np.float32),)

def run_inputs():
    return (np.random.default_rng(2).standard_normal((5, 3, 8, 8)).astype(np.float32),)
'''

KERAS = """
import keras
import numpy as np

def model():
    given = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(4, 3, activation="relu")(given)
    return keras.Model(given, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x)))

def inputs():
    return (np.random.default_rng(0).standard_normal((2, 6, 6, 2)).astype(np.float32),)
"""


def mutants(tmp_path, text, *, count, seed=0, name="mutants"):
    (tmp_path / "net.py").write_text(text)
    made = tmp_path / name
    options = ["--count", str(count), "--seed", str(seed), "-o", str(made)]
    assert main(["generate", "--mutate", str(tmp_path / "net.py"), *options]) == 0
    index = json.loads((made / "index.json").read_text())
    assert len(index["models"]) == count
    assert all(one["changes"] and len(one["changes"]) == len(one["kinds"]) for one in index["models"])
    return made, index["models"]


def contents(folder, one):
    parts = [folder / one["file"], folder / one["inputs"]]
    files = [file for part in parts for file in sorted([part, *part.rglob("*")]) if file.is_file()]
    return [file.read_bytes() for file in files]


def inputs_of(folder, one):
    return [
        {name: value.numpy() for name, value in read_values(file).items()}
        for file in sorted((folder / one["inputs"]).iterdir())
    ]


@pytest.mark.needs("onnxruntime")
def test_mutants_of_an_onnx_model_are_valid_at_all_sizes_and_made_again_by_their_seeds(tmp_path):
    import onnx
    import onnxruntime

    folder, made = mutants(tmp_path, GRAPH, count=30)
    assert {kind for one in made for kind in one["kinds"]} == {
        "insert", "swap", "remove", "attribute", "dtype", "shape",
    }  # fmt: skip
    answers = set()
    for one in made:
        onnx.checker.check_model(str(folder / one["file"]), full_check=True)
        session = onnxruntime.InferenceSession(str(folder / one["file"]), providers=["CPUExecutionProvider"])
        for given in inputs_of(folder, one):
            (answer,) = session.run(None, given)
            assert np.isfinite(answer).all()
            answers.add(answer.tobytes())
    assert len(answers) >= 30
    free = [len(inputs_of(folder, one)) for one in made]
    assert max(free) == 2
    again, (one,) = mutants(tmp_path, GRAPH, count=1, seed=7, name="again")
    assert contents(again, one) == contents(folder, made[7])
    arguments = ["--inputs", str(folder / made[7]["inputs"]), "--keep", "none"]
    assert main(["check", str(folder / made[7]["file"]), *arguments]) in (0, 1)


@pytest.mark.needs("tensorflow")
def test_mutants_of_a_keras_model_are_saved_models_and_made_again_by_their_seeds(tmp_path):
    folder, made = mutants(tmp_path, KERAS, count=8)
    again, (one,) = mutants(tmp_path, KERAS, count=1, seed=3, name="again")
    assert contents(again, one) == contents(folder, made[3])
    assert len({tuple(contents(folder, one)) for one in made}) == len(made)
    arguments = ["--inputs", str(folder / one["inputs"]), "--keep", "none"]
    assert main(["check", str(folder / one["file"]), *arguments]) in (0, 1)


@pytest.mark.needs("onnxruntime")
def test_a_size_that_one_set_of_inputs_does_not_vary_is_fixed_in_the_mutants(tmp_path):
    import onnx

    folder, made = mutants(tmp_path, GRAPH.replace("run_inputs", "other_inputs"), count=3)
    for one in made:
        (given,) = onnx.load(folder / one["file"]).graph.input
        assert all(size.HasField("dim_value") for size in given.type.tensor_type.shape.dim)
        assert len(inputs_of(folder, one)) == 1
