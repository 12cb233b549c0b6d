"""A directed acyclic graph of numbered nodes, and the ways through it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence


class Dag:
    """Nodes 0, 1, ... in an order in which every node comes after those it depends on.

    Args:
        parents: for each node, those it depends on; repetitions do not matter.

    Raises:
        ValueError: a node depends on itself or on a later one.
    """

    def __init__(self, parents: Sequence[Iterable[int]]) -> None:
        self.parents: list[tuple[int, ...]] = [tuple(dict.fromkeys(sorted(one))) for one in parents]
        self.children: list[list[int]] = [[] for _ in self.parents]
        for node, before in enumerate(self.parents):
            for parent in before:
                if not 0 <= parent < node:
                    raise ValueError(f"node {node} depends on {parent}, which does not come before it")
                self.children[parent].append(node)

    def __len__(self) -> int:
        return len(self.parents)

    def ball(self, centre: Iterable[int], radius: int) -> frozenset[int]:
        """The nodes at most `radius` edges from some node of `centre`, whichever way the edges point."""
        found = set(centre)
        rim = sorted(found)
        for _ in range(radius):
            rim = [node for one in rim for node in (*self.parents[one], *self.children[one]) if node not in found]
            if not rim:
                break
            found.update(rim)
        return frozenset(found)

    def shortest_path(self, first: int, last: int, within: Iterable[int] | None = None) -> list[int] | None:
        """The nodes of a shortest directed path, both ends included; None where there is none.

        Among paths of equal length it takes the one with the smallest numbers first, so that it is always the same.
        """
        allowed = None if within is None else {*within}
        before: dict[int, int | None] = {first: None}
        pending = deque([first])
        while pending:
            node = pending.popleft()
            if node == last:
                path = [node]
                while (step := before[path[-1]]) is not None:
                    path.append(step)
                return path[::-1]
            for child in self.children[node]:
                if child not in before and child <= last and (allowed is None or child in allowed):
                    before[child] = node
                    pending.append(child)
        return None

    def between(self, first: int, last: int, within: Iterable[int]) -> frozenset[int]:
        """All nodes of `within` on directed paths inside it from `first` to `last`, both ends included."""
        inside = {*within, first, last}
        return frozenset(_reached(first, self.children, inside) & _reached(last, self.parents, inside))


def _reached(start: int, steps: Sequence[Iterable[int]], inside: set[int]) -> set[int]:
    found = {start}
    pending = [start]
    while pending:
        for node in steps[pending.pop()]:
            if node in inside and node not in found:
                found.add(node)
                pending.append(node)
    return found
