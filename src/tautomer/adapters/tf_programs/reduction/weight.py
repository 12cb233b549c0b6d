"""How large a program is: what a reduction makes smaller, the most important first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tautomer.adapters.tf_programs.reduction.array_text import array_text
from tautomer.adapters.tf_programs.reduction.definitions import definition_of
from tautomer.adapters.tf_programs.reduction.module_text import _same
from tautomer.adapters.tf_programs.reduction.program import CONST, CONTROL, Array, Program, Step, all_steps

Weight = tuple[int, ...]

_PLAIN_TYPES = ("float32", "int32", "bool")
_PER_FILE = 1_000
"""Characters that an array in a file of its own counts as, besides one for each element."""


def weight(program: Program) -> Weight:
    """Control flow, operators, loop variables, outputs, dynamic dimensions, input sets, tensors, attributes, elements,
    types, text.
    """
    steps = list(all_steps(program.steps))
    computing = [one for one in steps if one.op != CONST]
    arrays = list(arrays_of(program))
    return (
        sum(1 for one in computing if one.op in CONTROL),
        len(computing),
        sum(len(one.inputs) for one in computing if one.op in CONTROL),
        len(program.outputs),
        sum(len(one.dynamic) for one in program.inputs),
        program.sets,
        len(program.inputs) + sum(1 for one in steps if one.op == CONST),
        len(program.inputs),
        sum(_attributes(one) for one in computing),
        sum(one.size for one in arrays),
        sum(1 for one in arrays if one.dtype.name not in _PLAIN_TYPES),
        sum(map(_text, arrays)),
    )


def arrays_of(program: Program) -> Iterator[Array]:
    """Its constants and the values of its inputs."""
    for one in program.inputs:
        yield from one.values
    for step in all_steps(program.steps):
        if step.op == CONST:
            yield step.array


def _attributes(step: Step) -> int:
    """How much there is to read in attributes that are not at their defaults."""
    if step.op in CONTROL:
        return 0
    definition = definition_of(step.op)
    given = [name for name in definition.attributes if name in step.attributes]
    changed: list[Any] = [
        step.attributes[name]
        for name in given
        if name not in definition.defaults or not _same(step.attributes[name], definition.defaults[name])
    ]
    return sum(10 + len(repr(one)) for one in changed)


def _text(array: Array) -> int:
    text = array_text(array)
    return len(text) if text is not None else _PER_FILE + array.size
