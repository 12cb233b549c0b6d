"""What a framework's graph makes of one operator of the generator: its nodes, and where tensors enter and leave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tautomer.model.architecture import Architecture, OperatorNode, Origin
from tautomer.synthesis.program import Node
from tautomer.synthesis.samples import Sample


@dataclass(frozen=True, slots=True)
class Piece:
    """Nodes that an operator becomes; constants are left out.

    Attributes:
        operators: of the nodes, by number.
        edges: from a node, its output port, to a node, its input port.
        entries: operand, node and input port: where what the operator takes is read.
        exits: number of the result, node and output port that gives it.
    """

    operators: tuple[str, ...]
    edges: frozenset[tuple[int, int, int, int]]
    entries: frozenset[tuple[str, int, int]]
    exits: frozenset[tuple[int, int, int]]


def pieces_of(
    architecture: Architecture, samples: Sequence[Sample], nodes: Sequence[Node]
) -> Iterator[tuple[int, Piece]]:
    """The pieces of a model of samples, each with the sample's number.

    A node belongs to the sample whose inputs it is connected with. Outputs of the graph are the samples' results in
    their order; what a graph passes through unchanged is no node's result and is left out.

    Args:
        architecture: of the model.
        samples: in the order of the model's nodes.
        nodes: of the generated model.
    """
    member = _members(architecture, samples)
    within: dict[int, list[int]] = defaultdict(list)
    for position, number in enumerate(member):
        if number is not None:
            within[number].append(position)
    ends: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for position, port in architecture.outputs:
        number = member[position]
        if number is not None:
            ends[number].append((position, port))
    for number, (sample, node) in enumerate(zip(samples, nodes, strict=True)):
        local = {position: index for index, position in enumerate(within[number])}
        if not local:
            continue
        edges, entries = set(), set()
        for position, index in local.items():
            for one in architecture.nodes[position].operands:
                if one.origin is Origin.NODE:
                    edges.add((local[one.index], one.output, index, one.port))
                elif one.origin is Origin.INPUT:
                    entries.add((sample.inputs[one.index], index, one.port))
        exits = {
            (result, local[position], port)
            for result, (position, port) in _matched(architecture.nodes, ends[number], node)
        }
        operators = tuple(architecture.nodes[position].operator for position in local)
        yield number, Piece(operators, frozenset(edges), frozenset(entries), frozenset(exits))


def _members(architecture: Architecture, samples: Sequence[Sample]) -> list[int | None]:
    """For each node the sample it is connected with, None for one that is connected with no input."""
    count = len(architecture.nodes)
    parents = list(range(count + len(architecture.inputs)))

    def root(one: int) -> int:
        while parents[one] != one:
            parents[one] = parents[parents[one]]
            one = parents[one]
        return one

    for position, node in enumerate(architecture.nodes):
        for one in node.operands:
            if one.origin is not Origin.CONSTANT:
                parents[root(position)] = root(one.index + (count if one.origin is Origin.INPUT else 0))
    owners = {root(count + given): number for number, sample in enumerate(samples) for given in sample.inputs}
    return [owners.get(root(position)) for position in range(count)]


def _matched(
    nodes: Sequence[OperatorNode], ends: Sequence[tuple[int, int]], node: Node
) -> Iterator[tuple[int, tuple[int, int]]]:
    """The results of an operator with what gives each; where some are passed through, by dtype and rank."""
    if len(ends) == len(node.types):
        yield from enumerate(ends)
        return
    rest = iter(enumerate(node.types))
    for position, port in ends:
        results = nodes[position].results
        made = results[port] if port < len(results) else results[-1]
        for result, type_ in rest:
            if (made.dtype, made.rank) in ((type_.dtype, type_.rank), (None, None)):
                yield result, (position, port)
                break
