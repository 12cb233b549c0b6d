"""The values of a growing model: which an operator may take, and which it is likelier to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set

from tautomer.synthesis.draws import Draw
from tautomer.synthesis.request import Tail
from tautomer.synthesis.specification import Origin, Value
from tautomer.synthesis.tensor_types import ANYTHING, Domain

NODE_WEIGHT = 8.0
"""How much likelier an operand is the result of a node than an input, for each operator that ends at it."""

UNREAD_WEIGHT = 3.0
"""How much likelier an operand is a value that nothing reads yet."""

ANCHOR_WEIGHT = 0.05
"""How much likelier a second operand is the first one again."""

LOOKS = 5
"""So many values are drawn before all that are left are looked at."""


class Values:
    """What is there already.

    Args:
        nearest_to_zero: the smallest magnitude that a value has in any run, by its name.
    """

    __slots__ = ("_all", "_nearest_to_zero", "_places", "_read", "_tails", "_weights")

    def __init__(self, nearest_to_zero: Callable[[str], float]) -> None:
        self._nearest_to_zero = nearest_to_zero
        self._all: list[Value] = []
        self._weights: list[float] = []
        self._places: dict[str, int] = {}
        self._read: set[str] = set()
        self._tails: dict[str, Set[Tail]] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._all)

    def __iter__(self) -> Iterator[Value]:
        """All of them, in the order in which they came."""
        return iter(self._all)

    def add(self, value: Value, tails: Set[Tail] = frozenset()) -> None:
        """One more, with the operators that end at it."""
        self._all.append(value)
        self._places[value.name] = len(self._weights)
        self._weights.append(UNREAD_WEIGHT * (NODE_WEIGHT * len(tails) if value.origin is Origin.NODE else 1.0))
        self._tails[value.name] = tails

    def read(self, name: str) -> None:
        """A node reads a value; names of weights are none of a value."""
        if name not in self._read:
            self._read.add(name)
            place = self._places.get(name)
            if place is not None:
                self._weights[place] /= UNREAD_WEIGHT

    def unread(self) -> list[Value]:
        """Results of nodes that nothing reads."""
        return [one for one in self._all if one.origin is Origin.NODE and one.name not in self._read]

    def tails(self, names: Iterable[str]) -> set[Tail]:
        """The operators, one or two, that end at any of these."""
        found: set[Tail] = set()
        for name in names:
            found.update(self._tails.get(name, ()))
        return found

    def shapes(self, ranks: Sequence[int]) -> list[tuple[int, ...]]:
        """Shapes of the values of these ranks."""
        return [one.type.shape for one in self._all if len(one.type.shape) in ranks]

    def drawn(self, draw: Draw, fits: Callable[[Value], bool], *, anchor: str | None = None) -> Value | None:
        """One that fits, by weight: rather a result than an input, rather what nothing reads, rather not the anchor.

        None where none fits. Most values are not looked at: one is drawn, and where it does not fit another one, which
        gives each that fits the chance it has among those that fit.
        """
        weights = list(self._weights)
        if anchor is not None:
            weights[self._places[anchor]] *= ANCHOR_WEIGHT
        for _ in range(min(LOOKS, len(weights))):
            place = draw.place(weights)
            if fits(self._all[place]):
                return self._all[place]
            weights[place] = 0.0
        left = [place for place, weight in enumerate(weights) if weight > 0.0 and fits(self._all[place])]
        return self._all[left[draw.place([weights[place] for place in left])]] if left else None

    def first(self, draw: Draw, dtypes: Sequence[str], ranks: Sequence[int], domain: Domain) -> Value | None:
        """One of these dtypes and ranks whose elements lie in a domain."""

        def fits(value: Value) -> bool:
            type_ = value.type
            return type_.dtype in dtypes and len(type_.shape) in ranks and self.holds(domain, value)

        return self.drawn(draw, fits)

    def any_other(self, draw: Draw, than: Value) -> Value | None:
        """One at random but this one; None where there is none, or chance takes this one."""
        drawn = draw.pick(self._all)
        return None if drawn.name == than.name else drawn

    def holds(self, domain: Domain, value: Value) -> bool:
        """Whether all elements of a value lie in a domain."""
        if domain is ANYTHING:
            return True
        if domain.low > value.least or domain.high < value.largest:
            return False
        away: float = domain.away_from_zero
        if away <= 0.0 or value.least >= away:
            return True
        return value.largest <= -away or self._nearest_to_zero(value.name) >= away
