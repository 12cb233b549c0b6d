"""Putting rewrites in the place of TensorFlow's nodes, in branches and loops too, and the code that people get."""

from __future__ import annotations

import builtins
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from tautomer.adapters.tf_programs.preparation import prepare
from tautomer.adapters.tf_programs.rewrites.candidates import Target, choice, said_of
from tautomer.adapters.tf_programs.rewrites.freezing import functional_graph
from tautomer.adapters.tf_programs.rewrites.rule import code_of
from tautomer.adapters.tf_programs.rewrites.splice import DoesNotApply, spliced
from tautomer.adapters.tf_programs.rewrites.table import TABLE

pytestmark = pytest.mark.needs("tensorflow")

HEADER = """
import numpy as np
import tensorflow as tf

def inputs():
    return (np.array([0.5, -0.25, 3.0, 0.0], "f"), np.int32(1))

"""


class Rewritten:
    """A model module with one operator rewritten."""

    def __init__(self, folder, body: str, operator: str | None, line: int | None = None) -> None:
        path = folder / "model.py"
        path.write_text(HEADER + textwrap.dedent(body))
        self.prepared = prepare({"path": str(path), "kind": "tensorflow_module", "seed": 0, "inputs": []})
        self.graph = functional_graph(self.prepared)
        target = Target("table", operator, None if line is None else f"model.py:{line}")
        self.made = spliced(self.graph, choice(self.graph, target), self.prepared.signature)
        self.nodes = [(one.name, one.operator) for one in self.made.replaced]

    def operators(self) -> set[str]:
        """Of the graph and of all functions it calls."""
        definition = self.made.function.get_concrete_function(*self.prepared.signature).graph.as_graph_def()
        found = {node.op for node in definition.node}
        return found | {node.op for one in definition.library.function for node in one.node_def}

    def agrees(self, *values) -> bool:
        """Whether it gives what the model gives, on these inputs or on the module's."""
        given = values or tuple(self.prepared.values(0).values())
        expected = self.prepared.flat(*map(tf.constant, given))
        found = self.made.function(*map(tf.constant, given))
        return all(
            np.allclose(a.numpy(), b.numpy(), rtol=1e-6, equal_nan=True) for a, b in zip(expected, found, strict=True)
        )


def test_an_operator_is_replaced_in_branches_and_in_loops_whose_steps_are_not_known(tmp_path):
    one = Rewritten(
        tmp_path,
        """
        def model(x, n):
            y = tf.cond(n > 0, lambda: tf.math.log1p(x), lambda: x * 2)
            return tf.while_loop(lambda i, v: i < n + 2, lambda i, v: (i + 1, tf.math.log1p(v)), (0, y))[1]
        """,
        "Log1p",
    )
    assert len(one.nodes) == 2
    assert "Log1p" not in one.operators()
    assert one.operators() & {"While", "StatelessWhile"}
    for n in (1, 0, -1):
        assert one.agrees(np.array([0.5, 0.25, 3.0, 0.0], "f"), np.int32(n))


def test_only_the_located_line_is_rewritten_and_other_nodes_keep_their_names(tmp_path):
    body = """
    def model(x, n):
        first = tf.math.log1p(x)
        second = tf.math.log1p(x * 2)
        return first, tf.abs(second, name="magnitude")
    """
    one = Rewritten(tmp_path, body, "Log1p", line=11)
    assert [one.graph.lines[name] for name, _ in one.nodes] == ["model.py:11"]
    assert "Log1p" in one.operators()
    graph = one.made.function.get_concrete_function(*one.prepared.signature).graph
    assert {"magnitude", *(name for name, _ in one.nodes)} <= {node.name for node in graph.get_operations()}
    assert one.agrees()


def test_a_choice_by_number_becomes_conditions_also_out_of_range(tmp_path):
    one = Rewritten(
        tmp_path,
        """
        scale = tf.Variable([1.0, 2.0, 3.0, 4.0])
        def model(x, n):
            return tf.switch_case(n, [lambda: x * scale, lambda: x + 2, lambda: tf.sin(x)])
        """,
        "StatelessCase",
    )
    assert not one.operators() & {"Case", "StatelessCase", "_SwitchN"}
    assert all(one.agrees(np.ones(4, "f"), np.int32(n)) for n in (-1, 0, 1, 2, 7))


@pytest.mark.parametrize("operator", ["StatelessWhile", "TensorListSetItem"])
def test_a_loop_of_known_steps_is_written_out_with_its_lists(tmp_path, operator):
    one = Rewritten(tmp_path, "def model(x, n): return tf.scan(lambda a, r: a * 0.5 + r, x)", operator)
    left = [name for name in one.operators() if "While" in name or "TensorList" in name]
    assert left == []
    assert one.agrees()
    assert said_of(one.graph, one.made.replaced)["code"].count("def unrolled_loop") == 1


def test_a_loop_whose_steps_depend_on_inputs_is_not_written_out(tmp_path):
    looping = "tf.while_loop(lambda i, v: i < n, lambda i, v: (i + 1, v * 2), (0, x))[1]"
    one = Rewritten(tmp_path, f"def model(x, n): return {looping}", "StatelessWhile")
    assert one.nodes == []
    assert one.agrees()
    body = """
    def model(x, n):
        filled = tf.TensorArray(tf.float32, 4, element_shape=[])
        step = lambda i, a: (i + 1, a.write(i, x[i] * 2))
        return tf.while_loop(lambda i, a: i < n, step, (0, filled))[1].stack()
    """
    with pytest.raises(DoesNotApply):
        Rewritten(tmp_path, body, "StatelessWhile")


def test_what_a_rewrite_does_not_cover_stays(tmp_path):
    one = Rewritten(tmp_path, "def model(x, n): return x // 0.4, n // 2", "FloorDiv")
    assert len(one.nodes) == 1
    assert one.agrees()


def test_sizes_that_the_graph_computes_are_constants_to_a_rewrite(tmp_path):
    body = "def model(x, n): return tf.math.unsorted_segment_max(x, tf.constant([2, 0, 2, 0]), tf.shape(x)[0] * 2)"
    one = Rewritten(tmp_path, body, "UnsortedSegmentMax")
    assert len(one.nodes) == 1
    assert one.agrees()


def test_the_code_says_where_it_belongs_and_needs_nothing_but_its_imports(tmp_path):
    one = Rewritten(tmp_path, "def model(x, n): return tf.argmax(x > 0, 0, tf.int32)", "ArgMax")
    code = said_of(one.graph, one.made.replaced)["code"]
    assert "model.py:8 (ArgMax): arg_max(input=..., dimension=..., output_type=tf.int32) for ArgMax" in code
    for entry in {entry.function: entry for entry in TABLE.entries.values()}.values():
        space = {"__builtins__": builtins}
        text = code_of(entry.function)
        exec(text, space)
        assert callable(space[entry.function.__name__])
        assert "tautomer" not in text
    space = {}
    exec(code, space)
    assert space["arg_max"](tf.constant([False, True]), 0).numpy() == 1
