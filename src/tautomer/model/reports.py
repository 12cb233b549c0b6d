"""The result of a check: reports, checkpoints and findings, with the JSON report's field names (`tautomer/check/1`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tautomer.model.stages import EXIT_STATUS, Outcome, Stage, worst_exit_status
from tautomer.model.taxonomy import CauseCategory, Kind, Symptom

SCHEMA = "tautomer/check/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why a finding happened: the study's category, Tautomer's kind, and the evidence in a sentence."""

    category: CauseCategory
    kind: Kind
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where in the graphs a finding sits; empty where it is not known."""

    nodes: list[str] = field(default_factory=list)
    op_types: list[str] = field(default_factory=list)
    source_node: str | None = None
    source_line: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workaround:
    """A change that was run and made the failure go away."""

    description: str
    setting: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        outcome: `divergent` or `failed`.
        symptom: how it shows.
        stage: the stage that caused it.
        symptom_stage: the stage where it surfaced.
        cause: category, kind and evidence.
        location: nodes and source lines.
        message: what a person reads: what happened, where, expected and actual.
        code: stable code of the message.
        workaround: a verified one, or None.
        link: the converter that caused it, of one or of a chain; None where none of them did.
    """

    outcome: Outcome
    symptom: Symptom
    stage: Stage
    symptom_stage: Stage
    cause: Cause
    location: Location = field(default_factory=Location)
    message: str
    code: str
    workaround: Workaround | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointReport:
    """What one checkpoint showed.

    Attributes:
        name: of the checkpoint; unique in its report.
        stage: the stage it belongs to.
        outcome: of executing and judging it; `inconclusive` where it could not be executed or judged.
        semantic_residual_u: largest difference of the two functions in units of u = 2**-24 (float32) times each
            element's scale; None where it was not computed.
        rounding_ratio: largest difference over its bound; above 1 is a finding; None where not computed.
        stability_rho: target's error over the source's error, both against float64; None where not computed.
        seconds: wall-clock time spent making and running it.
        peak_memory_bytes: peak resident memory of the process that did.
        detail: one line for a person.
        link: the converter that it is a checkpoint of; None for a runtime's.
    """

    name: str
    stage: Stage
    outcome: Outcome
    semantic_residual_u: float | None = None
    rounding_ratio: float | None = None
    stability_rho: float | None = None
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    detail: str = ""
    link: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """How many seeded faults this check on these inputs would have caught."""

    mutants: int
    killed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallestPassing:
    """The smallest absolute tolerance (with rtol 0) and the smallest relative one (with atol 0) that would have passed.

    None where none would have: shapes, NaN positions or infinities differ.
    """

    atol: float | None
    rtol: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputReport:
    """One input set the model was compared on."""

    name: str
    role: str
    """`convert` for the set the model was converted with, `compare` for the others."""
    origin: str
    """Where it came from: `inputs()`, `run_inputs()`, a file name, or `seeded`."""
    tensors: list[dict[str, Any]] = field(default_factory=list)
    """Path, dtype, shape and digest of each tensor."""
    max_abs_difference: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One model through one converter into one runtime.

    The five fields after `outcome` mirror `findings[0]` and are None where nothing failed.
    """

    model: str
    converter: str | None
    runtime: str
    links: list[str] = field(default_factory=list)
    outcome: Outcome
    symptom: Symptom | None = None
    stage: Stage | None = None
    symptom_stage: Stage | None = None
    cause: Cause | None = None
    location: Location | None = None
    reason: str | None = None
    """Why the outcome is `inconclusive` or `not_run`."""
    findings: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    checkpoints: list[CheckpointReport] = field(default_factory=list)
    inputs: list[InputReport] = field(default_factory=list)
    worst_input: int | None = None
    """Index into `inputs` of the set on which target and source are furthest apart."""
    smallest_passing: SmallestPassing | None = None
    undecided: list[dict[str, Any]] = field(default_factory=list)
    not_exercised: list[str] = field(default_factory=list)
    power: Power | None = None
    log: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """Everything one `tautomer check` found: the document `--json` writes."""

    schema: str = SCHEMA
    run_id: str
    tautomer_version: str
    environment: dict[str, Any]
    settings: dict[str, Any]
    seed: int
    reports: list[Report]

    @property
    def outcome(self) -> Outcome:
        """The outcome of the worst report."""
        return next(report.outcome for report in self.reports if EXIT_STATUS[report.outcome] == self.exit_status)

    @property
    def exit_status(self) -> int:
        """0 equivalent, 1 a finding, 3 inconclusive, 4 not run; the worst of all reports."""
        return worst_exit_status([EXIT_STATUS[report.outcome] for report in self.reports])
