"""Which operator is tried next."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from tautomer.synthesis.draws import Draw
from tautomer.synthesis.specification import Specification

JOINING = 5.0
"""How much likelier an operator that brings values together is: without that, models are bundles of chains."""


class Weighted:
    """Each operator by a weight of its own, whatever was chosen before."""

    def __init__(self, table: Sequence[Specification], weights: Mapping[str, float] | None = None) -> None:
        self._table = tuple(table)
        given = weights or {}
        self._cumulated = list(
            itertools.accumulate(given.get(one.name, 1.0) * (JOINING if one.rule.joins else 1.0) for one in self._table)
        )

    def choose(self, draw: Draw, producers: Sequence[str]) -> Specification:
        """One of the table."""
        return draw.by_cumulated_weight(self._table, self._cumulated)
