"""Programs cut out of TensorFlow models: printed, read again, run, and made smaller, they keep what they compute."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tautomer.adapters.tf_programs.preparation import prepare
from tautomer.adapters.tf_programs.reduction import control_flow, parts, shrinking
from tautomer.adapters.tf_programs.reduction.array_text import array_text
from tautomer.adapters.tf_programs.reduction.definitions import NotExpressible, definition_of
from tautomer.adapters.tf_programs.reduction.extraction import CutGraph
from tautomer.adapters.tf_programs.reduction.module_text import module_text
from tautomer.adapters.tf_programs.reduction.parts import Parts, values_of
from tautomer.adapters.tf_programs.reduction.program import all_steps, same_bits
from tautomer.adapters.tf_programs.reduction.state_file import read_program, write_program
from tautomer.adapters.tf_programs.reduction.weight import weight
from tautomer.adapters.user_modules import import_user_file

pytestmark = pytest.mark.needs("tensorflow")


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Operators are executed here: the process of the tests has TensorFlow's threads, and cannot be forked."""
    monkeypatch.setattr(parts, "in_child", lambda work, timeout_s: dict(work(lambda **_: None)))


HEAD = "import numpy as np\nimport tensorflow as tf\n\nrng = np.random.default_rng(0)\n"

NETWORK = """
W = tf.constant(rng.standard_normal((6, 8)).astype("f"))


def model(x):
    hidden = tf.nn.relu(tf.matmul(x, W))
    first, second = tf.split(hidden, 2, axis=1)
    values, indices = tf.math.top_k(first * tf.sigmoid(second), 2)
    return {"values": values, "indices": indices, "sum": tf.add_n([first, second])}


def inputs():
    return (rng.standard_normal((3, 6)).astype("f"),)
"""

BRANCHES = """
@tf.function
def model(x, n):
    y = tf.cond(tf.reduce_sum(x) > 0.0, lambda: x * 2.0, lambda: x - 1.0)
    z = tf.switch_case(n, [lambda: y, lambda: tf.exp(y), lambda: y * y])
    for _ in tf.range(n):
        z = tf.tanh(z) + 0.25
    return z


def inputs():
    return rng.standard_normal((2, 3)).astype("f"), np.int32(2)
"""

DYNAMIC = """
SIGNATURE = [tf.TensorSpec((None, 4), tf.float32)]


def model(x):
    return tf.reshape(tf.nn.softmax(x), [tf.shape(x)[0] * 2, 2]) + 1.0


def inputs():
    return (rng.standard_normal((2, 4)).astype("f"),)
"""


def cut_graph(text, folder):
    path = folder / "source.py"
    path.write_text(HEAD + text)
    prepared = prepare({"path": str(path), "kind": "tensorflow_module", "seed": 0})
    return CutGraph(prepared), prepared


def answers(program, folder):
    path = folder / "printed.py"
    module_text(program, title="Printed.", stem="printed").write(path)
    module = import_user_file(path)
    given = [module.inputs()]
    if program.sets > 1:
        more = module.run_inputs()
        given += more if isinstance(more, list) else [more]
    found = []
    for one in given:
        value = module.model(*map(tf.constant, one))
        found.append([np.asarray(one) for one in (value if isinstance(value, tuple | list) else [value])])
    return found


@pytest.mark.parametrize("text", [NETWORK, BRANCHES, DYNAMIC], ids=["network", "branches", "dynamic"])
def test_a_whole_model_is_printed_as_code_that_gives_the_same_bits(text, tmp_path):
    graph, prepared = cut_graph(text, tmp_path)
    program = graph.program(graph.grown([], -1))
    assert program.sets == len(prepared.input_sets)
    for index, found in enumerate(answers(program, tmp_path)):
        expected = [one.array for one in prepared.run(index).values()]
        assert len(found) == len(expected)
        # A cut names results in the order in which they are computed.
        assert all(any(same_bits(one, other) for other in found) for one in expected)


