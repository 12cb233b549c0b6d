"""Smaller programs to try: every step a reduction may take besides leaving calls out, from the largest to the smallest.

Pure functions. A candidate runs (it was run), is smaller by `weight`, and whether it still fails the same way is for
others to find out. The order follows from the program and the seed alone.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from tautomer.adapters.torch_programs.reduction.extraction import with_named_constants
from tautomer.adapters.torch_programs.reduction.fixed_values import fixed_calls
from tautomer.adapters.torch_programs.reduction.program import (
    Call,
    Constant,
    Input,
    Program,
    Recorded,
    Ref,
    is_aten,
    pruned,
    run,
)
from tautomer.adapters.torch_programs.reduction.shrunk_arguments import simpler_arguments
from tautomer.adapters.torch_programs.reduction.shrunk_tensors import narrower, one_type, simpler_values
from tautomer.adapters.torch_programs.reduction.weight import Weight, weight

Pass = Callable[[Program, random.Random], Iterator[tuple[str, Program]]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A smaller program.

    Attributes:
        step: what was done to the program it comes from, for people.
        program: the smaller one.
        weight: its.
        place: of the step among all those of its pass.
    """

    step: str
    program: Program
    weight: Weight
    place: int


def candidates(program: Program, *, seed: int = 0) -> Iterator[Candidate]:
    """Every smaller program one step away, large steps first; each of them runs on all its input sets."""
    for name in PASSES:
        yield from candidates_of(name, program, seed=seed)


def candidates_of(name: str, program: Program, *, seed: int = 0, first: int = 0) -> Iterator[Candidate]:
    """The candidates of one pass (see `PASSES`), from a place on."""
    limit = weight(program)
    steps = enumerate(PASSES[name](program, random.Random(f"{seed} {name}")))
    for place, (step, smaller) in itertools.islice(steps, first, None):
        reached = weight(smaller)
        if reached < limit and runs(smaller):
            yield Candidate(step, smaller, reached, place)


def runs(program: Program) -> bool:
    """Whether it runs on every input set and gives tensors, and only dimensions declared dynamic vary."""
    if any(_varies_otherwise(one) for one in program.inputs):
        return False
    try:
        for index in range(program.sets):
            values = run(program, index)
            if not all(_is_answer(values[name]) for name in program.outputs):
                return False
    except Exception:  # an operator may refuse what a step made in any way it likes
        return False
    return bool(program.outputs)


def _varies_otherwise(one: Input) -> bool:
    first = one.values[0].tensor
    return any(
        size != other and axis not in one.dynamic
        for value in one.values
        for axis, (size, other) in enumerate(zip(first.shape, value.tensor.shape, strict=True))
    )


def _is_answer(value: Any) -> bool:
    several = value if isinstance(value, list | tuple) else [value]
    return all(isinstance(one, torch.Tensor) for one in several)


def fewer_outputs(program: Program, chooser: random.Random) -> Iterator[tuple[str, Program]]:
    """One output alone, then all but one."""
    if len(program.outputs) > 1:
        for name in program.outputs:
            yield f"only output {name}", pruned(replace(program, outputs=(name,)))
        for name in program.outputs:
            rest = tuple(one for one in program.outputs if one != name)
            yield f"without output {name}", pruned(replace(program, outputs=rest))


def _recorded(program: Program) -> list[dict[str, Any]] | None:
    try:
        return [run(program, index) for index in range(program.sets)]
    except Exception:  # no program to cut
        return None


def without(program: Program, removed: Collection[str], recorded: list[dict[str, Any]]) -> Program | None:
    """The program without some of its calls, whose results become inputs, or constants where no input matters to them.

    Args:
        removed: names of their results.
        recorded: every value, by input set.

    Returns:
        None where nothing is left, or a result is no tensor and differs between the input sets.
    """
    gone = set(removed)
    for call in program.calls:  # what picks one of the results of a call goes with it
        if call.operator == "operator:getitem" and any(ref in gone for ref in call.refs()):
            gone.add(call.name)
    kept = [call for call in program.calls if call.name not in gone]
    if not any(is_aten(call) for call in kept):
        return None
    used = {ref for call in kept for ref in call.refs()}
    dynamic = any(one.dynamic for one in program.inputs)
    inputs: list[Input] = []
    constants: list[Constant] = []
    plain: dict[str, Any] = {}
    cut = [call.name for call in program.calls if call.name in gone and call.name in used]
    fixed = fixed_calls(program)
    if fixed.issuperset(cut) and not any(one.name in used for one in program.inputs):
        fixed = set()  # it would be all constant, and answer nothing
    for name in cut:
        values = [one[name] for one in recorded]
        if isinstance(values[0], torch.Tensor) and name in fixed:
            constants.append(Constant(name, Recorded(values[0])))
        elif isinstance(values[0], torch.Tensor):
            varying = tuple(axis for axis in range(values[0].dim()) if len({one.shape[axis] for one in values}) > 1)
            inputs.append(Input(name, tuple(map(Recorded, values)), varying if dynamic else ()))
        elif isinstance(values[0], bool | int | float) and len(set(values)) == 1:
            plain[name] = values[0]
        else:
            return None

    def fill(leaf: Any) -> Any:
        return plain.get(leaf.name, leaf) if isinstance(leaf, Ref) else leaf

    calls = tuple(call.with_arguments(fill) for call in kept)
    made = {call.name for call in calls}
    outputs = tuple(name for name in program.outputs if name in made) or _ends(calls, recorded[0])
    cut_program = Program((*program.inputs, *inputs), (*program.constants, *constants), calls, outputs)
    return pruned(with_named_constants(cut_program, [one.name for one in constants]))


