"""Feasible sequences of small invented tables, against every chain of operators written out."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from tautomer.coverage.feasible import FeasibleSequences
from tautomer.coverage.feasible_reading import FeasibleTable
from tautomer.coverage.feasible_universe import FeasibleOfLength, feasible_universe
from tautomer.coverage.operator_pieces import Piece, pieces_of
from tautomer.model.architecture import Architecture, Operand, OperatorNode, Origin, ValueType
from tautomer.synthesis.program import Node
from tautomer.synthesis.samples import Sample
from tautomer.synthesis.signatures import Signature, Slot
from tautomer.synthesis.tensor_types import TensorType

KINDS = st.sampled_from([("float32", 1), ("float32", 2), ("int64", 1)])
OPERATORS = st.sampled_from("ABC")
LONGEST = 4

Table = list[tuple[Piece, list[Signature]]]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Up to four entries of up to three nodes, with operands x and y and up to two results; names are shared."""
    table: Table = []
    for _ in range(draw(st.integers(1, 4))):
        count = draw(st.integers(1, 3))
        nodes, ports = st.integers(0, count - 1), st.integers(0, 1)
        edges = draw(st.frozensets(st.tuples(nodes, ports, nodes, ports).filter(lambda e: e[0] < e[2]), max_size=3))
        piece = Piece(
            tuple(draw(OPERATORS) for _ in range(count)),
            edges,
            draw(st.frozensets(st.tuples(st.sampled_from("xy"), nodes, ports), min_size=1, max_size=3)),
            draw(st.frozensets(st.tuples(st.integers(0, 1), nodes, ports), min_size=1, max_size=2)),
        )
        slots = st.builds(
            lambda name, kind, is_open: Slot(name, *kind, is_open), st.sampled_from("xy"), KINDS, st.booleans()
        )
        signatures = st.builds(
            Signature, st.frozensets(slots, max_size=2), st.lists(KINDS, min_size=1, max_size=2).map(tuple)
        )
        table.append((piece, draw(st.lists(signatures, min_size=1, max_size=3))))
    return table


def written_out(table: Table, longest: int) -> list[set[str]]:
    """The sequences of 1 to `longest` operators, one application after another."""
    found: list[set[str]] = [set() for _ in range(longest)]

    def following(entry: int, signature: Signature, node: int) -> Iterator[tuple[int, int, int, Signature, int]]:
        piece = table[entry][0]
        for source, output, target, port in piece.edges:
            if source == node:
                yield output, port, entry, signature, target
        for result, at, output in piece.exits:
            if at == node and result < len(signature.results):
                for other, (taking, possible) in enumerate(table):
                    for one in possible:
                        for slot in one.slots:
                            if slot.is_open and slot.kind == signature.results[result]:
                                for name, target, port in taking.entries:
                                    if name == slot.name:
                                        yield output, port, other, one, target

    def walk(text: str, length: int, entry: int, signature: Signature, node: int) -> None:
        found[length - 1].add(text)
        if length < longest:
            for output, port, other, taken, target in following(entry, signature, node):
                operator = table[other][0].operators[target]
                walk(f"{text} {output}>{port} {operator}", length + 1, other, taken, target)

    for entry, (piece, possible) in enumerate(table):
        for signature in possible:
            for node, operator in enumerate(piece.operators):
                walk(operator, 1, entry, signature, node)
    return found


def automaton(table: Table) -> FeasibleSequences:
    made = FeasibleSequences()
    for piece, signatures in table:
        made.add(piece, signatures)
    return made


@given(tables())
@settings(max_examples=150, deadline=None)
def test_sequences_are_counted_once_and_all_of_them(table):
    sequences, expected = automaton(table), written_out(table, LONGEST)

    assert set(sequences.operators) == expected[0]
    for length, items in enumerate(expected, start=1):
        assert sequences.count(length) == len(items)
        assert sorted(sequences.all_of(length)) == sorted(items)
        assert [sequences.sequence(length, number) for number in range(len(items))] == list(sequences.all_of(length))


