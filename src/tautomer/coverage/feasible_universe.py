"""What rules of types make feasible, as a universe that models cover a share of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tautomer.coverage.counting import LONGEST
from tautomer.coverage.feasible import FeasibleSequences
from tautomer.coverage.feasible_reading import FEASIBLE, FeasibleTable
from tautomer.coverage.universes import Universe

FEASIBLE_KINDS = ("operators", *(f"sequences_{length}" for length in range(2, LONGEST + 1)))
"""The kinds that such a universe says something of."""

LISTED = 1_000_000
"""Up to so many sequences of a length are gone through for those that are missing; of more, some are drawn."""

DRAWS = 20
"""So many times as many as are wanted are drawn, for some are covered."""


@dataclass(frozen=True, slots=True)
class FeasibleOperators:
    """The operators of all nodes that a table can make."""

    operators: frozenset[str]

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.operators)

    def __contains__(self, item: object) -> bool:
        """Whether it is one of them."""
        return item in self.operators

    def missing(self, covered: Collection[str], most: int) -> list[str]:
        """The first that are not covered."""
        return sorted(self.operators.difference(covered))[:most]


@dataclass(frozen=True, slots=True)
class FeasibleOfLength:
    """The feasible sequences of so many operators."""

    sequences: FeasibleSequences
    length: int

    @property
    def size(self) -> int:
        """How many there are."""
        return self.sequences.count(self.length)

    def __contains__(self, item: object) -> bool:
        """Whether a sequence is one of them."""
        return str(item).count(">") == self.length - 1 and item in self.sequences

    def missing(self, covered: Collection[str], most: int) -> list[str]:
        """Sequences that are not covered, spread evenly over all; the same ones every time."""
        if self.size > LISTED:
            drawn = self.sequences.drawn(self.length, DRAWS * most)
            rest = [one for one in drawn if one not in covered]
        else:
            rest = [one for one in self.sequences.all_of(self.length) if one not in covered]
        if len(rest) <= most:
            return rest
        return [rest[place * len(rest) // most] for place in range(most)]


def feasible_universe(table: FeasibleTable) -> Universe:
    """The operators and sequences that a table makes feasible.

    Typed operators are left out, since an attribute may have any value, and motifs, since a result may be used any
    number of times.
    """
    sequences = table.sequences
    return Universe(
        f"{FEASIBLE}{table.framework}",
        rules={
            "operators": FeasibleOperators(frozenset(sequences.operators)),
            **{f"sequences_{length}": FeasibleOfLength(sequences, length) for length in range(2, LONGEST + 1)},
        },
        framework=table.framework,
    )


def feasible_notes(table: FeasibleTable) -> list[str]:
    """What a reader should know of the universe."""
    notes = [
        f"typed operators and motifs are no part of {FEASIBLE}{table.framework}: attributes may have any value, and a "
        "result may be used any number of times"
    ]
    if table.unread:
        names = ", ".join(sorted(table.unread))
        notes.append(f"no graph of these operators could be read, so that the universe lacks them: {names}")
    return notes
