"""A decision that rounding could turn, whatever framework the program is written for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class UndecidedDecision:
    """One operator with undecided elements.

    Attributes:
        node: its name in the graph.
        operator: as the framework spells it.
        line: `file.py:12` of the user's code; None where unknown.
        elements: how many are undecided.
        of: how many there are.
        margin: the smallest distance to where the decision turns.
        bound: what the inputs may be off there.
        amounts: for each input, what its elements may be off; None where nothing.
    """

    node: str
    operator: str
    line: str | None
    elements: int
    of: int
    margin: float
    bound: float
    amounts: list[Any]

    def fields(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "decision": self.node,
            "operator": self.operator,
            "line": self.line,
            "elements": self.elements,
            "of": self.of,
            "margin": self.margin,
            "bound": self.bound,
        }
