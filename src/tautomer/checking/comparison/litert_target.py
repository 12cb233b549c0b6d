"""A .tflite file judged against a reference: its interface matched, and run in LiteRT's reference kernels."""

from __future__ import annotations

import re
from pathlib import Path

from tautomer.adapters.runtimes.litert_runtime import ADAPTER
from tautomer.checking.attempts import Bench
from tautomer.checking.matching import match_interfaces
from tautomer.checking.records import CheckpointRecord, add_runs
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.verdicts import judge_checkpoint
from tautomer.model import ArtifactKind, Completed, Stage

_DESCRIBE = "tautomer.adapters.runtimes.litert_interface:describe"
_NUMBERED = re.compile(r"output_(\d+)")


def judge_tflite(bench: Bench, model: Path, source: SourceResult) -> Conversion:
    """Judge a file end to end: nothing shows its operators, and it is computed in its own types alone.

    Raises:
        ModelFileError: the file cannot be read.
    """
    assert source.truth is not None
    record = CheckpointRecord("given", Stage.NODE_CONVERSION, artifact=model, kind=ArtifactKind.TFLITE)
    conversion = Conversion([], model, {}, {}, [], None, kind=ArtifactKind.TFLITE)
    described = bench.run(ADAPTER.host, _DESCRIBE, {"model": str(model)}, label="interface of the judged")
    if not isinstance(described, Completed):
        record.failure = described
    else:
        record.facts = {
            "interface": described.result,
            "outputs": _numbered([one["name"] for one in described.result["outputs"]], source.truth.output_paths),
        }
        match_interfaces(conversion, [record], source)
        attempt = bench.run(
            ADAPTER.host,
            ADAPTER.task,
            {
                "model": str(model),
                "checkpoint": record.name,
                "inputs": [str(path) for path in source.inputs],
                "feeds": conversion.feeds,
                "level": ADAPTER.checkpoints[0].level,
            },
            label="given",
        )
        add_runs(record, attempt.events)
        if not isinstance(attempt, Completed):
            record.failure = attempt
    conversion.verdicts.append(judge_checkpoint(record, source.truth))
    return conversion


def _numbered(names: list[str], paths: list[str]) -> dict[str, str]:
    """What Keras's own names of outputs stand for: they count them, and LiteRT gives them in another order."""
    numbers = {name: int(found.group(1)) for name in names if (found := _NUMBERED.fullmatch(name))}
    if len(numbers) < len(names) or sorted(numbers.values()) != list(range(len(paths))):
        return {}
    return {name: paths[number] for name, number in numbers.items()}
