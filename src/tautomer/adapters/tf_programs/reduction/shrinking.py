"""The steps by which a program is made smaller once its operators are the fewest: each gives candidates to try."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tautomer.adapters.tf_programs.reduction.control_flow import never_ends, straightened
from tautomer.adapters.tf_programs.reduction.definitions import definition_of, output_count
from tautomer.adapters.tf_programs.reduction.module_text import _same
from tautomer.adapters.tf_programs.reduction.parts import Values
from tautomer.adapters.tf_programs.reduction.program import (
    CONST,
    CONTROL,
    LOOPS,
    Array,
    Body,
    ElementType,
    Input,
    Program,
    Ref,
    Step,
    constant,
    pruned,
    same_bits,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A smaller program, and what was done to get it, for people."""

    step: str
    program: Program


Steps = Iterator[tuple[str, Program]]
Pass = Callable[[Program, Sequence[Values]], Steps]


def fewer_outputs(program: Program, values: Sequence[Values]) -> Steps:
    """One output only, or one less."""
    if len(program.outputs) < 2:
        return
    for one in program.outputs:
        yield f"only the output {one.name}", pruned(replace(program, outputs=(one,)))
    for one in program.outputs:
        rest = tuple(other for other in program.outputs if other != one)
        yield f"without the output {one.name}", pruned(replace(program, outputs=rest))


def bypassed(program: Program, values: Sequence[Values]) -> Steps:
    """An operator left out whose result looks like one of its inputs, within branches and loops too."""
    known = values[0]
    inputs = {Ref(one.name): one.values[0] for one in program.inputs}

    def looks(ref: Ref) -> Any:
        array = inputs.get(ref, known.get(ref))
        return None if array is None else (array.dtype, array.shape)

    for step in program.steps:
        if step.op == CONST or output_count(step) != 1:
            continue
        made = looks(Ref(step.name))
        for ref in dict.fromkeys(step.inputs):
            if made is not None and looks(ref) == made and not _is_constant(program, ref):
                yield f"{step.name} bypassed", _in_the_place_of(program, Ref(step.name), ref)
    for step in program.steps:
        for at, body in enumerate(step.bodies):
            for smaller in _bodies_bypassed(body):
                if step.op in LOOPS and at == 1 and never_ends(step.bodies[0], smaller):
                    continue
                bodies = (*step.bodies[:at], smaller, *step.bodies[at + 1 :])
                yield f"less in {step.name}", _with_step(program, step, replace(step, bodies=bodies))


def _bodies_bypassed(body: Body) -> Iterator[Body]:
    """A body without one of its operators: what it gave is one of its inputs, which has to fit."""
    for step in body.steps:
        if step.op == CONST or output_count(step) != 1:
            continue
        for ref in dict.fromkeys(step.inputs):
            steps = tuple(
                one.with_inputs(lambda used, ref=ref, step=step: ref if used == Ref(step.name) else used)  # type: ignore[misc]
                for one in body.steps
                if one is not step
            )
            results = tuple(ref if one == Ref(step.name) else one for one in body.results)
            yield Body(body.arguments, steps, results)


def _is_constant(program: Program, ref: Ref) -> bool:
    return any(one.name == ref.name and one.op == CONST for one in program.steps)


def _in_the_place_of(program: Program, gone: Ref, kept: Ref) -> Program:
    def other(ref: Ref) -> Ref:
        return kept if ref == gone else ref

    steps = tuple(one.with_inputs(other) for one in program.steps if one.name != gone.name)
    return pruned(Program(program.inputs, steps, tuple(dict.fromkeys(map(other, program.outputs)))))


def _with_step(program: Program, old: Step, new: Step) -> Program:
    return pruned(replace(program, steps=tuple(new if one is old else one for one in program.steps)))


