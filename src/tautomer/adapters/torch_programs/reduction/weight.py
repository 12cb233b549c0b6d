"""How large a program is: what a reduction makes smaller, the most important first."""

from __future__ import annotations

from typing import Any

import torch

from tautomer.adapters.torch_programs.reduction.literals import literal
from tautomer.adapters.torch_programs.reduction.program import Call, Program, Recorded, Ref, is_aten

Weight = tuple[int, ...]

_PLAIN_TYPES = (torch.float32, torch.int64, torch.bool)
_PER_FILE = 1_000
"""Characters that a tensor in a file of its own counts as, besides one for each element."""


def weight(program: Program) -> Weight:
    """Operators, other calls, outputs, dynamic dimensions, input sets, tensors, arguments, elements, types, text."""
    recorded = [one.value for one in program.constants] + [value for each in program.inputs for value in each.values]
    return (
        sum(1 for call in program.calls if is_aten(call)),
        sum(1 for call in program.calls if not is_aten(call)),
        len(program.outputs),
        sum(len(one.dynamic) for one in program.inputs),
        program.sets,
        len(program.inputs) + len(program.constants),
        len(program.constants),
        sum(_arguments(call) for call in program.calls),
        sum(value.tensor.numel() for value in recorded),
        sum(1 for value in recorded if value.tensor.dtype not in _PLAIN_TYPES),
        sum(_text(value) for value in recorded),
        sum(_digits(call) for call in program.calls),
    )


def _arguments(call: Call) -> int:
    """Arguments that are not at their defaults."""
    target = call.target
    if not isinstance(target, torch._ops.OpOverload):
        return 0
    count = 0
    named = dict(call.kwargs)
    for index, argument in enumerate(target._schema.arguments):
        given = index < len(call.args) or argument.name in named
        value = call.args[index] if index < len(call.args) else named.get(argument.name)
        if given and (not argument.has_default_value() or isinstance(value, Ref) or value != argument.default_value):
            count += 1
    return count


def _digits(call: Call) -> int:
    """How much there is to read in its numbers."""

    def of(value: Any) -> int:
        if isinstance(value, list | tuple):
            return sum(map(of, value))
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0
        return int(min(abs(value), 99)) + len(repr(value))

    return sum(map(of, call.args)) + sum(of(value) for _, value in call.kwargs)


def _text(value: Recorded) -> int:
    if value.made_by is not None:
        return len(value.made_by)
    text = literal(value.tensor)
    return len(text) if text is not None else _PER_FILE + value.tensor.numel()
