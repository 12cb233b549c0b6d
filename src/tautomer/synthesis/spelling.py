"""Expressions written down: the names of a rule replaced by what they stand for."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Mapping
from typing import Any

from tautomer.synthesis.program import Reference
from tautomer.synthesis.tensor_types import Subscript

SpellAttribute = Callable[[Any], str | None]
"""How a framework writes an attribute; None where Python's own literal will do."""


@functools.cache
def name_spans(expression: str) -> tuple[tuple[int, int, str], ...]:
    """Where names stand in an expression: beginning, end, name; in order.

    Expressions are ASCII, so offsets of bytes are offsets of characters.
    """
    tree = ast.parse(expression, mode="eval")
    spans = [
        (node.col_offset, node.end_col_offset or 0, node.id) for node in ast.walk(tree) if isinstance(node, ast.Name)
    ]
    return tuple(sorted(spans))


def spelled(expression: str, bindings: Mapping[str, Any], spell: SpellAttribute) -> str:
    """An expression as source, every bound name replaced."""
    parts, position = [], 0
    for begin, end, name in name_spans(expression):
        if name in bindings:
            parts += [expression[position:begin], spelled_value(bindings[name], spell)]
            position = end
    return "".join([*parts, expression[position:]])


def spelled_value(value: Any, spell: SpellAttribute) -> str:
    """What a name stands for, as source."""
    if isinstance(value, Reference):
        return value.name
    own = spell(value)
    if own is not None:
        return own
    if isinstance(value, Subscript):
        return value.text
    if isinstance(value, tuple) and value and isinstance(value[0], Reference):
        return f"[{', '.join(one.name for one in value)}]"
    if isinstance(value, tuple):
        inner = ", ".join(spelled_value(one, spell) for one in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(int(value))
    return repr(value)
