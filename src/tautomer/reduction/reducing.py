"""One reduction, from a model or a run to a folder with the smallest model that fails the same way."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.adapters.tf_host import TENSORFLOW_HOST
from tautomer.adapters.torch_host import TORCH_HOST
from tautomer.checking import run_check
from tautomer.checking.attempts import Bench
from tautomer.checking.comparison.kept import refuse_comparison
from tautomer.checking.onnx_modules import written_out
from tautomer.checking.signatures import signature_of
from tautomer.checking.sources import SourceFile, names_a_model, recognise, refuse_chains
from tautomer.errors import MisuseError
from tautomer.execution import Pool, Runner, RunStore
from tautomer.minimization import BudgetSpent
from tautomer.model import (
    ArtifactKind,
    CheckReport,
    CheckSettings,
    Finding,
    Keep,
    Kind,
    Limits,
    Outcome,
    Report,
    Signature,
)
from tautomer.reduction.delivery import Reduction, deliver, feeds_of
from tautomer.reduction.folder import OutputFolder, default_folder
from tautomer.reduction.onnx_graph import reduce_graph
from tautomer.reduction.oracle import Answer, Candidate, Hearer, Session, inputs_of
from tautomer.reduction.programs import Best, confirm, reduce_program
from tautomer.reduction.subject import (
    Subject,
    chosen,
    recorded,
    recorded_settings,
    same_failure,
    with_operators,
)
from tautomer.reduction.trackers import RUNTIME_STAGES, tracker_named
from tautomer.reduction.writing import node_count

MAX_ATTEMPTS = 500

_SHORTEST_HANG_S = 10.0
_HEALTHY_TIMES = 10.0
"""A model hangs for sure when it takes this many times what the sound stages took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to reduce, and into what.

    Attributes:
        subject: a model file, or a run: an id, a unique prefix, a path, or `last`.
        settings: as for a check.
        out: folder of the result; None for `./reduced-<model>`.
        finding: which one, counted from 1.
        tracker: whose issue to write; None for that of what caused the failure.
        redact: whether names, metadata and values of the model must not show.
        max_attempts: after so many the best so far is the result.
        keep_runtimes: whether the runtimes of `settings` hold where a run has others.
    """

    subject: str
    settings: CheckSettings
    out: Path | None = None
    finding: int = 1
    tracker: str | None = None
    redact: bool = False
    max_attempts: int = MAX_ATTEMPTS
    keep_runtimes: bool = False


def reduce(request: Request, *, hearer: Hearer, runner: Runner | None = None) -> Reduction:
    """Find the smallest model that fails as a finding does, prove it by a check, and write it down.

    Args:
        hearer: hears the progress.
        runner: runs the tasks; a pool of its own where none is given.

    Raises:
        MisuseError: the arguments or the model cannot be used, or there is nothing to reduce.
        KeyboardInterrupt: it was interrupted before anything smaller was found.
    """
    if request.tracker is not None:
        tracker_named(request.tracker)
    model, settings, earlier = _asked_for(request)
    refuse_chains(settings.via, "reduced")
    source_file = recognise(model, trust_pickle=settings.trust_pickle)
    out = request.out or default_folder(source_file.path)
    with contextlib.ExitStack() as own:
        output = own.enter_context(OutputFolder(out))
        scratch = Path(own.enter_context(tempfile.TemporaryDirectory(prefix="tautomer-reduce-")))
        workers = own.enter_context(Pool()) if runner is None else runner
        work = own.enter_context(RunStore(scratch / "built").create("model module"))
        source_file, made = written_out(Bench(workers, settings.limits, work), source_file, seed=settings.seed)
        settings = replace(settings, inputs=settings.inputs or made)
        hearer.stage("check", "the model as it is")
        began_s = time.monotonic()
        checked = run_check(
            source_file.path, replace(settings, keep=Keep.ALL, run_dir=scratch / "subject"), runner=workers
        )
        hearer.done("check", time.monotonic() - began_s, str(checked.report.outcome))
        found = _found_again(checked.report, earlier, request.finding)
        if found is None:
            said = "the failure does not show when the model is checked again"
            return Reduction(folder=None, title="", attempts=1, said=(said,))
        pair, finding = found
        _refuse_other_frameworks(source_file, finding)
        _refuse_to_redact(source_file, hides=request.redact)
        converted = checked.models.get(pair.converter) if pair.converter else source_file.path
        subject = Subject.of(source_file.path, settings, pair, finding, converted)
        session = Session(
            workers,
            own.enter_context(RunStore(scratch / "work").create("reduction")),
            _limited(subject),
            max_attempts=request.max_attempts,
            hearer=hearer,
        )
        session.attempts = 1
        original = Candidate(source_file.path, (), settings.inputs, ())
        best = Best(
            original, Answer(True, finding.message, checked.report, pair, finding, converted), subject.signature
        )
        assert checked.kept_at is not None
        interrupted = _search(
            session, subject, best, source_file=source_file, converted=converted, kept_at=checked.kept_at
        )
        return deliver(
            session,
            subject,
            best,
            output,
            converted=converted,
            interrupted=interrupted,
            tracker_name=request.tracker,
            hides=request.redact,
        )


def _refuse_other_frameworks(source_file: SourceFile, finding: Finding) -> None:
    """Refuse sources that cannot be cut.

    Raises:
        MisuseError: TA174 the source is neither a program that can be cut nor a graph.
    """
    if source_file.kind is ArtifactKind.ONNX or source_file.adapter.reduced_by is not None:
        return
    following = "The finding names the operator and the line; `tautomer bisect` looks for settings that help."
    if finding.stage in RUNTIME_STAGES:
        following = (
            "Reduce the .onnx file that the runtime got: `tautomer check --keep all` keeps it in the run's folder."
        )
    raise MisuseError(
        "TA174", f"{source_file.path.name}: programs of {source_file.adapter.name} cannot be reduced yet.", following
    )


def _refuse_to_redact(source_file: SourceFile, *, hides: bool) -> None:
    """Refuse to hide what is in a source for which that is not known.

    Raises:
        MisuseError: TA175 it is neither a graph nor a program of PyTorch or TensorFlow, as which modules are printed.
    """
    known = (TORCH_HOST.name, TENSORFLOW_HOST.name)
    if hides and source_file.kind is not ArtifactKind.ONNX and source_file.adapter.host.name not in known:
        raise MisuseError(
            "TA175",
            f"{source_file.path.name}: programs of {source_file.adapter.name} cannot be redacted yet.",
            "`tautomer check --keep all` keeps the .onnx file in the run's folder; where that fails by itself, it can.",
        )


def _asked_for(request: Request) -> tuple[Path, CheckSettings, CheckReport | None]:
    """The model, the settings, and the report of the run where one was named."""
    path = Path(request.subject).expanduser()
    if names_a_model(path):
        return path, request.settings, None
    try:
        report, _ = recorded(request.subject, request.settings.run_dir)
    except MisuseError as error:
        if error.code == "TA150" and path.suffix:
            recognise(path, trust_pickle=False)  # says what is wrong with it as a model
        raise
    refuse_comparison(report, "reduced")
    model = report.settings.get("model")
    if not isinstance(model, str):
        raise MisuseError("TA161", "the report of the run does not name its model.", "Run the check again.")
    chosen(report, request.finding)
    return Path(model), recorded_settings(report, request.settings, keep_runtimes=request.keep_runtimes), report


def _found_again(report: CheckReport, earlier: CheckReport | None, number: int) -> tuple[Report, Finding] | None:
    if earlier is None:
        return chosen(report, number)
    _, finding = chosen(earlier, number)
    return same_failure(report.reports, signature_of(finding))


def _limited(subject: Subject) -> CheckSettings:
    """Settings whose time limit suits a hang: a multiple of what the sound stages took."""
    settings = subject.settings
    if subject.finding.cause.kind is not Kind.HANG:
        return settings
    healthy_s = sum(one.seconds for one in subject.report.checkpoints if one.outcome is not Outcome.FAILED)
    limit_s = min(settings.limits.timeout_s, max(_SHORTEST_HANG_S, _HEALTHY_TIMES * healthy_s))
    return replace(settings, limits=Limits(limit_s, settings.limits.memory_bytes))


def _search(
    session: Session,
    subject: Subject,
    best: Best,
    *,
    source_file: SourceFile,
    converted: Path | None,
    kept_at: Path,
) -> bool:
    """Make the best smaller as long as there are attempts; True where it was interrupted.

    Raises:
        KeyboardInterrupt: it was interrupted before anything smaller was found.
    """
    settings = session.settings
    try:
        is_graph = source_file.kind is ArtifactKind.ONNX
        smaller = not is_graph and reduce_program(
            session, subject, best, kind=str(source_file.kind), source=source_file.adapter
        )
        if is_graph or subject.finding.stage in RUNTIME_STAGES:
            if smaller:
                _search_graph_of_program(session, subject, best)
            elif converted is not None:
                _search_graph(session, subject, best, converted=converted, inputs=inputs_of(kept_at))
    except BudgetSpent:
        confirm(session, best)
    except KeyboardInterrupt:
        if best.candidate.model == subject.model and not best.pending:
            raise
        session.hearer.stage("check", "interrupted: proving the best so far (interrupt again to stop at once)")
        confirm(session, best)
        if best.candidate.model == subject.model:
            raise
        return True
    finally:
        if best.candidate.model.suffix != ".onnx":
            session.settings, best.signature = settings, best.of_program or best.signature
    return False


def _search_graph_of_program(session: Session, subject: Subject, best: Best) -> None:
    """Where the runtime alone is at fault, reduce further what the converter makes of the reduced program."""
    program = best.candidate
    made = session.check(program, best.signature, keep=True, free=True)
    if made.converted is None or made.pair is None or made.finding is None or node_count(made.converted) == 1:
        return
    of_program = replace(subject, report=made.pair, finding=made.finding)
    _search_graph(session, of_program, best, converted=made.converted, inputs=made.inputs)
    if best.candidate is not program:
        best.program = program


def _search_graph(session: Session, subject: Subject, best: Best, *, converted: Path, inputs: Sequence[Path]) -> None:
    """Reduce the graph that the runtime gets, where it fails by itself."""
    feeds = feeds_of(converted, inputs[0]) if inputs else {}
    with session.timed("shrink"):
        if subject.report.converter is not None:
            session.settings = replace(session.settings, via=())
            alone = _signature_alone(session, subject, converted, inputs, feeds)
            if alone is None:
                return
            best.of_program, best.signature = best.signature, alone
        reduce_graph(
            session,
            best,
            model=converted,
            inputs=inputs,
            feeds=feeds,
            located=subject.finding.location.nodes,
            pair=subject.report,
        )


def _signature_alone(
    session: Session, subject: Subject, converted: Path, inputs: Sequence[Path], feeds: Mapping[str, str]
) -> Signature | None:
    """How the graph fails where it is itself the source: its operators are named in the place of the program's."""
    samples = None
    if inputs:
        worst = subject.report.worst_input or 0
        values = read_values(inputs[worst if worst < len(inputs) else 0])
        assert isinstance(values, Mapping)
        samples = session.new_folder("alone") / "inputs.safetensors"
        write_values(samples, {name: values[path] for name, path in feeds.items()})
    wanted = subject.finding
    said = session.check(Candidate(converted, (), samples), signature_of(wanted)).report
    for pair in said.reports if said is not None else ():
        for finding in pair.findings:
            if (finding.outcome, finding.cause.kind) == (wanted.outcome, wanted.cause.kind):
                # What is simplified loses the exporter's metadata, and then only the graph's own operators are named.
                return with_operators(signature_of(finding), finding.location.op_types)
    return None
