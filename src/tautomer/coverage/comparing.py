"""The coverage of a set of models as one report: counts, shares of a universe, what is missing, what would add most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version

from tautomer.coverage.counting import KINDS, ModelCoverage, Support, support
from tautomer.coverage.reading import ReadModels
from tautomer.coverage.saturation import GREEDY_BOUND, Addition, Curve, best_additions, saturation
from tautomer.coverage.universes import Universe
from tautomer.errors import MisuseError
from tautomer.model import EXIT_STATUS, Outcome

COVERAGE_SCHEMA = "tautomer/coverage/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedModel:
    """One model: its name, framework and nodes, and its distinct items by kind."""

    name: str
    framework: str
    nodes: int
    items: Mapping[str, int]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingItem:
    """An item of the universe that no model has, and how many models of the universe have it; 0 of one by rules."""

    item: str
    models: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FeasibleShare:
    """How much of a kind is covered of what rules of types make feasible."""

    inside: int
    of: int
    share: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KindReport:
    """One kind of item.

    Attributes:
        kind: one of `KINDS`.
        covered: distinct items of the models.
        inside: of these, those in the universe; None without one.
        of: items of the universe.
        share: inside / of.
        wanted: the least share that was asked for.
        missing: the most frequent items that are not covered; not all of them.
        feasible: the share of what is feasible, where that was asked for beside the models of a universe.
        saturation: distinct items after each model.
    """

    kind: str
    covered: int
    inside: int | None = None
    of: int | None = None
    share: float | None = None
    wanted: float | None = None
    missing: list[MissingItem] = field(default_factory=list)
    feasible: FeasibleShare | None = None
    saturation: Curve

    @property
    def is_below(self) -> bool:
        """Whether less is covered than was asked for."""
        return self.wanted is not None and (self.share or 0.0) < self.wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageReport:
    """What a set of models covers (`tautomer/coverage/1`).

    Attributes:
        universe: how what could be covered is spoken of; None where nothing was named.
        universe_models: how many models it was taken from; none where it is what rules make feasible.
        feasible: the name of what is feasible, where that was asked for beside the models of a universe.
        unread: files of folders that could not be read, with the reason; `unread_against` those of the universe.
        additions: models of the universe that would add most, each given those before it.
        additions_bound: what is guaranteed of that choice.
        notes: what a reader should know.
    """

    models: list[CountedModel]
    kinds: list[KindReport]
    universe: str | None = None
    universe_models: int = 0
    feasible: str | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
    unread_against: Mapping[str, str] = field(default_factory=dict)
    additions: list[Addition] = field(default_factory=list)
    additions_bound: str = GREEDY_BOUND
    notes: list[str] = field(default_factory=list)
    tautomer_version: str = field(default_factory=lambda: version("tautomer"))
    schema: str = COVERAGE_SCHEMA

    @property
    def outcome(self) -> Outcome:
        """`divergent` where a share is below what was asked for; `inconclusive` where the universe is incomplete."""
        if any(one.is_below for one in self.kinds):
            return Outcome.DIVERGENT
        asked = any(one.wanted is not None for one in self.kinds)
        return Outcome.INCONCLUSIVE if asked and self.unread_against else Outcome.EQUIVALENT

    @property
    def exit_status(self) -> int:
        """0, 1 below a share that was asked for, 3 where the universe that it is a share of could not all be read."""
        return EXIT_STATUS[self.outcome]


def wanted_shares(texts: Sequence[str], known: Sequence[str] = KINDS) -> dict[str, float]:
    """Least shares by kind, from `SHARE` (of every kind) and `KIND=SHARE`.

    Args:
        texts: as they were given.
        known: the kinds that the universe says something of.

    Raises:
        MisuseError: TA193 no such kind, one that the universe says nothing of, or not a share.
    """
    found: dict[str, float] = {}
    for text in texts:
        kind, separator, number = text.rpartition("=")
        if separator and kind not in KINDS:
            raise MisuseError("TA193", f"there is no kind '{kind}'.", f"Kinds: {', '.join(KINDS)}.")
        if separator and kind not in known:
            raise MisuseError("TA193", f"nobody says how many {kind} are feasible.", f"Kinds: {', '.join(known)}.")
        try:
            share = float(number)
        except ValueError:
            share = -1.0
        if not 0.0 <= share <= 1.0:
            raise MisuseError("TA193", f"'{number}' is no share.", "Give a number from 0 to 1, or KIND=NUMBER.")
        found |= {kind: share} if separator else {one: share for one in known if one not in found}
    return found


def compare(
    models: ReadModels,
    covered: Sequence[ModelCoverage],
    universe: Universe | None,
    *,
    feasible: Universe | None = None,
    against: ReadModels | None = None,
    candidates: Sequence[ModelCoverage] = (),
    wanted: Mapping[str, float] | None = None,
    shown: int = 10,
    additions: int = 5,
    notes: Sequence[str] = (),
) -> CoverageReport:
    """Put together what a set of models covers.

    Args:
        models: that were read.
        covered: what each of them covers.
        universe: what could be covered.
        feasible: what rules make feasible, where that is asked for beside the universe.
        against: models that the universe was taken from.
        candidates: what each of these covers.
        wanted: least shares by kind.
        shown: the most missing items to name of each kind.
        additions: the most models to name that would add something.
        notes: what a reader should know of the universe.

    Raises:
        MisuseError: TA193 a share of nothing is asked for.
    """
    wanted = wanted or {}
    found = support(covered)
    if wanted and universe is None:
        raise MisuseError("TA193", "--fail-under is a share of what could be covered.", "Name that with --against.")
    return CoverageReport(
        models=[
            CountedModel(
                name=one.architecture.name,
                framework=one.architecture.framework,
                nodes=len(one.architecture.nodes),
                items={kind: len(items) for kind, items in coverage.items.items()},
                notes=list(one.architecture.notes),
            )
            for one, coverage in zip(models.models, covered, strict=True)
        ],
        kinds=[_kind(kind, covered, found, universe, feasible, wanted=wanted.get(kind), shown=shown) for kind in KINDS],
        universe=universe.name if universe is not None else None,
        universe_models=len(candidates),
        feasible=feasible.name if feasible is not None else None,
        unread=models.unread,
        unread_against=against.unread if against is not None else {},
        additions=best_additions(candidates, found, universe.items, additions) if universe is not None else [],
        notes=[*_notes(models, universe if feasible is None else feasible, against), *notes],
    )


def _kind(
    kind: str,
    covered: Sequence[ModelCoverage],
    found: Support,
    universe: Universe | None,
    feasible: Universe | None,
    *,
    wanted: float | None,
    shown: int,
) -> KindReport:
    curve = saturation(covered, kind)
    possible = None
    if feasible is not None and kind in feasible.kinds:
        within = feasible.share(kind, found[kind])
        possible = FeasibleShare(inside=within.inside, of=within.of, share=within.share)
    if universe is None or kind not in universe.kinds:
        return KindReport(kind=kind, covered=len(found[kind]), feasible=possible, saturation=curve)
    share = universe.share(kind, found[kind])
    return KindReport(
        kind=kind,
        covered=share.covered,
        inside=share.inside,
        of=share.of,
        share=share.share,
        wanted=wanted if share.of else None,
        missing=[MissingItem(item=item, models=count) for item, count in universe.missing(kind, found[kind], shown)],
        feasible=possible,
        saturation=curve,
    )


def _notes(models: ReadModels, universe: Universe | None, against: ReadModels | None) -> list[str]:
    ours = {one.architecture.framework for one in models.models}
    notes = []
    named = [{one.architecture.framework for one in against.models}] if against is not None else []
    if universe is not None and universe.framework is not None:
        named.append({universe.framework})
    for theirs in named:
        if not ours & theirs:
            notes.append(
                f"the models are {' and '.join(sorted(ours))}, the universe {' and '.join(sorted(theirs))}: their "
                "operators have no names in common; convert one to the other"
            )
    noted = [one.architecture for one in models.models if one.architecture.notes]
    if noted:
        rest = f"; {len(noted) - 1} more have notes, which the JSON report tells" if len(noted) > 1 else ""
        notes.append(f"{noted[0].name}: {noted[0].notes[0]}{rest}")
    return notes
