"""Simpler tensors of a program: fewer elements, one common type, numbers that are easy to read."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from tautomer.adapters.torch_programs.reduction.literals import LARGEST_LITERAL
from tautomer.adapters.torch_programs.reduction.program import Constant, Input, Program, Recorded

Change = Callable[[torch.Tensor], Recorded]

_UNUSUAL = (torch.float64, torch.float16, torch.bfloat16)
_MOST_PARTS = 8
"""Parts of one tensor that are simplified by themselves: who reads a tensor of many elements gains little from one."""


def narrower(program: Program, chooser: random.Random) -> Iterator[tuple[str, Program]]:
    """Dimensions of one size made smaller together, with the arguments that say that size and without; then singly."""
    tensors = [one.values[0].tensor for one in program.inputs] + [one.value.tensor for one in program.constants]
    sizes = sorted({size for tensor in tensors for size in tensor.shape if size > 1}, reverse=True)
    for size in sizes:
        for smaller, start in _windows(size):
            said = f"size {size} to {smaller}"
            yield said, _resized(program, size, smaller, start, arguments=True)
            yield said, _resized(program, size, smaller, start, arguments=False)
    for one in program.inputs:
        for axis, size in enumerate(one.values[0].tensor.shape):
            for smaller, start in _windows(size) if size > 1 else ():
                cut = _narrowed(one, axis, size, smaller, start)
                inputs = tuple(cut if each is one else each for each in program.inputs)
                yield f"axis {axis} of {one.name} to {smaller}", replace(program, inputs=inputs)


def _windows(size: int) -> Iterator[tuple[int, int]]:
    """Smaller sizes, and where to begin."""
    yield from ((1, start) for start in (range(size) if size <= 8 else (0, size - 1)))
    for smaller in dict.fromkeys((2, size // 2, size - 1)):
        if 1 < smaller < size:
            yield from ((smaller, start) for start in dict.fromkeys((0, size - smaller)))


def _resized(program: Program, size: int, smaller: int, start: int, *, arguments: bool) -> Program:
    def shorter(leaf: Any) -> Any:
        return smaller if isinstance(leaf, int) and not isinstance(leaf, bool) and leaf == size else leaf

    inputs = []
    for one in program.inputs:
        changed = one
        for axis, found in enumerate(one.values[0].tensor.shape):
            if found == size:
                changed = _narrowed(changed, axis, size, smaller, start)
        inputs.append(changed)
    constants = []
    for constant in program.constants:
        tensor = constant.value.tensor
        for axis, found in enumerate(tensor.shape):
            if found == size:
                tensor = tensor.narrow(axis, start, smaller)
        constants.append(replace(constant, value=_as_recorded(constant.value, tensor)))
    calls = tuple(call.with_arguments(shorter) for call in program.calls) if arguments else program.calls
    return replace(program, inputs=tuple(inputs), constants=tuple(constants), calls=calls)


def _narrowed(one: Input, axis: int, size: int, smaller: int, start: int) -> Input:
    """Fewer elements along an axis in every set; a set that has another size there keeps the difference."""
    values = []
    for value in one.values:
        found = value.tensor.shape[axis]
        wanted = max(smaller + found - size, 1)
        first = start if start + wanted <= found else 0
        values.append(_as_recorded(value, value.tensor.narrow(axis, first, wanted) if wanted < found else value.tensor))
    return replace(one, values=tuple(values))


def _as_recorded(before: Recorded, tensor: torch.Tensor) -> Recorded:
    return before if tensor is before.tensor else Recorded(tensor.contiguous().clone())


def one_type(program: Program, chooser: random.Random) -> Iterator[tuple[str, Program]]:
    """Every floating type as float32, all at once and then each."""
    found = [dtype for dtype in _UNUSUAL if _uses(program, dtype)]
    for group in [_UNUSUAL, *((dtype,) for dtype in found)] if found else ():
        yield f"{', '.join(str(one) for one in group)} to float32", _retyped(program, group)


def _uses(program: Program, dtype: torch.dtype) -> bool:
    tensors = [value.tensor for one in program.inputs for value in one.values]
    tensors += [one.value.tensor for one in program.constants]
    return any(tensor.dtype == dtype for tensor in tensors)


def _retyped(program: Program, group: tuple[torch.dtype, ...]) -> Program:
    def other(leaf: Any) -> Any:
        return torch.float32 if isinstance(leaf, torch.dtype) and leaf in group else leaf

    def cast(value: Recorded) -> Recorded:
        return Recorded(value.tensor.to(torch.float32)) if value.tensor.dtype in group else value

    return replace(
        program,
        inputs=tuple(replace(one, values=tuple(map(cast, one.values))) for one in program.inputs),
        constants=tuple(replace(one, value=cast(one.value)) for one in program.constants),
        calls=tuple(call.with_arguments(other) for call in program.calls),
    )


def simpler_values(program: Program, chooser: random.Random) -> Iterator[tuple[str, Program]]:
    """Numbers that are easier to read: of all tensors, then of one."""
    changes = _changes(chooser)
    for name, change in changes:
        yield f"all values {name}", _mapped(program, change)
    for of in _tensors(program):
        for name, change in changes:
            yield f"{of} {name}", _mapped(program, change, only=of)


@dataclass(frozen=True, slots=True)
class Part:
    """Some consecutive elements of one tensor.

    Attributes:
        tensor: its name in the program.
        start, size: which elements, as they lie in memory where the last dimension is the fastest.
    """

    tensor: str
    start: int
    size: int

    def least_changed(self, program: Program) -> Program:
        """The program with these numbers shortened as little as a reader notices: who needs them needs the others."""
        return self._with(program, lambda tensor: _rounded(tensor, 3))

    def simpler(self, program: Program) -> Iterator[Program]:
        """The program with these numbers simpler, the simplest first."""
        yield from (self._with(program, change) for change in (_zero, _one, _integers, _one_digit))

    def _with(self, program: Program, change: Change) -> Program:
        def on_part(tensor: torch.Tensor) -> Recorded:
            flat = tensor.contiguous().reshape(-1).clone()
            stop = self.start + self.size
            flat[self.start : stop] = change(flat[self.start : stop]).tensor
            return Recorded(flat.reshape(tensor.shape))

        return _mapped(program, on_part, only=self.tensor)


def divisions(program: Program) -> Iterator[list[list[Part]]]:
    """For each tensor that is written out: its halves, its quarters and so on."""
    for name, tensor in _tensors(program).items():
        elements = size = tensor.numel()
        found = []
        while size > 1 and elements <= LARGEST_LITERAL and 2 * elements <= _MOST_PARTS * size:
            size = (size + 1) // 2
            found.append([Part(name, start, size) for start in range(0, elements, size)])
        yield found


def _tensors(program: Program) -> dict[str, torch.Tensor]:
    tensors = {one.name: one.values[0].tensor for one in program.inputs}
    return tensors | {one.name: one.value.tensor for one in program.constants}


def _changes(chooser: random.Random) -> list[tuple[str, Change]]:
    seed = chooser.randrange(10)
    return [
        ("zero", _zero),
        ("one", _one),
        ("random", lambda tensor: _random(tensor, seed)),
        ("rounded to integers", _integers),
        ("rounded to one digit", _one_digit),
        ("rounded to three digits", lambda tensor: _rounded(tensor, 3)),
    ]


def _zero(tensor: torch.Tensor) -> Recorded:
    return Recorded(torch.zeros_like(tensor, memory_format=torch.contiguous_format))


def _one(tensor: torch.Tensor) -> Recorded:
    return Recorded(torch.ones_like(tensor, memory_format=torch.contiguous_format))


def _integers(tensor: torch.Tensor) -> Recorded:
    return _rounded(tensor, 0)


def _one_digit(tensor: torch.Tensor) -> Recorded:
    return _rounded(tensor, 1)


def _random(tensor: torch.Tensor, seed: int) -> Recorded:
    """Seeded random numbers, for what is too large to be written out and has nothing special in it."""
    plain = tensor.dtype == torch.float32 and tensor.numel() > LARGEST_LITERAL
    if not plain:
        return Recorded(tensor)
    size = ", ".join(map(str, tensor.shape))
    text = f"torch.randn({size}, generator=torch.Generator().manual_seed({seed}))"
    return Recorded(torch.randn(*tensor.shape, generator=torch.Generator().manual_seed(seed)), text)


def _rounded(tensor: torch.Tensor, digits: int) -> Recorded:
    if not tensor.is_floating_point() or tensor.element_size() < 2:
        return Recorded(tensor)
    special = ~torch.isfinite(tensor) | (tensor == 0)
    exact = tensor.to(torch.float64)
    if digits:
        scale = 10.0 ** (digits - 1 - torch.floor(torch.log10(exact.abs())))
        rounded = torch.round(exact * scale) / scale
    else:
        rounded = torch.round(exact)
    return Recorded(torch.where(special, tensor, rounded.to(tensor.dtype)))


def _mapped(program: Program, change: Change, *, only: str | None = None) -> Program:
    def simpler(name: str, value: Recorded) -> Recorded:
        if only is not None and name != only:
            return value
        try:
            return change(value.tensor)
        except RuntimeError:  # some types have few operators
            return value

    def on_input(one: Input) -> Input:
        return replace(one, values=tuple(simpler(one.name, value) for value in one.values))

    def on_constant(one: Constant) -> Constant:
        return replace(one, value=simpler(one.name, one.value))

    return replace(
        program, inputs=tuple(map(on_input, program.inputs)), constants=tuple(map(on_constant, program.constants))
    )
