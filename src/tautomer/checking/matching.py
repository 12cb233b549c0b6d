"""Match each checkpoint's graph with the source: how it is fed, what its outputs stand for, and what does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tautomer.checking.interface import (
    InterfaceFault,
    frozen_dimensions,
    match_inputs,
    match_outputs,
    read_interface,
)
from tautomer.checking.records import CheckpointRecord, RunRecord
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.verdicts import SourceTruth, values_of
from tautomer.errors import ModelFileError
from tautomer.model import Stage, Tensor
from tautomer.numerics.judge import judge_declared


@dataclass(frozen=True, slots=True)
class _Expected:
    """What the source's interface is, and what the converter says of it."""

    values: Sequence[tuple[str, Mapping[str, Any]]]
    known: Mapping[str, str]
    unused: Sequence[str]
    dynamic: Sequence[Mapping[str, Any]]
    outputs: Sequence[str]


def match_interfaces(conversion: Conversion, records: Sequence[CheckpointRecord], source: SourceResult) -> None:
    """Match every ONNX checkpoint by its own graph; the differences of the last one are the conversion's.

    A difference is caused by the stage of the first checkpoint that shows it. A file that cannot be read is recorded as
    a failed run of its checkpoint.
    """
    assert source.truth is not None
    captured = next((record.facts for record in records if "inputs" in record.facts), {})
    expected = _Expected(
        [(one["name"], values_of(file)) for one, file in zip(source.facts["sets"], source.inputs, strict=True)],
        captured.get("inputs", {}),
        [*source.facts.get("unused_inputs", ()), *captured.get("unused_inputs", ())],
        source.facts.get("dynamic", []),
        source.truth.output_paths,
    )
    first_stage: dict[str, Stage] = {}
    for record in records:
        if record.path is None:
            continue
        try:
            if record.facts.get("unreadable"):
                raise ModelFileError("TA115", str(record.facts["unreadable"]))
            faults = _match(record, expected, conversion)
        except ModelFileError as error:
            record.runs[("declared", 0)] = RunRecord.of_error({"type": "UnreadableFile", "message": error.message})
            continue
        for fault in faults:
            first_stage.setdefault(fault.message, _captured_stage(fault, records) or record.stage)
        conversion.feeds, conversion.output_names = record.feeds, record.output_names or {}
        conversion.interface[:] = [replace(fault, stage=fault.stage or first_stage[fault.message]) for fault in faults]


def _match(record: CheckpointRecord, expected: _Expected, conversion: Conversion) -> list[InterfaceFault]:
    assert record.path is not None
    graph = read_interface(record.path)
    conversion.opset = graph.opset
    matched = match_inputs(graph.inputs, expected.values[0][1], expected.known, expected.unused)
    record.feeds = matched.feeds
    record.output_names, faults = match_outputs(graph.outputs, expected.outputs)
    frozen = frozen_dimensions(graph.inputs, matched.feeds, expected.dynamic, expected.values)
    return [*matched.faults, *frozen, *faults]


def _captured_stage(fault: InterfaceFault, records: Sequence[CheckpointRecord]) -> Stage | None:
    """The stage of the captured program where that already holds the dimension at one size."""
    if fault.dimension is None:
        return None
    path, axis = fault.dimension
    return next((record.stage for record in records if str(axis) in record.facts.get("fixed", {}).get(path, {})), None)


def exchanged_outputs(record: CheckpointRecord, truth: SourceTruth) -> dict[str, str]:
    """Outputs that are right in each other's places: path -> the path whose value stands there; empty if none."""
    names = record.output_names or {}
    values: dict[int, dict[str, Any]] = {}
    for (precision, index), run in record.runs.items():
        if precision == "declared" and run.values is not None:
            values[index] = {names.get(name, name): value for name, value in values_of(run.values).items()}

    def fits(path: str, reference_path: str) -> bool:
        return bool(values) and all(
            isinstance(found.get(path), Tensor)
            and not judge_declared(truth.sets[index][reference_path], found[path]).faulty
            for index, found in values.items()
        )

    wrong = [path for path in truth.output_paths if not fits(path, path)]
    exchanged = {path: next((other for other in wrong if other != path and fits(path, other)), "") for path in wrong}
    complete = len(wrong) > 1 and sorted(exchanged.values()) == sorted(wrong)
    return exchanged if complete else {}
