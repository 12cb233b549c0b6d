"""A file that runtimes take as the source: nothing is converted; it is judged across runtimes and their levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tautomer.checking.attempts import Bench
from tautomer.checking.interface import read_interface
from tautomer.checking.records import CheckpointRecord
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.sources import SourceFile
from tautomer.checking.validation import check_files
from tautomer.checking.verdicts import SourceTruth, Verdict, judge_checkpoint, values_of
from tautomer.model import ArtifactKind, Completed, Tensor
from tautomer.numerics.judge import Reference

_TRACE_TASK = "tautomer.adapters.onnx_files.traced_values:trace"


def unconverted(bench: Bench, source_file: SourceFile, source: SourceResult) -> Conversion:
    """The file itself as what runtimes get, an ONNX one checked by onnx.checker."""
    assert source.truth is not None
    if source_file.kind is not ArtifactKind.ONNX:
        return Conversion(
            verdicts=[],
            model=source_file.path,
            feeds={path: path for path in values_of(source.inputs[0])},
            output_names={path: path for path in source.truth.output_paths},
            interface=[],
            attempt=source.attempt,
            converted=False,
            kind=source_file.kind,
        )
    graph = read_interface(source_file.path)
    conversion = Conversion(
        verdicts=[],
        model=source_file.path,
        feeds={spec.name: spec.name for spec in graph.inputs},
        output_names={spec.name: spec.name for spec in graph.outputs},
        interface=[],
        attempt=source.attempt,
        converted=False,
        opset=graph.opset,
    )
    conversion.verdicts.append(check_files(bench, source_file.adapter.evaluation_host, conversion))
    return conversion


def with_trace(
    bench: Bench, source_file: SourceFile, source: SourceResult, judged: Path | None, *, seed: int
) -> SourceResult:
    """The answers of an .onnx file with a trace of its values, so that others are judged by its operators.

    Args:
        judged: an .onnx file that exists already and will be judged by them; None for one that is yet to be made.
    """
    if source.truth is None:
        return source
    attempt = bench.run(
        source_file.adapter.host,
        _TRACE_TASK,
        {
            "model": str(source_file.path),
            "inputs": [str(file) for file in source.inputs],
            "judged": str(judged) if judged is not None else None,
            "seed": seed,
        },
        label="trace of the reference",
    )
    if not isinstance(attempt, Completed):
        return source  # what is judged by it is then judged end to end
    folder = attempt.log.parent
    sets = [
        {**one, "trace": str(folder / file) if file and one["float64"] else None, "trace_reason": reason}
        for one, file, reason in zip(
            source.facts["sets"], attempt.result["traces"], attempt.result["reasons"], strict=True
        )
    ]
    held = {key: attempt.result[key] for key in ("constants", "scalars")}
    return replace(source, facts={**source.facts, **held, "sets": sets})


def judged_among_themselves(
    verdicts: Sequence[Verdict], truth: SourceTruth, conversion: Conversion
) -> tuple[SourceTruth, list[Verdict]]:
    """Where the specification's answer is not known, the first run that answered stands for it; the others are judged.

    Returns:
        What was judged against, and the verdicts. Numbers can then be found equal or different, but nothing says how
        much difference rounding explains.
    """
    if all(truth.sets):
        return truth, list(verdicts)
    sets = tuple(
        given or _answers([verdict.record for verdict in verdicts], index) for index, given in enumerate(truth.sets)
    )
    stand_in = SourceTruth(sets, truth.reasons)
    return stand_in, [judge_checkpoint(verdict.record, stand_in) for verdict in verdicts]


def _answers(records: Sequence[CheckpointRecord], index: int) -> dict[str, Reference]:
    for record in records:
        run = record.runs.get(("declared", index))
        if run is not None and run.values is not None:
            return {
                name: Reference(name, value)
                for name, value in values_of(run.values).items()
                if isinstance(value, Tensor)
            }
    return {}
