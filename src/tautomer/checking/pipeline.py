"""The pipeline of one check: the source once, each converter once, each runtime on what each converter made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tautomer.adapters.protocols import Adapter
from tautomer.checking.attempts import Bench, describe
from tautomer.checking.interface import InterfaceFault, frozen_dimensions, match_inputs, match_outputs, read_interface
from tautomer.checking.records import (
    CheckpointRecord,
    ConstantRuns,
    RunRecord,
    add_runs,
    checkpoints_from,
    last_stage,
    unfinished_run,
)
from tautomer.checking.verdicts import RunFault, SourceTruth, Verdict, judge_checkpoint, values_of
from tautomer.model import Attempt, CheckSettings, Completed, Outcome, Refused, Stage, Tensor
from tautomer.numerics.judge import Reference

CONSTANT_SAMPLES = 8
"""Runs with perturbed constants, made only where a residual may come from constants folded in float32."""


class Listener(Protocol):
    """Hears how a check goes on."""

    def stage(self, name: str, detail: str = "") -> None:
        """A step begins."""

    def done(self, name: str, seconds: float, outcome: str | None = None) -> None:
        """The step has ended."""


@dataclass(frozen=True, slots=True)
class SourceResult:
    """The source as its worker reported it.

    Attributes:
        truth: what it answers; None where the worker did not come to an end.
        facts: notes, digests, dynamic dimensions, scalars and constants of the source.
        inputs: files of input values, one an input set.
        attempt: how the worker ended.
    """

    truth: SourceTruth | None
    facts: Mapping[str, Any]
    inputs: tuple[Path, ...]
    attempt: Attempt


@dataclass(slots=True)
class Conversion:
    """What one converter made of the source.

    Attributes:
        verdicts: of its checkpoints in order, the checker's last.
        model: the file a runtime gets; None where there is none.
        feeds: graph input -> source path.
        output_names: graph output -> source path.
        interface: differences of interfaces.
        attempt: how the worker ended; None where nothing was converted.
        full_check: the message of the checker's shape inference where only that refused.
    """

    verdicts: list[Verdict]
    model: Path | None
    feeds: dict[str, str]
    output_names: dict[str, str]
    interface: list[InterfaceFault]
    attempt: Attempt | None
    full_check: str | None = None
    opset: int | None = None


def run_source(bench: Bench, adapter: Adapter, spec: Mapping[str, Any]) -> SourceResult:
    """Run the source on all its input sets.

    Raises:
        MisuseError: the user's code or inputs cannot be used.
    """
    attempt = bench.run(adapter.host, adapter.task, {"spec": dict(spec)}, label="source")
    if not isinstance(attempt, Completed):
        return SourceResult(None, {}, (), attempt)
    folder = attempt.log.parent
    facts = attempt.result
    sets, reasons = [], []
    for one in facts["sets"]:
        declared = values_of(folder / one["s32"]) if one.get("s32") else {}
        exact = values_of(folder / one["float64"]) if one.get("float64") else {}
        variance = values_of(folder / one["variance"]) if one.get("variance") else {}
        flips = values_of(folder / one["flips"]) if one.get("flips") else {}
        sets.append({path: _reference(path, value, exact, variance, flips) for path, value in declared.items()})
        reasons.append(one.get("reason"))
    truth = SourceTruth(tuple(sets), tuple(reasons))
    return SourceResult(truth, facts, tuple(folder / one["inputs"] for one in facts["sets"]), attempt)


def _reference(
    path: str, value: Any, exact: Mapping[str, Any], variance: Mapping[str, Any], flips: Mapping[str, Any]
) -> Reference:
    def array(values: Mapping[str, Any]) -> Any:
        found = values.get(path)
        return found.array if isinstance(found, Tensor) else None

    floating = isinstance(value, Tensor) and value.is_floating
    lifted = array(exact) if floating else None
    spread = array(variance)
    if lifted is not None and (spread is None or spread.shape != lifted.shape):
        spread = lifted.real * 0.0
    return Reference(path, value, lifted, spread, array(flips))


def convert(
    bench: Bench,
    converter: Adapter,
    *,
    spec: Mapping[str, Any],
    source: SourceResult,
    settings: CheckSettings,
    listener: Listener,
) -> Conversion:
    """Run one converter, evaluate what it made, and judge every checkpoint."""
    assert source.truth is not None
    listener.stage(converter.name, "converting")
    arguments = {
        "spec": dict(spec),
        "settings": {"opset": settings.opset, "options": dict(settings.options)},
        "expected": {
            "parameters_digest": source.facts.get("parameters_digest"),
            "inputs_digests": [one["inputs_digest"] for one in source.facts["sets"]],
            "output_paths": source.truth.output_paths,
        },
    }
    attempt = bench.run(converter.host, converter.task, arguments, label=f"convert {converter.name}")
    records = checkpoints_from(attempt.events)
    for record in records:
        add_runs(record, attempt.events)
    conversion = Conversion([], None, {}, {}, [], attempt)
    saved = next((record for record in records if record.name == converter.checkpoints[-1].name), None)
    if not isinstance(attempt, Completed):
        _attribute(records, converter, attempt, converted=saved is not None)
    onnx_records = [record for record in records if record.path is not None]
    if onnx_records:
        _match(conversion, onnx_records, records, source)
        listener.stage(converter.name, "evaluating checkpoints in float64")
        _evaluate(bench, converter, conversion, onnx_records, source)
    for record in records:
        names = conversion.output_names if record.path is not None else None
        conversion.verdicts.append(judge_checkpoint(record, source.truth, names))
    if saved is not None:
        conversion.model = saved.path
        _explain_constants(bench, converter, conversion, source, settings)
        conversion.verdicts.append(check_file(bench, converter, conversion))
    listener.done(converter.name, sum(verdict.record.seconds for verdict in conversion.verdicts))
    return conversion


def _attribute(records: list[CheckpointRecord], converter: Adapter, attempt: Attempt, *, converted: bool) -> None:
    """Say which checkpoint was being made, or run, when the worker ended."""
    running = unfinished_run(attempt.events)
    if running is not None:
        record = next(record for record in records if record.name == running)
        record.failure, record.doing = attempt, "running it"
        return
    stage, doing = last_stage(attempt.events, Stage.LOAD_MODEL)
    if converted:
        return
    seen = {record.name for record in records}
    missing = [one for one in converter.checkpoints if one.name not in seen]
    name = next((one.name for one in missing if one.stage is stage), missing[0].name if missing else "conversion")
    records.append(
        CheckpointRecord(
            name,
            stage,
            seconds=attempt.resources.seconds,
            peak_memory_bytes=attempt.resources.peak_memory_bytes,
            failure=attempt,
            doing=doing,
        )
    )


def _match(
    conversion: Conversion,
    onnx_records: Sequence[CheckpointRecord],
    records: Sequence[CheckpointRecord],
    source: SourceResult,
) -> None:
    """Compare interfaces and remember how the graph is fed."""
    assert source.truth is not None
    last = onnx_records[-1]
    assert last.path is not None
    graph = read_interface(last.path)
    conversion.opset = graph.opset
    captured = next((record.facts for record in records if "inputs" in record.facts), {})
    unused = [*source.facts.get("unused_inputs", ()), *captured.get("unused_inputs", ())]
    values = [(one["name"], values_of(file)) for one, file in zip(source.facts["sets"], source.inputs, strict=True)]
    matched = match_inputs(graph.inputs, values[0][1], captured.get("inputs", {}), unused)
    conversion.feeds = matched.feeds
    conversion.interface.extend(matched.faults)
    dynamic = source.facts.get("dynamic", [])
    for fault in frozen_dimensions(graph.inputs, matched.feeds, dynamic, values):
        conversion.interface.append(replace(fault, stage=_frozen_at(fault, records, matched.feeds)))
    conversion.output_names, faults = match_outputs(graph.outputs, source.truth.output_paths)
    conversion.interface.extend(faults)


def _frozen_at(fault: InterfaceFault, records: Sequence[CheckpointRecord], feeds: Mapping[str, str]) -> Stage:
    """The first stage whose checkpoint holds the dimension at one size."""
    assert fault.dimension is not None
    path, axis = fault.dimension
    for record in records:
        fixed = record.facts.get("fixed")
        if fixed is not None and str(axis) in fixed.get(path, {}):
            return record.stage
        if record.path is not None:
            for spec in read_interface(record.path).inputs:
                if feeds.get(spec.name) == path and spec.shape is not None and isinstance(spec.shape[axis], int):
                    return record.stage
    return Stage.EXPORT


def _evaluate(
    bench: Bench,
    converter: Adapter,
    conversion: Conversion,
    records: Sequence[CheckpointRecord],
    source: SourceResult,
) -> None:
    """Evaluate each distinct function once, in its own types and in float64."""
    first_with: dict[str, CheckpointRecord] = {}
    for record in records:
        earlier = first_with.get(record.digest or "")
        if earlier is not None:
            record.same_as = earlier.name
            record.runs = dict(earlier.runs)
            record.contradictions = earlier.contradictions
            continue
        attempt = bench.run(
            converter.host,
            "tautomer.adapters.onnx_files.evaluation:evaluate",
            evaluation_arguments(record, conversion.feeds, source),
            label=f"evaluate {converter.name} {record.name}",
        )
        add_runs(record, attempt.events)
        if isinstance(attempt, Refused) and "EvaluatorError" in " ".join(attempt.mro):
            error = {"type": attempt.error_type.rpartition(".")[2], "message": attempt.message}
            record.runs[("declared", 0)] = _error_run(error)
        elif not isinstance(attempt, Completed):
            record.runs.setdefault(
                ("float64", 0), _error_run({"type": "NotLiftable", "message": f"evaluation ended: {describe(attempt)}"})
            )
        if record.digest is not None:
            first_with[record.digest] = record


def _error_run(error: Mapping[str, Any]) -> RunRecord:
    return RunRecord(None, error, 0.0, 0)


def evaluation_arguments(record: CheckpointRecord, feeds: Mapping[str, str], source: SourceResult) -> dict[str, Any]:
    """Arguments of an evaluation task."""
    return {
        "model": str(record.path),
        "checkpoint": record.name,
        "inputs": [str(path) for path in source.inputs],
        "feeds": dict(feeds),
        "opset_override": record.opset_override,
    }


def _explain_constants(
    bench: Bench, converter: Adapter, conversion: Conversion, source: SourceResult, settings: CheckSettings
) -> None:
    """Where a residual is all that was found, ask how far the rounding of derived constants carries; judge again."""
    assert source.truth is not None
    asked: dict[str, dict[int, ConstantRuns]] = {}
    for position, verdict in enumerate(conversion.verdicts):
        record = verdict.record
        if record.path is None or not verdict.faults or any(judgement.strict for _, judgement in verdict.faults):
            continue
        if not verdict.semantic_fault:
            continue
        key = record.digest or record.name
        if key not in asked:
            before = [
                one.record for one in conversion.verdicts[:position] if one.record.path is not None and one.judged
            ]
            arguments = evaluation_arguments(record, conversion.feeds, source) | {
                "samples": CONSTANT_SAMPLES,
                "own_constants": source.facts.get("constants", []),
                "own_scalars": source.facts.get("scalars", []),
                "parents": [{"path": str(one.path), "opset_override": one.opset_override} for one in before[-1:]],
                "seed": settings.seed,
            }
            attempt = bench.run(
                converter.host,
                "tautomer.adapters.onnx_files.derived_constants:explain",
                arguments,
                label=f"constants {converter.name} {record.name}",
            )
            add_runs(record, attempt.events)
            asked[key] = record.constants
        record.constants = asked[key]
        conversion.verdicts[position] = judge_checkpoint(record, source.truth, conversion.output_names)


def check_file(bench: Bench, adapter: Adapter, conversion: Conversion) -> Verdict:
    """Run onnx.checker on the file."""
    record = CheckpointRecord("checker", Stage.VALIDATION, conversion.model)
    attempt = bench.run(
        adapter.host,
        "tautomer.adapters.onnx_files.checker:check_file",
        {"model": str(conversion.model)},
        label=f"checker {adapter.name}",
    )
    record.add_cost(attempt.resources.seconds, attempt.resources.peak_memory_bytes)
    verdict = Verdict(record)
    if not isinstance(attempt, Completed):
        record.failure = attempt
        verdict.outcome = Outcome.FAILED
    elif attempt.result["plain"]:
        verdict.outcome = Outcome.FAILED
        verdict.errors.append(_run_fault(attempt.result["plain"]))
    elif attempt.result["full"]:
        verdict.outcome = Outcome.FAILED
        verdict.errors.append(_run_fault(attempt.result["full"]))
        conversion.full_check = attempt.result["full"]
    return verdict


def _run_fault(message: str) -> RunFault:
    return RunFault(0, {"type": "ValidationError", "message": message})


def run_runtime(
    bench: Bench, runtime: Adapter, conversion: Conversion, source: SourceResult, listener: Listener, *, label: str
) -> list[Verdict]:
    """Run a converted model in a runtime, at each of its levels, and judge it."""
    assert source.truth is not None
    verdicts = []
    for checkpoint in runtime.checkpoints:
        listener.stage(checkpoint.name, label)
        record = CheckpointRecord(checkpoint.name, checkpoint.stage, conversion.model)
        attempt = bench.run(
            runtime.host,
            runtime.task,
            {
                "model": str(conversion.model),
                "checkpoint": checkpoint.name,
                "inputs": [str(path) for path in source.inputs],
                "feeds": conversion.feeds,
                "level": checkpoint.level,
            },
            label=f"{checkpoint.name} {label}",
        )
        for event in attempt.events:
            if event.name == "loaded":
                record.add_cost(float(event.fields["seconds"]), int(event.fields["peak_memory_bytes"]))
        add_runs(record, attempt.events)
        record.stage = Stage.RUNTIME_EXECUTION
        if not isinstance(attempt, Completed):
            record.failure = attempt
            record.stage, record.doing = last_stage(attempt.events, checkpoint.stage)
        elif checkpoint.stage is Stage.RUNTIME_OPTIMIZATION:
            record.stage = Stage.RUNTIME_OPTIMIZATION
        verdict = judge_checkpoint(record, source.truth, conversion.output_names)
        verdicts.append(verdict)
        listener.done(checkpoint.name, record.seconds, verdict.outcome)
    return verdicts
