"""What the workers reported about one conversion, before anything is judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tautomer.checking.fragment_records import FragmentRun
from tautomer.model import ArtifactKind, Attempt, Event, Stage


@dataclass(slots=True)
class RunRecord:
    """One execution of one checkpoint on one input set: a file of values, or an error."""

    values: Path | None
    error: Mapping[str, Any] | None
    seconds: float
    peak_memory_bytes: int

    @classmethod
    def of_error(cls, error: Mapping[str, Any]) -> RunRecord:
        """A run that ended before it began."""
        return cls(None, error, 0.0, 0)


@dataclass(frozen=True, slots=True)
class ConstantRuns:
    """Files of a checkpoint's outputs in float64 with exact constants, and of their deviation under perturbed ones."""

    exact: Path
    variance: Path


@dataclass(frozen=True, slots=True)
class NodeFault:
    """A node whose result is off by more than its operator's kernels may be."""

    node: str
    op_type: str
    ratio: float
    text: str


@dataclass(slots=True)
class CheckpointRecord:
    """One checkpoint as the workers saw it.

    Attributes:
        name, stage, digest, opset_override, facts: as reported.
        path: the file where it is an ONNX one: what can be evaluated, read and located in.
        runs: by (precision, index of the input set).
        failure: the attempt that ended while this checkpoint was being made or run.
        doing: what was being done when it failed.
        same_as: an earlier checkpoint that holds the same function, whose runs stand for this one's.
        contradictions: values whose shape is not the one the graph states.
        feeds: graph input -> source path, of this checkpoint's own graph.
        output_names: graph output -> source path.
        constants: by input set, the outputs with exact constants, and their deviation when derived ones are perturbed.
        fragments: by input set, what judging operator by operator gave.
        precision: what a runtime said about the precision it computes in.
        varies: outputs that were not the same when a runtime ran the first input set again.
        node_faults: nodes of a runtime that miss the error bound of their operator, in the order of the graph.
        artifact: the file, of whatever kind; None where the state lived only in its worker.
        kind: what the file is.
        link: the converter it is a checkpoint of; None for a runtime's.
    """

    name: str
    stage: Stage
    path: Path | None = None
    digest: str | None = None
    opset_override: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    runs: dict[tuple[str, int], RunRecord] = field(default_factory=dict)
    failure: Attempt | None = None
    doing: str | None = None
    same_as: str | None = None
    contradictions: list[Mapping[str, Any]] = field(default_factory=list)
    feeds: dict[str, str] = field(default_factory=dict)
    output_names: dict[str, str] | None = None
    constants: dict[int, ConstantRuns] = field(default_factory=dict)
    fragments: dict[int, FragmentRun] = field(default_factory=dict)
    precision: list[Event] = field(default_factory=list)
    varies: list[str] = field(default_factory=list)
    node_faults: list[NodeFault] = field(default_factory=list)
    artifact: Path | None = None
    kind: ArtifactKind = ArtifactKind.ONNX
    link: str | None = None

    @property
    def made(self) -> bool:
        """Whether the checkpoint exists."""
        return self.failure is None or bool(self.runs) or self.path is not None or self.artifact is not None

    def add_cost(self, seconds: float, peak_memory_bytes: int) -> None:
        """Count time and memory toward this checkpoint."""
        self.seconds += seconds
        self.peak_memory_bytes = max(self.peak_memory_bytes, peak_memory_bytes)


def checkpoints_from(events: Iterable[Event]) -> list[CheckpointRecord]:
    """The checkpoints a converter reported, in order."""
    return [_checkpoint(event.fields) for event in events if event.name == "checkpoint"]


def _checkpoint(fields: Mapping[str, Any]) -> CheckpointRecord:
    kind = ArtifactKind(fields.get("kind", ArtifactKind.ONNX))
    artifact = Path(fields["path"]) if fields.get("path") else None
    return CheckpointRecord(
        name=fields["checkpoint"],
        stage=Stage(fields["stage"]),
        path=artifact if kind is ArtifactKind.ONNX else None,
        digest=fields.get("digest"),
        opset_override=fields.get("opset_override"),
        facts=fields.get("facts", {}),
        seconds=float(fields.get("seconds", 0.0)),
        peak_memory_bytes=int(fields.get("peak_memory_bytes", 0)),
        artifact=artifact,
        kind=kind,
    )


def add_runs(record: CheckpointRecord, events: Iterable[Event]) -> None:
    """Add to a checkpoint the runs, contradictions and constant deviations that events report of it."""
    for event in events:
        fields = event.fields
        if fields.get("checkpoint") != record.name:
            continue
        if event.name == "run":
            run = RunRecord(
                Path(fields["values"]) if fields.get("values") else None,
                fields.get("error"),
                float(fields.get("seconds", 0.0)),
                int(fields.get("peak_memory_bytes", 0)),
            )
            record.runs[(fields["precision"], int(fields["input"]))] = run
            record.add_cost(run.seconds, run.peak_memory_bytes)
        elif event.name == "contradiction":
            record.contradictions.append(fields)
        elif event.name == "constants" and fields.get("exact"):
            record.constants[int(fields["input"])] = ConstantRuns(Path(fields["exact"]), Path(fields["variance"]))


def last_stage(events: Iterable[Event], default: Stage) -> tuple[Stage, str]:
    """The stage a worker had last begun, and what it was doing."""
    stage, doing = default, "starting"
    for event in events:
        if event.name == "stage":
            stage, doing = Stage(event.fields["stage"]), str(event.fields.get("doing", ""))
    return stage, doing


def unfinished_run(events: Iterable[Event]) -> str | None:
    """The checkpoint whose run had begun and not ended."""
    running: str | None = None
    for event in events:
        if event.name == "run.begin":
            running = str(event.fields["checkpoint"])
        elif event.name == "run":
            running = None
    return running
