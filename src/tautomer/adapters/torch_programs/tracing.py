"""Every value a captured program computes, in its own precision and in float64, so that a target can be judged operator
by operator.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.source_trace import SourceTrace, TracedValue
from tautomer.adapters.torch_programs.capture import Capture, source_line
from tautomer.adapters.torch_programs.lift import GraphRun, base_name, is_view, moves_values
from tautomer.adapters.torch_programs.trees import to_tensor
from tautomer.numerics.branches import Branches

LOCAL_SAMPLES = 4
"""Perturbed evaluations of each operator by itself: enough for a scale, since they are pooled over its elements."""


@dataclass(frozen=True, slots=True)
class TracedRun:
    """The two runs of a captured program and its values.

    Attributes:
        exact: outputs in float64.
        trace: None where the values together would take more than the budget; `reason` says so.
        reason: why there is no trace.
        watched_declared, watched_exact: floating values of the nodes that were to be watched, by name.
    """

    exact: list[torch.Tensor]
    trace: SourceTrace | None
    reason: str | None
    watched_declared: dict[str, torch.Tensor]
    watched_exact: dict[str, torch.Tensor]


def traced(
    captured: Capture,
    inputs: Sequence[torch.Tensor],
    branches: Branches,
    *,
    watch: Collection[str],
    seed: int,
    budget_bytes: int,
    folder: Path,
    stem: str,
) -> TracedRun:
    """Run a captured program natively and lifted, keeping the floating values its operators compute.

    Args:
        captured: the program.
        inputs: its tensor inputs.
        branches: that its declared run took.
        watch: names of nodes whose values are wanted besides.
        seed: of the local perturbations.
        budget_bytes: the most that the kept values may take.
        folder, stem: where the trace's files go.

    Raises:
        NotLiftable: an operator has no float64 counterpart.
    """
    kept = {node.name for node in captured.graph.graph.nodes if _is_kept(node)}
    needed = sum(_size(node) for node in captured.graph.graph.nodes if node.name in kept) * (4 + 8 + 4)
    reason = None
    if needed > budget_bytes:
        kept = set()
        reason = f"the source's values take {needed / 2**30:.1f} GiB, more than {budget_bytes / 2**30:.1f}"
    declared: dict[str, torch.Tensor] = {}
    lifted: dict[str, torch.Tensor] = {}

    def keep(values: dict[str, torch.Tensor]) -> Any:
        def observe(node: torch.fx.Node, result: Any) -> None:
            floating = isinstance(result, torch.Tensor) and result.is_floating_point()
            if (node.name in kept or node.name in watch) and floating:
                values[node.name] = result.detach().clone()

        return observe

    GraphRun(captured.graph, lift=False, branches=branches.again(), observe=keep(declared)).outputs(*inputs)
    run = _LocalNoise(captured.graph, kept, seed=seed, observe=keep(lifted), branches=branches.again())
    exact = run.outputs(*inputs)
    watched = [name for name in watch if name in declared and name in lifted]
    watched_declared, watched_exact = ({name: values[name] for name in watched} for values in (declared, lifted))
    if reason is not None:
        return TracedRun(exact, None, reason, watched_declared, watched_exact)
    parents = _parents(captured.graph, kept)
    values = [
        TracedValue(
            node.name,
            _spelled(node),
            source_line(node),
            tuple(sorted(parents[node.name])),
        )
        for node in captured.graph.graph.nodes
        if node.name in kept
        and node.name in lifted
        and node.name in declared
        and lifted[node.name].shape == declared[node.name].shape
    ]
    trace = SourceTrace.write(
        folder,
        stem,
        values,
        declared={one.name: to_tensor(declared[one.name]) for one in values},
        exact={one.name: to_tensor(lifted[one.name]) for one in values},
        deviation={one.name: to_tensor(run.variance[one.name].sqrt().to(torch.float32)) for one in values},
        producers=_producers(captured, parents, kept),
    )
    return TracedRun(exact, trace, None, watched_declared, watched_exact)


class _LocalNoise(GraphRun):
    """A lifted run that also measures, operator by operator, what the rounding of that operator alone does."""

    def __init__(
        self, graph: torch.fx.GraphModule, kept: set[str], *, seed: int, observe: Any, branches: Branches
    ) -> None:
        super().__init__(graph, lift=True, observe=observe, branches=branches)
        self._kept = kept
        self._local = torch.Generator().manual_seed(seed * 1_000_003 + 17)
        self.variance: dict[str, torch.Tensor] = {}

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """The operator's exact result; beside it, its perturbed ones."""
        node = self.current_node
        if node is None or not isinstance(target, torch._ops.OpOverload):
            return super().call_function(target, args, kwargs)
        users = [node.name] if node.name in self._kept else _chosen_from(node, self._kept)
        mutates = target._schema.is_mutable
        given = _copied(args, kwargs) if mutates and users else (args, kwargs)
        result = super().call_function(target, args, kwargs)
        squares: list[torch.Tensor | None] | None = None
        for _ in range(LOCAL_SAMPLES if users else 0):
            again = _copied(*given) if mutates else given
            squares = _with_squares(squares, result, self.perturbed(target, *again, generator=self._local))
        for user in users:
            self._note(user, result, squares)
        return result

    def _note(self, user: str, result: Any, squares: list[torch.Tensor | None] | None) -> None:
        values = result if isinstance(result, list | tuple) else [result]
        index = 0 if len(values) == 1 else _index_of(self.module, user)
        value = values[index] if index < len(values) else None
        if isinstance(value, torch.Tensor):
            found = squares[index] if squares is not None and index < len(squares) else None
            self.variance[user] = torch.zeros_like(value.real) if found is None else found / LOCAL_SAMPLES


