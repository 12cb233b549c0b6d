"""A generated model before it is written down: what goes in, the nodes in their order, what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tautomer.synthesis.tensor_types import TensorType


@dataclass(frozen=True, slots=True)
class Reference:
    """A value by name."""

    name: str


@dataclass(frozen=True, slots=True)
class DrawnTensor:
    """An input or a weight: drawn evenly from an interval, by a seed.

    Attributes:
        name: in the model's file.
        type: its dtype and shape.
        low: the least value.
        high: the largest value; integers may have it.
        seed: of the first set of values; the following set of an input has the seed after it.
    """

    name: str
    type: TensorType
    low: float
    high: float
    seed: int


@dataclass(frozen=True, slots=True)
class Node:
    """An operator applied.

    Attributes:
        operator: its specification's name.
        expression: Python source over the names of `bindings`.
        bindings: a `Reference`, a tuple of them, or a plain Python value, by name.
        results: the names of what it returns.
        types: of what it returns.
        graph_operator: the name that coverage reads from the framework's graph.
    """

    operator: str
    expression: str
    bindings: Mapping[str, Any]
    results: tuple[str, ...]
    types: tuple[TensorType, ...]
    graph_operator: str

    def operands(self) -> tuple[str, ...]:
        """Names of the tensors that it reads, in the order of its bindings."""
        return tuple(one.name for one in references(self.bindings))


@dataclass(frozen=True, slots=True)
class Program:
    """A generated model.

    Attributes:
        seed: that it was grown from.
        inputs: in the order they are passed.
        weights: what is the same in every run.
        nodes: each after those that it reads.
        outputs: names of what it returns.
    """

    seed: int
    inputs: tuple[DrawnTensor, ...]
    weights: tuple[DrawnTensor, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def type_of(self, name: str) -> TensorType:
        """The type of an input, a weight or a result."""
        for drawn in (*self.inputs, *self.weights):
            if drawn.name == name:
                return drawn.type
        for node in self.nodes:
            if name in node.results:
                return node.types[node.results.index(name)]
        raise KeyError(name)


def references(bindings: Mapping[str, Any]) -> list[Reference]:
    """The values that an expression's names stand for, in their order."""
    found: list[Reference] = []
    for bound in bindings.values():
        if isinstance(bound, Reference):
            found.append(bound)
        elif isinstance(bound, tuple):
            found.extend(one for one in bound if isinstance(one, Reference))
    return found
