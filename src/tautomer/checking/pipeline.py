"""The pipeline of one check: the source once, each converter once, each runtime on what each converter made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tautomer.adapters.protocols import Adapter, WarmHost
from tautomer.adapters.tie_file import read_ties
from tautomer.checking.attempts import Bench, describe
from tautomer.checking.folded_constants import evaluation_arguments, explain_constants, parents_of
from tautomer.checking.fragments import judge_fragments
from tautomer.checking.kernels import judge_kernels
from tautomer.checking.matching import match_interfaces
from tautomer.checking.progress import Listener
from tautomer.checking.records import (
    CheckpointRecord,
    RunRecord,
    add_runs,
    checkpoints_from,
    last_stage,
    unfinished_run,
)
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.validation import check_files
from tautomer.checking.verdicts import SourceTruth, Verdict, judge_checkpoint, values_of
from tautomer.model import Attempt, CheckSettings, Completed, Refused, Stage, Tensor
from tautomer.numerics.judge import Reference
from tautomer.numerics.ties import TieKeys


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
        plain, same = _Files.of(folder, one), _Files.of(folder, one.get("same_decisions"))
        ties = read_ties(folder, one.get("ties"))
        references = {}
        for path, value in declared.items():
            reference = plain.reference(path, value, ties.get(path))
            decided = same.reference(path, value, ties.get(path)) if one.get("same_decisions") else None
            references[path] = replace(reference, same_decisions=decided, decides=bool(facts.get("decides")))
        sets.append(references)
        reasons.append(one.get("reason"))
    truth = SourceTruth(tuple(sets), tuple(reasons))
    return SourceResult(truth, facts, tuple(folder / one["inputs"] for one in facts["sets"]), attempt)


@dataclass(frozen=True, slots=True)
class _Files:
    """The float64 answers of a source on one input set, and their envelope."""

    exact: Mapping[str, Any]
    variance: Mapping[str, Any]
    flips: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path, names: Mapping[str, Any] | None) -> _Files:
        def values(key: str) -> Mapping[str, Any]:
            return values_of(folder / names[key]) if names and names.get(key) else {}

        return cls(values("float64"), values("variance"), values("flips"))

    def reference(self, path: str, value: Any, ties: TieKeys | None) -> Reference:
        def array(values: Mapping[str, Any]) -> Any:
            found = values.get(path)
            return found.array if isinstance(found, Tensor) else None

        floating = isinstance(value, Tensor) and value.is_floating
        lifted = array(self.exact) if floating else None
        spread = array(self.variance)
        if lifted is not None and (spread is None or spread.shape != lifted.shape):
            spread = lifted.real * 0.0
        return Reference(path, value, lifted, spread, array(self.flips), ties)


def convert(
    bench: Bench,
    converter: Adapter,
    *,
    spec: Mapping[str, Any],
    source: SourceResult,
    settings: CheckSettings,
    listener: Listener,
    before: Conversion | None = None,
    host: WarmHost | None = None,
) -> Conversion:
    """Run one converter, evaluate what it made, and judge every checkpoint against the source.

    Args:
        spec: of what the converter takes: the source, or the model of the link before.
        before: the conversion whose model that is, where this is a further link of a chain: its checkpoints come first.
        host: where ONNX files are evaluated, if not where the converter says.
    """
    assert source.truth is not None
    host = host or converter.evaluation_host
    listener.stage(converter.name, "converting")
    arguments = {
        "spec": {**spec, "added_inputs": added_inputs(source)},
        "settings": {"opset": settings.opset, "options": dict(settings.options)},
        "expected": {
            "parameters_digest": source.facts.get("parameters_digest") if before is None else None,
            "inputs_digests": [one["inputs_digest"] for one in source.facts["sets"]],
            "output_paths": source.truth.output_paths,
        },
    }
    attempt = bench.run(converter.host, converter.task, arguments, label=f"convert {converter.name}")
    records = checkpoints_from(attempt.events)
    for record in records:
        add_runs(record, attempt.events)
    saved = next((record for record in records if record.name == converter.checkpoints[-1].name), None)
    if not isinstance(attempt, Completed):
        _attribute(records, converter, attempt, converted=saved is not None)
    for record in records:
        record.link = converter.name
        if before is not None:  # names are unique in a report, and two converters may call theirs alike
            record.name = f"{converter.name} {record.name}"
    conversion = Conversion(
        list(before.verdicts) if before is not None else [], None, {}, {}, [], attempt, opset_asked=settings.opset
    )
    conversion.links = (*before.links, converter.name) if before is not None else (converter.name,)
    match_interfaces(conversion, records, source, before)
    onnx_records = [record for record in records if record.path is not None]
    if onnx_records:
        listener.stage(converter.name, "evaluating checkpoints in float64")
        _evaluate(bench, host, converter.name, onnx_records, source)
    own = [judge_checkpoint(record, source.truth) for record in records]
    conversion.verdicts.extend(own)
    if saved is not None:
        conversion.model, conversion.kind = saved.artifact, saved.kind
        judge_by_operator(bench, host, conversion, source, settings)
        explain_constants(bench, host, converter.name, conversion, source, settings=settings)
        if conversion.graph is not None:
            checked = check_files(bench, host, conversion)
            checked.record.link = converter.name
            if before is not None:
                checked.record.name = f"{converter.name} {checked.record.name}"
            conversion.verdicts.append(checked)
    listener.done(converter.name, sum(verdict.record.seconds for verdict in own))
    return conversion


def judge_given(bench: Bench, host: WarmHost, model: Path, source: SourceResult, settings: CheckSettings) -> Conversion:
    """Judge an .onnx file that already exists as a conversion of a source that was run.

    Args:
        host: where the file is evaluated.
        model: the file; nothing is written beside it.

    Returns:
        A conversion with one checkpoint, `given`, which runtimes can be run on.
    """
    assert source.truth is not None
    record = CheckpointRecord("given", Stage.NODE_CONVERSION, model)
    conversion = Conversion([], model, {}, {}, [], None)
    match_interfaces(conversion, [record], source)
    _evaluate(bench, host, "given", [record], source)
    conversion.verdicts.append(judge_checkpoint(record, source.truth))
    judge_by_operator(bench, host, conversion, source, settings)
    explain_constants(bench, host, "given", conversion, source, settings=settings)
    return conversion


def added_inputs(source: SourceResult) -> list[dict[str, Any]]:
    """The input sets that the source's worker has found, for workers that load the model again."""
    return [
        {"name": one["name"], "origin": one["origin"], "file": str(file)}
        for one, file in zip(source.facts["sets"], source.inputs, strict=True)
        if one.get("added")
    ]


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


