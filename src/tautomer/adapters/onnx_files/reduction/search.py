"""The way of a reduction: from the located nodes to the smallest failing part, then to the simplest case of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tautomer.adapters.onnx_files.reduction import simplification
from tautomer.adapters.onnx_files.reduction.case import Case, all_nodes
from tautomer.adapters.onnx_files.reduction.oracle import Oracle
from tautomer.adapters.onnx_files.reduction.selection import Cutter, Selection
from tautomer.minimization import Trials, connected_minimum, grown, one_minimal_subset

CONFIRMATIONS = 2
"""Runs of the first and of the last case: both must fail every time."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a reduction left, as JSON values.

    Attributes:
        name: of the step.
        nodes: that are left, those in bodies included.
        elements: of inputs and stored tensors that are left.
        calls: of the oracle so far.
    """

    name: str
    nodes: int
    elements: int
    calls: int


@dataclass(slots=True)
class Search:
    """One reduction.

    Attributes:
        cutter: the graph.
        oracle: what says whether a case fails.
        trials: the oracle's memory.
        on_step: called when a step ends.
        steps: what has been done.
    """

    cutter: Cutter
    oracle: Oracle
    trials: Trials[Case]
    on_step: Callable[[Step], None] = lambda _: None
    steps: list[Step] = field(default_factory=list)

    def fails(self, case: Case | None) -> bool:
        """Whether a case fails; what could not be cut does not."""
        return case is not None and self.trials(case)

    def start(self, located: Sequence[str]) -> frozenset[int] | None:
        """The smallest set around the located nodes that fails, confirmed; None where not even the graph does.

        Raises:
            Flaky: it fails sometimes.
        """
        nodes = grown(self.cutter.dag, self.cutter.positions(located), lambda nodes: self.fails(self._cut(nodes)))
        if nodes is None:
            return None
        case = self._cut(nodes)
        assert case is not None
        self.trials.confirm(case, CONFIRMATIONS - 1)
        self.oracle.settle()
        self._note("start", case)
        return nodes

    def smallest_part(self, nodes: frozenset[int]) -> Selection:
        """The fewest nodes, then the fewest outputs, then what can be bypassed."""
        found = connected_minimum(self.cutter.dag, nodes, lambda nodes: self.fails(self._cut(nodes)))
        selection = Selection(found)
        self._note("nodes", self.cutter.cut(selection))
        selection = self._with_fewest_outputs(selection)
        selection = self._with_bypasses(selection)
        self._note("bypasses", self.cutter.cut(selection))
        return selection

    def simplest(self, case: Case) -> Case:
        """The case, simplified step by step."""
        current = case.self_contained()
        if not self.fails(current):
            return case
        for name, step in _SIMPLIFICATIONS:
            current = step(current, self.fails)
            self._note(name, current)
        return current

    def _cut(self, nodes: frozenset[int]) -> Case | None:
        if len(nodes) == len(self.cutter.nodes):
            return self.cutter.whole() or self.cutter.cut(Selection(nodes))
        return self.cutter.cut(Selection(nodes))

    def _with_fewest_outputs(self, selection: Selection) -> Selection:
        case = self.cutter.cut(selection)
        if case is None or len(case.proto.graph.output) < 2:
            return selection
        shown = [output.name for output in case.proto.graph.output]

        def hiding(kept: Sequence[str]) -> Selection:
            return Selection(selection.nodes, selection.bypassed, frozenset(shown) - {*kept})

        kept = one_minimal_subset(shown, lambda kept: self.fails(self.cutter.cut(hiding(kept))))
        return hiding(kept)

    def _with_bypasses(self, selection: Selection) -> Selection:
        """Pass inputs of nodes on in their place, the last node first, wherever the failure survives it."""
        current = selection
        for index in sorted(selection.nodes, reverse=True):
            for way in self.cutter.bypasses(index):
                candidate = Selection(current.nodes, current.bypassed | {way}, current.hidden)
                if self.fails(self.cutter.cut(candidate)):
                    current = candidate
                    break
        return current

    def _note(self, name: str, case: Case | None) -> None:
        if case is not None:
            nodes = sum(1 for _ in all_nodes(case.proto.graph))
            self.steps.append(Step(name, nodes, case.elements, self.trials.calls))
            self.on_step(self.steps[-1])


_SIMPLIFICATIONS: tuple[tuple[str, Callable[[Case, Callable[[Case], bool]], Case]], ...] = (
    ("bookkeeping", simplification.without_bookkeeping),
    ("attributes", simplification.without_attributes),
    ("optional inputs", simplification.without_optional_inputs),
    ("bodies", simplification.with_smaller_bodies),
    ("types", simplification.in_float32),
    ("sizes", simplification.with_smaller_tensors),
    ("numbers", simplification.with_simpler_values),
    ("attributes again", simplification.without_attributes),
)


def node_names(case: Case) -> Iterator[str]:
    """Names of a case's nodes, those without one by their first output."""
    for node in case.proto.graph.node:
        yield node.name or next((name for name in node.output if name), node.op_type)