def fewer_sets(program: Program, values: Sequence[Values]) -> Steps:
    """One input set, the first or a later one; sizes that are all known."""
    for index in range(program.sets) if program.sets > 1 else ():
        chosen = tuple(replace(one, values=(one.values[index],)) for one in program.inputs)
        yield f"input set {index} alone", replace(program, inputs=chosen)
    if program.sets > 2:
        for index in range(1, program.sets):
            chosen = tuple(replace(one, values=(one.values[0], one.values[index])) for one in program.inputs)
            yield f"input sets 0 and {index}", replace(program, inputs=chosen)
    if any(one.dynamic for one in program.inputs):
        yield "known sizes", replace(program, inputs=tuple(replace(one, dynamic=()) for one in program.inputs))
        for one in program.inputs:
            if one.dynamic:
                yield f"known sizes of {one.name}", _with_input(program, one, replace(one, dynamic=()))


def fewer_inputs(program: Program, values: Sequence[Values]) -> Steps:
    """One input in the place of another like it; an input as a constant."""
    for second in program.inputs:
        for first in program.inputs:
            alike = all(
                a.dtype == b.dtype and a.shape == b.shape for a, b in zip(first.values, second.values, strict=True)
            )
            if first is not second and first.dynamic == second.dynamic and alike:
                merged = _in_the_place_of(program, Ref(second.name), Ref(first.name))
                yield f"{first.name} in the place of {second.name}", merged
    for one in program.inputs if len(program.inputs) > 1 else ():
        if all(same_bits(one.values[0], other) for other in one.values[1:]):
            rest = tuple(other for other in program.inputs if other is not one)
            steps = (constant(one.name, one.values[0]), *program.steps)
            yield f"{one.name} as a constant", replace(program, inputs=rest, steps=steps)


def _with_input(program: Program, old: Input, new: Input) -> Program:
    return replace(program, inputs=tuple(new if one is old else one for one in program.inputs))


def simpler_attributes(program: Program, values: Sequence[Values]) -> Steps:
    """Attributes at their defaults."""
    for step in program.steps:
        if step.op == CONST or step.op in CONTROL:
            continue
        definition = definition_of(step.op)
        for name, default in definition.defaults.items():
            if name in step.attributes and not _same(step.attributes[name], default):
                plain = _as_attribute(default)
                changed = replace(step, attributes={**step.attributes, name: plain})
                yield f"{step.name}: {name} at its default", _with_step(program, step, changed)


def _as_attribute(default: Any) -> Any:
    name = getattr(default, "name", None)
    if name is not None:
        return ElementType(name)
    return default.encode() if isinstance(default, str) else default


def smaller_sizes(program: Program, values: Sequence[Values]) -> Steps:
    """All axes of one size made smaller together, with constants that state the size; then axis by axis."""
    tensors = _tensors(program)
    sizes = sorted({size for one in tensors for size in one.shape if size > 1}, reverse=True)
    for size in sizes:
        for smaller in _smaller(size):
            yield f"{smaller} in the place of the size {size}", _resized(program, size, smaller)
            yield (
                f"{smaller} in the place of the size {size}, and so in proportion",
                _resized(program, size, smaller, in_proportion=True),
            )
    for one in program.inputs:
        for axis in range(one.values[0].ndim):
            for smaller in _smaller(one.values[0].shape[axis]):
                cut = tuple(_cut(value, axis, smaller) for value in one.values)
                yield f"axis {axis} of {one.name} cut to {smaller}", _with_input(program, one, replace(one, values=cut))
    for step in program.steps:
        if step.op != CONST:
            continue
        array = step.array
        for axis in range(array.ndim):
            for smaller in _smaller(array.shape[axis]):
                cut_constant = constant(step.name, _cut(array, axis, smaller))
                yield f"axis {axis} of {step.name} cut to {smaller}", _with_step(program, step, cut_constant)


