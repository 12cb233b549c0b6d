"""Sequences of operators are those of all paths, whatever the graph looks like."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_architectures import architectures

from tautomer.coverage.data_flow import contained, operators_in, parts_of, sequences_of
from tautomer.model.architecture import Architecture, Operand, OperatorNode, Origin, from_plain, to_plain


def walked(architecture: Architecture, length: int, *, ports: bool) -> set[str]:
    """Sequences of one length, by walking every path."""

    def ending_at(index: int, left: int) -> Iterator[str]:
        node = architecture.nodes[index]
        if left == 1:
            yield node.operator
            return
        for one in node.operands:
            step = f" {one.output}>{one.port} " if ports else " > "
            yield from (before + step + node.operator for before in ending_at(one.index, left - 1))

    return {found for index in range(len(architecture.nodes)) for found in ending_at(index, length)}


@given(architectures(), st.booleans())
def test_sequences_are_those_of_all_paths(architecture, ports):
    found = sequences_of(architecture, 5, ports=ports)

    assert [set(one) for one in found] == [walked(architecture, length, ports=ports) for length in range(1, 6)]


@given(architectures())
def test_every_part_of_a_sequence_is_a_sequence(architecture):
    found = sequences_of(architecture, 4)

    for length in (2, 3, 4):
        assert {part for one in found[length - 1] for part in parts_of(one)} <= found[length - 2]
    assert {part for one in found[3] for part in contained(one)} <= {one for each in found for one in each}


def test_a_repeated_block_adds_no_sequences_beyond_its_seam():
    def chain(blocks: int) -> Architecture:
        names = ["MatMul", "Add", "Relu"] * blocks
        nodes = [
            OperatorNode(name, (Operand(0, Origin.NODE, position - 1),) if position else ())
            for position, name in enumerate(names)
        ]
        return Architecture("chain", "onnx", (), tuple(nodes))

    assert sequences_of(chain(4), 5) == sequences_of(chain(40), 5)


def test_a_sequence_tells_its_operators_and_parts():
    sequence = "Conv 0>0 Relu 0>1 Add"

    assert operators_in(sequence) == ("Conv", "Relu", "Add")
    assert parts_of(sequence) == ("Conv 0>0 Relu", "Relu 0>1 Add")
    assert list(contained("Conv > Relu > Add", shortest=2)) == ["Conv > Relu", "Relu > Add", "Conv > Relu > Add"]


@given(architectures())
def test_an_architecture_survives_json(architecture):
    import json

    assert from_plain(json.loads(json.dumps(to_plain(architecture)))) == architecture


def test_an_architecture_that_is_not_in_order_is_refused():
    with pytest.raises(ValueError, match="node 0 \\(Relu\\) takes a value from node 0"):
        Architecture("loop", "onnx", (), (OperatorNode("Relu", (Operand(0, Origin.NODE, 0),)),))
