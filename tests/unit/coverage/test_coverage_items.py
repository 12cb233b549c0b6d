"""Typed operators, broadcast patterns, attribute classes and motifs, each by its definition."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from random_architectures import architectures

from tautomer.coverage.motifs import diamonds, fan_ins, fan_outs
from tautomer.coverage.typed_operators import attribute_class, broadcast_pattern, typed_operator
from tautomer.model.architecture import Architecture, Operand, OperatorNode, Origin, ValueType


def node(operator: str, *sources: int | str) -> OperatorNode:
    """A node whose operands come from these nodes, from the graph input `in`, or are constants."""
    operands = [
        Operand(port, Origin.NODE, source)
        if isinstance(source, int)
        else Operand(port, Origin.INPUT if source == "in" else Origin.CONSTANT, 0 if source == "in" else -1)
        for port, source in enumerate(sources)
    ]
    return OperatorNode(operator, tuple(operands))


def graph(*nodes: OperatorNode, outputs: tuple[tuple[int, int], ...] = ()) -> Architecture:
    return Architecture("made", "onnx", (ValueType("float32", (2,)),), nodes, outputs)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, "True"),
        (0, "0"),
        (-1, "-1"),
        (-7, "-2-"),
        (9, "2+"),
        (0.0, "0.0"),
        (-0.5, "-"),
        (1e-5, "+"),
        (math.nan, "nan"),
        (-math.inf, "inf"),
        ("SAME_UPPER", "'SAME_UPPER'"),
        ([], "0x()"),
        ([3, 3], "2x(2+)"),
        ([1, 2], "2x(mixed)"),
        ([1, True], "2x(mixed)"),
        ([0] * 8, "5+x(0)"),
    ],
)
def test_an_attribute_is_put_into_its_class(value, expected):
    assert attribute_class(value) == expected


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(2, 3), (2, 3)], ""),
        ([(2, 3, 4, 5), (5,)], "=, -="),
        ([(2, 3, 4, 5), (1, 3, 1, 1)], "=, 1=1"),
        ([(2, 1), (1, 3)], "=1, 1="),
        ([(2, 3), ()], "=, -"),
        ([("n", 3), (1, 3)], "=, 1="),
        ([(None, 3), (3,)], "?=, -="),
        ([(0, 3), (1, 3)], "=, 1="),
        ([(1, 1), (1, 1)], ""),
        ([(2, 3), None], ""),
        ([(2, 3)], ""),
    ],
)
def test_a_broadcast_pattern_says_what_is_expanded(shapes, expected):
    assert broadcast_pattern(shapes) == expected


def test_a_typed_operator_tells_types_attributes_and_broadcasting():
    operands = (
        Operand(0, Origin.INPUT, 0, type=ValueType("float32", (2, 3))),
        Operand(1, Origin.CONSTANT, type=ValueType("float32", (3,))),
    )

    assert (
        typed_operator(OperatorNode("Add", operands, broadcasts=True))
        == "Add(0:float32[2], 1:float32[1]) broadcast(=, -=)"
    )
    assert typed_operator(OperatorNode("Sum", (operands[0],) * 5)) == "Sum(0:float32[2] x3+)"
    assert typed_operator(OperatorNode("Cast", (Operand(0, Origin.INPUT, 0),), attributes={"to": "int64"})) == (
        "Cast(0:?[?]) to='int64'"
    )


def test_constants_neither_join_nor_part():
    made = graph(node("Conv", "in", "stored", "stored"), node("Add", 0, "stored"))

    assert fan_ins(made) == frozenset()
    assert fan_outs(made) == frozenset()


def test_a_join_and_a_parting_are_counted_with_their_ports():
    made = graph(node("Conv", "in"), node("Relu", 0), node("Add", 1, 0), node("Mul", 2, "in"), outputs=((3, 0), (2, 0)))

    assert fan_ins(made) == {"Add <- Conv 0>1 | Relu 0>0", "Mul <- Add 0>0 | input 0>1"}
    assert fan_outs(made) == {"Conv -> 0>0 Relu | 0>1 Add", "Add -> 0 output | 0>0 Mul"}
    assert diamonds(made) == {"Conv <> Add: 0>1 | Relu 0>0"}


def test_a_square_is_the_smallest_diamond():
    assert diamonds(graph(node("Relu", "in"), node("Mul", 0, 0))) == {"Relu <> Mul: 0>0 | 0>1"}


def test_two_forks_of_one_join_are_two_diamonds():
    made = graph(node("Relu", "in"), node("Tanh", "in"), node("Add", 0, 1), node("Mul", 0, 1), node("Sub", 2, 3))

    assert {one for one in diamonds(made) if "<> Sub" in one} == {
        "Relu <> Sub: Add 0>0 | Mul 0>1",
        "Tanh <> Sub: Add 0>0 | Mul 0>1",
    }


@given(architectures())
def test_every_diamond_is_two_ways_with_nothing_in_common(architecture):
    assert diamonds(architecture) == walked_diamonds(architecture)


def walked_diamonds(architecture: Architecture) -> set[str]:
    """By walking: two ways from a fork to two operands of a join that share no node but the fork, for lowest forks."""
    nodes = architecture.nodes

    def ways(start: int, end: int) -> list[tuple[int, ...]]:
        if start == end:
            return [(end,)]
        return [(*way, end) for one in nodes[end].operands for way in ways(start, one.index)]

    found = set()
    for join in nodes:
        for one, other in itertools.combinations(join.operands, 2):
            forks = {index for index in range(len(nodes)) if ways(index, one.index) and ways(index, other.index)}
            for fork in forks:
                if any(later != fork and ways(fork, later) for later in forks):
                    continue
                assert all(
                    set(left) & set(right) == {fork}
                    for left in ways(fork, one.index)
                    for right in ways(fork, other.index)
                )
                texts = [
                    f"{last.output}>{last.port}"
                    if last.index == fork
                    else f"{nodes[last.index].operator} {last.output}>{last.port}"
                    for last in (one, other)
                ]
                found.add(f"{nodes[fork].operator} <> {join.operator}: {' | '.join(sorted(texts))}")
    return found
