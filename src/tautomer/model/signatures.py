"""What makes two failures the same failure."""

from __future__ import annotations

from dataclasses import dataclass

from tautomer.model.stages import Outcome, Stage
from tautomer.model.taxonomy import Kind, Symptom


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A failure without what may change while it stays the same one: names, sizes, numbers, paths.

    Attributes:
        outcome: `divergent` or `failed`.
        symptom: how it shows.
        stage: where it was caused.
        symptom_stage: where it surfaced.
        kind: which kind of wrong it is.
        operators: the source's operators at fault where they are known, else the target's operator types; sorted.
        said: the error's class and text, normalised; for a divergence which of its properties differ (`NaN positions`,
            `shape`), or empty.
    """

    outcome: Outcome
    symptom: Symptom
    stage: Stage
    symptom_stage: Stage
    kind: Kind
    operators: tuple[str, ...] = ()
    said: str = ""

    def is_same_failure(self, other: Signature) -> bool:
        """Whether two failures are the same one: all agree, and they share an operator where both name some."""
        share = not self.operators or not other.operators or bool({*self.operators} & {*other.operators})
        return share and (
            (self.outcome, self.symptom, self.stage, self.symptom_stage, self.kind, self.said)
            == (other.outcome, other.symptom, other.stage, other.symptom_stage, other.kind, other.said)
        )
