"""Branches chosen by number, and loops of a known number of steps."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: A002

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tautomer.adapters.tf_programs.rewrites.rule import Table

TABLE = Table()


@TABLE.rewrite(
    "Case",
    "StatelessCase",
    bound_u=0,
    source="TensorFlow, tf.switch_case: a number out of range means the last branch",
)
def switch_case(branch_index: Any, input: Any, *, branches: Any, Tout: Any = None, output_shapes: Any = None) -> Any:
    """Nested conditions in the place of a choice by number."""

    def chosen(number: int) -> Any:
        if number == len(branches) - 1:
            return list(branches[number](input))
        return tf.cond(
            tf.equal(branch_index, number), lambda: list(branches[number](input)), lambda: chosen(number + 1)
        )

    return chosen(0)


@TABLE.rewrite(
    "StatelessWhile",
    "While",
    bound_u=0,
    source="the definition of a loop",
    note="a loop whose number of steps does not depend on the values of inputs, of at most 256 steps; in your model, "
    "loop in Python and keep the elements of a TensorArray in a Python list",
)
def unrolled_loop(
    input: Any, *, cond: Any, body: Any, output_shapes: Any = None, parallel_iterations: Any = None
) -> Any:
    """The steps of a loop one after the other."""
    state = list(input)
    for _ in range(257):
        goes_on = tf.get_static_value(cond(state)[0])
        if goes_on is None:
            return NotImplemented
        if not goes_on:
            return state
        state = list(body(state))
    return NotImplemented
