"""Stages, outcomes and precisions: the words every other package shares."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """Where in a conversion something happened: the study's five converter stages, then the runtime's three.

    Source: Jajal et al., ISSTA 2024 (doi 10.1145/3650212.3680374), table 8, for the first five.
    """

    LOAD_MODEL = "load_model"
    NODE_CONVERSION = "node_conversion"
    OPTIMIZATION = "optimization"
    EXPORT = "export"
    VALIDATION = "validation"
    RUNTIME_LOAD = "runtime_load"
    RUNTIME_OPTIMIZATION = "runtime_optimization"
    RUNTIME_EXECUTION = "runtime_execution"


class Outcome(StrEnum):
    """What a comparison came to. What could not be judged is never `EQUIVALENT`."""

    EQUIVALENT = "equivalent"
    DIVERGENT = "divergent"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not_run"


EXIT_STATUS: dict[Outcome, int] = {
    Outcome.EQUIVALENT: 0,
    Outcome.DIVERGENT: 1,
    Outcome.FAILED: 1,
    Outcome.INCONCLUSIVE: 3,
    Outcome.NOT_RUN: 4,
}

_WORST_FIRST = (70, 2, 1, 3, 4, 0)


def worst_exit_status(statuses: list[int]) -> int:
    """The status that wins when several apply, in the order 70, 2, 1, 3, 4, 0."""
    return next((status for status in _WORST_FIRST if status in statuses), 0)


class Precision(StrEnum):
    """The arithmetic a trace was computed in: as the model declares it, or lifted to float64."""

    DECLARED = "declared"
    FLOAT64 = "float64"
