"""One `tautomer check`, from a file and settings to a report and a run folder."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter
from tautomer.checking.attempts import Bench, describe, failed_to_answer
from tautomer.checking.chains import convert_through
from tautomer.checking.findings import source_failed
from tautomer.checking.onnx_models import judged_among_themselves, unconverted, with_trace
from tautomer.checking.onnx_modules import ModuleEndedError, written_out
from tautomer.checking.pair_report import measured_besides, outcome_fields, pair_fields
from tautomer.checking.pipeline import run_runtime, run_source
from tautomer.checking.progress import Listener
from tautomer.checking.runtime_graphs import SavedGraphs
from tautomer.checking.sources import Route, SourceFile, recognise, resolve_pairs, sample_files
from tautomer.checking.verdicts import values_of
from tautomer.errors import InternalError, MisuseError, NotInstalledError
from tautomer.execution import Pool, RunFolder, Runner, RunStore
from tautomer.model import (
    ArtifactKind,
    CheckReport,
    CheckSettings,
    Keep,
    Outcome,
    Report,
)
from tautomer.model.report_json import decode, encode

_NAMED_VERSIONS = (
    "numpy", "onnx", "onnx-ir", "onnxruntime", "onnxscript", "onnxslim", "openvino", "torch", "transformers",
    "tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "ai-edge-litert",
)  # fmt: skip


Pairs = Sequence[tuple[Route, Sequence[Adapter]]]
"""Every chain of converters with the runtimes that run what it makes."""


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """A finished check.

    Attributes:
        report: what it found.
        kept_at: the run's folder; None where nothing was kept.
        models: by converter, the links of a chain joined by commas, where its model lies in the run's folder, if the
            run keeps models.
    """

    report: CheckReport
    kept_at: Path | None
    models: Mapping[str, Path] = field(default_factory=dict)


class Silent:
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
        model: a model module, .pt2, TorchScript, SavedModel, .keras, .h5, .tflite or .onnx; a module whose model()
            returns an onnx.ModelProto stands for the .onnx file that it builds.
        settings: what to do.
        listener: hears the progress.
        runner: runs the tasks; a pool of its own where none is given. A pool that outlives a check keeps hosts warm.

    Raises:
        MisuseError: the arguments, the model or its inputs cannot be used.
        InternalError: a defect of Tautomer.
    """
    source_file = recognise(model, trust_pickle=settings.trust_pickle)
    pairs = resolve_pairs(source_file, settings.via, settings.to)
    runtimes = list(dict.fromkeys(runtime for _, fitting in pairs for runtime in fitting))
    if settings.runtime_options and not any(runtime.levers for runtime in runtimes):
        names = " and ".join(runtime.name for runtime in runtimes)
        raise MisuseError(
            "TA101",
            f"--to-set {next(iter(settings.runtime_options))}: {names} can be run in one way only.",
            "Leave --to-set out.",
        )
    files = sample_files(settings.inputs)
    store = RunStore(settings.run_dir)
    with store.create(source_file.path.stem) as folder, contextlib.ExitStack() as own:
        bench = Bench(own.enter_context(Pool()) if runner is None else runner, settings.limits, folder)
        try:
            source_file, made = written_out(bench, source_file, seed=settings.seed)
        except ModuleEndedError as ended:
            log = str(folder.final(ended.attempt.log))
            failed = outcome_fields([source_failed(ended.attempt, log)], [])
            reports = _for_all(source_file, pairs, log=log, **failed)
            return _delivered(bench, source_file, reports, pairs=pairs, settings=settings, models={})
        files = files or sample_files(made)
        return _checked(
            bench,
            source_file,
            pairs=pairs,
            files=files,
            settings=settings,
            listener=listener or Silent(),
        )


def _checked(
    bench: Bench,
    source_file: SourceFile,
    *,
    pairs: Pairs,
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
            pairs=pairs,
            spec=spec,
            settings=settings,
            listener=listener,
            models=models,
        )
    finally:
        values_of.cache_clear()
    return _delivered(bench, source_file, reports, pairs=pairs, settings=settings, models=models)


def _delivered(
    bench: Bench,
    source_file: SourceFile,
    reports: list[Report],
    *,
    pairs: Pairs,
    settings: CheckSettings,
    models: Mapping[str, Path],
) -> CheckedRun:
    report = CheckReport(
        run_id=bench.run_folder.id,
        tautomer_version=version("tautomer"),
        environment=environment(),
        settings=settings_fields(source_file, pairs, settings),
        seed=settings.seed,
        reports=reports,
    )
    return finished(bench.run_folder, report, settings.keep, models)


