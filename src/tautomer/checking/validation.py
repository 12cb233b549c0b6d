"""Run onnx.checker on what a converter saved, and where it refuses, find the first checkpoint that it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench
from tautomer.checking.records import CheckpointRecord
from tautomer.checking.results import Conversion
from tautomer.checking.verdicts import RunFault, Verdict
from tautomer.model import Attempt, Completed, Outcome, Stage

_TASK = "tautomer.adapters.onnx_files.checker:check_file"


def check_files(bench: Bench, host: WarmHost, conversion: Conversion) -> Verdict:
    """Check the conversion's model.

    The verdict's record carries, as a fact, the stage of the first checkpoint that the plain check refuses.
    """
    assert conversion.graph is not None
    record = CheckpointRecord("checker", Stage.VALIDATION, conversion.graph)
    verdict = Verdict(record)
    attempt = _check(bench, host, conversion.graph, "checker")
    record.add_cost(attempt.resources.seconds, attempt.resources.peak_memory_bytes)
    if not isinstance(attempt, Completed):
        record.failure, verdict.outcome = attempt, Outcome.FAILED
        return verdict
    refusal = attempt.result["plain"] or attempt.result["full"]
    if refusal is None:
        return verdict
    verdict.outcome = Outcome.FAILED
    verdict.errors.append(RunFault(0, {"type": "ValidationError", "message": refusal}))
    if attempt.result["plain"]:
        record.facts = {"first_refused": _first_refused(bench, host, conversion)}
    else:
        conversion.full_check = refusal
    return verdict


def _check(bench: Bench, host: WarmHost, path: Path, label: str) -> Attempt:
    return bench.run(host, _TASK, {"model": str(path)}, label=label)


def _first_refused(bench: Bench, host: WarmHost, conversion: Conversion) -> dict[str, Any] | None:
    """Walk back from the saved file while the checker refuses; a graph whose opset label is stale is not asked.

    `every` says that there was none it accepts.
    """
    asked = [
        verdict.record
        for verdict in conversion.verdicts
        if verdict.record.path is not None
        and verdict.record.opset_override is None
        and verdict.stage is not Stage.VALIDATION
    ]
    found: dict[str, Any] | None = None
    for record in reversed(asked):
        if record.path != conversion.model:
            assert record.path is not None
            attempt = _check(bench, host, record.path, f"checker {record.name}")
            if not isinstance(attempt, Completed) or not attempt.result["plain"]:
                break
        found = {"checkpoint": record.name, "stage": str(record.stage), "every": record is asked[0]}
    return found
