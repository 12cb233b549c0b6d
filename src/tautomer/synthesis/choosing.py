"""Which operator is tried next: by weight, towards what is not covered yet, or as a corpus of models has them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence, Set

from tautomer.synthesis.draws import Draw
from tautomer.synthesis.request import Tail, sequences_ended
from tautomer.synthesis.specification import Specification

JOINING = 5.0
"""How much likelier an operator that brings values together is: without that, models are bundles of chains."""

SCARCE = 3.0
"""How much likelier an operator is that few values can be the first operand of: it is proposed in vain most often."""

WIDTH = 14
"""So many proposals are compared where one may be better than another."""


class Weighted:
    """Each operator by a weight of its own, whatever was chosen before.

    Args:
        table: the operators.
        weights: by name in the graph; operators that are not named have none where any are given.
    """

    width = 1

    def __init__(self, table: Sequence[Specification], weights: Mapping[str, float] | None = None) -> None:
        shares: dict[str, int] = {}
        for one in table:
            shares[one.graph_operator] = shares.get(one.graph_operator, 0) + 1
        self._table: list[Specification] = []
        each: list[float] = []
        for one in table:
            if weights is None:
                # An operator of many entries (modes, reductions) is met more often than one of few, but not as much.
                weight = (JOINING if one.rule.joins else 1.0) / math.sqrt(shares[one.graph_operator])
                weight *= SCARCE if one.is_scarce else 1.0
            else:
                weight = weights.get(one.graph_operator, 0.0) / shares[one.graph_operator]
            if weight > 0.0:
                self._table.append(one)
                each.append(weight)
        self._cumulated = list(itertools.accumulate(each))

    def begun(self) -> None:
        """Every model is begun alike."""

    def choose(self, draw: Draw) -> Specification:
        """One of the table."""
        return draw.by_cumulated_weight(self._table, self._cumulated)

    def worth(self, draw: Draw, operator: str, tails: Set[Tail]) -> float:
        """Every proposal is as good."""
        return 0.0

    def kept(self, operator: str, tails: Set[Tail]) -> None:
        """Nothing is remembered."""


class Aimed(Weighted):
    """Towards operators and sequences of two and three that are not covered yet.

    Args:
        table: the operators.
        covered: sequences of one to three operators, by their names in the graph; what is grown is added to them.
    """

    width = WIDTH

    def __init__(self, table: Sequence[Specification], covered: Iterable[Sequence[str]] = ()) -> None:
        super().__init__(table)
        self.covered = {tuple(one) for one in covered}

    def worth(self, draw: Draw, operator: str, tails: Set[Tail]) -> float:
        """How many sequences are new."""
        return sum(one not in self.covered for one in sequences_ended(operator, tails)) + draw.number(0.0, 0.5)

    def kept(self, operator: str, tails: Set[Tail]) -> None:
        """What the node covers is covered from now on."""
        self.covered.update(sequences_ended(operator, tails))


class Varied(Aimed):
    """Towards operators and sequences that the model itself does not hold yet: it depends on no other model."""

    def begun(self) -> None:
        """Nothing is covered yet."""
        self.covered.clear()


class Alike(Weighted):
    """As a corpus of models has operators, and operators after operators.

    Args:
        table: the operators.
        operators: how often each occurs in the corpus, by name in the graph.
        pairs: how often one reads the result of another.
    """

    width = WIDTH

    def __init__(
        self, table: Sequence[Specification], operators: Mapping[str, int], pairs: Mapping[tuple[str, str], int]
    ) -> None:
        super().__init__(table, operators)
        self._pairs = pairs
        self._followed: dict[str, int] = {}
        for (first, _), count in pairs.items():
            self._followed[first] = self._followed.get(first, 0) + count

    def worth(self, draw: Draw, operator: str, tails: Set[Tail]) -> float:
        """The logarithm of how likely the operator is after those before it, with the noise that makes it a draw.

        Source: adding Gumbel noise to logarithms of weights and taking the largest draws by these weights.
        """
        producers = {tail[-1] for tail in tails}
        likelihood = sum(
            math.log((self._pairs.get((one, operator), 0) + 0.1) / (self._followed.get(one, 0) + 1.0))
            for one in producers
        ) / max(len(producers), 1)
        return likelihood - math.log(-math.log(draw.number(1e-9, 1.0 - 1e-9, 12)))

    def kept(self, operator: str, tails: Set[Tail]) -> None:
        """Nothing is remembered."""
