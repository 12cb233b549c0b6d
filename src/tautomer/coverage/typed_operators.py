"""Operators with what they are given: element types, ranks, the class of each attribute, and how shapes broadcast."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from tautomer.model.architecture import Dimension, Operand, OperatorNode, Plain

SEVERAL = 3
"""From here on a number of equal things is `3+`."""

_LONGEST_LIST = 4


def typed_operator(node: OperatorNode) -> str:
    """The operator with its operands' types, its attributes' classes and its broadcast pattern, as text.

    `Add(0:float32[4], 1:float32[1]) broadcast(=, -=)`; `Cast(0:float32[2]) to='int64'`.
    """
    text = f"{node.operator}({', '.join(_operands(node.operands))})"
    classes = " ".join(
        f"{name}={attribute_class(value)}" for name, value in sorted(node.attributes.items()) if value is not None
    )
    pattern = broadcast_pattern([one.type.shape for one in node.operands]) if node.broadcasts else ""
    return text + (f" {classes}" if classes else "") + (f" broadcast({pattern})" if pattern else "")


def attribute_class(value: Plain) -> str:
    """What kind of value an attribute has.

    Integers: `0`, `1`, `2+`, `-1`, `-2-`; other numbers: `0.0`, `1.0`, `+`, `-`, `inf`, `nan`; truth values and text as
    they are; a list by its length (`5+` for longer than four) and by the class of its elements where all are equal, or
    `mixed`: `2x(1)`, `4x(mixed)`.
    """
    if value is None or isinstance(value, bool | str):
        return repr(value)
    if isinstance(value, int):
        return str(value) if -1 <= value <= 1 else "2+" if value > 0 else "-2-"
    if isinstance(value, float):
        if not math.isfinite(value):
            return repr(abs(value))
        return repr(abs(value)) if value in (0.0, 1.0) else "+" if value > 0 else "-"
    length = str(len(value)) if len(value) <= _LONGEST_LIST else f"{_LONGEST_LIST + 1}+"
    if not value:
        return "0x()"
    same = all(type(one) is type(value[0]) and one == value[0] for one in value)
    return f"{length}x({attribute_class(value[0]) if same else 'mixed'})"


def broadcast_pattern(shapes: Sequence[tuple[Dimension, ...] | None]) -> str:
    """Which dimensions of which operand are expanded; empty where none is, or where shapes are not known.

    Each operand is aligned at its last dimension with the one of most dimensions, and each dimension marked: `=` as in
    the result, `1` expanded from size 1, `-` not there, `?` not known. Runs of the same mark are written once.
    """
    known = [shape for shape in shapes if shape is not None]
    if len(known) < 2 or len(known) < len(shapes):
        return ""
    rank = max(map(len, known))
    aligned = [(*[_MISSING] * (rank - len(shape)), *shape) for shape in known]
    columns = list(zip(*aligned, strict=True))
    patterns = ["".join(map(_mark, shape, columns)) for shape in aligned]
    if not any(mark in pattern for pattern in patterns for mark in "1-"):
        return ""
    return ", ".join("".join(mark for mark, _ in itertools.groupby(pattern)) or "scalar" for pattern in patterns)


_MISSING = "-"
"""Stands for a dimension that is not there; no symbolic size has this name."""


def _mark(size: Dimension, column: Iterable[Dimension]) -> str:
    others = [one for one in column if one != _MISSING]
    if size == _MISSING:
        return "-"
    if size is None:
        return "?"
    return "1" if size == 1 and any(one != 1 for one in others) else "="


def counted(texts: Iterable[str]) -> list[str]:
    """Each distinct text in order, with how often it is there where that is more than once: `x2`, `x3+`."""
    return [text + ("" if count == 1 else f" x{capped(count)}") for text, count in sorted(_counts(texts).items())]


def capped(count: int) -> str:
    """A number, or that it is large."""
    return str(count) if count < SEVERAL else f"{SEVERAL}+"


def _counts(texts: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        found[text] = found.get(text, 0) + 1
    return found


def _operands(operands: Iterable[Operand]) -> list[str]:
    return counted(
        f"{one.port}:{one.type.dtype or '?'}[{'?' if one.type.rank is None else one.type.rank}]" for one in operands
    )
