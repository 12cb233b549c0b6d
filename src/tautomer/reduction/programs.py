"""Reduces a finding about a program: the operators at fault are cut out with recorded values, then shrunk.

The source's adapter names the tasks that do it in its framework; all of them are asked in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.checking.sources import sample_files
from tautomer.minimization import Dag, connected_minimum
from tautomer.model import Completed, Event, Signature
from tautomer.reduction.oracle import Answer, Candidate, Session
from tautomer.reduction.subject import Subject, with_operators

GROWTH = (0, 1, 2, 4, 8)
"""How many neighbours are cut out with the operators at fault, until it fails by itself, before it is the whole model:
first of those that the named nodes were made for, then of all that may be meant."""

BATCH = 16
LONGEST_S = 6 * 3600.0
"""Limit of a task that makes many attempts, each with a limit of its own."""


@dataclass(slots=True)
class Best:
    """The smallest model so far.

    Attributes:
        candidate, answer: the smallest that a whole check has found to fail the same way.
        signature: what a smaller one must share.
        program: the reduced program, where the candidate is a part of what that is converted to.
        of_program: what a smaller program must share, while the graph that it is converted to is made smaller.
        pending: smaller ones that quicker answers have found since, each smaller than the one before.
    """

    candidate: Candidate
    answer: Answer
    signature: Signature
    program: Candidate | None = None
    of_program: Signature | None = None
    pending: list[Candidate] = field(default_factory=list)

    def proven(self, candidate: Candidate, answer: Answer) -> None:
        """A whole check has confirmed a smaller model."""
        self.candidate, self.answer = candidate, answer
        self.pending = []


def reduce_program(session: Session, subject: Subject, best: Best, *, kind: str, source: Adapter) -> bool:
    """Look for a smaller model module; `best` holds what was found at any time.

    Args:
        kind: the artefact kind of the subject's model.
        source: the adapter that reads it, which can be reduced.

    Returns:
        Whether a part of the model fails by itself, so that there was something to shrink.

    Raises:
        BudgetSpent: no attempt is left.
    """
    with session.timed("cut out"):
        state = _cut(session, subject, best, source, kind)
    if state is None:
        return False
    with session.timed("shrink"):
        if not _shrink(session, best, source, state):
            _shrink_by_checks(session, best, source, state)
    with session.timed("confirm"):
        if not confirm(session, best) and best.candidate.state is not None:
            # The worker has followed another failure; what it found before that may still have needless operators.
            _with_fewest_calls(session, best, source, best.candidate.state)
    return True


def confirm(session: Session, best: Best) -> bool:
    """Find the smallest of the pending models that a whole check confirms, and make it the best.

    Returns:
        Whether it is the smallest of all.
    """
    pending = best.pending
    low, high = 0, len(pending)  # all before `low` are confirmed, or as good as; none from `high` on is
    trial = high - 1
    while low < high:
        answer = session.check(pending[trial], best.signature, free=True)
        if answer.same:
            best.candidate, best.answer = pending[trial], answer
            low = trial + 1
        else:
            high = trial
        trial = (low + high) // 2
    best.pending = []
    return low == len(pending)


def _cut(session: Session, subject: Subject, best: Best, source: Adapter, kind: str) -> str | None:
    """The state file of the smallest part around the operators at fault that fails the same way."""
    spec = {
        "path": str(subject.model),
        "kind": kind,
        "seed": session.settings.seed,
        "inputs": [str(file) for file in sample_files(session.settings.inputs)],
        "trust_pickle": session.settings.trust_pickle,
    }
    for label, ways in (("cut", ways_to_cut(subject)), ("cut all", [{"grow": -1}])):
        session.show("cut out")
        if not ways:
            continue
        arguments = {"spec": spec, "ways": ways}
        attempt = session.submit(source.host, f"{source.reduced_by}:extract", arguments, label=label)
        for written in attempt.result["cuts"] if isinstance(attempt, Completed) else ():
            if written["module"] is None:
                continue
            candidate = candidate_of(written, f"cut out of {subject.model.name}")
            signature = with_operators(best.signature, written.get("alike") or ())
            answer = session.check(candidate, signature)
            if answer.same:
                session.size = _size(written)
                best.signature = signature
                best.proven(candidate, answer)
                return str(written["state"])
    return None


def ways_to_cut(subject: Subject) -> list[dict[str, Any]]:
    """What to cut out of the model, the smallest first: what was found at fault, then more and more around it.

    The nodes of the graph that a finding names know what they were made for, which its operator and line may share
    with others. A fault of several nodes is found as several findings, each of which may need the others.
    """
    located = subject.finding.location
    own = subject.made_for(located.nodes)
    every = [name for finding in subject.report.findings for name in subject.made_for(finding.location.nodes)]
    operators = located.source_node.split(" + ") if located.source_node else []
    wide = {"nodes": every, "operators": operators, "line": located.source_line}
    starts: list[dict[str, Any]] = [{"nodes": names} for names in ((own, every) if own else ())]
    near = [{**start, "grow": grow} for grow in GROWTH for start in starts]
    far: list[dict[str, Any]] = [{**wide, "grow": grow} for grow in GROWTH] if every or operators else []
    return near + far


def _shrink(session: Session, best: Best, source: Adapter, state: str) -> bool:
    """Shrink in a worker that answers quickly; False where it does not see the failure."""

    def hear(event: Event) -> None:
        if event.name == "attempt":
            session.attempts += 1
            session.show("shrink")
        elif event.name == "best":
            session.size = _size(event.fields)
            best.pending.append(candidate_of(event.fields, "shrunk"))

    timeout_s = session.settings.limits.timeout_s
    attempt = session.submit(
        source.host,
        f"{source.reduced_by}:shrink",
        {
            "state": state,
            "settings": probe_settings(session),
            "seed": session.settings.seed,
            "operators": list(best.signature.operators),
            "max_probes": session.remaining,
            "timeout_s": min(60.0, timeout_s),
        },
        label="shrink",
        timeout_s=LONGEST_S,
        on_event=hear,
    )
    session.note_ending(attempt)
    if isinstance(attempt, Completed) and attempt.result.get("module") is not None:
        best.pending.append(candidate_of(attempt.result, "shrunk"))
    return bool(best.pending)


def probe_settings(session: Session) -> dict[str, Any]:
    """The settings of a probe: those of the check."""
    settings = session.settings
    runtime = registry.adapters()[AdapterKind.RUNTIME, settings.to[0]]
    return {
        "converter": settings.via[0] if settings.via else None,
        "opset": settings.opset,
        "options": dict(settings.options),
        "runtime_task": None if runtime.name == "onnxruntime" else runtime.task,
        "runtime_options": dict(settings.runtime_options),
    }


def _shrink_by_checks(session: Session, best: Best, source: Adapter, state: str) -> None:
    """Shrink with whole checks, the largest steps first: for failures that only a whole check sees.

    Raises:
        BudgetSpent: no attempt is left.
    """
    state = _with_fewest_calls(session, best, source, state)
    changed = True
    while changed:
        changed, place = False, 0
        while (taken := _first_smaller(session, best, source, state, place)) is not None:
            changed, (place, state) = True, taken  # what was tried before this one is tried again in the end


def _first_smaller(session: Session, best: Best, source: Adapter, state: str, place: int) -> tuple[int, str] | None:
    """The first step of those from a place on that keeps the failure: its place, and the state file that it leads to.

    Raises:
        BudgetSpent: no attempt is left.
    """
    for at, written in enumerate(_candidates(session, source, state, place), place):
        if _improves(session, best, written, str(written["step"])):
            return at, str(written["state"])
    return None


def _with_fewest_calls(session: Session, best: Best, source: Adapter, state: str) -> str:
    """The state file of the program without the operators that the failure does not need."""
    described = session.submit(source.host, f"{source.reduced_by}:calls", {"state": state}, label="calls")
    parents = described.result["parents"] if isinstance(described, Completed) else []
    everything = frozenset(range(len(parents)))
    states = {everything: state}

    def fails(nodes: frozenset[int]) -> bool:
        arguments = {"state": state, "kept": sorted(nodes)}
        attempt = session.submit(source.host, f"{source.reduced_by}:part", arguments, label="part") if nodes else None
        if not isinstance(attempt, Completed) or attempt.result["module"] is None:
            return False
        if _improves(session, best, attempt.result, "cut out"):
            states[nodes] = str(attempt.result["state"])
        return nodes in states

    return states[connected_minimum(Dag(parents), everything, fails)] if len(parents) > 1 else state


def _improves(session: Session, best: Best, written: Mapping[str, Any], step: str) -> bool:
    """Whether a whole check finds a smaller program to fail the same way; it is the best then."""
    candidate = candidate_of(written, step, best.candidate.steps)
    answer = session.check(candidate, best.signature)
    if answer.same:
        session.size = _size(written)
        best.proven(candidate, answer)
    return answer.same


def _candidates(session: Session, source: Adapter, state: str, skip: int) -> Iterator[Mapping[str, Any]]:
    """The programs one step smaller than a given one, but for the first few."""
    while True:
        arguments = {"state": state, "seed": session.settings.seed, "skip": skip, "count": BATCH}
        attempt = session.submit(source.host, f"{source.reduced_by}:candidates", arguments, label="candidates")
        if not isinstance(attempt, Completed):
            return
        yield from attempt.result["candidates"]
        skip += len(attempt.result["candidates"])
        if attempt.result["exhausted"]:
            return


def candidate_of(written: Mapping[str, Any], step: str, before: tuple[str, ...] = ()) -> Candidate:
    """The candidate that a task says it has written."""
    beside = tuple(Path(one) for one in written.get("beside") or ())
    return Candidate(Path(written["module"]), beside, None, (*before, step), written.get("state"))


def _size(written: Mapping[str, Any]) -> str:
    counts = (("operator", int(written["calls"])), ("element", int(written["elements"])))
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts)
