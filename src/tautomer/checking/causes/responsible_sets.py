"""The independent faults of a converted graph: by operator of the source, the nodes that are not what it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench
from tautomer.checking.causes.calls import Replay, SourceCall
from tautomer.checking.causes.counterfactuals import Supposition, suppositions
from tautomer.checking.causes.target_nodes import TargetNode, read_nodes, responsible
from tautomer.checking.fragment_records import FragmentFault
from tautomer.checking.records import CheckpointRecord
from tautomer.checking.results import SourceResult
from tautomer.checking.verdicts import Verdict, values_of
from tautomer.model import Attempt, Event, Kind, Tensor

_NAMED = "tautomer.adapters.onnx_files.named_values:judge_named"
_ISOLATE = "tautomer.adapters.onnx_files.named_values:isolate"
_REPAIR = "tautomer.adapters.onnx_files.node_repairs:repairs"

MOST_REPAIRED = 16
"""Values in whose formulas the wrong node is looked for; the others' formulas are named whole."""


@dataclass(frozen=True, slots=True)
class ResponsibleSet:
    """Nodes of the target that together are not what one operator of the source is.

    Attributes:
        nodes: those with a part in it, in the graph's order.
        operator: of the source; several joined by ` + ` where the nodes cannot be told apart.
        line: `file.py:12`.
        call: how the source called it, where that is known.
        kind: which kind of wrong.
        said: how a value is off, by name or by how much.
        values: names of the values that are wrong.
        inputs: the input sets that show it.
        size_u: how large the fault is among its kind.
        exact: whether `said` is about a difference of types, shapes, or integers.
        supposition: how the call's arguments were misread, where that explains what is computed.
        taken_away: whether a pass took the operator away, and the nodes are those that miss it.
    """

    nodes: tuple[TargetNode, ...]
    operator: str | None
    line: str | None
    call: SourceCall | None
    kind: Kind
    said: str
    values: tuple[str, ...]
    inputs: tuple[int, ...]
    size_u: float
    exact: bool = False
    supposition: Supposition | None = None
    taken_away: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        """What sets share that are the same fault: the operator, what it became, and the kind."""
        return self.operator, tuple(dict.fromkeys(one.op_type for one in self.nodes)), self.kind

    def with_more(self, other: ResponsibleSet) -> ResponsibleSet:
        """The same fault at other nodes, or on other inputs."""
        known = {one.name for one in self.nodes}
        larger = max((self, other), key=lambda one: one.size_u)
        return replace(
            self,
            nodes=(*self.nodes, *(one for one in other.nodes if one.name not in known)),
            said=self.said if self.exact else larger.said,
            values=tuple(dict.fromkeys((*self.values, *other.values))),
            inputs=tuple(sorted({*self.inputs, *other.inputs})),
            size_u=larger.size_u,
        )


@dataclass(frozen=True, slots=True)
class TargetGraph:
    """The nodes of one checkpoint by name, and the calls of the source that they may have been made for."""

    nodes: Mapping[str, TargetNode]
    replay: Replay | None

    def set_of(self, names: Sequence[str], operator: str | None, line: str | None, source: str = "") -> tuple[Any, ...]:
        """Nodes with a part in the fault, and the operator that the faulty step was given.

        Where the exporter wrote what each node was made for, that counts: it is what was translated. The operator
        found by value is the user's own, which may have been decomposed on the way.
        """
        found = responsible([self.nodes[name] for name in names if name in self.nodes])
        made_for = {one.source_name: one.source_operator for one in found if one.source_name and one.source_operator}
        if self.replay is not None and self.replay.programs.keys() == {"traced"}:
            made_for = {}  # it speaks of what the target was once made from, which is not the source here
        call = self._last_call(made_for) if made_for else None
        if made_for:
            operators = list(dict.fromkeys(self._of_the_user(name, str(one)) for name, one in made_for.items()))
            operator = " + ".join(operators)
            line = next((one.line for one in reversed(found) if one.line), line)
        elif self.replay is not None and operator is not None:
            from tautomer.adapters.onnx_files.traced_values import UNNAMED

            own_name = source.removeprefix(UNNAMED)
            call = self.replay.named(own_name, "traced") or self.replay.at(operator.split(" + ")[-1], line)
        return tuple(found), operator, line, call

    def _last_call(self, made_for: Mapping[Any, Any]) -> SourceCall | None:
        return self.replay.named(list(made_for)[-1], "decomposed", "captured") if self.replay is not None else None

    def _of_the_user(self, name: Any, operator: str) -> str:
        """An operator of a decomposition that no user can call, as the one it was made from."""
        call = self.replay.named(str(name), "decomposed") if self.replay is not None else None
        origin = self.replay.captured_of(call) if self.replay is not None and call is not None else None
        return origin.operator if origin is not None and not operator.startswith("aten.") else operator


