"""What one model covers, kind by kind, and how many models of a set cover each item; pure, and the same everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tautomer.coverage.data_flow import sequences_of
from tautomer.coverage.motifs import diamonds, fan_ins, fan_outs
from tautomer.coverage.typed_operators import typed_operator
from tautomer.model.architecture import Architecture

LONGEST = 5
"""Operators in the longest sequences that are counted."""

KINDS = (
    "operators",
    "typed_operators",
    *(f"sequences_{length}" for length in range(2, LONGEST + 1)),
    "fan_in",
    "fan_out",
    "diamonds",
)
"""What is counted."""

Support = Mapping[str, Mapping[str, int]]
"""By kind and item, the number of models that have it."""


@dataclass(frozen=True, slots=True)
class ModelCoverage:
    """The distinct items of one model, by kind.

    Attributes:
        name: of the model.
        items: for every one of `KINDS`.
    """

    name: str
    items: Mapping[str, frozenset[str]]


def coverage_of(architecture: Architecture) -> ModelCoverage:
    """What a model covers; see docs/reference/coverage.md for each kind."""
    operators, *longer = sequences_of(architecture, LONGEST)
    return ModelCoverage(
        architecture.name,
        {
            "operators": operators,
            "typed_operators": frozenset(map(typed_operator, architecture.nodes)),
            **{f"sequences_{length}": found for length, found in enumerate(longer, start=2)},
            "fan_in": fan_ins(architecture),
            "fan_out": fan_outs(architecture),
            "diamonds": diamonds(architecture),
        },
    )


def support(coverages: Iterable[ModelCoverage]) -> dict[str, Counter[str]]:
    """How many of the models have each item."""
    found: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for coverage in coverages:
        for kind, items in coverage.items.items():
            found[kind].update(items)
    return found