def finished(folder: RunFolder, report: CheckReport, keep: Keep, models: Mapping[str, Path]) -> CheckedRun:
    """Write a report into its run's folder, and keep of that what is to be kept."""
    report = _with_final_paths(report, folder)
    return CheckedRun(report, _finish(folder, report, keep), models)


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
    pairs: Pairs,
    spec: Mapping[str, Any],
    settings: CheckSettings,
    listener: Listener,
    models: dict[str, Path],
) -> list[Report]:
    """The report of every pair; `models` gets what each converter made."""

    def pair(links: Route, runtime: Adapter, **fields: Any) -> Report:
        return _of_pair(source_file, links, runtime, **fields)

    try:
        registry.require(source_file.adapter)
    except NotInstalledError as missing:
        return _for_all(source_file, pairs, outcome=Outcome.NOT_RUN, reason=str(missing))
    listener.stage("source", "running the model")
    source = run_source(bench, source_file.adapter, spec)
    listener.done("source", source.attempt.resources.seconds)
    log = str(bench.run_folder.final(source.attempt.log))
    if source.truth is None:
        if not failed_to_answer(source.attempt):
            raise InternalError(
                "TA900", f"the source's task failed: {describe(source.attempt)}. Log:\n{source.attempt.log.read_text()}"
            )
        return _for_all(source_file, pairs, log=log, **outcome_fields([source_failed(source.attempt, log)], []))
    truth = source.truth
    if source_file.kind is not ArtifactKind.ONNX and not source.truth.output_paths:
        nothing = "the source has no tensor outputs: nothing can be compared"
        return _for_all(source_file, pairs, outcome=Outcome.INCONCLUSIVE, reason=nothing, log=log)
    if source_file.kind is ArtifactKind.ONNX and any(links for links, _ in pairs):
        source = with_trace(bench, source_file, source, None, seed=settings.seed)
    reports: list[Report] = []
    for links, runtimes in pairs:
        try:
            for link in links:
                registry.require(link)
        except NotInstalledError as missing:
            reports.extend(pair(links, runtime, outcome=Outcome.NOT_RUN, reason=str(missing)) for runtime in runtimes)
            continue
        name = name_of(links)
        if name is None:
            conversion = unconverted(bench, source_file, source)
        else:
            conversion = convert_through(bench, links, spec=spec, source=source, settings=settings, listener=listener)
            if conversion.model is not None:
                models[name] = bench.run_folder.final(conversion.model)
        host = (links[0] if links else source_file.adapter).evaluation_host
        listener.stage("formats and power" if settings.power else "formats", "measuring")
        besides = measured_besides(bench, host, source, conversion, settings)
        for runtime in runtimes:
            try:
                registry.require(runtime)
            except NotInstalledError as missing:
                reports.append(pair(links, runtime, outcome=Outcome.NOT_RUN, reason=str(missing)))
                continue
            verdicts = []
            if conversion.model is not None:
                label = name or source_file.given.name
                verdicts = run_runtime(
                    bench, runtime, conversion, source, listener, label=label, options=settings.runtime_options
                )
            if not links:
                truth, verdicts = judged_among_themselves(verdicts, truth, conversion)
                source = replace(source, truth=truth)
            saved = SavedGraphs(bench, host, source_file, runtime, settings, listener)
            fields = pair_fields(bench, host, source, conversion, verdicts, besides=besides, saved=saved)
            reports.append(pair(links, runtime, **fields))
    return reports


def _of_pair(source_file: SourceFile, links: Route, runtime: Adapter, **fields: Any) -> Report:
    return Report(
        model=source_file.given.name,
        converter=name_of(links),
        runtime=runtime.name,
        links=[link.name for link in links],
        **fields,
    )


def _for_all(source_file: SourceFile, pairs: Pairs, **fields: Any) -> list[Report]:
    """The same report of every pair."""
    return [_of_pair(source_file, links, runtime, **fields) for links, runtimes in pairs for runtime in runtimes]


def environment() -> dict[str, Any]:
    """What repeats a run: interpreter, platform and the versions of what computes."""
    versions = {}
    for name in _NAMED_VERSIONS:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "platform": platform.platform(), "packages": versions}


def name_of(links: Route) -> str | None:
    """A chain of converters as users write it; None where there is none."""
    return ",".join(link.name for link in links) or None


def settings_fields(source_file: SourceFile, pairs: Pairs, settings: CheckSettings) -> dict[str, Any]:
    """Settings as JSON values."""
    return {
        "model": str(source_file.given),
        "kind": str(source_file.kind),
        "via": [name for links, _ in pairs if (name := name_of(links)) is not None],
        "to": list(dict.fromkeys(runtime.name for _, runtimes in pairs for runtime in runtimes)),
        "inputs": str(settings.inputs) if settings.inputs else None,
        "opset": settings.opset,
        "options": dict(settings.options),
        "runtime_options": dict(settings.runtime_options),
        "power": settings.power,
        "timeout_s": settings.limits.timeout_s,
        "memory_bytes": settings.limits.memory_bytes,
        "trust_pickle": settings.trust_pickle,
        "search_inputs": settings.search_inputs,
        "source_is_onnx": source_file.kind is ArtifactKind.ONNX,
    }
