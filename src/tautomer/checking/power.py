"""The measured power of a check: how many seeded faults this very check on these inputs would have caught."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench, describe
from tautomer.checking.records import CheckpointRecord
from tautomer.checking.results import Conversion, SourceResult
from tautomer.model import Completed, Event, Power

DEFAULT_COUNT = 120
DEFAULT_BUDGET_S = 120.0


@dataclass(frozen=True, slots=True)
class SeededFault:
    """One fault and what the check makes of it.

    Attributes:
        kind, family, nodes, op_types, description: of the fault (docs/reference/mutants.md).
        active: whether it changes what the model computes on these inputs; None where the mutant cannot be evaluated.
        caught: whether the judge finds it.
        why: what showed it, or why nothing did.
        input: index of the input set that showed it.
        semantic_residual_u, rounding_ratio: the judge's figures.
        open: whether there was no time to judge it operator by operator, which could take it for rounding.
    """

    kind: str
    family: str
    nodes: tuple[str, ...]
    op_types: tuple[str, ...]
    description: str
    active: bool | None
    caught: bool
    why: str
    input: int | None
    semantic_residual_u: float | None
    rounding_ratio: float | None
    open: bool = False


@dataclass(frozen=True, slots=True)
class KindCount:
    """How the faults of one kind fared: inert ones change nothing on these inputs."""

    kind: str
    active: int
    caught: int
    inert: int


@dataclass(frozen=True, slots=True)
class PowerReport:
    """The power of one check.

    Attributes:
        faults: every fault that was tried, in the order they were tried.
        sites: places for faults there are; `kinds` of them.
        seconds: that measuring took, `original_seconds` of it for evaluating the model itself once.
        stopped: why not all chosen faults were tried; None where they were.
        skipped: why nothing was measured; None where it was.
    """

    faults: tuple[SeededFault, ...]
    sites: int = 0
    kinds: int = 0
    seconds: float = 0.0
    original_seconds: float = 0.0
    stopped: str | None = None
    skipped: str | None = None

    @property
    def mutants(self) -> int:
        """Faults that change what the model computes on these inputs."""
        return sum(1 for fault in self.faults if fault.active)

    @property
    def killed(self) -> int:
        """Those of them that the check catches."""
        return sum(1 for fault in self.faults if fault.active and fault.caught)

    @property
    def survivors(self) -> tuple[SeededFault, ...]:
        """Those of them that it does not."""
        return tuple(fault for fault in self.faults if fault.active and not fault.caught)

    @property
    def inert(self) -> tuple[SeededFault, ...]:
        """Faults that these inputs cannot show: nothing they change reaches an output."""
        return tuple(fault for fault in self.faults if fault.active is False)

    @property
    def by_kind(self) -> tuple[KindCount, ...]:
        """Counts of each kind that was tried, by name."""
        names = sorted({fault.kind for fault in self.faults})
        return tuple(_counted(name, [fault for fault in self.faults if fault.kind == name]) for name in names)

    @property
    def power(self) -> Power | None:
        """The figures of the report; None where nothing was measured."""
        return None if self.skipped is not None else Power(mutants=self.mutants, killed=self.killed)

    def without_power(self) -> list[str]:
        """Where these inputs have no power, a sentence each: every survivor, then one inert fault of each kind."""
        sentences = [f"not noticed: {fault.description} ({fault.why})" for fault in self.survivors]
        by_kind: dict[str, list[SeededFault]] = {}
        for fault in self.inert:
            by_kind.setdefault(fault.kind, []).append(fault)
        for kind in sorted(by_kind):
            first, *others = by_kind[kind]
            more = f"; {len(others)} more of this kind" if others else ""
            sentences.append(f"no input shows: {first.description} ({first.why}{more})")
        return sentences


def _counted(kind: str, faults: Sequence[SeededFault]) -> KindCount:
    return KindCount(
        kind,
        active=sum(1 for fault in faults if fault.active),
        caught=sum(1 for fault in faults if fault.active and fault.caught),
        inert=sum(1 for fault in faults if fault.active is False),
    )


def measure(
    bench: Bench,
    host: WarmHost,
    conversion: Conversion,
    source: SourceResult,
    *,
    count: int = DEFAULT_COUNT,
    seed: int = 0,
    budget_s: float = DEFAULT_BUDGET_S,
) -> PowerReport:
    """Seed faults into what a converter made, and ask the judge which it would have caught.

    Args:
        bench: where tasks run.
        host: the process the task is forked from; the converter's, whose kernels are the fastest.
        conversion: with a model.
        source: that it was judged against.
        count: faults to seed.
        seed: of their choice.
        budget_s: seconds after which no further fault is tried.
    """
    if conversion.graph is None:
        made = "no model" if conversion.model is None else "no ONNX file, into which faults could be seeded"
        return PowerReport((), skipped=f"the converter made {made}")
    if source.truth is None:
        return PowerReport((), skipped="the source gave no answer")
    record, earlier = _records(conversion)
    attempt = bench.run(
        host,
        "tautomer.adapters.onnx_files.power:measure_power",
        {
            "model": str(conversion.model),
            "inputs": [str(path) for path in source.inputs],
            "feeds": conversion.feeds,
            "output_names": conversion.output_names,
            "references": _reference_files(source, record),
            "count": count,
            "seed": seed,
            "budget_s": budget_s,
            "opset_override": record.opset_override if record is not None else None,
            "own_constants": list(source.facts.get("constants", ())),
            "own_scalars": list(source.facts.get("scalars", ())),
            "parents": [{"path": str(one.path), "opset_override": one.opset_override} for one in earlier[-1:]],
            "own_doubles": list(source.facts.get("doubles", ())),
        },
        label="power",
    )
    faults = tuple(_faults(attempt.events))
    if not isinstance(attempt, Completed):
        ended = f"measuring ended early: {describe(attempt)}"
        return PowerReport(faults, stopped=ended if faults else None, skipped=None if faults else ended)
    result: Mapping[str, Any] = attempt.result
    return PowerReport(
        faults,
        sites=int(result.get("sites", 0)),
        kinds=int(result.get("kinds", 0)),
        seconds=float(result["seconds"]),
        original_seconds=float(result.get("original_seconds", 0.0)),
        stopped=result["stopped"],
        skipped=result["skipped"],
    )


def _records(conversion: Conversion) -> tuple[CheckpointRecord | None, list[CheckpointRecord]]:
    """The checkpoint that is the model, and the judged ONNX checkpoints before it that hold another graph."""
    records = [verdict.record for verdict in conversion.verdicts if verdict.record.path is not None]
    position = next((at for at, record in enumerate(records) if record.path == conversion.model), None)
    if position is None:
        return None, []
    model = records[position]
    judged = {verdict.record.name for verdict in conversion.verdicts if verdict.judged}
    before = [
        one for one in records[:position] if one.name in judged and (one.digest is None or one.digest != model.digest)
    ]
    return model, before


def _reference_files(source: SourceResult, record: CheckpointRecord | None) -> list[dict[str, Any]]:
    folder: Path = source.attempt.log.parent
    files: list[dict[str, Any]] = []
    for index, one in enumerate(source.facts["sets"]):
        kinds = ("s32", "float64", "variance", "flips", "trace")
        known: dict[str, Any] = {kind: str(folder / one[kind]) if one.get(kind) else None for kind in kinds}
        constants = record.constants.get(index) if record is not None else None
        operators = record.fragments.get(index) if record is not None else None
        known["constants_variance"] = str(constants.variance) if constants is not None else None
        known["alignment"] = str(operators.alignment) if operators is not None and operators.alignment else None
        known["settled"] = operators is not None and operators.error is None and operators.sound
        files.append(known)
    return files


def _faults(events: Iterable[Event]) -> Iterable[SeededFault]:
    for event in events:
        if event.name == "mutant":
            fields = event.fields
            yield SeededFault(
                kind=fields["kind"],
                family=fields["family"],
                nodes=tuple(fields["nodes"]),
                op_types=tuple(fields["op_types"]),
                description=fields["description"],
                active=fields["active"],
                caught=fields["caught"],
                why=fields["why"],
                input=fields["input"],
                semantic_residual_u=fields["semantic_residual_u"],
                rounding_ratio=fields["rounding_ratio"],
                open=fields["open"],
            )
