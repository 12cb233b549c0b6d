"""Branches and loops made plainer: a branch in the place of its choice, a body in the place of its loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tautomer.adapters.tf_programs.reduction.program import (
    CONTROL,
    LOOPS,
    Body,
    Program,
    Ref,
    Step,
    all_steps,
    pruned,
    renamed,
)


def straightened(program: Program, values: Sequence[Any]) -> Iterator[tuple[str, Program]]:
    """Programs with one branch or loop less, then with fewer variables in a loop."""
    for step in program.steps:
        if step.op in LOOPS:
            yield f"{step.name} once", _inlined(program, step, step.bodies[1], step.inputs)
        elif step.op in CONTROL:
            for number, body in enumerate(step.bodies):
                yield f"branch {number} of {step.name}", _inlined(program, step, body, step.inputs[1:])
    for step in program.steps:
        if step.op in LOOPS:
            for at in range(len(step.inputs)):
                smaller = _without_variable(program, step, at)
                if smaller is not None:
                    yield f"variable {at} of {step.name} left out", smaller


def _inlined(program: Program, step: Step, body: Body, arguments: Sequence[Ref]) -> Program:
    """The program with a body in the place of the control flow that would run it."""
    taken = {one.name for one in program.inputs} | {one.name for one in all_steps(program.steps)} - {
        one.name for one in all_steps(body.steps)
    }
    steps, now = renamed(body.steps, taken, dict(zip(body.arguments, arguments, strict=True)))

    def result(number: int) -> Ref:
        ref = body.results[number]
        known = now.get(ref.name, ref)
        return known if ref.output == 0 else Ref(known.name, ref.output)

    def moved(ref: Ref) -> Ref:
        return result(ref.output) if ref.name == step.name else ref

    found: list[Step] = []
    for one in program.steps:
        found += steps if one is step else [one.with_inputs(moved)]
    return pruned(Program(program.inputs, tuple(found), tuple(dict.fromkeys(map(moved, program.outputs)))))


def _without_variable(program: Program, step: Step, at: int) -> Program | None:
    """The program without one variable of a loop; None where its result, or that of another, needs it.

    A variable that never changes stays what it was when the loop began only where that is a constant.
    """
    used_after = any(ref == Ref(step.name, at) for one in program.steps for ref in one.inputs)
    if used_after or Ref(step.name, at) in program.outputs:
        return None
    condition, body = step.bodies
    name = body.arguments[at]
    if _reads(condition, condition.arguments[at], range(len(condition.results))):
        return None
    if _reads(body, name, [index for index in range(len(body.results)) if index != at]):
        return None

    def without(one: Body, results: tuple[Ref, ...]) -> Body:
        return Body(tuple(arg for index, arg in enumerate(one.arguments) if index != at), one.steps, results)

    kept = tuple(ref for index, ref in enumerate(body.results) if index != at)
    smaller_body = without(body, kept)
    dead = _needed_names(smaller_body)
    smaller_body = replace(smaller_body, steps=tuple(one for one in body.steps if one.name in dead))
    attributes = {
        key: [one for index, one in enumerate(value) if index != at]
        if isinstance(value, list) and len(value) == len(step.inputs)
        else value
        for key, value in step.attributes.items()
    }
    smaller = replace(
        step,
        inputs=tuple(ref for index, ref in enumerate(step.inputs) if index != at),
        bodies=(without(condition, condition.results), smaller_body),
        attributes=attributes,
    )

    def moved(ref: Ref) -> Ref:
        return Ref(ref.name, ref.output - 1) if ref.name == step.name and ref.output > at else ref

    steps = tuple(smaller if one is step else one.with_inputs(moved) for one in program.steps)
    return pruned(Program(program.inputs, steps, tuple(map(moved, program.outputs))))


def _reads(body: Body, argument: str, results: Sequence[int] | range) -> bool:
    """Whether some of a body's results depend on an argument."""
    found = {argument}
    for step in body.steps:
        if any(ref.name in found for ref in step.inputs):
            found.add(step.name)
    return any(body.results[index].name in found for index in results)


def never_ends(condition: Body, body: Body) -> bool:
    """Whether a loop changes nothing that its condition reads."""
    read = [
        index
        for index, argument in enumerate(condition.arguments)
        if _reads(condition, argument, range(len(condition.results)))
    ]
    return all(body.results[index] == Ref(body.arguments[index]) for index in read)


def _needed_names(body: Body) -> set[str]:
    needed = {ref.name for ref in body.results}
    for step in reversed(body.steps):
        if step.name in needed:
            needed.update(ref.name for ref in step.inputs)
    return needed
