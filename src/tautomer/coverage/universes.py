"""What there is to be covered: the items of a corpus, or as many as rules make possible."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tautomer.coverage.counting import ModelCoverage, Support, support


@dataclass(frozen=True, slots=True)
class Share:
    """How much of one kind is covered.

    Attributes:
        covered: distinct items.
        inside: of these, those of the universe.
        of: items in the universe.
    """

    covered: int
    inside: int
    of: int

    @property
    def share(self) -> float | None:
        """Part of the universe; None of an empty one."""
        return self.inside / self.of if self.of else None


class Rule(Protocol):
    """Items of one kind that are known by a rule, because there are too many to be listed."""

    @property
    def size(self) -> int:
        """How many there are."""

    def __contains__(self, item: object) -> bool:
        """Whether an item is one of them."""

    def missing(self, covered: Collection[str], most: int) -> list[str]:
        """Some of those that are not covered, at most so many, spread over all of them."""


@dataclass(frozen=True, slots=True)
class Universe:
    """What could be covered.

    Attributes:
        name: how it is spoken of.
        items: by kind, each item with how often it is met (the models of a corpus that have it).
        rules: by kind, items that are known by a rule.
        framework: whose operators the rules are of.
    """

    name: str
    items: Support = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    framework: str | None = None

    @classmethod
    def of_corpus(cls, name: str, coverages: Iterable[ModelCoverage]) -> Universe:
        """What the models of a corpus have between them."""
        return cls(name, support(coverages))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds it says something about."""
        return tuple(dict.fromkeys((*self.items, *self.rules)))

    def share(self, kind: str, covered: Mapping[str, int]) -> Share:
        """How much of a kind a set of models covers, given their support."""
        known: Rule | Mapping[str, int] = self.items[kind] if kind in self.items else self.rules[kind]
        size = len(known) if isinstance(known, Mapping) else known.size
        return Share(len(covered), sum(1 for item in covered if item in known), size)

    def missing(self, kind: str, covered: Mapping[str, int], most: int) -> list[tuple[str, int]]:
        """Items that are not covered, at most so many.

        Those of a corpus with how often they are met, the most frequent first; of those that a rule makes possible
        some, each met never.
        """
        if kind in self.rules:
            return [(item, 0) for item in self.rules[kind].missing(covered, most)]
        rest = [(item, count) for item, count in self.items.get(kind, {}).items() if item not in covered]
        return sorted(rest, key=lambda one: (-one[1], one[0]))[:most]
