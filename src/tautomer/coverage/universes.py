"""What there is to be covered: the items of a corpus, or as many as rules make possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True, slots=True)
class Universe:
    """What could be covered.

    Attributes:
        name: how it is spoken of.
        items: by kind, each item with how often it is met (the models of a corpus that have it).
        sizes: by kind, the number of items where they are known by number only.
    """

    name: str
    items: Support = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_corpus(cls, name: str, coverages: Iterable[ModelCoverage]) -> Universe:
        """What the models of a corpus have between them."""
        return cls(name, support(coverages))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds it says something about."""
        return tuple(dict.fromkeys((*self.items, *self.sizes)))

    def share(self, kind: str, covered: Mapping[str, int]) -> Share:
        """How much of a kind a set of models covers, given their support."""
        if kind in self.items:
            known = self.items[kind]
            return Share(len(covered), sum(1 for item in covered if item in known), len(known))
        return Share(len(covered), min(len(covered), self.sizes[kind]), self.sizes[kind])

    def missing(self, kind: str, covered: Mapping[str, int]) -> list[tuple[str, int]]:
        """Items of the universe that are not covered, with how often they are met, the most frequent first."""
        rest = [(item, count) for item, count in self.items.get(kind, {}).items() if item not in covered]
        return sorted(rest, key=lambda one: (-one[1], one[0]))
