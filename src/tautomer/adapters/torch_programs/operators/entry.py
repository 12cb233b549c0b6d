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
    graph: str | None = None,
    **domains: Domain,
) -> Specification:
    """An operator by its expression.

    Args:
        expression: Python source over the names of the rule.
        rule: of its types.
        dtypes: of the first operand.
        name: what it is called; None for what the expression calls.
        decides: whether a small change of an operand may change the result by a jump.
        graph: the ATen operator that `torch.export` writes for it, the last one of several; None for that of its name.
            One of another namespace is named in full.
        domains: of operands, by name.
    """
    called = name or expression.partition("(")[0]
    found = graph or called.partition(" ")[0].rpartition(".")[2]
    operator_of_graph = found if "." in found else f"aten.{found}"
    return Specification(called, expression, rule, dtypes, domains, decides, operator_of_graph)
