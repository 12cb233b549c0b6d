"""Simpler arguments of one call: absent, at their defaults, or smaller numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from tautomer.adapters.torch_programs.reduction.program import Call, Ref


def simpler_arguments(call: Call) -> Iterator[tuple[str, Call]]:
    """The call with one argument simpler, for each of its arguments that can be."""
    target = call.target
    if not isinstance(target, torch._ops.OpOverload):
        return
    arguments = target._schema.arguments
    named = dict(call.kwargs)
    for index, argument in enumerate(arguments):
        if index < len(call.args):
            value = call.args[index]
        elif argument.name in named:
            value = named[argument.name]
        else:
            continue
        for simpler in _simpler(value, argument):
            yield f"{argument.name}={simpler}", _with(call, index, argument.name, simpler)


def _with(call: Call, index: int, name: str, value: Any) -> Call:
    if index < len(call.args):
        return replace(call, args=(*call.args[:index], value, *call.args[index + 1 :]))
    return replace(call, kwargs=tuple((key, value if key == name else one) for key, one in call.kwargs))


def _simpler(value: Any, argument: Any) -> Iterator[Any]:
    if argument.has_default_value() and (isinstance(value, Ref) or value != argument.default_value):
        yield argument.default_value
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield from (one for one in (0, 1, 2, value // 2) if abs(one) < abs(value))
    elif isinstance(value, float) and not math.isnan(value):
        yield from (one for one in (0.0, 1.0, 2.0, 0.5, float(f"{value:.1g}")) if len(repr(one)) <= len(repr(value)))
    elif isinstance(value, list) and value and all(isinstance(one, int) for one in value):
        for small in (0, 1, 2):
            if any(one > small for one in value):
                yield [min(one, small) for one in value]
        for place, one in enumerate(value):
            for small in (1, 2, one - 1):
                if 0 < small < one:
                    yield [*value[:place], small, *value[place + 1 :]]
    elif isinstance(value, list) and len(value) > 1 and all(isinstance(one, Ref) for one in value):
        for place in range(len(value)):
            yield [*value[:place], *value[place + 1 :]]