def _smaller(size: int) -> list[int]:
    return [one for one in dict.fromkeys((1, 2, size // 2, size - 1)) if 0 < one < size]


def _cut(array: Array, axis: int, size: int) -> Array:
    return np.ascontiguousarray(np.take(array, range(min(size, array.shape[axis])), axis=axis))


def _tensors(program: Program) -> list[Array]:
    return [value for one in program.inputs for value in one.values] + [
        one.array for one in program.steps if one.op == CONST
    ]


def _resized(program: Program, size: int, smaller: int, *, in_proportion: bool = False) -> Program:
    def cut(array: Array) -> Array:
        for axis in range(array.ndim):
            if array.shape[axis] == size:
                array = _cut(array, axis, smaller)
        return array

    def stated(array: Array) -> Array:
        array = cut(array)
        if array.dtype.kind not in "iu" or array.ndim > 1:
            return array
        states = (array % size == 0) & (array > 0) if in_proportion else array == size
        return np.where(states, array // size * smaller, array).astype(array.dtype).reshape(array.shape)

    inputs = tuple(replace(one, values=tuple(map(cut, one.values))) for one in program.inputs)
    steps = tuple(constant(one.name, stated(one.array)) if one.op == CONST else one for one in program.steps)
    return Program(inputs, steps, program.outputs)


def simpler_values(program: Program, values: Sequence[Values]) -> Steps:
    """Plain numbers: zeros, ones, counting, then few digits."""
    for one in program.inputs:
        for said, make in _SIMPLE:
            changed = tuple(_fitting(make, value) for value in one.values)
            if all(new is not None for new in changed) and not all(
                same_bits(new, old) for new, old in zip(changed, one.values, strict=True) if new is not None
            ):
                kept = tuple(new for new in changed if new is not None)
                yield f"{one.name}: {said}", _with_input(program, one, replace(one, values=kept))
    for step in program.steps:
        if step.op != CONST or step.array.dtype.kind not in "fc":
            continue
        for said, make in _SIMPLE:
            new = _fitting(make, step.array)
            if new is not None and not same_bits(new, step.array):
                yield f"{step.name}: {said}", _with_step(program, step, constant(step.name, new))


def _fitting(make: Callable[[Array], Any], array: Array) -> Array | None:
    if array.dtype.kind == "O" or not array.size:
        return None
    try:
        with np.errstate(all="ignore"):
            made = np.asarray(make(array)).astype(array.dtype).reshape(array.shape)
    except (ValueError, OverflowError, TypeError):
        return None
    return np.ascontiguousarray(made).reshape(array.shape)


def _counted(array: Array) -> Array:
    return np.arange(array.size).reshape(array.shape)


def _with_digits(count: int) -> Callable[[Array], Any]:
    def rounded(array: Array) -> Any:
        if array.dtype.kind not in "fc" and array.dtype.name not in ("bfloat16",):
            return array
        plain = array.astype(np.float64)
        return np.vectorize(lambda x: float(f"{x:.{count}g}") if math.isfinite(x) else x, otypes=[float])(plain)

    return rounded


def _finite(array: Array) -> Any:
    return np.where(np.isfinite(array.astype(np.float64)), array, 0)


_SIMPLE: tuple[tuple[str, Callable[[Array], Any]], ...] = (
    ("zeros", np.zeros_like),
    ("ones", np.ones_like),
    ("counting from 0", _counted),
    ("whole numbers", lambda array: np.round(array.astype(np.float64))),
    ("one digit", _with_digits(1)),
    ("two digits", _with_digits(2)),
    ("no infinities", _finite),
)

PASSES: dict[str, Pass] = {
    "control flow": straightened,
    "outputs": fewer_outputs,
    "bypass": bypassed,
    "input sets": fewer_sets,
    "inputs": fewer_inputs,
    "attributes": simpler_attributes,
    "sizes": smaller_sizes,
    "values": simpler_values,
}
"""What is made smaller, in this order, once the operators are the fewest."""


def candidates_of(
    name: str, program: Program, values: Sequence[Values], *, first: int = 0
) -> Iterator[tuple[int, Candidate]]:
    """The candidates of one pass from a place on, each with its place."""
    for place, (step, smaller) in enumerate(PASSES[name](program, values)):
        if place >= first:
            yield place, Candidate(step, smaller)
