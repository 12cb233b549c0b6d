"""One `tautomer check`, from a file and settings to a report and a run folder."""

from __future__ import annotations

import contextlib
import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, WarmHost
from tautomer.checking.attempts import Bench, describe, failed_to_answer
from tautomer.checking.decisions import turned_decisions, undecided_decisions
from tautomer.checking.exercise import not_exercised
from tautomer.checking.findings import findings_of, source_failed, warnings_of
from tautomer.checking.onnx_models import judged_among_themselves, unconverted
from tautomer.checking.open_cases import with_open_cases
from tautomer.checking.pipeline import Listener, convert, run_runtime, run_source
from tautomer.checking.policy_notes import policy_warnings
from tautomer.checking.power import PowerReport, measure
from tautomer.checking.precision import precision_notes
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.sources import SourceFile, recognise, resolve_converters, resolve_runtimes, sample_files
from tautomer.checking.verdicts import Verdict, values_of
from tautomer.errors import InternalError, NotInstalledError
from tautomer.execution import Pool, RunFolder, Runner, RunStore
from tautomer.model import (
    ArtifactKind,
    CheckReport,
    CheckSettings,
    Finding,
    InputReport,
    Keep,
    Outcome,
    Report,
    Tensor,
)
from tautomer.model.report_json import decode, encode
from tautomer.numerics.tolerance import smallest_passing

