"""Reduces a finding about an ONNX graph: what a runtime or the checker refuses, computes wrongly, or dies of."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from tautomer.adapters import registry
from tautomer.adapters.protocols import AdapterKind
from tautomer.model import Completed, Event, Outcome, Report, Stage
from tautomer.reduction.oracle import Candidate, Session
from tautomer.reduction.programs import LONGEST_S, Best, confirm

TASK = "tautomer.adapters.onnx_files.reduction.task:reduce_onnx"

_ANSWER_LIMIT_S = 20.0
_MANY_TIMES = 10.0


def reduce_graph(
    session: Session,
    best: Best,
    *,
    model: Path,
    inputs: Sequence[Path],
    feeds: Mapping[str, str],
    located: Sequence[str],
    pair: Report,
) -> bool:
    """Look for a smaller ONNX model and smaller inputs; `best` holds what was found at any time.

    Args:
        model: the file that the runtime got.
        inputs: files of input values by the source's paths, one an input set.
        feeds: graph input -> the source's path.
        located: names of the nodes at fault.
        pair: the report on the whole model.

    Returns:
        Whether the failure was reproduced and something smaller was found.

    Raises:
        BudgetSpent: no attempt is left.
    """
    signature = best.signature
    host = registry.adapters()[AdapterKind.SOURCE, "onnx"].host
    for only_nodes in (False, True):
        folder = session.new_folder("best")

        def hear(event: Event, folder: Path = folder) -> None:
            if event.name == "attempt":
                session.attempts += 1
                session.show("shrink")
            elif event.name == "best":
                nodes = len(event.fields["nodes"])
                session.size = f"{nodes} node{'s' if nodes != 1 else ''}"
                best.pending.append(_kept(event.fields, folder, len(best.pending)))

        session.show("shrink")
        attempt = session.submit(
            host,
            TASK,
            {
                "model": str(model),
                "inputs": [str(path) for path in _worst_first(inputs, pair.worst_input)],
                "feeds": dict(feeds),
                "failing": dataclasses.asdict(signature),
                "located_nodes": list(located),
                "runtime": "onnx.checker" if signature.symptom_stage is Stage.VALIDATION else pair.runtime,
                "level": level_of(pair),
                "seed": session.settings.seed,
                "max_calls": max(1, session.remaining),
                "time_limit_s": _answer_limit_s(pair, session.settings.limits.timeout_s),
                "recording_limit_s": session.settings.limits.timeout_s,
                "only_nodes": only_nodes,
                "options": dict(session.settings.runtime_options),
            },
            label="reduce",
            timeout_s=LONGEST_S,
            on_event=hear,
        )
        session.note_ending(attempt)
        if isinstance(attempt, Completed) and attempt.result["model"] is None:
            return False
        before = best.candidate
        confirm(session, best)
        if best.candidate is not before:
            return True
    return False


def _answer_limit_s(pair: Report, timeout_s: float) -> float:
    """How long the runtime may take to answer: many times what the longest step of the check took."""
    longest_s = max((one.seconds for one in pair.checkpoints if one.outcome is not Outcome.FAILED), default=0.0)
    return min(timeout_s, max(_ANSWER_LIMIT_S, _MANY_TIMES * longest_s))


def script_level(pair: Report) -> str:
    """The level at which a script shows the failure: `all`, the default, unless it shows at lower ones only."""
    adapter = registry.adapters().get((AdapterKind.RUNTIME, pair.runtime))
    levels = {one.name: one.level for one in adapter.checkpoints} if adapter is not None else {}
    sound = {levels[one.name] for one in pair.checkpoints if one.name in levels and one.outcome is Outcome.EQUIVALENT}
    return "disabled" if "all" in sound and "disabled" not in sound else "all"


def level_of(pair: Report) -> str:
    """The first optimization level at which the runtime fails: `disabled`, `basic`, `extended` or `all`."""
    adapter = registry.adapters().get((AdapterKind.RUNTIME, pair.runtime))
    levels = {one.name: one.level for one in adapter.checkpoints} if adapter is not None else {}
    failing = [
        levels[one.name]
        for one in pair.checkpoints
        if one.name in levels and one.outcome in (Outcome.DIVERGENT, Outcome.FAILED)
    ]
    return failing[0] or "all" if failing else "all"


def _worst_first(inputs: Sequence[Path], worst: int | None) -> list[Path]:
    ordered = list(inputs)
    if worst is not None and 0 < worst < len(ordered):
        ordered.insert(0, ordered.pop(worst))
    return ordered


def _kept(fields: Mapping[str, object], folder: Path, number: int) -> Candidate:
    """The best so far, kept where the next best does not overwrite it."""
    model = folder / f"best-{number}.onnx"
    inputs = folder / f"best-{number}.safetensors"
    shutil.copyfile(str(fields["model"]), model)
    shutil.copyfile(str(fields["inputs"]), inputs)
    return Candidate(model, (), inputs, ("cut out and shrunk",))
