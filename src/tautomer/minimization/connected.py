"""The smallest set of nodes of a graph that still fails, where what it needs may be the connection between them.

A failure may need two distant nodes and a way between them. Delta debugging alone ends at some set of which no node can
be left out, often a detour; so shorter ways through the graph are tried as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from tautomer.minimization.dag import Dag
from tautomer.minimization.subsets import one_minimal_subset

Nodes = frozenset[int]
Fails = Callable[[Nodes], bool]

_BRACKET_FROM = 8
"""Sets below this size are handed to delta debugging at once."""

_DETOUR_PAIRS = 2000
"""Pairs of nodes looked at for shorter ways; looking is cheap, only a shorter way is tested."""


def grown(dag: Dag, located: Iterable[int], fails: Fails) -> Nodes | None:
    """The smallest of the sets around `located` that fails: the nodes themselves, then 1, 2, 4, ... edges around them.

    Returns None where even the whole graph does not fail. Without located nodes it is the whole graph or None.
    """
    centre = frozenset(located)
    everything = frozenset(range(len(dag)))
    before: Nodes | None = None
    radius = 0
    while centre:
        ball = dag.ball(centre, radius)
        if ball in (before, everything):
            break
        if fails(ball):
            return ball
        before, radius = ball, max(2 * radius, 1)
    return everything if fails(everything) else None


def connected_minimum(dag: Dag, start: Nodes, fails: Fails) -> Nodes:
    """A failing set of which no node can be left out and no part has a shorter way round it.

    Args:
        dag: the graph; ways may lead through nodes outside `start`.
        start: `fails(start)` is true.
        fails: the test.
    """
    current = start
    if len(current) >= _BRACKET_FROM:
        current = _bracketed(dag, current, fails)
    while True:
        current = frozenset(one_minimal_subset(sorted(current), lambda nodes: fails(frozenset(nodes))))
        shorter = next((one for one in _detours_cut(dag, current) if fails(one)), None)
        if shorter is None:
            return current
        current = shorter


def _bracketed(dag: Dag, start: Nodes, fails: Fails) -> Nodes:
    """A failing subset between the last and the first node that the failure cannot do without, by bisection.

    Where the failure is not monotone the ends are merely some ends; what is returned still fails.
    """
    order = sorted(start)
    kept = order[: _least(1, len(order), lambda count: fails(frozenset(order[:count])))]
    left_out = len(kept) - _least(1, len(kept), lambda count: fails(frozenset(kept[len(kept) - count :])))
    kept = kept[left_out:]
    first, last = kept[0], kept[-1]
    path = dag.shortest_path(first, last)
    for nodes in (frozenset((first, last)), frozenset(path or ()), dag.between(first, last, kept)):
        if nodes and len(nodes) < len(kept) and fails(nodes):
            return nodes
    return frozenset(kept)


def _least(low: int, high: int, fails: Callable[[int], bool]) -> int:
    """The least number that fails, by bisection; `high` is known to fail."""
    while low < high:
        middle = (low + high) // 2
        if fails(middle):
            high = middle
        else:
            low = middle + 1
    return high


def _detours_cut(dag: Dag, nodes: Nodes) -> Iterator[Nodes]:
    """The set with the ways between two of its nodes replaced by a shorter one, the greatest savings first."""
    order = sorted(nodes)
    found: dict[Nodes, int] = {}
    pairs = 0
    for index, first in enumerate(order):
        for last in order[index + 1 :]:
            pairs += 1
            if pairs > _DETOUR_PAIRS:
                break
            inside = dag.between(first, last, nodes)
            path = dag.shortest_path(first, last) if len(inside) > 2 else None
            if path is not None and len(path) < len(inside):
                candidate = frozenset((nodes - inside) | set(path))
                if len(candidate) < len(nodes):
                    found.setdefault(candidate, len(candidate))
    yield from sorted(found, key=lambda one: (found[one], sorted(one)))
