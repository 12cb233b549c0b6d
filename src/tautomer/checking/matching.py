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
    stated_interface,
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
    known_outputs: Mapping[str, str]


def match_interfaces(
    conversion: Conversion,
    records: Sequence[CheckpointRecord],
    source: SourceResult,
    before: Conversion | None = None,
) -> None:
    """Match every checkpoint that has an interface; the differences of the last one are the conversion's.

    A difference is caused by the stage of the first checkpoint that shows it, those of the link before included. A file
    that cannot be read is recorded as a failed run of its checkpoint.

    Args:
        conversion: gets what the last checkpoint says.
        records: the checkpoints: ONNX files, or ones whose converter states an `interface`.
        source: what they are matched with.
        before: the conversion whose model these were made from, where they are a further link of a chain: it knows
            what that model's inputs and outputs stand for.
    """
    assert source.truth is not None
    captured = next((record.facts for record in records if "inputs" in record.facts), {})
    expected = _Expected(
        [(one["name"], values_of(file)) for one, file in zip(source.facts["sets"], source.inputs, strict=True)],
        {**(before.feeds if before is not None else {}), **captured.get("inputs", {})},
        [*source.facts.get("unused_inputs", ()), *captured.get("unused_inputs", ())],
        source.facts.get("dynamic", []),
        source.truth.output_paths,
        before.output_names if before is not None else {},
    )
    earlier = {fault.message: fault for fault in before.interface} if before is not None else {}
    first: dict[str, tuple[Stage | None, str | None]] = {
        message: (fault.stage, fault.link) for message, fault in earlier.items()
    }
    for record in records:
        if record.path is None and "interface" not in record.facts:
            continue
        try:
            if record.facts.get("unreadable"):
                raise ModelFileError("TA115", str(record.facts["unreadable"]))
            faults = _match(record, expected, conversion)
        except ModelFileError as error:
            record.runs[("declared", 0)] = RunRecord.of_error({"type": "UnreadableFile", "message": error.message})
            continue
        for fault in faults:
            shown = _captured_stage(fault, records) or record.stage
            first.setdefault(fault.message, (fault.stage or shown, record.link))
        conversion.feeds, conversion.output_names = record.feeds, record.output_names or {}
        conversion.interface[:] = [
            replace(fault, stage=first[fault.message][0], link=first[fault.message][1]) for fault in faults
        ]
    # What is no fault of the last model is still worth a word.
    said = {fault.message for fault in conversion.interface}
    conversion.interface.extend(one for one in earlier.values() if one.harmless and one.message not in said)


def _match(record: CheckpointRecord, expected: _Expected, conversion: Conversion) -> list[InterfaceFault]:
    graph = stated_interface(record.facts["interface"]) if record.path is None else read_interface(record.path)
    conversion.opset = graph.opset
    matched = match_inputs(graph.inputs, expected.values[0][1], expected.known, expected.unused)
    record.feeds = matched.feeds
    known = {**expected.known_outputs, **record.facts.get("outputs", {})}
    record.output_names, faults = match_outputs(graph.outputs, expected.outputs, known)
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
