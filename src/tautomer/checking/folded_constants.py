"""How far the rounding of constants that a converter folded carries, where a residual may be nothing else."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench
from tautomer.checking.records import CheckpointRecord, ConstantRuns, add_runs
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.verdicts import judge_checkpoint
from tautomer.model import CheckSettings

CONSTANT_SAMPLES = 8
"""Runs with perturbed constants, made only where a residual may come from constants folded in float32."""


def evaluation_arguments(record: CheckpointRecord, source: SourceResult) -> dict[str, Any]:
    """Arguments of an evaluation task."""
    return {
        "model": str(record.path),
        "checkpoint": record.name,
        "inputs": [str(path) for path in source.inputs],
        "feeds": record.feeds,
        "opset_override": record.opset_override,
    }


def parents_of(conversion: Conversion, position: int) -> list[CheckpointRecord]:
    """The checkpoints before this one that hold another function, the last first: they may compute what it folded."""
    record = conversion.verdicts[position].record
    found: dict[str, CheckpointRecord] = {}
    for verdict in reversed(conversion.verdicts[:position]):
        one = verdict.record
        if one.path is not None and one.runs and verdict.judged and (one.digest is None or one.digest != record.digest):
            found.setdefault(one.digest or one.name, one)
    return list(found.values())


def explain_constants(
    bench: Bench,
    host: WarmHost,
    name: str,
    conversion: Conversion,
    source: SourceResult,
    *,
    settings: CheckSettings,
) -> None:
    """Where a residual is all that was found, ask how far the rounding of derived constants carries; judge again.

    Exact constants are tried first; only what they leave open is sampled with perturbed ones, which costs more.
    """
    assert source.truth is not None
    asked: dict[str, dict[int, ConstantRuns]] = {}
    for position, verdict in enumerate(conversion.verdicts):
        record = verdict.record
        if record.path is None or not verdict.semantic_fault or any(not run.error for run in record.fragments.values()):
            continue
        if record.constants:
            continue  # asked where it was the last link
        if any(judgement.strict for _, judgement in verdict.faults):
            continue
        key = record.digest or record.name
        if key in asked:
            record.constants = asked[key]
            conversion.verdicts[position] = judge_checkpoint(record, source.truth)
            continue
        parents = parents_of(conversion, position)
        for samples in (0, CONSTANT_SAMPLES):
            arguments = evaluation_arguments(record, source) | {
                "samples": samples,
                "own_constants": source.facts.get("constants", []),
                "own_scalars": source.facts.get("scalars", []),
                "own_doubles": source.facts.get("doubles", []),
                "parents": [{"path": str(one.path), "opset_override": one.opset_override} for one in parents],
                "seed": settings.seed,
            }
            attempt = bench.run(
                host,
                "tautomer.adapters.onnx_files.derived_constants:explain",
                arguments,
                label=f"constants {name} {record.name} {samples}",
            )
            add_runs(record, attempt.events)
            conversion.verdicts[position] = judge_checkpoint(record, source.truth)
            if not conversion.verdicts[position].semantic_fault:
                break
        asked[key] = record.constants
