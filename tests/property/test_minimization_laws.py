"""Laws of the searches for the smallest failing candidate, for failures of any kind."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tautomer.minimization import Dag, connected_minimum, grown, one_minimal_subset

COUNT = 24


@st.composite
def graphs(draw):
    parents = [()]
    for node in range(1, draw(st.integers(2, COUNT))):
        parents.append(draw(st.sets(st.integers(0, node - 1), min_size=1, max_size=3)))
    return Dag(parents)


def arbitrary(salt):
    """A failure that is not monotone: some hash of the set, and always the full one."""
    return lambda nodes, everything: nodes == everything or hash((salt, tuple(sorted(nodes)))) % 5 == 0


@given(st.sets(st.integers(0, COUNT - 1)), st.integers(1, COUNT))
def test_a_monotone_failure_is_reduced_to_what_it_needs(needed, count):
    items = [f"item {index}" for index in range(max(count, max(needed, default=0) + 1))]
    wanted = {items[index] for index in needed}
    assert set(one_minimal_subset(items, lambda kept: wanted <= set(kept))) == wanted


@given(st.integers(1, COUNT), st.integers())
def test_any_failure_is_reduced_to_one_that_cannot_lose_an_item(count, salt):
    everything = frozenset(range(count))
    fails = arbitrary(salt)
    found = one_minimal_subset(sorted(everything), lambda kept: fails(frozenset(kept), everything))
    assert found == sorted(found)
    assert fails(frozenset(found), everything)
    assert not any(fails(frozenset(found) - {item}, everything) for item in found)


@given(graphs(), st.integers())
def test_any_failing_part_of_a_graph_is_reduced_to_one_that_cannot_lose_a_node(dag, salt):
    everything = frozenset(range(len(dag)))
    fails = arbitrary(salt)
    found = connected_minimum(dag, everything, lambda nodes: fails(nodes, everything))
    assert fails(found, everything)
    assert not any(fails(found - {node}, everything) for node in found)


@given(graphs(), st.data())
def test_two_nodes_that_must_be_connected_keep_a_shortest_way(dag, data):
    first = data.draw(st.integers(0, len(dag) - 1))
    last = data.draw(st.integers(first, len(dag) - 1))
    shortest = dag.shortest_path(first, last)

    def fails(nodes):
        return {first, last} <= nodes and (shortest is None or dag.shortest_path(first, last, nodes) is not None)

    found = connected_minimum(dag, frozenset(range(len(dag))), fails)
    assert len(found) == (len({first, last}) if shortest is None else len(shortest))


@given(graphs(), st.data())
def test_what_grows_around_a_node_holds_it_and_fails(dag, data):
    located = data.draw(st.integers(0, len(dag) - 1))
    needed = data.draw(st.sets(st.integers(0, len(dag) - 1)))
    found = grown(dag, [located], lambda nodes: needed <= nodes)
    assert found is not None
    assert needed <= found
    assert located in found


@given(graphs(), st.data())
def test_a_path_follows_edges_and_none_is_shorter(dag, data):
    first = data.draw(st.integers(0, len(dag) - 1))
    last = data.draw(st.integers(first, len(dag) - 1))
    path = dag.shortest_path(first, last)
    distance = {first: 0}
    for node in range(first + 1, last + 1):
        steps = [distance[parent] + 1 for parent in dag.parents[node] if parent in distance]
        if steps:
            distance[node] = min(steps)
    assert (path is None) == (last not in distance)
    if path is not None:
        assert len(path) == distance[last] + 1
        assert all(one in dag.parents[other] for one, other in itertools.pairwise(path))
