"""Every value a frozen graph computes, in its own precision and in float64, so that a target can be judged operator by
operator.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.source_trace import SourceTrace, TracedValue
from tautomer.adapters.tf_programs.graph_plan import Edge, GraphPlan, NodePlan, edge_of
from tautomer.adapters.tf_programs.interpreter import CONTROL, GraphDefRun
from tautomer.adapters.tf_programs.nested import to_tensor
from tautomer.adapters.tf_programs.operators import MOVES
from tautomer.adapters.tf_programs.perturbation import NodeNoise
from tautomer.model import Tensor
from tautomer.numerics.branches import Branches

LOCAL_SAMPLES = 4
"""Perturbed evaluations of each operator by itself: enough for a scale, since they are pooled over its elements."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """A frozen graph with the inputs of one set.

    Attributes:
        plan: of the graph.
        feeds: tensor name -> value.
        outputs: output path -> tensor name.
        lines: node name -> the user's line; nodes without one are left out.
    """

    plan: GraphPlan
    feeds: Mapping[str, Any]
    outputs: Mapping[str, str]
    lines: Mapping[str, str]

    def run(self, run: GraphDefRun) -> dict[str, Any]:
        """The outputs by path."""
        return dict(zip(self.outputs, run.run(self.feeds, list(self.outputs.values())), strict=True))

    def order(self) -> tuple[NodePlan, ...]:
        """The nodes that the outputs need, in order."""
        return self.plan.order(edge_of(name)[0] for name in self.outputs.values())


@dataclass(frozen=True, slots=True)
class TracedRun:
    """The two runs of a graph and its values.

    Attributes:
        exact: outputs in float64, by path.
        trace: None where the values together would take more than the budget; `reason` says so.
        reason: why there is no trace.
        watched_declared, watched_exact: floating values of the edges that were to be watched.
    """

    exact: dict[str, Any]
    trace: SourceTrace | None
    reason: str | None
    watched_declared: dict[Edge, Array]
    watched_exact: dict[Edge, Array]


def traced(
    call: Call,
    branches: Branches,
    *,
    watch: Collection[Edge],
    seed: int,
    budget_bytes: int,
    folder: Path,
    stem: str,
) -> TracedRun:
    """Run a graph in both precisions, keeping the floating values its operators compute.

    Args:
        call: the graph and its inputs.
        branches: that its declared run took.
        watch: values that are wanted besides.
        seed: of the local perturbations.
        budget_bytes: the most that the kept values may take.
        folder, stem: where the trace's files go.

    Raises:
        NotLiftable: an operator has no float64 counterpart.
    """
    kept = _kept(call)
    declared: dict[Edge, Array] = {}
    needed_bytes = 0

    def keep_declared(node: NodePlan, results: Sequence[Any]) -> None:
        nonlocal needed_bytes
        for number, value in enumerate(results):
            edge = (node.name, number)
            if edge in kept and _is_floating(value) and len(value.shape) and not all(value.shape):
                kept.discard(edge)
            if edge in kept and _is_floating(value):
                needed_bytes += int(np.prod(value.shape)) * (4 + 8 + 4)
            if (edge in watch or (edge in kept and needed_bytes <= budget_bytes)) and _is_floating(value):
                declared[edge] = value.numpy()

    call.run(GraphDefRun(call.plan, lift=False, branches=branches.again(), observe=keep_declared))
    reason = None
    if needed_bytes > budget_bytes:
        reason = f"the source's values take {needed_bytes / 2**30:.1f} GiB, more than {budget_bytes / 2**30:.1f}"
        kept = set()
    exact: dict[Edge, Array] = {}

    def keep_exact(node: NodePlan, results: Sequence[Any]) -> None:
        for number, value in enumerate(results):
            edge = (node.name, number)
            if (edge in watch or edge in kept) and edge in declared:
                exact[edge] = value.numpy()

    run = _LocalNoise(call.plan, kept, seed=seed, observe=keep_exact, branches=branches.again())
    outputs = call.run(run)
    watched = [edge for edge in watch if edge in declared and edge in exact]
    ends = {edge: declared[edge] for edge in watched}, {edge: exact[edge] for edge in watched}
    if reason is not None:
        return TracedRun(outputs, None, reason, *ends)
    order = [edge for edge in exact if edge in kept and exact[edge].shape == declared[edge].shape]
    parents = _parents(call, set(order))
    nodes = call.plan.nodes
    values = [
        TracedValue(
            tensor_name(edge),
            nodes[edge[0]].op,
            call.lines.get(edge[0]),
            tuple(sorted(tensor_name(one) for one in parents[edge[0]])),
        )
        for edge in order
    ]
    trace = SourceTrace.write(
        folder,
        stem,
        values,
        declared={tensor_name(edge): to_tensor(declared[edge]) for edge in order},
        exact={tensor_name(edge): Tensor.of(exact[edge]) for edge in order},
        deviation={
            tensor_name(edge): Tensor.of(np.sqrt(run.variance_of(edge, exact[edge])).astype(np.float32))
            for edge in order
        },
        producers=_producers(call, parents, set(order)),
    )
    return TracedRun(outputs, trace, None, *ends)


def tensor_name(edge: Edge) -> str:
    """A tensor's name, as TensorFlow writes it."""
    return f"{edge[0]}:{edge[1]}"