def sets_of_conversion(
    bench: Bench,
    host: WarmHost,
    source: SourceResult,
    replay: Replay | None,
    *,
    blamed: Verdict,
    saved: Verdict | None,
) -> list[ResponsibleSet]:
    """The independent faults of the saved graph; of the blamed one first, where passes have moved layouts since.

    A value whose layout was moved does not match the source's by name any more, and a wrong one by value neither; then
    only the blamed graph tells an operator from those around it. What is wrong in the saved graph at nodes that were
    made for something else is another fault, which came later.
    """
    if saved is None or saved.name == blamed.name or replay is None or not replay.layouts_change:
        steps = {one.name: one for one in (saved, blamed) if one is not None}
        found = (responsible_sets(bench, host, one, source, replay) for one in steps.values())
        return next((sets for sets in found if sets), [])
    first = responsible_sets(bench, host, blamed, source, replay)
    known = {node.source_name for one in first for node in one.nodes}
    assert saved.record.path is not None
    nodes = read_nodes(saved.record.path, saved.record.facts)
    first = [replace(one, nodes=tuple(_as_saved(node, nodes) for node in one.nodes)) for one in first]

    def is_later(names: Iterable[str]) -> bool:
        return known.isdisjoint(nodes[name].source_name for name in names if name in nodes)

    if first and not any(is_later(fault.nodes) for fault in saved.fragment_faults()):
        return first
    later = responsible_sets(bench, host, saved, source, replay)
    return first + [one for one in later if not first or (not one.exact and is_later(node.name for node in one.nodes))]


def _as_saved(node: TargetNode, saved: Mapping[str, TargetNode]) -> TargetNode:
    """A node as it stands in the saved graph, where what it is given has been computed, if it is still the same one."""
    other = saved.get(node.name, node)
    return other if (other.op_type, other.source_name) == (node.op_type, node.source_name) else node


def names_in(graph: Mapping[str, TargetNode], nodes: Sequence[TargetNode]) -> list[str]:
    """What nodes of an earlier checkpoint are called in a graph: as they were, or as what was made for the same."""
    made_for = {one.source_name for one in nodes if one.source_name is not None}
    kept = [one.name for one in nodes if one.name in graph]
    others = [name for name, one in graph.items() if one.source_name in made_for and one.computes]
    return kept or others or [one.name for one in nodes]


def responsible_sets(
    bench: Bench, host: WarmHost, verdict: Verdict, source: SourceResult, replay: Replay | None
) -> list[ResponsibleSet]:
    """The independent faults of one checkpoint's graph, worst first.

    Fragments name what is off beyond rounding; values with the exporter's names, compared on forced inputs, name what
    fragments cannot: integers, booleans, types and shapes. Faults that no output shows by themselves are left out where
    another explains the deviation.
    """
    record = verdict.record
    if record.path is None:
        return []
    graph = TargetGraph(read_nodes(record.path, record.facts), replay)
    found: dict[tuple[Any, ...], ResponsibleSet] = {}
    for index, run in sorted(record.fragments.items()):
        for fault in run.faults:
            _add(found, _of_fragment(graph, fault, index))
    computed: dict[int, str] = {}
    if replay is not None and any(replay.values):
        named = bench.run(
            host,
            _NAMED,
            {
                **_evaluation(record, source),
                "values": list(replay.values),
                "record": [one.call.name for one in found.values() if one.call is not None],
                "layouts": replay.layouts_change,
            },
            label=f"named values {record.name}",
        )
        found = unexplained(found, spans_of(record), named.events)
        covered = {node.name for one in found.values() for node in one.nodes}
        covered_values = {name for one in found.values() for name in one.values}
        for event in named.events:
            fields = event.fields
            if event.name == "computed":
                computed[int(fields["input"])] = str(fields["file"])
            if event.name != "named":
                continue
            if fields["value"] in covered_values:
                found = {key: _shown(one, fields, replay) for key, one in found.items()}
                continue
            one = _of_named(graph, fields)
            if not covered & {node.name for node in one.nodes}:
                _add(found, _shown(one, fields, replay))
    sets = sorted(found.values(), key=_order)
    if len(sets) > 1:
        isolation = _isolation(record, source, replay)
        isolation["faults"] = [list(one.values) for one in sets]
        sets = _visible(bench.run(host, _ISOLATE, isolation, label=f"isolate {record.name}"), sets)
    if replay is not None and replay.can_be_called_again:
        asked = [(one.call, one.inputs[0]) for one in sets if one.call is not None]
        supposed = suppositions(bench, host, replay, asked, computed)
        sets = [replace(one, supposition=supposed.get(one.call.name) if one.call else None) for one in sets]
    suspects = [(one, value) for one in sets if _is_formula(one) for value in one.values][:MOST_REPAIRED]
    if suspects:
        arguments = _isolation(record, source, replay)
        arguments["faults"] = [{"value": value, "input": one.inputs[0]} for one, value in suspects]
        attempt = bench.run(host, _REPAIR, arguments, label=f"repairs {record.name}")
        answers: dict[str, Mapping[str, Any] | None] = dict.fromkeys(value for _, value in suspects)
        for event in attempt.events:
            if event.name == "repaired":
                answers[suspects[int(event.fields["position"])][1]] = event.fields
        sets = [repaired(one, answers, spans_of(record)) if _is_formula(one) else one for one in sets]
    return sets


