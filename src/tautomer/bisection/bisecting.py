"""One `tautomer bisect`: the failing check, the trials, and the report with what was verified."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.bisection.changes import Change, Where, applied, flags
from tautomer.bisection.journal import Journal, key_of
from tautomer.bisection.kept_run import converted_model, drop_all_but_logs, with_final_paths, write_reports
from tautomer.bisection.package_search import PackageSearch, Sides, check_package, releases_of, summary
from tautomer.bisection.progress import StagesOfTrial
from tautomer.bisection.report import BisectReport, TriedVersion, Versions
from tautomer.bisection.rewrites import VerifiedRewrite, find_rewrite
from tautomer.bisection.search import Search
from tautomer.bisection.subject import chosen_finding, model_and_settings
from tautomer.bisection.tiers import RUNTIME_STAGES, tiers
from tautomer.bisection.trials import Baseline, Converted, Effect, Trial, TrialRunner, judged
from tautomer.bisection.versions import Flip, VersionRange
from tautomer.bisection.workarounds import of_release, of_trial, tried_setting, verified_rewrites, with_workaround
from tautomer.checking import run_check
from tautomer.checking.attempts import Bench
from tautomer.checking.one_check import Silent
from tautomer.checking.onnx_modules import written_out
from tautomer.checking.progress import Listener
from tautomer.checking.sources import SourceFile, recognise, refuse_chains, resolve_pairs
from tautomer.execution import Pool, RunFolder, Runner, RunStore
from tautomer.execution.environments import EnvironmentStore
from tautomer.model import (
    CheckReport,
    CheckSettings,
    Finding,
    Keep,
    Report,
)

MAX_TRIALS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectRequest:
    """What to bisect, and how far.

    Attributes:
        model: a model file, or what names a run.
        settings: of the check that fails; for a run, what the command line gives besides.
        finding: number of the finding, counted from 1; None for the first.
        versions: releases of a package to search instead of settings; None for settings.
        find_links: a folder of wheels that pip looks into, too; None for its configured index alone.
        everything: whether to go on after something has helped, and to try every release.
        max_trials: checks to make at most.
        resume: whether to take over what an interrupted bisection of the same has tried.
        rewrites: whether to look for a rewrite where nothing else helps.
        wants_model: whether the model as the best workaround makes it is to be kept.
    """

    model: str
    settings: CheckSettings
    finding: int | None = None
    versions: VersionRange | None = None
    find_links: Path | None = None
    everything: bool = False
    max_trials: int = MAX_TRIALS
    resume: bool = False
    rewrites: bool = True
    wants_model: bool = False


@dataclass(frozen=True, slots=True)
class Bisected:
    """A finished bisection.

    Attributes:
        report: what it found.
        kept_at: its run folder, with the check's report in which the finding has its workaround.
        patched: the model of the first verified rewrite, or where it was asked for, of the first setting that helps;
            None where there is none, or where a setting of the runtime is all that changes.
    """

    report: BisectReport
    kept_at: Path
    patched: Path | None


def bisect(request: BisectRequest, *, listener: Listener | None = None, runner: Runner | None = None) -> Bisected:
    """Find the smallest change with which a model does not fail; every one that is reported has passed a full check.

    An interrupt ends the search and not the report: what was found is kept.

    Raises:
        MisuseError: TA180 nothing fails; the model, its inputs or the settings cannot be used.
    """
    if request.versions is not None:
        check_package(request.versions.package)
    model, settings = model_and_settings(request.model, request.settings)
    settings = replace(settings, power=False, keep=Keep.NONE)
    source_file = recognise(model, trust_pickle=settings.trust_pickle)
    versions = request.versions
    releases = releases_of(versions, find_links=request.find_links) if versions is not None else []
    store = RunStore(settings.run_dir)
    with store.create(f"bisect-{source_file.path.stem}") as folder, contextlib.ExitStack() as own:
        pool = own.enter_context(Pool()) if runner is None else runner
        source_file, made = written_out(Bench(pool, settings.limits, folder), source_file, seed=settings.seed)
        settings = replace(settings, inputs=settings.inputs or made)
        work = _Work(request, source_file, settings, runner=pool, folder=folder, listener=listener or Silent())
        report = work.run(releases)
        kept = _kept(work, folder, report)
        return Bisected(report, kept, folder.final(work.patched) if work.patched is not None else None)


def _kept(work: _Work, folder: RunFolder, report: BisectReport) -> Path:
    check = with_workaround(work.check_report, work.failing, report.finding)
    write_reports(folder, check, report)
    drop_all_but_logs(work.scratch)
    return folder.finish(keep=True)


class _Work:
    """The state of one bisection."""

    def __init__(
        self,
        request: BisectRequest,
        source_file: SourceFile,
        settings: CheckSettings,
        *,
        runner: Runner,
        folder: RunFolder,
        listener: Listener,
    ) -> None:
        self._request = request
        self._source_file = source_file
        self._settings = settings
        self._runner = runner
        self._folder = folder
        self._listener = listener
        self.scratch = folder.path / "scratch"
        self._trials = TrialRunner(runner, self.scratch)
        self.patched: Path | None = None
        self.check_report: CheckReport
        self.failing: Finding

    def run(self, releases: Sequence[str]) -> BisectReport:
        baseline = self._baseline()
        self._settings = replace(
            self._settings,
            via=(baseline.report.converter,) if baseline.report.converter else (),
            to=(baseline.report.runtime,),
        )
        self._journal = self._opened_journal(baseline)
        search = Search(
            lambda changes: self._settings_trial(baseline, changes),
            max_trials=self._request.max_trials,
            everything=self._request.everything,
        )
        versions: Versions | None = None
        rewrites: list[VerifiedRewrite] = []
        interrupted = False
        try:
            if self._request.versions is not None:
                search_of_versions = self._package_search(baseline, self._request.versions.package)
                flips: list[Flip] = []
                try:
                    flips = search_of_versions.run(
                        releases, self._known_versions(releases), self._note_version, every=self._request.everything
                    )
                finally:
                    versions = summary(self._request.versions.package, releases, flips, search_of_versions.tried)
            else:
                likely, rest = tiers(baseline, self._source_file, self._settings, everything=self._request.everything)
                search.singles(likely)
                if self._request.rewrites and (self._request.everything or not search.helpful()):
                    rewrites = self._rewrites(baseline)
                if self._request.everything or not (search.helpful() or rewrites):
                    search.singles(rest)
                if not (search.helpful() or rewrites):
                    search.pairs()
                if self._request.wants_model and search.helpful():
                    self.patched = self._model_of(search.helpful()[0])
        except KeyboardInterrupt:
            interrupted = True
        if not interrupted:
            self._journal.clear()
        return self._report(baseline, search, versions, rewrites, interrupted=interrupted)

    def _baseline(self) -> Baseline:
        """The check as it is, with what its tasks say of their levers.

        Raises:
            MisuseError: TA180 nothing fails.
        """
        refuse_chains(self._settings.via, "bisected")
        [(_, runtimes), *_] = resolve_pairs(self._source_file, self._settings.via, self._settings.to)
        listing = {lever.listed_by: True for lever in runtimes[0].levers if lever.listed_by is not None}
        options = {**self._settings.runtime_options, **listing}
        settings = replace(self._settings, to=(runtimes[0].name,), runtime_options=options)
        began = time.monotonic()
        stages = StagesOfTrial("the failure as it is", self._listener)
        self._trials.remembers = True
        try:
            checked = run_check(self._source_file.path, settings, listener=stages, runner=self._trials)
        finally:
            self._trials.remembers = False
        # What was asked for to learn of the levers is no setting of the check.
        fields = {**checked.report.settings, "runtime_options": dict(self._settings.runtime_options)}
        report = replace(checked.report, run_id=self._folder.id, settings=fields)
        self.check_report = with_final_paths(report, self._folder)
        pair, self.failing = chosen_finding(self.check_report, self._request.finding)
        self._listener.done("the failure as it is", time.monotonic() - began, str(pair.outcome))
        self._failing_conversion = self._converted(pair)
        return Baseline(pair, self.failing, dict(self._trials.levers))

    def _converted(self, pair: Report) -> Converted | None:
        """The conversion that fails; what a runtime's optimizer does with its graph depends on the opset, too."""
        if pair.converter is None:
            return None
        task = registry.get(AdapterKind.CONVERTER, pair.converter).task
        graph = self._trials.converted(task)
        return None if graph is None else Converted(task, graph, self.failing.stage not in RUNTIME_STAGES)

    def _opened_journal(self, baseline: Baseline) -> Journal:
        inputs = self._settings.inputs
        if inputs is not None and inputs.is_relative_to(self._folder.path):
            inputs = None  # those of a module of ONNX, written out for this run alone
        key = {
            "settings": repr(replace(self._settings, run_dir=None, inputs=inputs)),
            "signature": repr(baseline.signature),
            "versions": self.check_report.environment,
            "tautomer": version("tautomer"),
        }
        journal = Journal(self._folder.path.parent, key, self._source_file.path)
        self._written = journal.read() if self._request.resume else {}
        if not self._request.resume:
            journal.clear()
        return journal

    def _converter(self) -> Adapter | None:
        return registry.get(AdapterKind.CONVERTER, self._settings.via[0]) if self._settings.via else None

    def _runtime(self) -> Adapter:
        return registry.get(AdapterKind.RUNTIME, self._settings.to[0])

    def _settings_trial(self, baseline: Baseline, changes: tuple[Change, ...]) -> Trial:
        written = self._written.get(key_of(changes))
        if written is not None:
            return replace(written, changes=changes)
        name = " ".join(flags(changes))
        began = time.monotonic()
        settings = applied(self._settings, changes)
        # The same model may do better in a runtime that is set otherwise.
        one_runtime = all(one.where is not Where.RUNTIME_OPTION for one in changes)
        self._trials.failing = self._failing_conversion if one_runtime else None
        stages = StagesOfTrial(name, self._listener)
        effect, message = judged(baseline, self._source_file.path, settings, self._trials, stages)
        seconds = time.monotonic() - began
        trial = Trial(changes=changes, effect=effect, message=message, seconds=round(seconds, 3))
        self._journal.write(trial)
        self._listener.done(name, seconds, str(effect))
        return trial

    def _model_of(self, trial: Trial) -> Path | None:
        if all(one.where is Where.RUNTIME_OPTION for one in trial.changes):
            return None
        self._trials.failing = None
        return converted_model(
            self._source_file.path,
            applied(self._settings, trial.changes),
            self._trials,
            scratch=self.scratch / "applied",
            kept=self._folder.path / "applied",
        )

    def _package_search(self, baseline: Baseline, package: str) -> PackageSearch:
        stages = StagesOfTrial(package, self._listener)
        return PackageSearch(
            package,
            sides=Sides.of(package, self._converter(), self._runtime()),
            runner=self._runner,
            trials=self._trials,
            limits=self._settings.limits,
            folder=self.scratch,
            store=EnvironmentStore(),
            find_links=self._request.find_links,
            check=lambda: judged(baseline, self._source_file.path, self._settings, self._trials, stages),
            stage=self._listener.stage,
        )

    def _known_versions(self, releases: Sequence[str]) -> dict[str, TriedVersion]:
        assert self._request.versions is not None
        found = {}
        for release in releases:
            change = Change(where=Where.PACKAGE, name=self._request.versions.package, value=release)
            trial = self._written.get(key_of((change,)))
            if trial is not None:
                found[release] = TriedVersion(
                    version=release, effect=trial.effect, message=trial.message, seconds=trial.seconds
                )
        return found

    def _note_version(self, tried: TriedVersion) -> None:
        assert self._request.versions is not None
        package = self._request.versions.package
        change = Change(where=Where.PACKAGE, name=package, value=tried.version)
        self._journal.write(Trial(changes=(change,), effect=tried.effect, message=tried.message, seconds=tried.seconds))
        self._listener.done(f"{package} {tried.version}", tried.seconds, str(tried.effect))

    def _rewrites(self, baseline: Baseline) -> list[VerifiedRewrite]:
        stages = StagesOfTrial("rewriting the located operator", self._listener)
        began = time.monotonic()
        found = find_rewrite(
            baseline.finding,
            self._source_file.path,
            self._settings,
            self._trials,
            folder=self._folder.path / "rewrites",
            listener=stages,
            several=self._request.everything,
        )
        outcome = str(found[0].outcome) if found else str(Effect.SAME_FAILURE)
        self._listener.done("rewriting the located operator", time.monotonic() - began, outcome)
        return found

    def _report(
        self,
        baseline: Baseline,
        search: Search,
        versions: Versions | None,
        rewrites: Sequence[VerifiedRewrite],
        *,
        interrupted: bool,
    ) -> BisectReport:
        minimal = search.helpful()
        workarounds = [of_trial(trial) for trial in minimal] + [one.workaround() for one in rewrites]
        if versions is not None and versions.good is not None:
            workarounds.append(of_release(versions))
        if rewrites and self.patched is None:
            self.patched = rewrites[0].model
        finding: Finding = baseline.finding
        if workarounds:
            finding = replace(finding, workaround=workarounds[0])
        return BisectReport(
            run_id=self._folder.id,
            tautomer_version=version("tautomer"),
            model=str(self._source_file.given),
            converter=baseline.report.converter,
            runtime=baseline.report.runtime,
            environment=self.check_report.environment,
            settings=dict(self.check_report.settings),
            finding=finding,
            tried=[tried_setting(trial) for trial in search.trials],
            minimal=[tried_setting(trial) for trial in minimal],
            versions=versions,
            workarounds=workarounds,
            rewrites=verified_rewrites(rewrites, self._folder),
            complete=not interrupted and not search.exhausted,
            interrupted=interrupted,
        )
