"""Sequences of operators in failing, passing and test models: which are shared, and which go with failure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from tautomer.coverage.association import benjamini_hochberg, fisher_exact, odds_ratio
from tautomer.coverage.data_flow import operators_in, parts_of, sequences_of
from tautomer.model.architecture import Architecture

ALONE = 1
"""Length of a sequence that is an operator."""

SIGNIFICANT = 0.05
"""Adjusted p-value up to which an association is called one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedSet:
    """How many sequences of at least two operators a set holds.

    Attributes:
        count: distinct sequences.
        reduced: of these, those that are needed to know the others: the longest ones of a set that holds all their
            parts, the minimal ones of a set of what occurs in failing models only.
        by_length: count by number of operators.
        models: failing models that have at least one.
    """

    count: int
    reduced: int
    by_length: Mapping[int, int] = field(default_factory=dict)
    models: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Associated:
    """An operator or a sequence, and the models that have it.

    Attributes:
        item: the operator or sequence.
        length: number of operators.
        failing, passing, tests: models of each set that have it.
        odds_ratio: of failing for models that have it.
        p_value: of Fisher's exact test, two-sided.
        q_value: adjusted for the number of items of its family (operators, or sequences of all lengths).
        only_failing: whether no passing model has it.
        minimal: whether, besides, passing models have every part of it.
    """

    item: str
    length: int
    failing: int
    passing: int
    tests: int
    odds_ratio: float
    p_value: float
    q_value: float
    only_failing: bool
    minimal: bool

    @property
    def is_suspect(self) -> bool:
        """Whether it should be tested by itself: minimal among failing models only, or associated with failure."""
        return self.minimal or (self.q_value <= SIGNIFICANT and self.odds_ratio > 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactSequences:
    """What the sequences of three sets of models say.

    Attributes:
        failing_failing: sequences that at least two failing models have.
        failing_passing: that a failing and a passing model have.
        failing_tests: that a failing model and a test have.
        only_failing: that failing models have and no passing one.
        operators, sequences: every one that any failing or passing model has, the strongest association first.
        tested: items in each family that the adjustment is for: operators, sequences.
    """

    failing_failing: SharedSet
    failing_passing: SharedSet
    failing_tests: SharedSet
    only_failing: SharedSet
    operators: list[Associated]
    sequences: list[Associated]
    tested: tuple[int, int]

    @property
    def suspects(self) -> list[Associated]:
        """Operators and sequences to be tested by themselves, the strongest association first."""
        return sorted((one for one in (*self.operators, *self.sequences) if one.is_suspect), key=_strongest_first)


Found = Sequence[frozenset[str]]
"""Of one model: its distinct sequences of 1, 2, ... operators."""


def exact_sequences(
    failing: Sequence[Architecture],
    passing: Sequence[Architecture],
    tests: Sequence[Architecture] = (),
    *,
    longest: int = 5,
    ports: bool = False,
) -> ExactSequences:
    """Analyse the sequences of up to `longest` operators; see docs/reference/coverage.md.

    The order of the models does not matter. Cost: that of `sequences_of` for every model, then a few operations on
    each distinct sequence.
    """
    own = [sequences_of(one, longest, ports=ports) for one in failing]
    having = [
        _support(own),
        *(_support(sequences_of(one, longest, ports=ports) for one in models) for models in (passing, tests)),
    ]
    return _analysed(own, having, (len(failing), len(passing)))


def _support(models: Iterable[Found]) -> list[Counter[str]]:
    """By length less one: how many models have each sequence."""
    counts: list[Counter[str]] = []
    for found in models:
        while len(counts) < len(found):
            counts.append(Counter())
        for count, items in zip(counts, found, strict=True):
            count.update(items)
    return counts


def _analysed(
    failing_models: Sequence[Found], having: Sequence[list[Counter[str]]], sizes: tuple[int, int]
) -> ExactSequences:
    failing, passing, tests = (dict(chain.from_iterable(one.items() for one in each)) for each in having)
    only = {item for item in failing if item not in passing}
    minimal = {item for item in only if _is_minimal(item, only)}
    supports = (failing, passing, tests)
    families = [
        _associated({item for item in {*failing, *passing} if alone(item)}, supports, sizes, only=only, minimal=minimal)
        for alone in (_is_operator, lambda item: not _is_operator(item))
    ]
    longer = _sequences(only)
    return ExactSequences(
        failing_failing=_shared({item for item, count in failing.items() if count > 1}, failing_models),
        failing_passing=_shared({item for item in failing if item in passing}, failing_models),
        failing_tests=_shared({item for item in failing if item in tests}, failing_models),
        only_failing=SharedSet(
            count=len(longer),
            reduced=len(minimal & longer),
            by_length=_by_length(longer),
            models=_models_with(failing_models, longer),
        ),
        operators=families[0],
        sequences=families[1],
        tested=(len(families[0]), len(families[1])),
    )


def _shared(items: set[str], failing_models: Sequence[Found]) -> SharedSet:
    """A set that holds every part of what it holds."""
    longer = _sequences(items)
    return SharedSet(
        count=len(longer),
        reduced=len(_longest(longer)),
        by_length=_by_length(longer),
        models=_models_with(failing_models, longer),
    )


def _is_operator(item: str) -> bool:
    return " " not in item


def _is_minimal(item: str, only: set[str]) -> bool:
    """Whether passing models have both parts one shorter, and with them every part; an operator has none."""
    return len(operators_in(item)) == ALONE or not any(part in only for part in parts_of(item))


def _sequences(items: Iterable[str]) -> set[str]:
    return {item for item in items if len(operators_in(item)) > ALONE}


def _longest(items: set[str]) -> set[str]:
    """Those of a set that are no part of another of it."""
    inside = {part for item in items if len(operators_in(item)) > ALONE + 1 for part in parts_of(item)}
    return items - inside


def _by_length(items: Iterable[str]) -> dict[int, int]:
    return dict(sorted(Counter(len(operators_in(item)) for item in items).items()))


def _models_with(models: Sequence[Found], items: set[str]) -> int:
    return sum(1 for found in models if any(not items.isdisjoint(each) for each in found[ALONE:]))


def _associated(
    items: set[str],
    supports: tuple[Mapping[str, int], Mapping[str, int], Mapping[str, int]],
    sizes: tuple[int, int],
    *,
    only: set[str],
    minimal: set[str],
) -> list[Associated]:
    ordered = sorted(items)
    tables = [(supports[0].get(item, 0), sizes[0], supports[1].get(item, 0), sizes[1]) for item in ordered]
    p_values = [fisher_exact(*table) for table in tables]
    rows = [
        Associated(
            item=item,
            length=len(operators_in(item)),
            failing=table[0],
            passing=table[2],
            tests=supports[2].get(item, 0),
            odds_ratio=odds_ratio(*table),
            p_value=p_value,
            q_value=q_value,
            only_failing=item in only,
            minimal=item in minimal,
        )
        for item, table, p_value, q_value in zip(ordered, tables, p_values, benjamini_hochberg(p_values), strict=True)
    ]
    return sorted(rows, key=_strongest_first)


def _strongest_first(one: Associated) -> tuple[bool, float, int, int, str]:
    """What goes with failure before what goes with passing; then by p-value, support, and the shorter first."""
    return not one.odds_ratio > 1.0, one.p_value, -one.failing, one.length, one.item