def _is_formula(one: ResponsibleSet) -> bool:
    """Whether which of several nodes is wrong is worth asking."""
    return len(one.nodes) > 1 and one.kind is Kind.SEMANTIC and one.supposition is None


def repaired(
    one: ResponsibleSet, answers: Mapping[str, Mapping[str, Any] | None], spans: Mapping[str, set[str]]
) -> ResponsibleSet:
    """A set with only the node of each formula whose change makes it right; the set as it is where one has none.

    Args:
        one: a set of several nodes.
        answers: by value that was asked for, the node and the change; None where no single node explains it.
        spans: by value, the nodes of its formula.
    """
    names = {node.name for node in one.nodes}
    kept: set[str] = set()
    changes: list[Mapping[str, Any]] = []
    for value in one.values:
        answer, span = answers.get(value), spans.get(value, set()) & names
        if answer is not None and answer["node"] in names:
            kept.add(str(answer["node"]))
            changes.append(answer)
        elif value in answers and len(span) != 1:
            return one
        else:
            kept |= span
    if not changes:
        return one
    types = " -> ".join(dict.fromkeys(node.op_type for node in one.nodes))
    first = changes[0]
    change = str(first["change"])
    mended = change if change.startswith("without ") else f"with {change}"
    said = f"{one.said}; of {types}, '{first['node']}' is wrong: {mended} the result is right"
    return replace(one, nodes=tuple(node for node in one.nodes if node.name in kept), said=said)


def _visible(attempt: Attempt, sets: list[ResponsibleSet]) -> list[ResponsibleSet]:
    """Those that an output shows by themselves; all where none does."""
    visible = [False] * len(sets)
    for event in attempt.events:
        if event.name == "isolated":
            visible = [one or bool(other) for one, other in zip(visible, event.fields["visible"], strict=True)]
    return [one for one, shows in zip(sets, visible, strict=True) if shows] or sets


def spans_of(record: CheckpointRecord) -> dict[str, set[str]]:
    """By value that ends a faulty fragment, all nodes of the fragment."""
    spans: dict[str, set[str]] = {}
    for run in record.fragments.values():
        for fault in run.faults:
            spans.setdefault(fault.value, set()).update(fault.nodes)
    return spans


def unexplained(
    found: dict[tuple[Any, ...], ResponsibleSet], spans: Mapping[str, set[str]], events: Iterable[Event]
) -> dict[tuple[Any, ...], ResponsibleSet]:
    """Without the fragments that are right once another value inside them is, which was compared by name.

    Fragments end at floating-point values that something computes, so a wrong mask, or a tensor whose parts were put
    together in another order, is found in all that it is used for.
    """
    compared: set[str] = set()
    wrong: dict[str, set[str]] = {}
    for event in events:
        if event.name == "computed":
            compared.update(event.fields["compared"])
        elif event.name == "named":
            # A value of another shape may be aligned all the same: then it shows only where it is used.
            users = event.fields.get("users", []) if event.fields.get("at") is None else []
            wrong.setdefault(str(event.fields["value"]), set()).update([*event.fields["nodes"], *users])

    def is_explained(one: ResponsibleSet) -> bool:
        span = set().union(*(spans.get(value, set()) for value in one.values))
        inside = any(nodes & span for nodes in wrong.values())
        return inside and compared >= {*one.values} and not wrong.keys() & {*one.values}

    return {key: one for key, one in found.items() if not is_explained(one)}