def _with_squares(squares: list[torch.Tensor | None] | None, exact: Any, perturbed: Any) -> list[torch.Tensor | None]:
    ones = exact if isinstance(exact, list | tuple) else [exact]
    others = perturbed if isinstance(perturbed, list | tuple) else [perturbed]
    found: list[torch.Tensor | None] = []
    for index, (one, other) in enumerate(zip(ones, others, strict=False)):
        before = squares[index] if squares is not None else None
        if not isinstance(one, torch.Tensor) or one.shape != other.shape or not one.is_floating_point():
            found.append(before)
            continue
        deviation = (other - one).abs()
        square = torch.where(torch.isfinite(deviation), deviation, 0.0).square()
        found.append(square if before is None else before + square)
    return found


def _copied(args: Any, kwargs: Any) -> tuple[Any, Any]:
    copied_args, copied_kwargs = pytree.tree_map_only(torch.Tensor, torch.clone, (args, kwargs))
    return copied_args, copied_kwargs


def _chosen_from(node: torch.fx.Node, kept: set[str]) -> list[str]:
    """Kept values that are one of several results of a node."""
    return [user.name for user in node.users if user.name in kept and _is_choice(user)]


def _index_of(graph: Any, name: str) -> int:
    node = next(one for one in graph.graph.nodes if one.name == name)
    return int(node.args[1])


def _is_choice(node: torch.fx.Node) -> bool:
    return getattr(node.target, "__name__", "") == "getitem" and isinstance(node.args[1], int)


def _is_kept(node: torch.fx.Node) -> bool:
    """Whether a node computes a floating value by something else than moving elements about."""
    value = node.meta.get("val")
    if node.op != "call_function" or not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return False
    if not value.numel() or value.layout is not torch.strided:
        return False
    if _is_choice(node):
        maker = node.args[0]
        return isinstance(maker, torch.fx.Node) and _computes(maker)
    return _computes(node)


def _computes(node: torch.fx.Node) -> bool:
    target = node.target
    return isinstance(target, torch._ops.OpOverload) and not is_view(target) and not moves_values(base_name(target))


def _size(node: torch.fx.Node) -> int:
    return int(node.meta["val"].numel())


def _spelled(node: torch.fx.Node) -> str:
    """The operator as the exporter's metadata spells it: `aten.layer_norm.default`."""
    maker = node.args[0] if _is_choice(node) else node
    return str(maker.target) if isinstance(maker, torch.fx.Node) else str(node.target)


def _parents(graph: torch.fx.GraphModule, kept: set[str]) -> dict[str, set[str]]:
    """For each node, the kept values that it is computed from, looked for through nodes that only move values."""
    through: dict[str, set[str]] = {}
    for node in graph.graph.nodes:
        found: set[str] = set()
        for source in node.all_input_nodes:
            found |= {source.name} if source.name in kept else through.get(source.name, set())
        through[node.name] = found
    return through


def _producers(captured: Capture, parents: Mapping[str, set[str]], kept: set[str]) -> dict[str, str | None]:
    """For each output path, the kept value it is, or was last computed from."""
    output = next(node for node in captured.graph.graph.nodes if node.op == "output")
    results = pytree.tree_leaves(output.args)
    found: dict[str, str | None] = {}
    for path, node in zip(captured.output_paths, results, strict=True):
        name = node.name if isinstance(node, torch.fx.Node) else ""
        nearest = sorted(parents.get(name, ()))
        found[path] = name if name in kept else (nearest[-1] if nearest else None)
    return found
