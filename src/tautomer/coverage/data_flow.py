"""Sequences of operators along the data flow, exactly, without walking paths.

A set of sequences belongs to a node, for each length: those that end there. It is made of the sets, one shorter, of the
nodes it takes values from. Nodes with the same operator and the same such sets have the same set themselves, so a block
that is repeated is computed about once.
"""

from __future__ import annotations

from collections.abc import Iterator

from tautomer.model.architecture import Architecture, Origin

BARE_ARROW = " > "
"""Between two operators where ports do not count."""


def sequences_of(architecture: Architecture, longest: int, *, ports: bool = True) -> tuple[frozenset[str], ...]:
    """The distinct sequences of 1, 2, ... `longest` operators along edges, as text.

    A step with its ports is written `Conv 0>1 Add`: output port 0 of Conv goes to input port 1 of Add. Without ports it
    is `Conv > Add`.

    Cost: for each length and each class of nodes that look alike from there, one string operation a sequence that ends
    in the class. There are at most as many classes as nodes, and at most E * D^(k-2) sequences of length k, E being the
    edges and D the largest in-degree; with few operators there are far fewer distinct ones.
    """
    nodes = architecture.nodes
    edges = [
        sorted({(one.index, _step(one.output, one.port, ports)) for one in node.operands if one.origin is Origin.NODE})
        for node in nodes
    ]
    found = [frozenset(node.operator for node in nodes)]
    numbers: dict[str, int] = {}
    classes = [numbers.setdefault(node.operator, len(numbers)) for node in nodes]
    ending: list[frozenset[str]] = [frozenset((operator,)) for operator in numbers]
    for _ in range(1, longest):
        known: dict[tuple[str, frozenset[tuple[int, str]]], int] = {}
        longer: list[frozenset[str]] = []
        following: list[int] = []
        for node, sources in zip(nodes, edges, strict=True):
            looks = frozenset((classes[index], step) for index, step in sources if ending[classes[index]])
            number = known.setdefault((node.operator, looks), len(known))
            if number == len(longer):
                longer.append(_extended(looks, ending, node.operator))
            following.append(number)
        classes, ending = following, longer
        found.append(frozenset().union(*ending))
    return tuple(found)


def operators_in(sequence: str) -> tuple[str, ...]:
    """The operators of a sequence, without ports."""
    return tuple(sequence.split()[::2])


def parts_of(sequence: str) -> tuple[str, str]:
    """The two sequences one shorter that a sequence of at least two operators holds: without its last, its first."""
    words = sequence.split()
    return " ".join(words[:-2]), " ".join(words[2:])


def contained(sequence: str, *, shortest: int = 1) -> Iterator[str]:
    """All contiguous parts of a sequence, shorter ones first, itself included."""
    words = sequence.split()
    for length in range(shortest, len(words) // 2 + 2):
        for start in range(0, len(words) - 2 * length + 2, 2):
            yield " ".join(words[start : start + 2 * length - 1])


def _step(output: int, port: int, ports: bool) -> str:
    return f" {output}>{port} " if ports else BARE_ARROW


def _extended(looks: frozenset[tuple[int, str]], ending: list[frozenset[str]], operator: str) -> frozenset[str]:
    made: set[str] = set()
    for number, step in looks:
        last = step + operator
        made.update([sequence + last for sequence in ending[number]])
    return frozenset(made)