def _add(found: dict[tuple[Any, ...], ResponsibleSet], one: ResponsibleSet) -> None:
    if one.nodes:
        known = found.get(one.key)
        found[one.key] = one if known is None else known.with_more(one)


def _order(one: ResponsibleSet) -> tuple[int, float]:
    return [Kind.SEMANTIC, Kind.RANGE, Kind.STABILITY].index(one.kind), -one.size_u


def _of_fragment(graph: TargetGraph, fault: FragmentFault, index: int) -> ResponsibleSet:
    nodes, operator, line, call = graph.set_of(fault.nodes, fault.operator, fault.line, fault.source)
    kind = Kind.SEMANTIC if fault.semantic else (Kind.RANGE if fault.range_fault else Kind.STABILITY)
    said = f"another function, off by {fault.size_u:.3g} u in float64"
    if not fault.semantic:
        by_formula = f"the same function by a formula that errs {fault.size_u:.3g} times as much as it may"
        said = (
            f"another range: {fault.range_fault.replace(chr(39) * 2, repr(fault.value))}"
            if fault.range_fault
            else by_formula
        )
    return ResponsibleSet(nodes, operator, line, call, kind, said, (fault.value,), (index,), fault.size_u)


def _of_named(graph: TargetGraph, fields: Mapping[str, Any]) -> ResponsibleSet:
    nodes, operator, line, call = graph.set_of(fields["nodes"], None, None)
    said = f"'{fields['value']}' {fields['said']}"
    values, inputs = (str(fields["value"]),), (int(fields["input"]),)
    return ResponsibleSet(nodes, operator, line, call, Kind.SEMANTIC, said, values, inputs, float("inf"), exact=True)


def _shown(one: ResponsibleSet, fields: Mapping[str, Any], replay: Replay) -> ResponsibleSet:
    """A set with the element that shows its fault most, and what the operator was given there."""
    if fields["value"] not in one.values or (" where the " in one.said and not one.exact):
        return one  # its element is named already
    said = one.said if one.exact else f"{one.said}; '{fields['value']}' {fields['said']}"
    given = _given_at(one.call, fields, replay)
    return replace(one, said=f"{said}, given {given}" if given else said)


def _given_at(call: SourceCall | None, fields: Mapping[str, Any], replay: Replay) -> str:
    """`self=0.0, other=-1.0`: the elements of an elementwise call's tensors at one place."""
    file = replay.values[int(fields["input"])]
    if call is None or fields["at"] is None or file is None:
        return ""
    values = values_of(Path(file))
    result, at = values.get(str(fields["value"])), tuple(fields["at"])
    texts = []
    for argument in call.arguments:
        name = argument.value.get("node") if isinstance(argument.value, dict) else None
        tensor = values.get(str(name))
        if not isinstance(tensor, Tensor):
            continue
        if not isinstance(result, Tensor) or tensor.shape != result.shape:
            return ""
        texts.append(f"{argument.name}={tensor.numpy()[at]}")
    return ", ".join(texts)


def _evaluation(record: CheckpointRecord, source: SourceResult) -> dict[str, Any]:
    return {
        "model": str(record.path),
        "inputs": [str(path) for path in source.inputs],
        "feeds": record.feeds,
        "opset_override": record.opset_override,
    }


def _isolation(record: CheckpointRecord, source: SourceResult, replay: Replay | None) -> dict[str, Any]:
    """Arguments of tasks that put the source's values in the places of a graph's."""
    folder = source.attempt.log.parent
    keys = (("trace", "trace"), ("s32", "s32"), ("s64", "float64"))
    entries = source.facts["sets"]
    runs = [record.fragments.get(index) for index in range(len(entries))]
    return {
        **_evaluation(record, source),
        "references": [
            {key: str(folder / one[name]) for key, name in keys} if one.get("trace") else None for one in entries
        ],
        "alignments": [str(run.alignment) if run is not None and run.alignment is not None else None for run in runs],
        "values": list(replay.values) if replay is not None else [],
    }
