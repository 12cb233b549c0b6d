"""The smallest part of a graph that fails, where what it needs may be a connection."""

from __future__ import annotations

import pytest

from tautomer.minimization import Dag, connected_minimum, grown, one_minimal_subset

CHAIN = Dag([(), *((index,) for index in range(199))])


def connecting(dag, first, last):
    """A failure of two nodes and a way between them; counts its tests."""
    asked = []

    def fails(nodes):
        asked.append(nodes)
        return {first, last} <= nodes and dag.shortest_path(first, last, nodes) is not None

    return fails, asked


def test_a_node_before_its_parent_is_refused():
    with pytest.raises(ValueError, match="does not come before"):
        Dag([(1,), ()])


def test_a_located_node_is_enough_where_it_fails_by_itself():
    asked = []
    assert grown(CHAIN, [70], lambda nodes: not asked.append(nodes) and 70 in nodes) == {70}
    assert len(asked) == 1


def test_neighbourhoods_double_until_one_fails():
    found = grown(CHAIN, [70], lambda nodes: {70, 75} <= nodes)
    assert found == frozenset(range(62, 79))


def test_without_located_nodes_the_whole_graph_is_the_start():
    assert grown(CHAIN, [], lambda nodes: 5 in nodes) == frozenset(range(200))


def test_a_graph_that_does_not_fail_has_no_start():
    assert grown(CHAIN, [3], lambda nodes: False) is None


def test_a_single_node_is_found_in_a_logarithm_of_tests():
    asked = []
    found = connected_minimum(CHAIN, frozenset(range(200)), lambda nodes: not asked.append(nodes) and 133 in nodes)
    assert found == {133}
    assert len(asked) <= 20


def test_two_nodes_keep_only_the_way_between_them():
    fails, asked = connecting(CHAIN, 40, 160)
    assert connected_minimum(CHAIN, frozenset(range(200)), fails) == frozenset(range(40, 161))
    assert len(asked) < 300


def test_two_nodes_keep_the_shortest_of_several_ways():
    # 0 -> 1 -> 2 -> 3 -> 4 -> 9 and the shorter 0 -> 5 -> 9, with branches that lead nowhere.
    dag = Dag([(), (0,), (1,), (2,), (3,), (0,), (1,), (6,), (), (4, 5)])
    fails, _ = connecting(dag, 0, 9)
    assert connected_minimum(dag, frozenset(range(10)), fails) == {0, 5, 9}


def test_a_shorter_way_outside_the_start_is_found():
    dag = Dag([(), (0,), (1,), (2,), (0,), (3, 4)])
    fails, _ = connecting(dag, 0, 5)
    assert connected_minimum(dag, frozenset({0, 1, 2, 3, 5}), fails) == {0, 4, 5}


def test_two_nodes_that_need_no_connection_keep_none():
    assert connected_minimum(CHAIN, frozenset(range(200)), lambda nodes: {20, 180} <= nodes) == {20, 180}


def test_three_distant_nodes_are_kept():
    wanted = {3, 90, 199}
    assert connected_minimum(CHAIN, frozenset(range(200)), wanted.issubset) == wanted


def test_a_failure_that_is_not_monotone_still_ends_at_one_that_cannot_lose_a_node():
    def fails(nodes):
        return {10, 20} <= nodes and (len(nodes) > 50 or 30 in nodes)

    found = connected_minimum(CHAIN, frozenset(range(200)), fails)
    assert fails(found)
    assert not any(fails(found - {node}) for node in found)


def test_a_set_that_must_stay_is_divided_into_no_more_parts_than_allowed():
    asked = []
    items = list(range(768))
    kept = one_minimal_subset(items, lambda some: bool(asked.append(some)) or some == items, most_parts=16)
    assert kept == items
    assert len(asked) <= 32


def times_asked(items, needed):
    asked = []
    one_minimal_subset(items, lambda some: bool(asked.append(tuple(some))) or needed <= set(some))
    assert len(asked) == len(set(asked)), "nothing is tested twice"
    return len(asked)


def test_what_must_stay_as_a_whole_takes_two_tests_an_item():
    assert times_asked(range(121), set(range(121))) == 241


def test_two_of_a_hundred_take_few_tests():
    assert times_asked(range(100), {12, 77}) < 60
