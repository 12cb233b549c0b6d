"""What is asked of a growing model: its size and its types, and which operators it is to have."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Protocol

from tautomer.synthesis.draws import Draw
from tautomer.synthesis.specification import Specification

Tail = tuple[str, ...]
"""Operators along the data flow, one or two, that end at a value."""


class Chooser(Protocol):
    """Which operator is tried next, and which of several proposals.

    Attributes:
        width: how many proposals are compared; one where all are as good.
    """

    width: int

    def begun(self) -> None:
        """A model is begun."""

    def choose(self, draw: Draw) -> Specification:
        """One of the table."""

    def worth(self, draw: Draw, operator: str, tails: Set[Tail]) -> float:
        """How good it would be to add a node of an operator, as the graph calls it, to sequences that end before it."""

    def kept(self, operator: str, tails: Set[Tail]) -> None:
        """A node was added."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a grown model should be like.

    Attributes:
        nodes: how many operators it has.
        dtypes: of inputs, with their weights.
        dynamic: the chance that a model has a dynamic dimension.
        ones: the chance that a dimension is one.
        empty: the chance that a model takes an empty tensor.
        inputs: how many it may have at most; None for what its size suggests.
        elements: how many a value may have at most.
        ties: whether decisions near ties are wanted.
    """

    nodes: int = 10
    dtypes: Mapping[str, float] = field(default_factory=lambda: {"float32": 0.8, "int64": 0.12, "bool": 0.08})
    dynamic: float = 0.0
    ones: float = 0.1
    empty: float = 0.02
    inputs: int | None = None
    elements: int = 4096
    ties: bool = False


def sequences_ended(operator: str, tails: Set[Tail]) -> set[Tail]:
    """The sequences of one to three operators that a node ends."""
    return {(operator,), *((*tail, operator) for tail in tails)}
