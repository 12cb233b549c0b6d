"""Where the data flow joins and parts: fan-in, fan-out, and diamonds, in which what has parted meets again."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator

from tautomer.coverage.typed_operators import counted
from tautomer.model.architecture import Architecture, Operand, Origin


def fan_ins(architecture: Architecture) -> frozenset[str]:
    """Each node that takes at least two values that are no constants, with what makes them.

    `Add <- Conv 0>0 | input 0>1`. The makers are a multiset: equal ones are counted (`x2`, `x3+`).
    """
    found = set()
    for node in architecture.nodes:
        joined = [
            f"{_maker(architecture, one)} {one.output}>{one.port}"
            for one in node.operands
            if one.origin is not Origin.CONSTANT
        ]
        if len(joined) > 1:
            found.add(f"{node.operator} <- {' | '.join(counted(joined))}")
    return frozenset(found)


def fan_outs(architecture: Architecture) -> frozenset[str]:
    """Each node whose results are used at least twice, with where: `Relu -> 0>0 Conv | 0>1 Add`.

    An output of the graph is a use, too: `0 output`.
    """
    uses: dict[int, list[str]] = defaultdict(list)
    for node in architecture.nodes:
        for one in node.operands:
            if one.origin is Origin.NODE:
                uses[one.index].append(f"{one.output}>{one.port} {node.operator}")
    for index, port in architecture.outputs:
        uses[index].append(f"{port} output")
    return frozenset(
        f"{architecture.nodes[index].operator} -> {' | '.join(counted(used))}"
        for index, used in uses.items()
        if len(used) > 1
    )


def diamonds(architecture: Architecture) -> frozenset[str]:
    """Where two ways from one node, with no other node in common, meet again: `Relu <> Add: 0>0 | Conv 0>1`.

    For two operands of a node (the join) made by nodes a and b, a fork is a lowest common ancestor of a and b: a node
    from which both can be reached (each counts as reached from itself) and no descendant of which is such a node. A
    way that is a single edge is written by its ports, another by the operator it arrives from and the last edge's
    ports.

    Cost: O(N * E / w) for sets of ancestors as machine words of w bits, and O(N / w) for each pair of operands and each
    of its forks.
    """
    nodes = architecture.nodes
    ancestors: list[int] = []
    found = set()
    for position, node in enumerate(nodes):
        operands = [one for one in node.operands if one.origin is Origin.NODE]
        own = 1 << position
        for one in operands:
            own |= ancestors[one.index]
        ancestors.append(own)
        tried = set()
        for one, other in itertools.combinations(operands, 2):
            key = (one.index, one.output, one.port, other.index, other.output, other.port)
            if key in tried:
                continue
            tried.add(key)
            for fork in _lowest(ancestors, ancestors[one.index] & ancestors[other.index]):
                ways = sorted((_way(architecture, fork, one), _way(architecture, fork, other)))
                found.add(f"{nodes[fork].operator} <> {node.operator}: {' | '.join(ways)}")
    return frozenset(found)


def _lowest(ancestors: list[int], common: int) -> Iterator[int]:
    """The nodes of a set that are closed under ancestors, of which none other in the set descends."""
    while common:
        last = common.bit_length() - 1
        yield last
        common &= ~ancestors[last]


def _maker(architecture: Architecture, operand: Operand) -> str:
    return architecture.nodes[operand.index].operator if operand.origin is Origin.NODE else "input"


def _way(architecture: Architecture, fork: int, last: Operand) -> str:
    edge = f"{last.output}>{last.port}"
    return edge if last.index == fork else f"{architecture.nodes[last.index].operator} {edge}"
