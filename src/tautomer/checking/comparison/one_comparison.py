"""One `tautomer compare`, from two files and settings to a report and a run folder."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter
from tautomer.adapters.runtimes.onnx_host import EVALUATION_HOST, ONNX_HOST
from tautomer.adapters.torch_host import TORCH_HOST
from tautomer.checking.attempts import Bench, describe, failed_to_answer
from tautomer.checking.comparison.litert_target import judge_tflite
from tautomer.checking.comparison.onnx_target import judge_onnx
from tautomer.checking.comparison.reference import Artefact, answers, traced
from tautomer.checking.comparison.torch_target import RUNTIME, every_fault, judge_program
from tautomer.checking.findings import source_failed
from tautomer.checking.formats import RangeReport
from tautomer.checking.one_check import CheckedRun, Silent, environment, finished
from tautomer.checking.onnx_models import judged_among_themselves, unconverted
from tautomer.checking.onnx_modules import ModuleEndedError, written_out
from tautomer.checking.pair_report import Besides, measured_besides, outcome_fields, pair_fields
from tautomer.checking.pipeline import run_runtime
from tautomer.checking.progress import Listener
from tautomer.checking.results import SourceResult
from tautomer.checking.sources import SourceFile, recognise, resolve_runtimes, sample_files
from tautomer.checking.verdicts import values_of
from tautomer.errors import InternalError, MisuseError, NotInstalledError
from tautomer.execution import Pool, Runner, RunStore
from tautomer.model import ArtifactKind, Attempt, CheckReport, CheckSettings, Outcome, Report


def run_comparison(
    reference: Path,
    judged: Path,
    settings: CheckSettings,
    *,
    listener: Listener | None = None,
    runner: Runner | None = None,
) -> CheckedRun:
    """Judge one existing artefact against another.

    Args:
        reference: a model module, .pt2, TorchScript or .onnx file: what it computes is right.
        judged: the other: is it the same function, and does it lose no more accuracy?
        settings: what to do; `via`, `opset` and `options`, which are a converter's, have no meaning here.
        listener: hears the progress.
        runner: runs the tasks; a pool of its own where none is given.

    Raises:
        MisuseError: the arguments, the models or their inputs cannot be used.
        InternalError: a defect of Tautomer.
    """
    files = [recognise(path, trust_pickle=settings.trust_pickle) for path in (reference, judged)]
    runtimes = _runtimes(files[1], settings)
    samples = sample_files(settings.inputs)
    store = RunStore(settings.run_dir)
    with store.create(f"{reference.stem} {judged.stem}") as folder, contextlib.ExitStack() as own:
        bench = Bench(own.enter_context(Pool()) if runner is None else runner, settings.limits, folder)
        hearer = listener or Silent()
        try:
            built = [written_out(bench, file, seed=settings.seed) for file in files]
        except ModuleEndedError as ended:
            first, second = (Artefact.of(file, settings, samples) for file in files)
            reports = _Comparison(bench, first, second, settings, hearer).of_one_that_ended(runtimes, ended.attempt)
        else:
            samples = samples or next((sample_files(made) for _, made in built if made is not None), [])
            first, second = (Artefact.of(file, settings, samples) for file, _ in built)
            try:
                reports = _Comparison(bench, first, second, settings, hearer).reports(runtimes, samples)
            finally:
                values_of.cache_clear()
        report = CheckReport(
            run_id=folder.id,
            tautomer_version=version("tautomer"),
            environment=environment(),
            settings=_settings_fields(first, second, settings, runtimes),
            seed=settings.seed,
            reports=reports,
        )
        return finished(folder, report, settings.keep, {})


def _runtimes(judged: SourceFile, settings: CheckSettings) -> list[Adapter]:
    """The runtimes that the judged artefact is run in.

    Raises:
        MisuseError: TA148 one does not take it; TA157 it is a model that cannot be judged in a comparison.
    """
    if judged.kind in (ArtifactKind.TENSORFLOW_MODULE, ArtifactKind.SAVED_MODEL, ArtifactKind.KERAS_FILE):
        raise MisuseError(
            "TA157",
            f"{judged.path.name} is a model of TensorFlow: it can be the reference of a comparison alone.",
            "Name it first, or compare what it was converted to.",
        )
    kinds = (ArtifactKind.ONNX, ArtifactKind.TFLITE)
    runtimes = resolve_runtimes(settings.to, judged.kind if judged.kind in kinds else ArtifactKind.ONNX)
    unfit = next((one for one in runtimes if judged.kind in kinds and judged.kind not in one.accepts), None)
    if unfit is not None:
        raise MisuseError(
            "TA148",
            f"runtime '{unfit.name}' does not take {judged.path.name}: {judged.kind}.",
            f"It takes: {', '.join(unfit.accepts)}.",
        )
    return runtimes


def _settings_fields(
    reference: Artefact, judged: Artefact, settings: CheckSettings, runtimes: Sequence[Adapter]
) -> dict[str, Any]:
    """Settings as JSON values; `compared` is what the judged artefact is known by."""
    return {
        "model": str(reference.file.given),
        "kind": str(reference.file.kind),
        "compared": {"model": str(judged.file.given), "kind": str(judged.file.kind)},
        "to": [runtime.name for runtime in runtimes] if judged.runs_in_runtimes else [RUNTIME],
        "inputs": str(settings.inputs) if settings.inputs else None,
        "power": settings.power,
        "timeout_s": settings.limits.timeout_s,
        "memory_bytes": settings.limits.memory_bytes,
        "trust_pickle": settings.trust_pickle,
        "search_inputs": settings.search_inputs,
        "source_is_onnx": reference.is_onnx,
    }


class _Comparison:
    """Two artefacts and where they are compared."""

    def __init__(
        self, bench: Bench, reference: Artefact, judged: Artefact, settings: CheckSettings, listener: Listener
    ) -> None:
        self._bench, self._settings, self._listener = bench, settings, listener
        self._reference, self._judged = reference, judged

    def reports(self, runtimes: Sequence[Adapter], samples: Sequence[Path]) -> list[Report]:
        """One report a runtime, or one where the judged artefact runs in PyTorch."""
        names = self._names(runtimes)
        try:
            for artefact in (self._reference, self._judged):
                registry.require(artefact.file.adapter)
        except NotInstalledError as missing:
            return [self._report(name, outcome=Outcome.NOT_RUN, reason=str(missing)) for name in names]
        self._listener.stage("reference", "running the model")
        answered = answers(self._bench, self._reference, self._judged, samples)
        source = answered.source
        self._listener.done("reference", source.attempt.resources.seconds)
        log = str(self._bench.run_folder.final(source.attempt.log))
        if source.truth is None:
            if not failed_to_answer(source.attempt):
                said = f"the reference's task failed: {describe(source.attempt)}. Log:\n"
                raise InternalError("TA900", said + source.attempt.log.read_text())
            return self.of_one_that_ended(runtimes, source.attempt)
        source = traced(self._bench, self._reference, self._judged, source)
        source = self._answered_by_a_runtime(source, runtimes)
        if not source.truth or not source.truth.output_paths:
            nothing = "the reference has no tensor outputs that could be computed: nothing can be compared"
            return [self._report(name, outcome=Outcome.INCONCLUSIVE, reason=nothing, log=log) for name in names]
        if self._judged.runs_in_runtimes:
            return self._in_runtimes(source, runtimes)
        return [self._in_torch(source, answered.judged)]

    def of_one_that_ended(self, runtimes: Sequence[Adapter], attempt: Attempt) -> list[Report]:
        """The reports where one of the two took its worker down before it answered."""
        log = str(self._bench.run_folder.final(attempt.log))
        failed = outcome_fields([source_failed(attempt, log)], [])
        return [self._report(name, log=log, **failed) for name in self._names(runtimes)]

    def _names(self, runtimes: Sequence[Adapter]) -> list[str]:
        return [runtime.name for runtime in runtimes] if self._judged.runs_in_runtimes else [RUNTIME]

    def _report(self, runtime: str, **fields: Any) -> Report:
        return Report(model=self._reference.name, converter=None, runtime=runtime, links=[self._judged.name], **fields)

    def _answered_by_a_runtime(self, source: SourceResult, runtimes: Sequence[Adapter]) -> SourceResult:
        """Where the specification's answer of an .onnx reference cannot be computed, a runtime's stands for it."""
        truth = source.truth
        if truth is None or not self._reference.is_onnx or all(truth.sets):
            return source
        takers = (one for one in runtimes if ArtifactKind.ONNX in one.accepts)
        runtime = next((one for one in takers if _is_installed(one)), None)
        if runtime is None:
            return source
        conversion = unconverted(self._bench, self._reference.file, source)
        label = f"reference {self._reference.name}"
        verdicts = run_runtime(self._bench, runtime, conversion, source, self._listener, label=label)
        return replace(source, truth=judged_among_themselves(verdicts, truth, conversion)[0])

    def _in_runtimes(self, source: SourceResult, runtimes: Sequence[Adapter]) -> list[Report]:
        bench, settings, listener = self._bench, self._settings, self._listener
        reference, judged = self._reference, self._judged
        host = TORCH_HOST if reference.is_torch else ONNX_HOST if reference.is_onnx else EVALUATION_HOST
        listener.stage("judged", "evaluating it in float64" if judged.is_onnx else "running it")
        if judged.is_onnx:
            conversion = judge_onnx(bench, host, judged.file.path, source, settings)
        else:
            conversion = judge_tflite(bench, judged.file.path, source)
        listener.done("judged", sum(verdict.record.seconds for verdict in conversion.verdicts))
        besides = measured_besides(bench, host, source, conversion, settings)
        reports = []
        for runtime in runtimes:
            try:
                registry.require(runtime)
            except NotInstalledError as missing:
                reports.append(self._report(runtime.name, outcome=Outcome.NOT_RUN, reason=str(missing)))
                continue
            verdicts = run_runtime(bench, runtime, conversion, source, listener, label=self._judged.name)
            fields = pair_fields(bench, host, source, conversion, verdicts, besides=besides)
            warnings = [*fields.get("warnings", ()), *_other_order(conversion.output_names, source)]
            reports.append(self._report(runtime.name, **{**fields, "warnings": warnings}))
        return reports

    def _in_torch(self, source: SourceResult, answered: SourceResult | None) -> Report:
        bench = self._bench
        self._listener.stage("judged", "running it in PyTorch")
        program = judge_program(bench, self._judged, source, answered, seed=self._settings.seed)
        self._listener.done("judged", sum(verdict.record.seconds for verdict in program.runtime))
        keys = ("nondeterministic", "notes")
        joined = {key: [*source.facts.get(key, ()), *program.facts.get(key, ())] for key in keys}
        source = replace(source, facts={**source.facts, **joined})
        besides = Besides(None, RangeReport())
        fields = pair_fields(bench, TORCH_HOST, source, program.conversion, program.runtime, besides=besides)
        return self._report(RUNTIME, **{**fields, "findings": every_fault(fields.get("findings", []), program)})


def _other_order(output_names: Mapping[str, str], source: SourceResult) -> list[str]:
    """That outputs, which were compared by name, stand in another order in the judged file."""
    paths = source.truth.output_paths if source.truth is not None else ()
    order = [path for path in output_names.values() if path in paths]
    expected = [path for path in paths if path in order]
    if order == expected:
        return []
    said = f"the outputs stand in another order ({', '.join(order)} for {', '.join(expected)})"
    return [f"{said}: they were compared by name; whoever takes them by position gets others"]


def _is_installed(runtime: Adapter) -> bool:
    try:
        registry.require(runtime)
    except NotInstalledError:
        return False
    return True
