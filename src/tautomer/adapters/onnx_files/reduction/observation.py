"""What a case was seen to do, and whether that is the failure that is being reduced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tautomer.adapters.onnx_files.reduction.runtime_process import DiedInside, HungInside, RefusedModel
from tautomer.model import Kind, Outcome, Stage
from tautomer.model.failure_text import normalised
from tautomer.numerics.strict import Strictness

LEAST_SHARE = 0.01
"""A smaller case must exceed its bound by at least this share of what the first failing case does, ..."""

ENOUGH = 100.0
"""... or by this factor: rounding that just misses its bound is another failure than a wrong result."""


class Manner(StrEnum):
    """How a case fails."""

    SOUND = "sound"
    REFUSED = "refused"
    DIED = "died"
    HUNG = "hung"
    DIVERGENT = "divergent"
    UNDECIDED = "undecided"
    """The case itself is no model that means anything, or its exact answer cannot be computed."""


PROPERTIES: Mapping[Strictness, str] = {
    Strictness.SHAPE: "shape",
    Strictness.DTYPE: "type",
    Strictness.MISSING: "missing",
    Strictness.RANGE: "NaN or infinity",
    Strictness.SOURCE_RANGE: "NaN or infinity",
}
"""What a signature calls the property of an output that differs; empty for its numbers."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen.

    Attributes:
        manner: how the case fails.
        level: optimization level at which it does; every lower one that was tried is sound.
        phase: `load` or `run`, where the runtime gave no answer.
        said: the normalised error, the signal, or which property of an output differs.
        ratio: by how much a divergence exceeds its bound.
        kind: of a divergence from another graph: `semantic`, `stability` or `range`; else empty.
        text: for a person.
    """

    manner: Manner
    level: str = ""
    phase: str = ""
    said: str = ""
    ratio: float = 0.0
    kind: str = ""
    text: str = ""

    def is_failure(self) -> bool:
        """Whether it fails."""
        return self.manner not in (Manner.SOUND, Manner.UNDECIDED)

    def is_same(self, wanted: Observation) -> bool:
        """Whether it is the failure `wanted`."""
        return (
            (self.manner, self.level, self.phase, self.said, self.kind)
            == (wanted.manner, wanted.level, wanted.phase, wanted.said, wanted.kind)
        ) and (wanted.manner is not Manner.DIVERGENT or self.ratio >= max(1.0, min(LEAST_SHARE * wanted.ratio, ENOUGH)))


def of_ending(answer: RefusedModel | DiedInside | HungInside, level: str, names: Iterable[str]) -> Observation:
    """The observation of a runtime that gave no values.

    Args:
        answer: what it did.
        level: at which optimization level.
        names: of the model's nodes and values, which its messages may repeat.
    """
    if isinstance(answer, HungInside):
        return Observation(Manner.HUNG, level, answer.phase, text="it did not answer in time")
    if isinstance(answer, DiedInside):
        return Observation(Manner.DIED, level, answer.phase, answer.ending, text=f"the process died: {answer.ending}")
    said = f"{answer.error_type}: {normalised(without_names(answer.message, names))}"
    return Observation(Manner.REFUSED, level, answer.phase, said, text=f"{answer.error_type}: {answer.message}")


def without_names(message: str, names: Iterable[str]) -> str:
    """A message with the model's own names replaced, the longest first."""
    known = sorted({name for name in names if name}, key=lambda name: (-len(name), name))
    if not known:
        return message
    pattern = "|".join(re.escape(name) for name in known)
    return re.sub(rf"(?<![\w.])(?:{pattern})(?![\w.])", "NAME", message)


def wanted_from(failing: Mapping[str, Any], level: str) -> Observation | None:
    """The divergence a signature speaks of; None for other failures, which the model itself must show first.

    Args:
        failing: the fields of a `Signature`.
        level: the optimization level at which the runtime was seen to deviate.
    """
    if failing.get("outcome") != Outcome.DIVERGENT:
        return None
    if failing.get("kind") in (Kind.SEMANTIC, Kind.STABILITY, Kind.RANGE) and failing.get("stage") not in _OF_RUNTIME:
        return Observation(Manner.DIVERGENT, said=str(failing.get("said", "")), kind=str(failing["kind"]))
    unoptimized = failing.get("stage") != Stage.RUNTIME_OPTIMIZATION
    return Observation(Manner.DIVERGENT, "disabled" if unoptimized else level, said=str(failing.get("said", "")))


_OF_RUNTIME = frozenset({Stage.RUNTIME_LOAD, Stage.RUNTIME_OPTIMIZATION, Stage.RUNTIME_EXECUTION})