class _LocalNoise(GraphDefRun):
    """A lifted run that also measures, operator by operator, what the rounding of that operator alone does."""

    def __init__(self, plan: GraphPlan, kept: set[Edge], *, seed: int, observe: Any, branches: Branches) -> None:
        super().__init__(plan, lift=True, observe=observe, branches=branches)
        self._kept_nodes = {name for name, _ in kept}
        self._local = np.random.default_rng([seed, 17])
        self._squares: dict[Edge, Array] = {}

    def variance_of(self, edge: Edge, exact: Array) -> Array:
        """Mean square deviation of a value under its own operator's rounding."""
        found = self._squares.get(edge)
        return np.zeros(exact.shape) if found is None else found / LOCAL_SAMPLES

    def _node(self, plan: GraphPlan, node: NodePlan, inputs: Any, shadows: Any, *, observed: bool) -> Any:
        met = len(self._branches.met)
        results = super()._node(plan, node, inputs, shadows, observed=observed)
        if not observed or node.name not in self._kept_nodes or not all(hasattr(one, "dtype") for one in results):
            return results
        for _ in range(LOCAL_SAMPLES):
            if node.op in CONTROL:
                inner = Branches(self._branches.met[met:])
                again = GraphDefRun(plan, lift=True, branches=inner, perturbation=self._local).control(
                    plan, node, inputs
                )
            else:
                noise = NodeNoise(node, plan, self._local)
                again = self.lifted_node(node, inputs, noise, shadows.get((node.name, 0)))
            for number, (one, other) in enumerate(zip(results, again, strict=True)):
                if _is_floating(one) and one.shape == other.shape:
                    deviation = np.abs(other.numpy() - one.numpy())
                    square = np.square(np.where(np.isfinite(deviation), deviation, 0.0))
                    edge = (node.name, number)
                    self._squares[edge] = self._squares.get(edge, 0.0) + square
        return results


def _is_floating(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return dtype is not None and bool(getattr(dtype, "is_floating", False))


def _kept(call: Call) -> set[Edge]:
    """The tensors that are computed by something else than moving elements, and that something takes."""
    order = call.order()
    used = {edge for node in order for edge in node.inputs} | {edge_of(name) for name in call.outputs.values()}
    return {
        (node.name, number)
        for node in order
        for number, dtype in enumerate(node.output_dtypes)
        if node.op not in MOVES and dtype.is_floating and (node.name, number) in used
    }


def _parents(call: Call, kept: set[Edge]) -> dict[str, set[Edge]]:
    """For each node, the kept values that it is computed from, looked for through nodes that only move values."""
    through: dict[str, set[Edge]] = {}
    for node in call.order():
        found: set[Edge] = set()
        for edge in node.inputs:
            found |= {edge} if edge in kept else through.get(edge[0], set())
        through[node.name] = found
    return through


def _producers(call: Call, parents: Mapping[str, set[Edge]], kept: set[Edge]) -> dict[str, str | None]:
    """For each output path, the kept value it is, or was last computed from."""
    places = {node.name: at for at, node in enumerate(call.order())}
    found: dict[str, str | None] = {}
    for path, name in call.outputs.items():
        edge = edge_of(name)
        nearest = sorted(parents.get(edge[0], ()), key=lambda one: places[one[0]])
        found[path] = tensor_name(edge) if edge in kept else (tensor_name(nearest[-1]) if nearest else None)
    return found
