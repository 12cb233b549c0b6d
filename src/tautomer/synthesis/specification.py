"""What an operator is: its rule of types, its domain, and how it is written, each said once.

The expression is Python source over the names that the rule binds: `torch.add(x, y)`. It is compiled and evaluated
while a model grows, and the same text, with the names replaced, is what the model's file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from tautomer.synthesis.draws import Draw
from tautomer.synthesis.tensor_types import ANYTHING, USUAL, Domain, TensorType


class Origin(StrEnum):
    """Where a value comes from."""

    INPUT = "input"
    WEIGHT = "weight"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a growing model.

    Attributes:
        name: in the model's file.
        type: its dtype and shape.
        origin: where it comes from.
        least: the smallest element seen.
        largest: the largest element seen.
    """

    name: str
    type: TensorType
    origin: Origin
    least: float
    largest: float


@dataclass(frozen=True, slots=True)
class Fresh:
    """An operand that does not exist yet.

    Attributes:
        type: its dtype and shape.
        domain: what its elements are drawn from.
        fixed: whether it must be a weight: the same in every run.
    """

    type: TensorType
    domain: Domain = ANYTHING
    fixed: bool = False


Operand = Value | Fresh


@dataclass(frozen=True, slots=True)
class Application:
    """An operator applied: what its expression's names stand for, and the types of what it returns.

    Attributes:
        operands: tensors by name, or tuples of tensors where the expression takes a list.
        attributes: plain Python values by name.
        results: types of the results, in their order.
    """

    operands: Mapping[str, Operand | tuple[Operand, ...]]
    results: tuple[TensorType, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Scope(Protocol):
    """What a rule sees of the growing model; names are those of operands, whose domains the specification says."""

    draw: Draw

    def find(self, name: str, wanted: Callable[[TensorType], bool]) -> Value | None:
        """An existing value whose type is wanted and whose elements may stand there; None where there is none."""

    def fresh(self, name: str, wanted: TensorType, *, domain: Domain | None = None, fixed: bool = False) -> Fresh:
        """A value of this type that does not exist yet, drawn from the operand's domain, or from another one."""

    def operand(self, name: str, wanted: TensorType, *, domain: Domain | None = None) -> Operand:
        """A value of exactly this type: an existing one where there is one and chance wants it, else a fresh one."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of types.

    Attributes:
        anchor: the name that the first operand has in expressions.
        ranks: those the first operand may have.
        apply: draws attributes and operands for a first operand; None where this one does not fit.
        results: for a dtype and a rank of the first operand, the dtypes and ranks its results can have; what coverage
            counts as feasible.
        shape: draws a shape for a first operand that does not exist yet, from a rank.
        joins: whether it brings several values together.
    """

    ranks: tuple[int, ...]
    apply: Callable[[Scope, Operand], Application | None]
    results: Callable[[str, int], frozenset[tuple[str, int]]]
    anchor: str = "x"
    shape: Callable[[Draw, int, Callable[[], int]], tuple[int, ...]] | None = None
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Specification:
    """An operator of a framework.

    Attributes:
        name: unique in its framework's table, as users call it.
        expression: Python source over the rule's names.
        rule: of its types.
        dtypes: those of the first operand.
        domains: of operands, by name; a name that is absent takes anything.
        decides: whether a small change of an operand may change the result by a jump (comparisons, rounding, sorting).
        graph_operator: the name that coverage reads from the framework's graph.
    """

    name: str
    expression: str
    rule: Rule
    dtypes: tuple[str, ...]
    domains: Mapping[str, Domain] = field(default_factory=dict)
    decides: bool = False
    graph_operator: str = ""

    def domain(self, name: str) -> Domain:
        """What an operand may hold."""
        return self.domains.get(name, ANYTHING)

    @property
    def is_scarce(self) -> bool:
        """Whether few values can be its first operand: an interval, a shape of its own, or dtypes that are rare."""
        return (
            self.domain(self.rule.anchor) != ANYTHING
            or self.rule.shape is not None
            or not any(dtype in USUAL for dtype in self.dtypes)
        )
