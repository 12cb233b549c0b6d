"""Which checkpoint of a conversion, or of a chain, is the first that deviates, and so which stage is to blame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tautomer.checking.results import Conversion
from tautomer.checking.verdicts import Verdict
from tautomer.model import Stage


@dataclass(frozen=True, slots=True)
class Blame:
    """Where a deviation was caused.

    Attributes:
        stage: the stage.
        verdict: the first checkpoint that shows it, where one does.
        evidence: how that is known.
        known: whether it is: where no checkpoint could be evaluated, the runtime is not at fault by exclusion.
    """

    stage: Stage
    verdict: Verdict | None
    evidence: str
    known: bool = True

    @property
    def link(self) -> str | None:
        """The converter whose checkpoint it is; None where none of them deviates."""
        return self.verdict.record.link if self.verdict is not None else None


def blame(steps: Sequence[Verdict], surfaced: Stage, index: int | None = None) -> Blame:
    """Walk back from the saved file while checkpoints deviate: the first of that run is where it was caused.

    With `index`, only what happens on that input set counts.

    Where the last checkpoint of the converter is sound, the runtime caused it. Metadata can move the blame further up:
    where a graph states a shape that its own values contradict and the optimizer then bakes it in, the optimizer is not
    at fault.
    """
    if steps and not any(verdict.judged for verdict in steps):
        stage = steps[0].stage if len(steps) == 1 else surfaced
        said = "no checkpoint could be evaluated: whether the file or the runtime is at fault is not known"
        return Blame(stage, None, said, known=False)
    first: Verdict | None = None
    for verdict in reversed(steps):
        if not verdict.judged:
            continue
        if not verdict.faulty_on(index):
            break
        first = verdict
    if first is None:
        judged = [number for number, verdict in enumerate(steps) if verdict.judged]
        unjudged = [verdict.name for verdict in steps[judged[-1] + 1 :]] if judged else []
        if unjudged:
            names = ", ".join(f"'{name}'" for name in unjudged)
            said = f"{names} could not be judged: whether the file or the runtime is at fault is not known"
            return Blame(surfaced, None, said, known=False)
        return Blame(surfaced, None, "every checkpoint of the converter computes the source's function")
    earlier = [verdict for verdict in steps[: list(steps).index(first)] if verdict.record.contradictions]
    if first.stage is Stage.OPTIMIZATION and earlier:
        fact = earlier[0].record.contradictions[0]
        evidence = (
            f"checkpoint '{earlier[0].name}' states shape {fact['stated']} for '{fact['value']}',"
            f" which has {fact['found']}; '{first.name}' relied on it"
        )
        return Blame(earlier[0].stage, first, evidence)
    return Blame(first.stage, first, f"'{first.name}' is the first checkpoint that deviates")


def earlier_link(conversion: Conversion, failing: str | None, stage: Stage) -> Blame | None:
    """Where a link of a chain fails on a model that an earlier one broke: what broke it."""
    steps = [
        verdict
        for verdict in conversion.verdicts
        if verdict.stage is not Stage.VALIDATION and verdict.record.link not in (None, failing)
    ]
    if not steps or not steps[-1].faulty:
        return None
    return blame(steps, stage)