@given(tables(), st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), OPERATORS), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_a_sequence_is_inside_exactly_where_it_can_be_written(table, steps):
    text = "A" + "".join(f" {output}>{port} {operator}" for output, port, operator in steps)

    assert (text in automaton(table)) == (text in written_out(table, LONGEST)[len(steps)])


def unary(operator: str, taken: tuple[str, int], given_: tuple[str, int]) -> tuple[Piece, list[Signature]]:
    piece = Piece((operator,), frozenset(), frozenset({("x", 0, 0)}), frozenset({(0, 0, 0)}))
    return piece, [Signature(frozenset({Slot("x", *taken, is_open=True)}), (given_,))]


def test_what_is_covered_outside_the_universe_is_no_part_of_the_share():
    sequences = automaton(
        [unary("A", ("f", 1), ("f", 2)), unary("B", ("f", 2), ("i", 0)), unary("C", ("f", 1), ("i", 0))]
    )
    universe = feasible_universe(FeasibleTable("onnx", sequences, {}, 3, (), {}))

    share = universe.share("sequences_2", {"A 0>0 B": 1, "A 0>0 C": 5, "B 0>0 A": 1, "A 0>0 B 0>0 C": 1})

    assert (share.covered, share.inside, share.of) == (4, 1, 1)
    assert universe.missing("sequences_2", {"A 0>0 C": 1}, 5) == [("A 0>0 B", 0)]
    assert universe.missing("sequences_2", {"A 0>0 B": 1}, 5) == []
    assert universe.share("sequences_3", {}).share is None
    assert "typed_operators" not in universe.kinds


def test_missing_sequences_are_spread_over_all_of_them():
    table = [unary(name, ("f", 1), ("f", 1)) for name in "ABCDEFGH"]
    pairs = FeasibleOfLength(automaton(table), 2)

    assert pairs.size == 64
    assert [one[0] for one in pairs.missing((), 8)] == list("ABCDEFGH")
    assert len(pairs.missing({"C 0>0 A"}, 100)) == 63
    assert "A 0>0 B" in pairs
    assert "A 0>0 B 0>0 C" not in pairs


def test_a_graph_of_samples_is_taken_apart_where_its_inputs_part_it():
    def of(index: int, port: int = 0, output: int = 0, origin: Origin = Origin.NODE) -> Operand:
        return Operand(port, origin, index, output)

    kind = ValueType("float32", (2,))
    architecture = Architecture(
        "samples",
        "tensorflow",
        (kind,) * 4,
        (
            OperatorNode("Mul", (of(1, origin=Origin.INPUT), of(2, 1, origin=Origin.INPUT)), (kind,)),
            OperatorNode("Range", (Operand(0, Origin.CONSTANT),), (ValueType("int32", (1,)),)),
            OperatorNode("TopK", (of(3, origin=Origin.INPUT), of(1, 1)), (kind, ValueType("int64", (2,)))),
            OperatorNode("Neg", (of(0),), (kind,)),
            OperatorNode("Zeros", (Operand(0, Origin.CONSTANT),), (kind,)),
        ),
        ((3, 0), (2, 1)),
    )
    types = (TensorType("float32", (2,)), TensorType("int64", (2,)))
    samples = [Sample("same", {0: "x"}, 1), Sample("twice", {1: "x", 2: "y"}, 1), Sample("top", {3: "x"}, 2)]
    nodes = [Node(one.operator, "", {}, (), types[: one.results], "") for one in samples]

    found = dict(pieces_of(architecture, samples, nodes))

    assert found == {
        1: Piece(
            ("Mul", "Neg"),
            frozenset({(0, 0, 1, 0)}),
            frozenset({("x", 0, 0), ("y", 0, 1)}),
            frozenset({(0, 1, 0)}),
        ),
        2: Piece(("Range", "TopK"), frozenset({(0, 0, 1, 1)}), frozenset({("x", 1, 0)}), frozenset({(1, 1, 1)})),
    }
