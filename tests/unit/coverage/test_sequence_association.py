"""Fisher's test, the correction, and what goes with failure, against brute force."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_architectures import architectures

from tautomer.coverage.association import benjamini_hochberg, fisher_exact, odds_ratio
from tautomer.coverage.data_flow import contained, operators_in, sequences_of
from tautomer.coverage.direct_tests import occurrence
from tautomer.coverage.published import distinct_paths, number_of_paths, published_sequences, reduced, shared
from tautomer.coverage.sequence_sets import exact_sequences
from tautomer.errors import MisuseError
from tautomer.model.architecture import Architecture, Operand, OperatorNode, Origin


@pytest.mark.parametrize(
    ("table", "p_value"),
    [((3, 3, 0, 3), 0.1), ((8, 10, 1, 6), 0.034965035), ((0, 5, 0, 5), 1.0), ((5, 5, 5, 5), 1.0), ((1, 1, 0, 9), 0.1)],
)
def test_fishers_test_gives_known_values(table, p_value):
    assert fisher_exact(*table) == pytest.approx(p_value, rel=1e-6)


@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_fishers_test_is_the_share_of_arrangements_no_likelier(failing, passing, data):
    failing_with, passing_with = data.draw(st.integers(0, failing)), data.draw(st.integers(0, passing))
    having = failing_with + passing_with
    counts = [
        sum(1 for one in chosen if one < failing) for chosen in itertools.combinations(range(failing + passing), having)
    ]
    expected = sum(1 for one in counts if counts.count(one) <= counts.count(failing_with)) / len(counts)

    assert fisher_exact(failing_with, failing, passing_with, passing) == pytest.approx(expected)


def test_an_odds_ratio_may_be_infinite_or_unknown():
    assert odds_ratio(8, 10, 1, 10) == 36.0
    assert odds_ratio(3, 3, 0, 3) == math.inf
    assert math.isnan(odds_ratio(3, 3, 3, 3))
    assert odds_ratio(0, 3, 2, 3) == 0.0


def test_adjusted_p_values_are_those_of_benjamini_and_hochberg():
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.0533333, 0.0533333, 0.5])
    assert benjamini_hochberg([]) == []


@given(st.lists(architectures(), min_size=1, max_size=3), st.lists(architectures(), max_size=3), st.booleans())
def test_sets_of_sequences_are_those_of_brute_force(failing, passing, ports):
    result = exact_sequences(failing, passing, longest=4, ports=ports)
    own = [frozenset().union(*sequences_of(one, 4, ports=ports)) for one in failing]
    others = frozenset().union(*(each for one in passing for each in sequences_of(one, 4, ports=ports)))
    only = frozenset().union(*own) - others
    minimal = {one for one in only if not any(part in only for part in contained(one) if part != one)}

    found = {one.item: one for one in (*result.operators, *result.sequences)}
    assert set(found) == frozenset().union(*own) | others
    assert {item for item, one in found.items() if one.only_failing} == only
    assert {item for item, one in found.items() if one.minimal} == minimal
    assert all(one.failing == sum(item in each for each in own) for item, one in found.items())
    assert result.only_failing.count == sum(1 for one in only if len(operators_in(one)) > 1)
    assert result.failing_passing.count == sum(
        1 for one in frozenset().union(*own) & others if len(operators_in(one)) > 1
    )


@given(architectures(), st.booleans())
def test_every_sequence_is_found_where_it_occurs(architecture, ports):
    for item in frozenset().union(*sequences_of(architecture, 4, ports=ports)):
        way = occurrence(architecture, item, ports=ports)
        assert tuple(architecture.nodes[one].operator for one in way) == operators_in(item)
        for before, after in itertools.pairwise(way):
            assert any(one.index == before for one in architecture.nodes[after].operands)
    assert occurrence(architecture, "Nowhere", ports=ports) is None


def chain(name: str, *operators: str) -> Architecture:
    nodes = [
        OperatorNode(one, (Operand(0, Origin.NODE, position - 1) if position else Operand(0, Origin.INPUT, 0),))
        for position, one in enumerate(operators)
    ]
    from tautomer.model.architecture import ValueType

    return Architecture(name, "onnx", (ValueType(),), tuple(nodes), ((len(nodes) - 1, 0),))


def test_the_published_procedure_strips_ends_and_counts_longer_than_two():
    models = [chain("a", "A", "B", "C", "D"), chain("b", "A", "B", "C", "X"), chain("c", "A", "B", "Y", "Z")]

    result = published_sequences(models[:2], models[2:])

    assert distinct_paths(models[0]) == [("input", "A", "B", "C", "D", "output")]
    assert (result.failing_failing.unique, result.failing_passing.unique) == (1, 0)
    assert (result.sequences, result.models, result.path_pairs) == (["A > B > C"], 2, 3)


def test_the_published_procedure_misses_what_exact_analysis_finds():
    # The longest block is taken first, and what overlaps it on the other side is lost.
    models = [chain("a", "P", "Q", "A", "B", "C", "D"), chain("b", "A", "B", "C", "D", "P", "Q", "A", "B")]

    assert shared(distinct_paths(models[0]), distinct_paths(models[1])) == [("P", "Q", "A", "B")]
    exact = exact_sequences(models, [])
    assert next(one for one in exact.sequences if one.item == "A > B > C > D").failing == 2


def test_the_published_reduction_depends_on_the_order():
    sequences = [tuple("ABCDE"), tuple("ABCDX"), tuple("BCDXY")]

    assert reduced(sequences) != reduced(sequences[::-1])


def test_paths_are_counted_without_being_walked():
    nodes = [OperatorNode("A", (Operand(0, Origin.INPUT, 0),))]
    for _ in range(100):
        last = len(nodes) - 1
        nodes += [
            OperatorNode("B", (Operand(0, Origin.NODE, last),)),
            OperatorNode("C", (Operand(0, Origin.NODE, last),)),
            OperatorNode("D", (Operand(0, Origin.NODE, last + 1), Operand(1, Origin.NODE, last + 2))),
        ]
    ladder = Architecture("ladder", "onnx", chain("x", "A").inputs, tuple(nodes), ((len(nodes) - 1, 0),))

    assert number_of_paths(ladder) == 2**100
    with pytest.raises(MisuseError, match="TA194"):
        distinct_paths(ladder)
