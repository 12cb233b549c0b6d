"""Delivers a reduced model: proven, redacted where asked, with its script and its issue, in a folder of its own."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.checking.interface import read_interface
from tautomer.model import CheckReport, Finding, Kind, Report, Signature
from tautomer.reduction.folder import OutputFolder
from tautomer.reduction.issue_text import issue_text, title_of, without_folders
from tautomer.reduction.onnx_graph import script_level
from tautomer.reduction.oracle import Answer, Candidate, Session
from tautomer.reduction.programs import Best
from tautomer.reduction.redaction import Redacted, redact, redact_graph_file, redaction_text
from tautomer.reduction.reproduction import (
    TIME_LIMIT_S,
    GraphSource,
    Reproduction,
    ScriptRun,
    run_script,
    script_of_graph,
    script_of_module,
)
from tautomer.reduction.short_script import ShortScript, short_script_of_graph, short_script_of_module, shown_by
from tautomer.reduction.subject import Subject
from tautomer.reduction.tensorflow_script import (
    is_tensorflow,
    script_of_tensorflow,
    short_script_of_tensorflow,
)
from tautomer.reduction.trackers import RUNTIME_STAGES, tracker_named, tracker_of
from tautomer.reduction.writing import (
    GRAPH,
    INPUTS,
    ISSUE,
    RECHECK,
    REDACTION,
    SCRIPT,
    graph_source,
    node_count,
    operator_types,
    place,
    recheck_bytes,
    save_graph,
    with_run_inputs,
)

_SCRIPT_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """What a reduction came to.

    Attributes:
        folder: of the result; None where nothing was written.
        title: the failure in a line.
        nodes_before, nodes_after: of the ONNX graph; None where none was made.
        size: what the reduced model holds, in words.
        attempts: how many models were tried.
        proven: whether a whole check has found the result to fail the same way.
        script: what repro.py came to in an interpreter of its own.
        reduced: whether anything smaller was found.
        interrupted: whether somebody ended it before it was done.
        said: what a person should know.
        files: names of what was written.
        tracker: whose issue was written.
    """

    folder: Path | None
    title: str
    nodes_before: int | None = None
    nodes_after: int | None = None
    size: str = ""
    attempts: int = 0
    proven: bool = False
    script: ScriptRun | None = None
    reduced: bool = False
    interrupted: bool = False
    said: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tracker: str = ""

    @property
    def exit_status(self) -> int:
        """0 reduced and proven, else 1."""
        return 0 if self.proven else 1


def deliver(
    session: Session,
    subject: Subject,
    best: Best,
    output: OutputFolder,
    *,
    converted: Path | None,
    interrupted: bool,
    tracker_name: str | None,
    hides: bool,
) -> Reduction:
    """Place the best, redact it where asked, prove it, and write the script and the issue.

    Args:
        output: the folder to fill and to put in its place.
        converted: the .onnx file that the runtime got of the whole model.
        interrupted: whether the search was.
        tracker_name: whose issue to write; None for that of what caused the failure.
        hides: whether to redact.
    """
    said = list(session.remarks)
    candidate = best.candidate
    signature = best.signature
    is_graph = candidate.model.suffix == ".onnx"
    if candidate.model == subject.model:
        said.append("nothing smaller fails the same way; the model is given as it is")
    placed = place(candidate, output.path)
    hurried = False
    try:
        with session.timed("proof"):
            answer = session.check(placed, signature, keep=True, free=True)
    except KeyboardInterrupt:
        if hides or candidate.model == subject.model:
            raise
        hurried, answer = True, best.answer  # of the check that made it the best
    if not is_graph and candidate.model != subject.model and answer.same and not hurried:
        placed, answer = _with_the_failing_inputs(session, placed, answer, signature)
    redacted = None
    if hides:
        # A module that its author wrote may say anything anywhere; one that was printed for a part of it does not.
        printed = is_graph or candidate.model != subject.model
        redacted = _redacted(session, placed, signature, subject) if answer.same and printed else None
        if redacted is None:
            # Nothing is left behind: what was not proven might reveal what was to be hidden.
            said.append("no redacted form of it was proven to fail the same way, so nothing was written")
            return Reduction(folder=None, title="", attempts=session.attempts, said=tuple(said))
        shutil.rmtree(output.path)
        output.path.mkdir()
        placed, answer = place(redacted.candidate, output.path), redacted.answer
    pair, finding = answer.pair or subject.report, answer.finding or subject.finding
    if finding.workaround is None and not hides:
        finding = replace(finding, workaround=subject.finding.workaround)
    if not is_graph and answer.converted is not None:
        save_graph(answer.converted, output.path / GRAPH)
        if redacted is not None:
            redact_graph_file(output.path / GRAPH, subject.model)
    if redacted is not None:
        (output.path / REDACTION).write_text(redaction_text(redacted, output.path / GRAPH), "utf-8")
    if is_graph and answer.inputs:
        # A source without samples was compared on seeded inputs; these are what a script has to feed.
        worst = pair.worst_input if pair.worst_input is not None and pair.worst_input < len(answer.inputs) else 0
        shutil.copyfile(answer.inputs[worst], output.path / INPUTS)
        placed = replace(placed, inputs=output.path / INPUTS)
    if best.program is not None and not hides:
        place(best.program, output.path)
    graphs = _graph_for_runtime(answer, finding, output.path, renamed=redacted is not None)
    title = title_of(pair, finding, left=operator_types(output.path / GRAPH))
    plain = candidate.model != subject.model
    shown = [one for one in (*graphs, placed) if one.model.suffix in (".py", ".onnx")]
    written = [(one, _script(session, one, pair, finding, title=title, plain=plain)) for one in shown]
    shown = [one for one, script in written if script is not None]
    scripts = [script for _, script in written if script is not None]
    short: ShortScript | None = None
    try:
        with session.timed("repro.py"):
            chosen, ran = _first_that_shows(output.path / SCRIPT, scripts)
            if scripts and ran.shows_the_failure:
                short = _short(session, shown[chosen], pair, finding, plain=plain, folder=output.path)
    except KeyboardInterrupt:
        hurried, chosen, ran = True, max(0, len(scripts) - 1), ScriptRun(None, "")
        if scripts:
            (output.path / SCRIPT).write_text(scripts[chosen], "utf-8")
    if graphs and chosen > 0:
        (output.path / INPUTS).unlink()
    if not scripts:
        said.append(f"there is no repro.py: no script of public packages shows what {placed.model.name} does")
    elif hurried and ran.status is None:
        said.append("repro.py was not run")
    elif not ran.shows_the_failure:
        said.append(f"repro.py does not show the failure by itself (exit status {ran.status})")
    tracker = tracker_named(tracker_name) if tracker_name else tracker_of(pair, finding)
    report = answer.report or CheckReport(
        run_id="", tautomer_version=version("tautomer"), environment={}, settings={}, seed=0, reports=[]
    )
    (output.path / ISSUE).write_text(
        issue_text(
            tracker,
            report=report,
            pair=replace(pair, converter=None) if chosen < len(graphs) else pair,
            finding=finding,
            script=scripts[chosen] if scripts else f"# Attach {placed.model.name}.",
            output=without_folders(ran.output, output.path),
            short=short,
            proven=answer.same,
            version=version("tautomer"),
            title=title,
        ),
        "utf-8",
    )
    made_in = [candidate.model.parent, placed.model.parent, *([redacted.candidate.model.parent] if redacted else [])]
    (output.path / RECHECK).write_bytes(recheck_bytes(report, *made_in, output.path, session.folder))
    if not answer.same:
        said.append(f"the result was not proven: {answer.said}")
    return Reduction(
        folder=output.finish(),
        title=title,
        nodes_before=node_count(converted),
        nodes_after=node_count(output.final / GRAPH),
        size=session.size,
        attempts=session.attempts,
        proven=answer.same,
        script=ran,
        reduced=candidate.model != subject.model,
        interrupted=interrupted or hurried,
        said=tuple(said),
        files=tuple(sorted(one.name for one in output.final.iterdir())),
        tracker=tracker.name,
    )


def _with_the_failing_inputs(
    session: Session, placed: Candidate, answer: Answer, signature: Signature
) -> tuple[Candidate, Answer]:
    """Where it fails on inputs that the check has derived (other sizes), write them into the module, and prove that."""
    text = placed.model.read_text("utf-8")
    worst = answer.pair.worst_input if answer.pair is not None else None
    if not worst or "def run_inputs" in text or worst >= len(answer.inputs):
        return placed, answer
    more = with_run_inputs(text, answer.inputs[worst])
    if more is None:
        return placed, answer
    placed.model.write_text(more, "utf-8")
    with session.timed("proof"):
        again = session.check(placed, signature, keep=True, free=True)
    if again.same:
        return placed, again
    placed.model.write_text(text, "utf-8")
    return placed, answer


def _redacted(session: Session, placed: Candidate, signature: Signature, subject: Subject) -> Redacted | None:
    with session.timed("redact"):
        return redact(session, placed, signature, original=subject.model)


def _graph_for_runtime(answer: Answer, finding: Finding, folder: Path, *, renamed: bool) -> list[Candidate]:
    """For a runtime's own failure on a converted model: its graph and inputs, so that nobody has to convert anything.

    Args:
        renamed: whether the names of the graph are no longer those of the inputs.
    """
    sets = len(answer.inputs)
    if answer.converted is None or answer.converted.suffix != ".onnx" or finding.stage not in RUNTIME_STAGES:
        return []
    if renamed or sets != 1 or not (folder / GRAPH).exists() or answer.pair is None or answer.pair.converter is None:
        return []
    values = read_values(answer.inputs[0])
    feeds = feeds_of(folder / GRAPH, answer.inputs[0])
    assert isinstance(values, Mapping)
    if any(path not in values for path in feeds.values()):
        return []
    write_values(folder / INPUTS, {name: values[path] for name, path in feeds.items()})
    return [Candidate(folder / GRAPH, (), folder / INPUTS)]


def _first_that_shows(path: Path, scripts: Sequence[str]) -> tuple[int, ScriptRun]:
    """Which script is the first to show the failure by itself, else the last, left at `path`; what it came to."""
    ran = ScriptRun(None, "")
    for chosen, script in enumerate(scripts):
        path.write_text(script, "utf-8")
        ran = run_script(path, _SCRIPT_LIMIT_S)
        if ran.shows_the_failure:
            return chosen, ran
    return max(0, len(scripts) - 1), ran


def _script(
    session: Session, placed: Candidate, pair: Report, finding: Finding, *, title: str, plain: bool
) -> str | None:
    one = _task(session, placed, pair, finding, title=title)
    if placed.model.suffix != ".py":
        return script_of_graph(one, _graph_of(placed))
    text = placed.model.read_text("utf-8")
    if is_tensorflow(text):
        return script_of_tensorflow(one, text) if plain else None
    return script_of_module(one, text, plain=plain)


def _short(
    session: Session, placed: Candidate, pair: Report, finding: Finding, *, plain: bool, folder: Path
) -> ShortScript | None:
    """The failure in a few lines, where they have been seen to show it."""
    one = _task(session, placed, pair, finding, title="")
    if placed.model.suffix == ".onnx":
        text = short_script_of_graph(one, _graph_of(placed))
    else:
        module = placed.model.read_text("utf-8")
        short = short_script_of_tensorflow if is_tensorflow(module) else short_script_of_module
        text = short(one, module) if plain else None
    said = shown_by(text, folder, _SCRIPT_LIMIT_S) if text is not None else None
    return ShortScript(text, without_folders(said, folder)) if text is not None and said is not None else None


def _graph_of(placed: Candidate) -> GraphSource:
    return graph_source(placed.model, [placed.inputs] if placed.inputs is not None else [])


def _task(session: Session, placed: Candidate, pair: Report, finding: Finding, *, title: str) -> Reproduction:
    settings = session.settings
    return Reproduction(
        title=f"{title}.",
        outcome=finding.outcome,
        symptom_stage=finding.symptom_stage,
        kind=finding.cause.kind,
        converter=pair.converter if placed.model.suffix == ".py" else None,
        runtime=pair.runtime,
        level=script_level(pair),
        opset=settings.opset,
        options=settings.options,
        runtime_options=settings.runtime_options,
        seed=settings.seed,
        time_limit_s=round(settings.limits.timeout_s) if finding.cause.kind is Kind.HANG else TIME_LIMIT_S,
    )


def feeds_of(model: Path, inputs: Path) -> Mapping[str, str]:
    """Graph input -> the source's path: by name, else in order."""
    names = [spec.name for spec in read_interface(model).inputs]
    values = read_values(inputs)
    paths = list(values) if isinstance(values, Mapping) else []
    if set(names) <= set(paths) or len(names) != len(paths):
        return {name: name for name in names if name in paths}
    return dict(zip(names, paths, strict=True))
