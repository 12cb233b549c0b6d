"""Find a rewrite of the located operator with which the model converts to an equivalent one."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tautomer.adapters.onnx_files.patches.patching import FUNCTION_BODY, OPSET
from tautomer.bisection.rewrites.trial import Trial, TrialBench
from tautomer.checking.progress import Listener
from tautomer.checking.signatures import signature_of
from tautomer.execution import Runner
from tautomer.model import CheckSettings, Finding, Outcome, Workaround

_NEWEST_OPSET, _OLDEST_OPSET = 25, 13
"""Opsets that a graph is converted to; older ones lack too much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRewrite:
    """A rewrite that a full check found to make the failure go away.

    Attributes:
        description: what replaces what, where, and how exactly.
        code: to paste into the model, or empty for a patch of the graph.
        model: the patched .onnx, with its external data beside it.
        method: `table` or `decomposition` of the captured program; `function_body` or `opset` of the graph.
        operators: what was replaced: `aten.name.overload`, or operator types of the graph.
        nodes: names of the replaced nodes in the captured program or the graph.
        outcome: of the full check with it: `equivalent`, or another one where another finding remains.
        remaining: messages of the findings that remain, each of another failure.
    """

    description: str
    code: str
    model: Path
    method: str
    operators: tuple[str, ...]
    nodes: tuple[str, ...]
    outcome: Outcome
    remaining: tuple[str, ...] = ()

    def workaround(self) -> Workaround:
        """What the finding says of it."""
        return Workaround(description=self.description)


def find_rewrite(
    finding: Finding,
    model: Path,
    settings: CheckSettings,
    runner: Runner,
    *,
    folder: Path,
    listener: Listener | None = None,
    several: bool = False,
) -> list[VerifiedRewrite]:
    """Try what can replace the located operator, the smallest change first, each with a full check on all input sets.

    Args:
        finding: names the operator at fault (`location.source_node`).
        model: the source that failed.
        settings: those it failed with; one converter and one runtime.
        folder: gets the patched models.
        several: go on after the first that makes the model equivalent.

    Returns:
        The verified rewrites: those that make the model equivalent, or only those that leave nothing but other
        failures. Empty where there is none.

    Raises:
        MisuseError: the model or its inputs cannot be used.
    """
    located = [one for one in (finding.location.source_node or "").split(" + ") if one]
    verified: list[VerifiedRewrite] = []
    with TrialBench(model, settings, runner, listener) as bench:
        rewrites = itertools.chain(_requests(located, finding.location.source_line), _searched(bench, finding))
        patches = _patches(finding.location.op_types, bench.opset)
        tried = itertools.chain(
            ((request, bench.try_rewrite) for request in rewrites), ((request, bench.try_patch) for request in patches)
        )
        for request, make in tried:
            trial = make(request)
            if trial is None or not _is_better(trial, finding):
                continue
            verified.append(_kept(trial, request, folder / f"rewrite-{len(verified)}"))
            if trial.report.outcome is Outcome.EQUIVALENT and not several:
                break
    equivalent = [one for one in verified if one.outcome is Outcome.EQUIVALENT]
    return equivalent or verified


def _requests(operators: list[str], line: str | None) -> Iterator[Mapping[str, Any]]:
    """What to try: the table before decompositions, the located line before every node of the operator."""
    for method in ("table", "decomposition"):
        for where in dict.fromkeys((line, None)):
            for operator in operators:
                yield {"method": method, "operator": operator, "line": where}


def _patches(op_types: Sequence[str], opset: int | None) -> Iterator[Mapping[str, Any]]:
    """What to try on the graph: definitions of the located nodes' operators, then other opsets, the next ones first.

    Args:
        opset: that a graph which was given as it is holds; None where a converter can be asked for another one.
    """
    if op_types:
        yield {"method": FUNCTION_BODY, "operators": sorted(set(op_types))}
    if opset is not None:
        for other in (*range(opset + 1, _NEWEST_OPSET + 1), *range(opset - 1, _OLDEST_OPSET - 1, -1)):
            yield {"method": OPSET, "operators": sorted(set(op_types)), "opset": other}


def _searched(bench: TrialBench, finding: Finding) -> Iterator[Mapping[str, Any]]:
    """Whatever was located: if rewriting all that the table knows helps, each by itself, then all of them."""
    everything: Mapping[str, Any] = {"method": "table", "operator": None, "line": None}
    trial = bench.try_rewrite(everything)
    if trial is None or not _is_better(trial, finding):
        return
    if len(trial.rewritten["operators"]) > 1:
        yield from ({**everything, "operator": one} for one in trial.rewritten["operators"])
    yield everything


def _is_better(trial: Trial, finding: Finding) -> bool:
    """Whether nothing is wrong any more, or at least not this."""
    if trial.model is None:
        return False
    if trial.report.outcome is Outcome.EQUIVALENT:
        return True
    failing = trial.report.outcome in (Outcome.DIVERGENT, Outcome.FAILED)
    own = signature_of(finding)
    return failing and not any(own.is_same_failure(signature_of(one)) for one in trial.report.findings)


def _kept(trial: Trial, request: Mapping[str, Any], folder: Path) -> VerifiedRewrite:
    assert trial.model is not None
    shutil.copytree(trial.model.parent, folder, dirs_exist_ok=True)
    said = trial.rewritten
    names = " and ".join(said["operators"])
    line = request.get("line")
    lines = f" at {line}" if line else ""
    note = f"; {said['note']}" if said["note"] else ""
    changed = f"rewrite {names}" if names else "convert the graph"
    if said["code"]:
        (folder / "rewrite.py").write_text(said["code"], "utf-8")
    return VerifiedRewrite(
        description=f"{changed}{lines} ({said['exactness']}; {said['source']}{note})",
        code=said["code"],
        model=folder / trial.model.name,
        method=str(request["method"]),
        operators=tuple(said["operators"]),
        nodes=tuple(said["nodes"]),
        outcome=trial.report.outcome,
        remaining=tuple(one.message for one in trial.report.findings),
    )
