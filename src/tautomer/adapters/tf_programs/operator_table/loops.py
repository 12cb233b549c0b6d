"""TensorFlow's control flow: conditions, loops, and functions mapped over the first axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tautomer.adapters.tf_programs.operator_table.entry import (
    FLOATS,
    SINGLE,
    operator,
)
from tautomer.synthesis import Draw, Specification, TensorType
from tautomer.synthesis.rules.blocks import recurrence
from tautomer.synthesis.rules.elementwise import elementwise
from tautomer.synthesis.rules.refined import first_result, has_elements, where
from tautomer.synthesis.rules.shapes import FROM_1, FROM_2


def _threshold(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"threshold": draw.number(-0.3, 0.3), "factor": draw.number(0.5, 1.5)}


def _turns(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"turns": draw.between(1, 4), "factor": draw.number(0.5, 1.2)}


def _has_several(type_: TensorType) -> bool:
    """Whether there is more than one turn: the loop over a single one is not a loop in the graph."""
    return type_.shape[0] > 1 and has_elements(type_)


OPERATORS: tuple[Specification, ...] = (
    operator(
        "tf.cond(tf.reduce_mean(x) > threshold, lambda: x * factor, lambda: tf.nn.relu(x) + factor)",
        "StatelessIf",
        where(elementwise(attributes=_threshold, ranks=FROM_1), has_elements),
        FLOATS,
        decides=True,
    ),
    operator(
        "tf.while_loop(lambda i, state: i < turns, lambda i, state: (i + 1, tf.tanh(state) * factor), (0, x))[1]",
        "StatelessWhile",
        elementwise(attributes=_turns, ranks=FROM_1),
        FLOATS,
    ),
    operator(
        "tf.map_fn(lambda row: tf.nn.softmax(row), x)",
        "StatelessWhile",
        where(elementwise(ranks=FROM_2), _has_several),
        FLOATS,
    ),
    operator(
        "tf.scan(lambda state, row: state * 0.5 + row, x)",
        "StatelessWhile",
        where(elementwise(ranks=FROM_1), _has_several),
        FLOATS,
    ),
    operator(
        "tf.scan(lambda state, row: tf.tanh(tf.matmul(row, weight_input, transpose_b=True) + bias_input"
        " + tf.matmul(state, weight_hidden, transpose_b=True) + bias_hidden), x, start[0])",
        "While",  # not a stateless one, for its body reads variables
        where(first_result(recurrence(1)), _has_several),
        SINGLE,
        name="recurrence",
    ),
)
