"""An .onnx file judged against a reference: as a conversion of it, aligned by values where names say nothing."""

from __future__ import annotations

from pathlib import Path

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench
from tautomer.checking.fragments import judge_fragments
from tautomer.checking.pipeline import judge_given
from tautomer.checking.records import CheckpointRecord
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.validation import check_files
from tautomer.checking.verdicts import judge_checkpoint
from tautomer.model import CheckSettings, Completed

_ALIGN_TASK = "tautomer.adapters.onnx_files.comparison_alignment:align"


def judge_onnx(bench: Bench, host: WarmHost, model: Path, source: SourceResult, settings: CheckSettings) -> Conversion:
    """Judge a file operator by operator and end to end.

    Args:
        bench: where tasks run.
        host: a process that evaluates ONNX files.
        model: the file.
        source: the reference's answers.
        settings: of the comparison.
    """
    conversion = judge_given(bench, host, model, source, settings)
    record = conversion.verdicts[0].record
    deviating = any(run.error is None and not (run.sound and run.stable) for run in record.fragments.values())
    if deviating and source.truth is not None:
        hints = _alignment(bench, host, record, source)
        if hints is not None:
            again = judge_fragments(bench, host, record, source, hints=hints, seed=settings.seed)
            record.fragments |= {index: run for index, run in again.items() if run.error is None}
            conversion.verdicts[0] = judge_checkpoint(record, source.truth)
    conversion.verdicts.append(check_files(bench, host, conversion))
    return conversion


def _alignment(bench: Bench, host: WarmHost, record: CheckpointRecord, source: SourceResult) -> Path | None:
    """The file of an alignment by values and places; None where names tell, or where there is none."""
    folder = source.attempt.log.parent
    keys = (("trace", "trace"), ("s32", "s32"), ("s64", "float64"))
    references = [
        {key: str(folder / one[name]) for key, name in keys} if one.get("trace") else None
        for one in source.facts["sets"]
    ]
    attempt = bench.run(
        host,
        _ALIGN_TASK,
        {
            "model": str(record.path),
            "inputs": [str(path) for path in source.inputs],
            "feeds": record.feeds,
            "references": references,
        },
        label="alignment by values",
    )
    if not isinstance(attempt, Completed) or attempt.result["alignment"] is None:
        return None
    return Path(attempt.result["alignment"])