def _evaluate(
    bench: Bench,
    host: WarmHost,
    name: str,
    records: Sequence[CheckpointRecord],
    source: SourceResult,
) -> None:
    """Evaluate each distinct function once, in its own types and in float64."""
    first_with: dict[str, CheckpointRecord] = {}
    for record in records:
        if record.runs:
            continue  # it could not be read, which has been said
        earlier = first_with.get(record.digest or "")
        if earlier is not None:
            record.same_as = earlier.name
            record.runs = dict(earlier.runs)
            record.contradictions = earlier.contradictions
            continue
        attempt = bench.run(
            host,
            "tautomer.adapters.onnx_files.evaluation:evaluate",
            evaluation_arguments(record, source),
            label=f"evaluate {name} {record.name}",
        )
        add_runs(record, attempt.events)
        if isinstance(attempt, Refused) and "EvaluatorError" in " ".join(attempt.mro):
            error = {"type": attempt.error_type.rpartition(".")[2], "message": attempt.message}
            record.runs[("declared", 0)] = RunRecord.of_error(error)
        elif not isinstance(attempt, Completed):
            record.runs.setdefault(
                ("float64", 0),
                RunRecord.of_error({"type": "NotLiftable", "message": f"evaluation ended: {describe(attempt)}"}),
            )
        if record.digest is not None:
            first_with[record.digest] = record


