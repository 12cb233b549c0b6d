"""Models of operators that have nothing to do with each other, to see what a framework's graph makes of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tautomer.synthesis.program import DrawnTensor, Node, Program, Reference
from tautomer.synthesis.specification import Application, Operand, Specification, Value


@dataclass(frozen=True, slots=True)
class Sample:
    """Where one operator of a model of several lies.

    Attributes:
        operator: its specification's name.
        inputs: for each of the graph's inputs that it takes, the operand's name; by the input's number.
        results: how many it gives.
    """

    operator: str
    inputs: dict[int, str]
    results: int


def sampled(applications: Sequence[tuple[Specification, Application]]) -> tuple[Program, tuple[Sample, ...]]:
    """A model that applies each operator once, to inputs of its own, and returns every result, in their order."""
    inputs: list[DrawnTensor] = []
    weights: list[DrawnTensor] = []
    nodes: list[Node] = []
    samples: list[Sample] = []
    outputs: list[str] = []
    for specification, application in applications:
        taken: dict[int, str] = {}

        def bound(name: str, operand: Operand, specification: Specification = specification, taken: Any = taken) -> Any:
            low, high = _interval(specification, name, operand)
            fixed = not isinstance(operand, Value) and operand.fixed
            if not fixed:
                taken[len(inputs)] = name
            drawn = DrawnTensor(
                f"w{len(weights)}" if fixed else f"x{len(inputs)}", operand.type, low, high, len(inputs) + len(weights)
            )
            (weights if fixed else inputs).append(drawn)
            return Reference(drawn.name)

        bindings: dict[str, Any] = {
            name: tuple(bound(name, one) for one in operand) if isinstance(operand, tuple) else bound(name, operand)
            for name, operand in application.operands.items()
        }
        names = tuple(f"v{len(outputs) + index}" for index in range(len(application.results)))
        nodes.append(
            Node(
                specification.name,
                specification.expression,
                {**bindings, **application.attributes},
                names,
                application.results,
                specification.graph_operator,
            )
        )
        outputs += names
        samples.append(Sample(specification.name, taken, len(names)))
    return Program(0, tuple(inputs), tuple(weights), tuple(nodes), tuple(outputs)), tuple(samples)


def _interval(specification: Specification, name: str, operand: Operand) -> tuple[float, float]:
    if isinstance(operand, Value):
        return operand.least, operand.largest
    return operand.domain.drawn_from(operand.type.dtype)
