"""An .onnx file as the source: nothing is converted; it is judged across runtimes and optimization levels."""

from __future__ import annotations

from collections.abc import Sequence

from tautomer.checking.attempts import Bench
from tautomer.checking.interface import read_interface
from tautomer.checking.records import CheckpointRecord
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.sources import SourceFile
from tautomer.checking.validation import check_files
from tautomer.checking.verdicts import SourceTruth, Verdict, judge_checkpoint, values_of
from tautomer.model import Tensor
from tautomer.numerics.judge import Reference


def unconverted(bench: Bench, source_file: SourceFile, source: SourceResult) -> Conversion:
    """The file itself as what runtimes get, checked by onnx.checker."""
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
    conversion.verdicts.append(check_files(bench, source_file.adapter.host, conversion))
    return conversion


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
