"""How an operator is entered in PyTorch's table."""

from __future__ import annotations

from tautomer.synthesis import Domain, Rule, Specification
from tautomer.synthesis.tensor_types import FLOATS, INTEGERS, NUMBERS

SIGNED = (*FLOATS, "int64", "int32", "int16", "int8")
BITS = (*INTEGERS, "bool")
ANY = (*NUMBERS, "bool")


def operator(
    expression: str,
    rule: Rule,
    dtypes: tuple[str, ...] = FLOATS,
    *,
    name: str | None = None,
    decides: bool = False,
    **domains: Domain,
) -> Specification:
    """An operator by its expression; it is called what the expression calls unless a name is given."""
    return Specification(name or expression.partition("(")[0], expression, rule, dtypes, domains, decides)