def _ends(calls: tuple[Call, ...], values: dict[str, Any]) -> tuple[str, ...]:
    """Results that nothing uses."""
    used = {ref for call in calls for ref in call.refs()}
    return tuple(call.name for call in calls if call.name not in used and isinstance(values[call.name], torch.Tensor))


def bypassed(program: Program, chooser: random.Random) -> Iterator[tuple[str, Program]]:
    """One call less, one of its arguments, of the same type and shape, in the place of its result."""
    recorded = _recorded(program) or []
    for call in program.calls if recorded else ():
        if not is_aten(call):
            continue
        for ref in dict.fromkeys(call.refs()):
            if all(_alike(values[call.name], values[ref]) for values in recorded):
                yield f"{ref} in the place of {call.name}", _substituted(program, {call.name: ref})


def _alike(one: Any, other: Any) -> bool:
    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
        return False
    return one.dtype == other.dtype and one.shape == other.shape


def _substituted(program: Program, names: dict[str, str]) -> Program:
    def other(leaf: Any) -> Any:
        return Ref(names.get(leaf.name, leaf.name)) if isinstance(leaf, Ref) else leaf

    calls = tuple(call.with_arguments(other) for call in program.calls if call.name not in names)
    made = {call.name for call in calls}
    outputs = tuple(dict.fromkeys(names.get(one, one) for one in program.outputs))
    kept = tuple(one for one in outputs if one in made)
    return pruned(replace(program, calls=calls, outputs=kept or outputs))


def fewer_sets(program: Program, chooser: random.Random) -> Iterator[tuple[str, Program]]:
    """One input set alone with fixed sizes, then fewer of each."""
    if any(one.dynamic for one in program.inputs):
        yield "fixed sizes, one input set", _of_sets(program, [0], static=True)
    if program.sets > 1:
        yield "one input set", _of_sets(program, [0])
        for index in range(1, program.sets):
            yield f"input sets 0 and {index}", _of_sets(program, [0, index])
        for index in range(1, program.sets) if not any(one.dynamic for one in program.inputs) else ():
            yield f"input set {index} alone", _of_sets(program, [index])
    for one in program.inputs:
        for axis in one.dynamic:
            fixed = replace(one, dynamic=tuple(each for each in one.dynamic if each != axis))
            inputs = tuple(fixed if each is one else each for each in program.inputs)
            yield f"axis {axis} of {one.name} fixed", replace(program, inputs=inputs)


def _of_sets(program: Program, chosen: list[int], *, static: bool = False) -> Program:
    inputs = tuple(
        Input(one.name, tuple(one.values[index] for index in chosen), () if static else one.dynamic)
        for one in program.inputs
    )
    return replace(program, inputs=inputs)


def fewer_inputs(program: Program, chooser: random.Random) -> Iterator[tuple[str, Program]]:
    """One input in the place of another of its type and shape; then a size of another input of the same size."""
    for second in program.inputs:
        for first in program.inputs:
            if first is second or first.dynamic != second.dynamic:
                continue
            alike = all(_alike(a.tensor, b.tensor) for a, b in zip(first.values, second.values, strict=True))
            if alike:
                yield f"{first.name} in the place of {second.name}", _one_input(program, first.name, second.name)
    for constant in program.constants:
        values = tuple(constant.value for _ in range(program.sets))
        if program.inputs:
            moved = Input(constant.name, values)
            rest = tuple(one for one in program.constants if one is not constant)
            yield f"{constant.name} as an input", replace(program, inputs=(*program.inputs, moved), constants=rest)
    yield from _other_sizes(program)


def _one_input(program: Program, kept: str, gone: str) -> Program:
    def other(leaf: Any) -> Any:
        return Ref(kept) if isinstance(leaf, Ref) and leaf.name == gone else leaf

    calls = tuple(call.with_arguments(other) for call in program.calls)
    return pruned(replace(program, calls=calls))


def _other_sizes(program: Program) -> Iterator[tuple[str, Program]]:
    """Sizes read from another input that has the same in every set, so that the first may go."""
    for index, call in enumerate(program.calls):
        if not call.operator.startswith("aten.sym_size") or not isinstance(call.args[0], Ref):
            continue
        source = next((one for one in program.inputs if one.name == call.args[0].name), None)
        for other in program.inputs if source is not None else ():
            for axis in range(other.values[0].tensor.dim()):
                sizes = [value.tensor.shape[axis] for value in other.values]
                if other is not source and sizes == [one.tensor.shape[call.args[1]] for one in source.values]:  # type: ignore[union-attr]
                    changed = replace(call, args=(Ref(other.name), axis))
                    calls = (*program.calls[:index], changed, *program.calls[index + 1 :])
                    yield f"the size of {other.name} for {call.name}", pruned(replace(program, calls=calls))


def _with_arguments(program: Program, chooser: random.Random) -> Iterator[tuple[str, Program]]:
    for index, call in enumerate(program.calls):
        for step, changed in simpler_arguments(call):
            calls = (*program.calls[:index], changed, *program.calls[index + 1 :])
            yield f"{call.name}: {step}", pruned(replace(program, calls=calls))


VALUES = "values"

PASSES: dict[str, Pass] = {
    "outputs": fewer_outputs,
    "bypass": bypassed,
    "input sets": fewer_sets,
    "inputs": fewer_inputs,
    "arguments": _with_arguments,
    "sizes": narrower,
    "types": one_type,
    VALUES: simpler_values,
}
"""What is made smaller, in this order, once the calls are the fewest; then parts of tensors (`minimisation`)."""
