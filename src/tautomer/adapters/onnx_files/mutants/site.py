"""The words of fault seeding: a kind of fault, a change it can make, and the place of one in a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tautomer.adapters.onnx_files.mutants.edit import Edit
    from tautomer.adapters.onnx_files.mutants.graph_view import Spot


class Family(StrEnum):
    """What a seeded fault breaks."""

    SEMANTIC = "semantic"
    """The function itself."""
    STABILITY = "stability"
    """The accuracy of the arithmetic; in exact arithmetic the function is the same."""
    RANGE = "range"
    """The range of intermediate values; in exact arithmetic the function is the same."""


@dataclass(frozen=True, slots=True)
class Site:
    """One fault at one place of one model.

    Attributes:
        kind: name of the kind.
        family: what the kind breaks.
        nodes: names of the touched nodes (the first output of one without a name), the node that is changed first.
        op_types: their operators.
        description: the change in a sentence.
        scope: the graph that holds the node: empty for the main one, `function DOMAIN:NAME:OVERLOAD`, and
            `/INDEX.ATTRIBUTE` for each subgraph on the way.
        index: position of the changed node in that graph.
        variant: which of the kind's changes.
    """

    kind: str
    family: Family
    nodes: tuple[str, ...]
    op_types: tuple[str, ...]
    description: str
    scope: str
    index: int
    variant: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change a kind can make at a node.

    Attributes:
        variant: what `Kind.change` is told.
        description: the change in a sentence, without the node.
        also: positions of other nodes that the change touches.
    """

    variant: str
    description: str
    also: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: stable; reports and documents use it.
        family: what it breaks.
        summary: what it does, for people.
        op_types: operators it applies to.
        changes: the changes it can make at a node; none where the node does not have what it needs.
        change: makes one of them.
    """

    name: str
    family: Family
    summary: str
    op_types: tuple[str, ...]
    changes: Callable[[Spot], Iterable[Change]]
    change: Callable[[Edit, str], None]