def judge_by_operator(
    bench: Bench, host: WarmHost, conversion: Conversion, source: SourceResult, settings: CheckSettings
) -> None:
    """Judge what was saved operator by operator; where that finds something, the checkpoints before it, too.

    A checkpoint that deviates is then aligned with the help of one that does not, since they name values alike.
    """
    truth = source.truth
    assert truth is not None
    judged = {
        one.record.digest or one.record.name: one.record.fragments
        for one in conversion.verdicts
        if one.record.fragments  # those of the link before
    }

    def judge(position: int, hints: Path | None = None) -> bool:
        record = conversion.verdicts[position].record
        key = record.digest or record.name
        if key not in judged or hints is not None:
            parents = parents_of(conversion, position)
            judged[key] = judge_fragments(bench, host, record, source, parents=parents, hints=hints, seed=settings.seed)
        record.fragments = judged[key]
        conversion.verdicts[position] = judge_checkpoint(record, truth)
        unstable = conversion.verdicts[position].faulty and not all(run.stable for run in record.fragments.values())
        return not unstable and all(run.error is None and run.sound for run in record.fragments.values())

    positions = [index for index, verdict in enumerate(conversion.verdicts) if _is_runnable(verdict)]
    if not positions:
        return
    last_sound = judge(positions[-1])
    earlier = [index for index in positions[:-1] if not last_sound or conversion.verdicts[index].semantic_fault]
    sound = [index for index in earlier if judge(index)]
    if not last_sound and sound:
        runs = conversion.verdicts[sound[-1]].record.fragments
        hints = next((run.alignment for run in runs.values() if run.alignment is not None), None)
        if hints is not None:
            for index in [one for one in positions if one > sound[-1]]:
                judge(index, hints)


def _is_runnable(verdict: Verdict) -> bool:
    record = verdict.record
    return record.path is not None and any(run.values is not None for run in record.runs.values())


def run_runtime(
    bench: Bench,
    runtime: Adapter,
    conversion: Conversion,
    source: SourceResult,
    listener: Listener,
    *,
    label: str,
    executes: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[Verdict]:
    """Run a converted model in a runtime, at each of its levels, and judge it.

    Args:
        options: the runtime's own settings, where some were given.
        executes: a file that the runtime gets in the model's place, as if its kernels computed that: to measure how
            faults of kernels are found.
    """
    assert source.truth is not None
    verdicts = []
    for checkpoint in runtime.checkpoints:
        if checkpoint.in_between and conversion.converted:
            continue
        listener.stage(checkpoint.name, label)
        record = CheckpointRecord(
            checkpoint.name, checkpoint.stage, conversion.graph, output_names=conversion.output_names
        )
        attempt = bench.run(
            runtime.host,
            runtime.task,
            {
                "model": str(executes or conversion.model),
                "checkpoint": checkpoint.name,
                "inputs": [str(path) for path in source.inputs],
                "feeds": conversion.feeds,
                "level": checkpoint.level,
                # A runtime without settings of its own need not know the argument.
                **({"options": dict(options)} if options and runtime.levers else {}),
            },
            label=f"{checkpoint.name} {label}",
        )
        for event in attempt.events:
            if event.name == "loaded":
                record.add_cost(float(event.fields["seconds"]), int(event.fields["peak_memory_bytes"]))
        add_runs(record, attempt.events)
        if isinstance(attempt, Completed):
            record.facts = attempt.result or {}
        record.precision = [event for event in attempt.events if event.name == "precision"]
        record.stage = Stage.RUNTIME_EXECUTION
        if not isinstance(attempt, Completed):
            record.failure = attempt
            record.stage, record.doing = last_stage(attempt.events, checkpoint.stage)
        elif checkpoint.stage is Stage.RUNTIME_OPTIMIZATION:
            record.stage = Stage.RUNTIME_OPTIMIZATION
        record.varies = [name for event in attempt.events if event.name == "varies" for name in event.fields["outputs"]]
        verdict = judge_checkpoint(record, source.truth)
        verdicts.append(verdict)
        listener.done(checkpoint.name, record.seconds, verdict.outcome)
    return judge_kernels(bench, runtime, verdicts, conversion, source, executes=executes)
