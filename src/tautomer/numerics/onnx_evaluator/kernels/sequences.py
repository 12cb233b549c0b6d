"""Sequences and optionals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array, Value


def _position(call: Call, index: int, size: int, *, default: int, past_end: bool) -> int:
    given = call.input(index)
    position = default if given is None else int(np.asarray(given).reshape(-1)[0])
    if not -size <= position < size + past_end:
        raise IndexError(f"position {position} in a sequence of {size}")
    return position + size if position < 0 else position


def _at(call: Call) -> tuple[Value, ...]:
    items = call.inputs[0]
    return (items[_position(call, 1, len(items), default=0, past_end=False)],)


def _insert(call: Call) -> tuple[list[Value]]:
    items = list(call.inputs[0])
    items.insert(_position(call, 2, len(items), default=len(items), past_end=True), call.inputs[1])
    return (items,)


def _erase(call: Call) -> tuple[list[Value]]:
    items = list(call.inputs[0])
    del items[_position(call, 1, len(items), default=len(items) - 1, past_end=False)]
    return (items,)


def _concat_from(call: Call) -> Array:
    items: Any = call.inputs[0]
    axis = call.get("axis")
    if call.get("new_axis", 0):
        return np.stack(items, axis=axis_of(axis, items[0].ndim + 1))
    return np.concatenate(items, axis=axis_of(axis, items[0].ndim))


def _has_element(call: Call) -> Array:
    return np.asarray(call.input(0) is not None)


def _get_element(call: Call) -> tuple[Value, ...]:
    if call.input(0) is None:
        raise ValueError("the optional is empty")
    return (call.inputs[0],)


KERNELS: Mapping[str, Kernel] = {
    "ConcatFromSequence": _concat_from,
    "Optional": lambda call: (call.input(0),),
    "OptionalGetElement": _get_element,
    "OptionalHasElement": _has_element,
    "SequenceAt": _at,
    "SequenceConstruct": lambda call: (list(call.inputs),),
    "SequenceEmpty": lambda call: ([],),
    "SequenceErase": _erase,
    "SequenceInsert": _insert,
    "SequenceLength": lambda call: np.asarray(len(call.inputs[0]), dtype=np.int64),
}
