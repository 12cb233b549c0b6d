"""How an operator is entered in TensorFlow's table."""

from __future__ import annotations

from tautomer.synthesis import Domain, Rule, Specification
from tautomer.synthesis.rules.elementwise import Attributes
from tautomer.synthesis.tensor_types import ALL, BOOL, FLOATS, INTEGERS, NUMBERS

SINGLE = ("float32", "float64")
NOT_BFLOAT = (*SINGLE, "float16")
BITS = (*INTEGERS, BOOL)
ANY = ALL
SIGNED = (*FLOATS, "int64", "int32", "int16", "int8")
WIDE = (*FLOATS, "int64", "int32")
COMMON = (*SINGLE, "int64", "int32", BOOL)


def operator(
    expression: str,
    graph_operator: str,
    rule: Rule,
    dtypes: tuple[str, ...] = FLOATS,
    *,
    name: str | None = None,
    decides: bool = False,
    **domains: Domain,
) -> Specification:
    """An operator by its expression, and what a graph calls it; its name is what the expression calls by default."""
    return Specification(
        name or expression.partition("(")[0], expression, rule, dtypes, domains, decides, graph_operator
    )


def numbers(**ranges: tuple[float, float]) -> Attributes:
    """Attributes that are numbers from intervals."""
    return lambda draw, type_: {name: draw.number(low, high) for name, (low, high) in ranges.items()}


__all__ = [
    "ANY",
    "BITS",
    "COMMON",
    "FLOATS",
    "INTEGERS",
    "NOT_BFLOAT",
    "NUMBERS",
    "SIGNED",
    "SINGLE",
    "WIDE",
    "numbers",
    "operator",
]
