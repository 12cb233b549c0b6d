"""What a pass changed: the nodes of the first faulty checkpoint that are not what the sound one before it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench
from tautomer.checking.causes.responsible_sets import ResponsibleSet, TargetGraph
from tautomer.checking.results import SourceResult
from tautomer.checking.verdicts import Verdict
from tautomer.model import Kind

_TASK = "tautomer.adapters.onnx_files.checkpoint_changes:changes"


@dataclass(frozen=True, slots=True)
class Change:
    """A value that is not what it was.

    Attributes:
        value: its name.
        index: the input set that shows it.
        said: how it differs.
        nodes: that make it from values that are what they were; of a constant, those that use it.
        was: the nodes that made it before.
    """

    value: str
    index: int
    said: str
    nodes: tuple[str, ...]
    was: tuple[str, ...]

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Change:
        """A change as a worker reported it."""
        return cls(fields["value"], int(fields["input"]), fields["said"], tuple(fields["nodes"]), tuple(fields["was"]))


def sound_before(verdicts: Sequence[Verdict], faulty: Verdict) -> Verdict | None:
    """The checkpoint right before a faulty one; None where that is no graph, or was not found sound."""
    before = graph_before(verdicts, faulty)
    return before if before is not None and before.judged and not before.faulty else None


def graph_before(verdicts: Sequence[Verdict], verdict: Verdict) -> Verdict | None:
    """The checkpoint right before another; None where that is no graph."""
    graphs = [one for one in verdicts if one.record.path is not None and one.record.runs]
    return graphs[graphs.index(verdict) - 1] if verdict in graphs[1:] else None


def narrowed(
    sets: Sequence[ResponsibleSet],
    changes: Sequence[Change],
    graph: TargetGraph,
    before: TargetGraph,
    spans: Mapping[str, set[str]] | None = None,
) -> list[ResponsibleSet]:
    """The sets, each with only those of its nodes that a pass changed; the changes themselves where there are no sets.

    Where a pass took nodes away, what these were made for is the operator that broke.

    Args:
        sets: faults of the checkpoint after the pass.
        changes: what is not what it was before it.
        graph, before: the two checkpoints.
        spans: by value that ends a faulty fragment, all its nodes: a set leaves out those that only move values.
    """
    found: dict[tuple[object, ...], ResponsibleSet] = {}
    for one in sets or [_of_change(change, graph) for change in changes]:
        names = {node.name for node in one.nodes}.union(*((spans or {}).get(value, ()) for value in one.values))
        mine = [change for change in changes if names & {*change.nodes}]
        again = _narrowed(one, mine, graph, before) if mine else one
        found[again.key] = found[again.key].with_more(again) if again.key in found else again
    return list(found.values())


def _narrowed(
    one: ResponsibleSet, changes: Sequence[Change], graph: TargetGraph, before: TargetGraph
) -> ResponsibleSet:
    # The same fault at several places is one set: what changed at each of them stays.
    changed = list(dict.fromkeys(name for change in changes for name in change.nodes))
    nodes = [node for node in one.nodes if node.name in changed] or [
        graph.nodes[name] for name in changed if name in graph.nodes
    ]
    change = next((one for one in changes if _gone(one, graph, before)), changes[0])
    gone = _gone(change, graph, before)
    if not gone:
        _, operator, line, call = graph.set_of(changed, one.operator, one.line)
        return replace(one, nodes=tuple(nodes), operator=operator, line=line, call=call or one.call)
    _, operator, line, call = before.set_of(gone, None, None)
    types = ", ".join(f"'{name}' ({before.nodes[name].op_type})" for name in gone)
    return replace(
        one,
        nodes=tuple(nodes),
        operator=operator or one.operator,
        line=line or one.line,
        call=call if operator is not None else one.call,
        said=f"{one.said}; '{change.value}' {change.said}, made by {types}, which the pass took away",
        taken_away=True,
    )


def _gone(change: Change, graph: TargetGraph, before: TargetGraph) -> list[str]:
    """The nodes that a pass took away."""
    return [name for name in change.was if name in before.nodes and name not in graph.nodes]


def _of_change(change: Change, graph: TargetGraph) -> ResponsibleSet:
    nodes, operator, line, call = graph.set_of(change.nodes, None, None)
    said = f"'{change.value}' {change.said}"
    return ResponsibleSet(
        nodes, operator, line, call, Kind.SEMANTIC, said, (change.value,), (change.index,), float("inf"), exact=True
    )


def changes_between(
    bench: Bench, host: WarmHost, before: Verdict, faulty: Verdict, source: SourceResult
) -> list[Change]:
    """What is not in a checkpoint what it was in the one before it; empty where values cannot be told apart by name.

    Args:
        host: a process that evaluates ONNX files.
        before, faulty: the two.
        source: what the source answers.
    """
    attempt = bench.run(
        host,
        _TASK,
        {
            "before": str(before.record.path),
            "before_opset": before.record.opset_override,
            "model": str(faulty.record.path),
            "opset_override": faulty.record.opset_override,
            "inputs": [str(path) for path in source.inputs],
            "feeds": faulty.record.feeds,
        },
        label=f"changes {faulty.name}",
    )
    return [Change.of(event.fields) for event in attempt.events if event.name == "changed"]
