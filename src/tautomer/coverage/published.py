"""The study's procedure for shared operator sequences, with what depends on the order in which models are given.

Source: Jajal et al., ISSTA 2024 (doi 10.1145/3650212.3680374), table 12 and its replication package: every simple path
from a graph input to a graph output is a list of operators, with `input` and `output` at its ends; for each pair of
models every path of the one is compared with every path of the other by difflib's matching blocks; blocks longer than 1
are kept, `input` and `output` are stripped, and what is longer than 2 operators counts. The last step, the reduction by
common blocks longer than 3, is described and not released; how it is done here is said at `reduced`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from tautomer.coverage.data_flow import BARE_ARROW
from tautomer.errors import MisuseError
from tautomer.model.architecture import Architecture, Origin

MOST_PATHS = 20_000
"""Distinct paths of one model beyond which the procedure is not tried: it compares all pairs of them."""

_START, _END = "input", "output"
_BLOCK, _COUNTS, _REDUCES = 1, 2, 3

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSet:
    """Shared sequences of one comparison: distinct ones, and how many the reduction leaves."""

    unique: int
    reduced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSequences:
    """The figures of the study's table 12 for given sets of models, in a given order.

    Attributes:
        failing_failing, failing_passing, failing_tests: shared sequences of these comparisons.
        only_failing: those of the first comparison that the second does not have.
        models: failing models of a pair that shares one of these.
        path_pairs: pairs of paths that the procedure compares; equal paths are compared once here.
        sequences: what `only_failing` leaves after its reduction.
    """

    failing_failing: PublishedSet
    failing_passing: PublishedSet
    failing_tests: PublishedSet
    only_failing: PublishedSet
    models: int
    path_pairs: int
    sequences: list[str]


def published_sequences(
    failing: Sequence[Architecture], passing: Sequence[Architecture], tests: Sequence[Architecture] = ()
) -> PublishedSequences:
    """Run the procedure on models in the order given.

    Raises:
        MisuseError: TA194 a model has more than `MOST_PATHS` distinct paths.
    """
    own, others, suite = ([distinct_paths(one) for one in models] for models in (failing, passing, tests))
    counts = [[number_of_paths(one) for one in models] for models in (failing, passing, tests)]
    among: dict[tuple[int, int], list[Path]] = {
        (left, right): shared(own[left], own[right]) for left, right in itertools.combinations(range(len(own)), 2)
    }
    with_passing = [shared(left, right) for left, right in itertools.product(own, others)]
    with_tests = [shared(left, right) for left, right in itertools.product(own, suite)]
    found = _distinct(among.values())
    elsewhere = _distinct(with_passing)
    only = [one for one in found if one not in set(elsewhere)]
    known = set(only)
    models = {number for pair, sequences in among.items() if not known.isdisjoint(sequences) for number in pair}
    left = reduced(only)
    total = sum(left * right for left, right in itertools.combinations(counts[0], 2))
    total += sum(counts[0]) * (sum(counts[1]) + sum(counts[2]))
    return PublishedSequences(
        failing_failing=_set(found),
        failing_passing=_set(elsewhere),
        failing_tests=_set(_distinct(with_tests)),
        only_failing=PublishedSet(unique=len(only), reduced=len(left)),
        models=len(models),
        path_pairs=total,
        sequences=[BARE_ARROW.join(one) for one in left],
    )


def number_of_paths(architecture: Architecture) -> int:
    """Simple paths from graph inputs to graph outputs; several edges between two nodes count as one."""
    reaching: list[int] = []
    for node in architecture.nodes:
        sources = {(one.origin, one.index) for one in node.operands if one.origin is not Origin.CONSTANT}
        reaching.append(sum(1 if origin is Origin.INPUT else reaching[index] for origin, index in sources))
    return sum(reaching[index] for index, _ in architecture.outputs)


def distinct_paths(architecture: Architecture) -> list[Path]:
    """The different lists of operators along these paths, `input` and `output` at their ends.

    Raises:
        MisuseError: TA194 there are more than `MOST_PATHS`.
    """
    reaching: list[dict[Path, None]] = []
    for node in architecture.nodes:
        found: dict[Path, None] = {}
        for one in node.operands:
            if one.origin is not Origin.CONSTANT:
                before: Iterable[Path] = ((_START,),) if one.origin is Origin.INPUT else reaching[one.index]
                found.update(((*path, node.operator), None) for path in before)
        if len(found) > MOST_PATHS:
            raise MisuseError(
                "TA194",
                f"{architecture.name} has {number_of_paths(architecture):,} paths, more than the published procedure "
                "can compare.",
                "Use --method exact, which walks no paths.",
            )
        reaching.append(found)
    return list(dict.fromkeys((*path, _END) for index, _ in architecture.outputs for path in reaching[index]))


def shared(paths: Sequence[Path], others: Sequence[Path]) -> list[Path]:
    """What two models share: blocks longer than 1 of each pair of their paths, stripped, of more than 2 operators."""
    found: dict[Path, None] = {}
    for path, other in itertools.product(paths, others):
        for block in SequenceMatcher(None, path, other).get_matching_blocks():
            if block.size > _BLOCK:
                stripped = tuple(name for name in path[block.a : block.a + block.size] if name not in (_START, _END))
                if len(stripped) > _COUNTS:
                    found[stripped] = None
    return list(found)


def reduced(sequences: Sequence[Path]) -> list[Path]:
    """Sequences with what they have in common put in their place.

    In the order given, each is compared with those that are kept so far: where the longest block that it shares with
    one has more than 3 operators, that block takes the kept one's place; else it is kept itself.
    """
    kept: list[Path] = []
    for sequence in sequences:
        for place, other in enumerate(kept):
            block = SequenceMatcher(None, other, sequence).find_longest_match()
            if block.size > _REDUCES:
                kept[place] = other[block.a : block.a + block.size]
                break
        else:
            kept.append(sequence)
    return list(dict.fromkeys(kept))


def _set(sequences: Sequence[Path]) -> PublishedSet:
    return PublishedSet(unique=len(sequences), reduced=len(reduced(sequences)))


def _distinct(each: Iterable[Iterable[Path]]) -> list[Path]:
    return list(dict.fromkeys(itertools.chain.from_iterable(each)))