_NAMED_VERSIONS = ("numpy", "onnx", "onnx-ir", "onnxruntime", "onnxscript", "openvino", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """A finished check.

    Attributes:
        report: what it found.
        kept_at: the run's folder; None where nothing was kept.
        models: by converter, where its model lies in the run's folder, if the run keeps models.
    """

    report: CheckReport
    kept_at: Path | None
    models: Mapping[str, Path] = field(default_factory=dict)


class _Silent:
    """Hears nothing."""

    def stage(self, name: str, detail: str = "") -> None:
        """Ignored."""

    def done(self, name: str, seconds: float, outcome: str | None = None) -> None:
        """Ignored."""


def run_check(
    model: Path, settings: CheckSettings, *, listener: Listener | None = None, runner: Runner | None = None
) -> CheckedRun:
    """Check one model through every converter and runtime asked for.

    Args:
        model: a model module, .pt2, TorchScript or .onnx file.
        settings: what to do.
        listener: hears the progress.
        runner: runs the tasks; a pool of its own where none is given. A pool that outlives a check keeps hosts warm.

    Raises:
        MisuseError: the arguments, the model or its inputs cannot be used.
        InternalError: a defect of Tautomer.
    """
    source_file = recognise(model, trust_pickle=settings.trust_pickle)
    converters = resolve_converters(source_file, settings.via)
    runtimes = resolve_runtimes(settings.to)
    files = sample_files(settings.inputs)
    store = RunStore(settings.run_dir)
    with store.create(source_file.path.stem) as folder, contextlib.ExitStack() as own:
        bench = Bench(own.enter_context(Pool()) if runner is None else runner, settings.limits, folder)
        return _checked(
            bench,
            source_file,
            converters=converters,
            runtimes=runtimes,
            files=files,
            settings=settings,
            listener=listener or _Silent(),
        )


def _checked(
    bench: Bench,
    source_file: SourceFile,
    *,
    converters: Sequence[Adapter | None],
    runtimes: Sequence[Adapter],
    files: Sequence[Path],
    settings: CheckSettings,
    listener: Listener,
) -> CheckedRun:
    spec = {
        "path": str(source_file.path),
        "kind": str(source_file.kind),
        "seed": settings.seed,
        "inputs": [str(file) for file in files],
        "trust_pickle": settings.trust_pickle,
        "search_inputs": settings.search_inputs,
    }
    models: dict[str, Path] = {}
    try:
        reports = _reports(
            bench,
            source_file,
            converters=converters,
            runtimes=runtimes,
            spec=spec,
            settings=settings,
            listener=listener,
            models=models,
        )
    finally:
        values_of.cache_clear()
    report = CheckReport(
        run_id=bench.run_folder.id,
        tautomer_version=version("tautomer"),
        environment=environment(),
        settings=settings_fields(source_file, converters, settings),
        seed=settings.seed,
        reports=reports,
    )
    report = _with_final_paths(report, bench.run_folder)
    return CheckedRun(report, _finish(bench.run_folder, report, settings.keep), models)


def _with_final_paths(report: CheckReport, folder: RunFolder) -> CheckReport:
    """The report with paths as they will be: messages of runtimes quote the folder in which the run is being built."""
    return decode(encode(report).replace(str(folder.path).encode(), str(folder.final_path).encode()))


def _finish(folder: RunFolder, report: CheckReport, keep: Keep) -> Path | None:
    folder.file("report.json").write_bytes(encode(report))
    if keep is Keep.NONE:
        folder.abandon()
        return None
    return folder.finish(keep=keep is Keep.ALL or report.exit_status != 0)


def _reports(
    bench: Bench,
    source_file: SourceFile,
    *,
    converters: Sequence[Adapter | None],
    runtimes: Sequence[Adapter],
    spec: Mapping[str, Any],
    settings: CheckSettings,
    listener: Listener,
    models: dict[str, Path],
) -> list[Report]:
    """The report of every pair; `models` gets what each converter made."""

    def pair(converter: Adapter | None, runtime: Adapter, **fields: Any) -> Report:
        name = converter.name if converter is not None else None
        return Report(
            model=source_file.path.name, converter=name, runtime=runtime.name, links=[name] if name else [], **fields
        )

    def for_all(**fields: Any) -> list[Report]:
        return [pair(converter, runtime, **fields) for converter in converters for runtime in runtimes]

    try:
        registry.require(source_file.adapter)
    except NotInstalledError as missing:
        return for_all(outcome=Outcome.NOT_RUN, reason=str(missing))
    listener.stage("source", "running the model")
    source = run_source(bench, source_file.adapter, spec)
    listener.done("source", source.attempt.resources.seconds)
    log = str(bench.run_folder.final(source.attempt.log))
    if source.truth is None:
        if not failed_to_answer(source.attempt):
            raise InternalError(
                "TA900", f"the source's task failed: {describe(source.attempt)}. Log:\n{source.attempt.log.read_text()}"
            )
        return for_all(log=log, **_fields_of([source_failed(source.attempt, log)], []))
    truth = source.truth
    if source_file.kind is not ArtifactKind.ONNX and not source.truth.output_paths:
        nothing = "the source has no tensor outputs: nothing can be compared"
        return for_all(outcome=Outcome.INCONCLUSIVE, reason=nothing, log=log)
    reports: list[Report] = []
    for converter in converters:
        try:
            if converter is not None:
                registry.require(converter)
        except NotInstalledError as missing:
            reports.extend(
                pair(converter, runtime, outcome=Outcome.NOT_RUN, reason=str(missing)) for runtime in runtimes
            )
            continue
        if converter is None:
            conversion = unconverted(bench, source_file, source)
        else:
            conversion = convert(bench, converter, spec=spec, source=source, settings=settings, listener=listener)
            if conversion.model is not None:
                models[converter.name] = bench.run_folder.final(conversion.model)
        host = (converter or source_file.adapter).host
        power = None
        if settings.power and conversion.model is not None:
            listener.stage("power", "seeding faults")
            power = measure(bench, host, conversion, source, seed=settings.seed)
        for runtime in runtimes:
            try:
                registry.require(runtime)
            except NotInstalledError as missing:
                reports.append(pair(converter, runtime, outcome=Outcome.NOT_RUN, reason=str(missing)))
                continue
            verdicts = []
            if conversion.model is not None:
                label = converter.name if converter is not None else source_file.path.name
                verdicts = run_runtime(bench, runtime, conversion, source, listener, label=label)
            if converter is None:
                truth, verdicts = judged_among_themselves(verdicts, truth, conversion)
                source = replace(source, truth=truth)
            reports.append(pair(converter, runtime, **_judged(bench, host, source, conversion, verdicts, power=power)))
    return reports


def _judged(
    bench: Bench,
    host: WarmHost,
    source: SourceResult,
    conversion: Conversion,
    runtime: Sequence[Verdict],
    *,
    power: PowerReport | None,
) -> dict[str, Any]:
    """The fields of a report whose pair was run.

    Args:
        host: a process that can evaluate ONNX files.
    """
    assert source.truth is not None
    training = list(source.facts.get("training_operators", ()))
    findings = with_open_cases(
        findings_of(conversion, runtime, source.truth, training),
        bench=bench,
        host=host,
        conversion=conversion,
        source=source,
        runtime=runtime,
    )
    varying = {one["varies"] for one in source.facts.get("nondeterministic", ())}
    if varying & {"nondeterministic", "uninitialised memory"}:
        # Values that change from run to run say nothing about a conversion; that something fails does.
        findings = [one for one in findings if one.outcome is Outcome.FAILED]
    reasons = _reasons(source, conversion, runtime)
    log = conversion.attempt.log if conversion.attempt is not None else source.attempt.log
    failed = next((verdict.record.failure for verdict in runtime if verdict.record.failure is not None), None)
    if failed is not None:
        log = failed.log
    worst, differences = _differences(source, runtime, conversion)
    precision = precision_notes(event for verdict in runtime for event in verdict.record.precision)
    warnings = [*source.facts.get("notes", ()), *warnings_of(conversion, runtime), *precision]
    if power is not None:
        warnings.extend(said for said in (power.skipped, power.stopped) if said)
    warnings.extend(policy_warnings(runtime, source.truth, conversion.output_names))
    if training:
        warnings.append(f"the source acts as in training: {', '.join(training[:3])}")
    return {
        **_fields_of(findings, reasons),
        "warnings": warnings,
        "checkpoints": [verdict.report() for verdict in [*conversion.verdicts, *runtime]],
        "inputs": _input_reports(source, differences),
        "worst_input": worst,
        "smallest_passing": _smallest_passing(source, runtime, conversion),
        "undecided": [*undecided_decisions(source), *(one for verdict in runtime for one in verdict.undecided)],
        "power": power.power if power is not None else None,
        "not_exercised": [
            *not_exercised(source.facts.get("exercised", ()), source.facts.get("sizes", ())),
            *(power.without_power() if power is not None else ()),
        ],
        "log": str(bench.run_folder.final(log)),
    }


def _fields_of(findings: list[Finding], reasons: list[str]) -> dict[str, Any]:
    """Outcome, findings and what mirrors the first of them."""
    if not findings:
        outcome = Outcome.INCONCLUSIVE if reasons else Outcome.EQUIVALENT
        return {"outcome": outcome, "reason": reasons[0] if reasons else None}
    first = findings[0]
    return {
        "outcome": first.outcome,
        "symptom": first.symptom,
        "stage": first.stage,
        "symptom_stage": first.symptom_stage,
        "cause": first.cause,
        "location": first.location,
        "findings": findings,
    }


def _reasons(source: SourceResult, conversion: Conversion, runtime: Sequence[Verdict]) -> list[str]:
    """Why the pair cannot be called equivalent although nothing was found."""
    assert source.truth is not None
    reasons: list[str] = [one["message"] for one in source.facts.get("nondeterministic", ())]
    reasons.extend(reason for reason in source.truth.reasons if reason)
    for verdict in runtime:
        reasons.extend(verdict.reasons)
        reasons.extend(turned_decisions(source, verdict))
    saved = next((verdict for verdict in reversed(conversion.verdicts) if verdict.record.name != "checker"), None)
    if saved is not None:
        reasons.extend(saved.reasons)
    return list(dict.fromkeys(reasons))


def _differences(
    source: SourceResult, runtime: Sequence[Verdict], conversion: Conversion
) -> tuple[int | None, dict[int, float]]:
    """The input set on which target and source are furthest apart, and the largest difference on each."""
    severity: dict[int, float] = {}
    largest: dict[int, float] = {}
    verdicts = runtime or conversion.verdicts
    last = verdicts[-1] if verdicts else None  # what is deployed
    for verdict in verdicts:
        for index, judgement in verdict.judgements:
            if verdict is last:
                largest[index] = max(largest.get(index, 0.0), judgement.max_abs or 0.0)
            weight = float("inf") if judgement.strict else (judgement.rounding_ratio or 0.0)
            severity[index] = max(severity.get(index, 0.0), weight)
        for fault in verdict.errors:
            severity[fault.index] = float("inf")
    worst = max(severity, key=lambda index: (severity[index], largest.get(index, 0.0)), default=None)
    return worst, largest


def _input_reports(source: SourceResult, differences: Mapping[int, float]) -> list[InputReport]:
    reports = []
    for index, (one, file) in enumerate(zip(source.facts["sets"], source.inputs, strict=True)):
        tensors = [
            {
                "path": path,
                "dtype": value.dtype,
                "shape": list(value.shape),
                "digest": hashlib.blake2b(
                    value.array.tobytes() if value.dtype != "string" else repr(value.array).encode(), digest_size=16
                ).hexdigest(),
            }
            for path, value in values_of(file).items()
            if isinstance(value, Tensor)
        ]
        reports.append(
            InputReport(
                name=one["name"],
                role="convert" if index == 0 else "compare",
                origin="; ".join([one["origin"], *one.get("adds", ())]),
                tensors=tensors,
                max_abs_difference=differences.get(index),
            )
        )
    return reports


def _smallest_passing(source: SourceResult, runtime: Sequence[Verdict], conversion: Conversion) -> Any:
    """Over everything the runtime's last checkpoint computed; None where it computed nothing."""
    assert source.truth is not None
    if not runtime:
        return None
    pairs: list[tuple[Any, Any]] = []
    for (precision, index), run in runtime[-1].record.runs.items():
        if precision != "declared" or run.values is None or index >= len(source.truth.sets):
            continue
        named = {conversion.output_names.get(name, name): value for name, value in values_of(run.values).items()}
        pairs.extend((reference.declared, named.get(path)) for path, reference in source.truth.sets[index].items())
    return smallest_passing(pairs) if pairs else None


def environment() -> dict[str, Any]:
    """What repeats a run: interpreter, platform and the versions of what computes."""
    versions = {}
    for name in _NAMED_VERSIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": versions}


def settings_fields(
    source_file: SourceFile, converters: Sequence[Adapter | None], settings: CheckSettings
) -> dict[str, Any]:
    """Settings as JSON values."""
    return {
        "model": str(source_file.path),
        "kind": str(source_file.kind),
        "via": [converter.name for converter in converters if converter is not None],
        "to": list(settings.to),
        "inputs": str(settings.inputs) if settings.inputs else None,
        "opset": settings.opset,
        "options": dict(settings.options),
        "power": settings.power,
        "timeout_s": settings.limits.timeout_s,
        "memory_bytes": settings.limits.memory_bytes,
        "trust_pickle": settings.trust_pickle,
        "search_inputs": settings.search_inputs,
        "source_is_onnx": source_file.kind is ArtifactKind.ONNX,
    }
