"""A small TensorFlow program as plain data: what is cut out of a frozen graph, made smaller and printed.

A program is straight-line code of raw operators on named values; control flow holds its branches as bodies. Its inputs
carry their recorded values, one for each input set. Nothing here executes an operator, so that processes can be forked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

CONST = "Const"
VALUE = "value"
"""The attribute in which a constant holds its array."""

CONDITIONS = frozenset({"If", "StatelessIf"})
CASES = frozenset({"Case", "StatelessCase"})
LOOPS = frozenset({"While", "StatelessWhile"})
CONTROL = CONDITIONS | CASES | LOOPS


@dataclass(frozen=True, slots=True)
class Ref:
    """One result of a step, or an input or argument, by name."""

    name: str
    output: int = 0


@dataclass(frozen=True, slots=True)
class ElementType:
    """An element type as an attribute's value: `float32`."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A tensor that the program is given.

    Attributes:
        name: of the value.
        values: one an input set.
        dynamic: axes that are declared dynamic.
    """

    name: str
    values: tuple[Array, ...]
    dynamic: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A branch, or the condition or the body of a loop: a function of its arguments.

    Attributes:
        arguments: names that its steps use.
        steps: in the order of execution.
        results: what it returns.
    """

    arguments: tuple[str, ...]
    steps: tuple[Step, ...]
    results: tuple[Ref, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One operator applied.

    Attributes:
        name: of what it gives; the results of an operator with several are numbered.
        op: its registered name.
        inputs: its tensors, in the order of its definition, lists flat.
        attributes: plain values, `ElementType`s, the array of a constant.
        bodies: of control flow: both branches, the cases, or the condition and the body of a loop. The first input of a
            branch or a case decides; all others are the arguments.
    """

    name: str
    op: str
    inputs: tuple[Ref, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    bodies: tuple[Body, ...] = ()

    @property
    def array(self) -> Array:
        """Of a constant."""
        found: Array = self.attributes[VALUE]
        return found

    def with_inputs(self, change: Callable[[Ref], Ref]) -> Step:
        """The same step with every input replaced; its bodies see arguments only."""
        return replace(self, inputs=tuple(change(one) for one in self.inputs))


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Code with the values it is run on.

    Attributes:
        inputs: what it is given.
        steps: in the order of execution, constants among them.
        outputs: what it returns.
    """

    inputs: tuple[Input, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Ref, ...]

    @property
    def sets(self) -> int:
        """Number of input sets."""
        return len(self.inputs[0].values) if self.inputs else 1

    def operators(self) -> tuple[str, ...]:
        """Operators that it applies, those of its bodies included, in order."""
        return tuple(one.op for one in all_steps(self.steps) if one.op != CONST)


def constant(name: str, array: Array) -> Step:
    """A step that gives an array."""
    return Step(name, CONST, (), {VALUE: array})


def all_steps(steps: Collection[Step]) -> Iterator[Step]:
    """Steps and those of their bodies."""
    for one in steps:
        yield one
        for body in one.bodies:
            yield from all_steps(body.steps)


def pruned(program: Program) -> Program:
    """The program without what its outputs do not depend on."""
    steps = _needed(program.steps, program.outputs)
    used = {ref.name for one in steps for ref in one.inputs} | {ref.name for ref in program.outputs}
    return Program(tuple(one for one in program.inputs if one.name in used), steps, program.outputs)


def _needed(steps: Collection[Step], results: Collection[Ref]) -> tuple[Step, ...]:
    needed = {ref.name for ref in results}
    kept = []
    for step in reversed(tuple(steps)):
        if step.name not in needed:
            continue
        bodies = tuple(replace(one, steps=_needed(one.steps, one.results)) for one in step.bodies)
        kept.append(replace(step, bodies=bodies) if bodies else step)
        needed.update(ref.name for ref in step.inputs)
    return tuple(reversed(kept))


def renamed(steps: Collection[Step], taken: set[str], names: Mapping[str, Ref]) -> tuple[list[Step], dict[str, Ref]]:
    """Steps under names of their own, to stand among others.

    Args:
        taken: names that are in use; the new ones are added.
        names: what stands in the place of arguments.

    Returns:
        The steps, and what each old name is now (with output 0).
    """
    now = dict(names)
    found = []

    def moved(ref: Ref) -> Ref:
        known = now.get(ref.name)
        if known is None:
            return ref
        return known if ref.output == 0 else Ref(known.name, ref.output)

    for step in steps:
        name = unique(step.name, taken)
        found.append(replace(step.with_inputs(moved), name=name))
        now[step.name] = Ref(name)
    return found, now


def unique(name: str, taken: set[str]) -> str:
    """A name that is not taken, which it then is."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def same_bits(one: Array, other: Array) -> bool:
    """Whether two arrays have the same type, shape and bits: NaN payloads and signs of zero included."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.kind == "O":
        return bool(np.array_equal(one, other))
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()
