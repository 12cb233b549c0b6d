"""Where a runtime's outputs deviate although the model is sound: is one of its kernels at fault?

Every node is judged on the values the runtime itself gave it, against the forward-error bound of its operator
(docs/explanation/numerics.md, section 6). Where every node keeps its bound, no kernel is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tautomer.adapters.protocols import Adapter
from tautomer.checking.attempts import Bench
from tautomer.checking.calibration import own_table_file
from tautomer.checking.records import NodeFault
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.verdicts import SourceTruth, Verdict, judge_checkpoint
from tautomer.model import Completed, Outcome
from tautomer.numerics.kernel_bounds import Summation

NODE_BUDGET_BYTES = 1 << 30
"""Of values between nodes held at a time."""

SAME_CAUSE = 4.0
"""An optimized session may exceed its envelope by this many times what the unoptimized one does."""


def judge_kernels(
    bench: Bench,
    runtime: Adapter,
    verdicts: Sequence[Verdict],
    conversion: Conversion,
    source: SourceResult,
    *,
    executes: Path | None = None,
) -> list[Verdict]:
    """The verdicts of a runtime's checkpoints, its kernels judged where its outputs deviate and the model does not.

    A verdict whose deviation is rounding alone, of a run in which every node keeps its bound, becomes inconclusive.
    """
    first = next((verdict for verdict in verdicts if verdict.faults), None)
    if runtime.node_task is None or first is None or first is not verdicts[0] or _model_deviates(conversion):
        return list(verdicts)
    if source.truth is None:
        return list(verdicts)
    sets = range(len(source.inputs))
    runs = [first.record.runs.get(("declared", index)) for index in sets]
    own = own_table_file(runtime.name, str(first.record.facts.get("version", "")))
    arguments = {
        "model": str(conversion.model),
        "checkpoint": first.name,
        "inputs": [str(path) for path in source.inputs],
        "feeds": conversion.feeds,
        "budget_bytes": NODE_BUDGET_BYTES,
        "table": str(own) if own is not None else None,
        "executes": str(executes) if executes is not None else None,
        "answers": [str(run.values) if run is not None and run.values is not None else None for run in runs],
    }
    summaries = _judged_nodes(bench, runtime, first, arguments)
    if summaries is None:
        return list(verdicts)
    kept = {index for index, one in summaries.items() if _keeps_bounds(one)}
    if kept:
        # No proof, but a second witness beside an output beyond the envelope: sums are not unlucky everywhere.
        likely = _judged_nodes(bench, runtime, first, {**arguments, "summation": Summation.RANDOM_ROUNDINGS})
        kept = {index for index, one in (likely or {}).items() if index in kept and _keeps_bounds(one)}
    worst = max((one.rounding_ratio or 0.0 for index, one in first.faults if index in kept), default=0.0)
    return [_excused(verdict, kept, worst, source.truth) for verdict in verdicts]


def _judged_nodes(
    bench: Bench, runtime: Adapter, first: Verdict, arguments: Mapping[str, Any]
) -> dict[int, Mapping[str, Any]] | None:
    """What is said of the nodes on each input set, those beyond their bounds added to the verdict; None if nothing.

    Args:
        first: the verdict on the unoptimized session, whose nodes they are.
        arguments: of the runtime's task.
    """
    assert runtime.node_task is not None
    summation = arguments.get("summation", Summation.ANY_ORDER)
    attempt = bench.run(runtime.host, runtime.node_task, arguments, label=f"nodes {first.name} {summation}")
    if not isinstance(attempt, Completed):
        return None
    summaries = {int(event.fields["input"]): event.fields for event in attempt.events if event.name == "nodes"}
    words = "random roundings explain" if summation == Summation.RANDOM_ROUNDINGS else "its kernels may be off by"
    for event in attempt.events:
        fields = event.fields
        if event.name == "node" and summaries.get(int(fields["input"]), {}).get("same_answer"):
            first.record.node_faults.append(_fault(fields, words))
    return summaries


def _model_deviates(conversion: Conversion) -> bool:
    steps = [verdict for verdict in conversion.verdicts if verdict.record.path is not None and verdict.record.runs]
    return conversion.model is None or (bool(steps) and steps[-1].outcome is not Outcome.EQUIVALENT)


def _keeps_bounds(summary: Mapping[str, Any]) -> bool:
    """Whether every node of the very run that deviates was judged and keeps its bound."""
    return bool(
        summary["same_answer"]
        and not summary["probes_change_answer"]
        and not summary["nodes_over_bound"]
        and not summary["nodes_without_bound"]
        and not summary["nodes_partly_open"]
    )


def _excused(verdict: Verdict, kept: set[int], worst: float, truth: SourceTruth) -> Verdict:
    """A verdict without the deviations that the model's own amplification of rounding explains."""
    excused = [
        (index, one)
        for index, one in verdict.faults
        if index in kept and not one.strict and (one.rounding_ratio or 0.0) <= SAME_CAUSE * worst
    ]
    if not excused:
        return verdict
    again = judge_checkpoint(verdict.record, truth)
    again.faults[:] = [one for one in again.faults if one not in excused]
    again.reasons.extend(
        f"output '{one.path}' is off by {one.max_abs or 0.0:.2g} on input set {index}, more than the source's envelope,"
        " although every node of the runtime keeps the error bound of its operator: the model amplifies rounding there"
        for index, one in excused
    )
    if again.outcome is Outcome.DIVERGENT and not again.faults:
        again.outcome = Outcome.INCONCLUSIVE
    return again


def _fault(fields: Mapping[str, Any], words: str) -> NodeFault:
    name = str(fields["node"] or fields["outputs"][0])
    if fields.get("shapes"):
        found, exact = fields["shapes"]
        said = f"gives shape {found} where the specification has {exact}"
        return NodeFault(name, str(fields["op_type"]), float("inf"), f"{fields['op_type']} '{name}' {said}")
    said = f"gives {fields['found']:.9g} at {fields['index']} where {fields['exact']:.9g} is exact"
    bound = f"{words} {fields['bound']:.2g}"
    ratio = float(fields["ratio"])
    return NodeFault(name, str(fields["op_type"]), ratio, f"{fields['op_type']} '{name}' {said}; {bound}")