def test_a_cut_has_recorded_values_and_gives_what_the_model_computes_there(tmp_path):
    graph, _ = cut_graph(NETWORK, tmp_path)
    program = graph.program(graph.find(["Sigmoid"], None))
    assert program.operators() == ("Sigmoid",)
    (found,) = answers(program, tmp_path)
    assert same_bits(found[0], (1 / (1 + np.exp(-program.inputs[0].values[0].astype(np.float64)))).astype("f")) or (
        np.allclose(found[0], 1 / (1 + np.exp(-program.inputs[0].values[0])), rtol=1e-6)
    )


def test_an_operator_inside_a_loop_is_found_with_the_loop(tmp_path):
    graph, _ = cut_graph(BRANCHES, tmp_path)
    program = graph.program(graph.find(["Tanh"], None))
    assert {"StatelessWhile", "While"} & set(program.operators())
    assert "Tanh" in program.operators()


def test_sizes_that_follow_from_the_input_are_cut_with_what_uses_them(tmp_path):
    graph, _ = cut_graph(DYNAMIC, tmp_path)
    program = graph.program(graph.find(["Reshape"], None))
    assert "Shape" in program.operators()
    assert any(one.dynamic == (0,) for one in program.inputs)


@pytest.mark.parametrize("text", [NETWORK, BRANCHES], ids=["network", "branches"])
def test_a_program_is_the_same_after_it_was_written_and_read(text, tmp_path):
    graph, _ = cut_graph(text, tmp_path)
    program = graph.program(graph.grown([], -1))
    write_program(tmp_path / "state.json", program)
    again = read_program(tmp_path / "state.json")
    assert module_text(again, title="").text == module_text(program, title="").text


def test_some_operators_alone_take_the_recorded_results_of_the_others(tmp_path):
    graph, _ = cut_graph(NETWORK, tmp_path)
    whole = graph.program(graph.grown([], -1))
    chosen = Parts(whole)
    known = values_of(whole)[0]
    for number, step in enumerate(chosen.steps):
        alone = chosen.only([number])
        assert alone is not None
        assert len(alone.operators()) == 1
        again = values_of(alone)[0]
        assert all(same_bits(again[ref], known[ref]) for ref in again if ref.name == step.name)


def test_every_smaller_program_is_smaller_or_as_large_and_can_be_printed(tmp_path):
    graph, _ = cut_graph(BRANCHES, tmp_path)
    program = graph.program(graph.grown([], -1))
    values = values_of(program)
    steps = [one for name in shrinking.PASSES for _, one in shrinking.candidates_of(name, program, values)]
    assert len(steps) > 20
    for one in steps:
        module_text(one.program, title="")
    assert sum(weight(one.program) < weight(program) for one in steps) > 20


def test_control_flow_gives_way_to_the_branch_that_was_taken(tmp_path):
    graph, _ = cut_graph(BRANCHES, tmp_path)
    program = graph.program(graph.grown([], -1))
    while True:
        smaller = next((one for _, one in control_flow.straightened(program, [])), None)
        if smaller is None:
            break
        assert weight(smaller) < weight(program)
        program = smaller
    assert not any(one.bodies for one in all_steps(program.steps))
    assert answers(program, tmp_path)


def test_an_operator_that_is_not_public_is_named():
    with pytest.raises(NotExpressible, match="_SwitchN"):
        definition_of("_SwitchN")


ELEMENTS = {
    "float32": st.floats(width=32),
    "float64": st.floats(),
    "float16": st.floats(width=16),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "uint8": st.integers(0, 255),
    "bool": st.booleans(),
    "complex64": st.complex_numbers(width=64),
}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_an_array_as_text_evaluates_to_the_same_bits(data):
    name = data.draw(st.sampled_from(sorted(ELEMENTS)))
    shape = data.draw(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    array = np.asarray(data.draw(arrays.arrays(name, shape, elements=ELEMENTS[name])))
    text = array_text(array)
    assert text is not None
    found = np.asarray(eval(text, {"np": np}))
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    if not (array.dtype.kind in "fc" and np.isnan(array).any()):
        assert same_bits(found, array)


def test_formats_that_numpy_lacks_and_texts_are_spelled():
    for array in (np.array([1.5, -0.0, math.inf], ml_dtypes.bfloat16), np.array([b"a", b"\xff"], object)):
        text = array_text(array)
        assert text is not None
        assert same_bits(np.asarray(eval(text, {"np": np, "tf": tf})), array)
