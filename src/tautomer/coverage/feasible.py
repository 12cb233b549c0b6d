"""The sequences of operators that rules of types make possible: counted, recognised and drawn, never listed.

A value is known by its kind, its dtype and rank. An operator that takes a kind may follow one that gives it. Sequences
are words of a finite automaton whose letters are an operator together with the ports of the step to it; that automaton
is made deterministic (the subset construction), so that each sequence is one way through it and is counted once.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tautomer.coverage.operator_pieces import Piece
from tautomer.synthesis.signatures import Kind, Signature

Letter = tuple[int, int, str]
"""An output port, an input port, and the operator that the step leads to."""

Emissions = tuple[tuple[int, int], ...]
"""Output ports, each with the set of kinds that may leave there, a bit for each kind."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the data flow a sequence may stand: what it can be continued with.

    Attributes:
        operator: that was met last; empty for a set of places.
        emissions: what may leave its node and be taken by another operator.
        inner: steps to nodes that the same entry of the table makes: ports, and the number of the place.
    """

    operator: str
    emissions: Emissions
    inner: frozenset[tuple[int, int, int]]


@dataclass(slots=True)
class FeasibleSequences:
    """The automaton of a table of operators; build it with `add`, then ask.

    Numbers of states and places are those of this object only.
    """

    _kinds: dict[Kind, int] = field(default_factory=dict)
    _places: list[Place] = field(default_factory=list)
    _numbers: dict[Place, int] = field(default_factory=dict)
    _starts: dict[str, set[int]] = field(default_factory=dict)
    _taken: dict[tuple[str, int], dict[int, set[int]]] = field(default_factory=dict)
    _accepted: dict[tuple[str, int], int] = field(default_factory=dict)
    _entered: dict[tuple[str, int, int], int] = field(default_factory=dict)
    _following: dict[int, dict[Letter, int]] = field(default_factory=dict)
    _counts: dict[tuple[int, int], int] = field(default_factory=dict)

    @property
    def operators(self) -> list[str]:
        """The operators of all nodes, in their order."""
        return sorted(self._starts)

    def add(self, piece: Piece, signatures: Iterable[Signature]) -> None:
        """Take in what an entry of the table becomes in the graph, where it has one of these signatures."""
        anywhere: dict[int, int] = defaultdict(int)
        by_entry: dict[tuple[str, Kind], dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for signature in signatures:
            for result, kind in enumerate(signature.results):
                bit = 1 << self._kinds.setdefault(kind, len(self._kinds))
                anywhere[result] |= bit
                for slot in signature.slots:
                    if slot.is_open:
                        by_entry[slot.name, slot.kind][result] |= bit
        known: dict[tuple[int, tuple[tuple[int, int], ...]], int] = {}
        for node, operator in enumerate(piece.operators):
            number = self._place(piece, node, tuple(sorted(anywhere.items())), known)
            self._starts.setdefault(operator, set()).add(number)
        for (name, kind), exits in by_entry.items():
            bit = self._kinds.setdefault(kind, len(self._kinds))
            for operand, node, port in piece.entries:
                if operand == name:
                    number = self._place(piece, node, tuple(sorted(exits.items())), known)
                    key = (piece.operators[node], port)
                    self._taken.setdefault(key, {}).setdefault(bit, set()).add(number)
                    self._accepted[key] = self._accepted.get(key, 0) | 1 << bit

    def _place(
        self,
        piece: Piece,
        node: int,
        exits: tuple[tuple[int, int], ...],
        known: dict[tuple[int, tuple[tuple[int, int], ...]], int],
    ) -> int:
        """The number of the place at a node of a piece, given the kinds that its results may have from there."""
        if (node, exits) not in known:
            given = dict(exits)
            emitted: dict[int, int] = defaultdict(int)
            for result, at, port in piece.exits:
                if at == node and given.get(result):
                    emitted[port] |= given[result]
            inner = frozenset(
                (output, port, self._place(piece, target, exits, known))
                for source, output, target, port in piece.edges
                if source == node
            )
            known[node, exits] = self._number(Place(piece.operators[node], tuple(sorted(emitted.items())), inner))
        return known[node, exits]

    def _number(self, place: Place) -> int:
        number = self._numbers.setdefault(place, len(self._places))
        if number == len(self._places):
            self._places.append(place)
        return number

    def _union(self, places: Iterable[int]) -> int:
        """The state that is a set of places."""
        emitted: dict[int, int] = defaultdict(int)
        inner: set[tuple[int, int, int]] = set()
        for number in places:
            place = self._places[number]
            inner |= place.inner
            for port, kinds in place.emissions:
                emitted[port] |= kinds
        return self._number(Place("", tuple(sorted(emitted.items())), frozenset(inner)))

    def _start(self, operator: str) -> int | None:
        places = self._starts.get(operator)
        return self._union(places) if places else None

    def _entry(self, operator: str, port: int, kinds: int) -> int:
        """The state after a step to an operator with a value of one of these kinds."""
        key = (operator, port, kinds)
        if key not in self._entered:
            taken = self._taken[operator, port]
            places = {one for bit, found in taken.items() if kinds >> bit & 1 for one in found}
            self._entered[key] = self._union(places)
        return self._entered[key]

    def _steps(self, state: int) -> Mapping[Letter, int]:
        """The steps from a state, each with the state it leads to; in the letters' order."""
        found = self._following.get(state)
        if found is None:
            place = self._places[state]
            reached: dict[Letter, set[int]] = defaultdict(set)
            for output, kinds in place.emissions:
                for (operator, port), accepted in self._accepted.items():
                    if kinds & accepted:
                        reached[output, port, operator].add(self._entry(operator, port, kinds & accepted))
            for output, port, number in place.inner:
                reached[output, port, self._places[number].operator].add(number)
            found = {
                letter: self._union(states) if len(states) > 1 or self._places[min(states)].operator else min(states)
                for letter, states in sorted(reached.items())
            }
            self._following[state] = found
        return found

    def count(self, length: int) -> int:
        """How many distinct sequences of so many operators there are, ports included."""
        return sum(self._continuations(self._union(self._starts[one]), length - 1) for one in self._starts)

    def _continuations(self, state: int, steps: int) -> int:
        if steps == 0:
            return 1
        if steps == 1:
            return len(self._steps(state))
        key = (state, steps)
        if key not in self._counts:
            self._counts[key] = sum(self._continuations(one, steps - 1) for one in self._steps(state).values())
        return self._counts[key]

    def __contains__(self, sequence: object) -> bool:
        """Whether a sequence, as text with ports, is feasible."""
        words = str(sequence).split()
        state = self._start(words[0]) if words else None
        for place in range(1, len(words), 2):
            if state is None:
                return False
            output, _, port = words[place].partition(">")
            state = self._steps(state).get((int(output), int(port), words[place + 1]))
        return state is not None

    def sequence(self, length: int, index: int) -> str:
        """The sequence with this number among those of a length, 0 being the first.

        Raises:
            IndexError: there are not as many.
        """
        for operator in self.operators:
            state = self._union(self._starts[operator])
            within = self._continuations(state, length - 1)
            if index >= within:
                index -= within
                continue
            words = [operator]
            for left in range(length - 2, -1, -1):
                for (output, port, following), reached in self._steps(state).items():
                    within = self._continuations(reached, left)
                    if index < within:
                        words += [f"{output}>{port}", following]
                        state = reached
                        break
                    index -= within
            return " ".join(words)
        raise IndexError("there are not as many sequences")

    def all_of(self, length: int) -> Iterator[str]:
        """Every sequence of a length, in the order of its numbers; ask `count` first."""

        def continued(text: str, state: int, left: int) -> Iterator[str]:
            if not left:
                yield text
                return
            for (output, port, operator), reached in self._steps(state).items():
                yield from continued(f"{text} {output}>{port} {operator}", reached, left - 1)

        for operator in self.operators:
            yield from continued(operator, self._union(self._starts[operator]), length - 1)

    def drawn(self, length: int, count: int, seed: int = 0) -> list[str]:
        """So many different sequences of a length, each as likely; all where there are no more."""
        size = self.count(length)
        numbers: Sequence[int] | range = range(size)
        if size > count:
            draw, chosen = random.Random(seed), set[int]()
            while len(chosen) < count:
                chosen.add(draw.randrange(size))
            numbers = sorted(chosen)
        return [self.sequence(length, number) for number in numbers]
