"""Control flow that is given as an operator (`torch.cond`, `while_loop`), replaced by what it did in one run.

A cut is straight-line code. What was computed in a branch, or in each turn of a loop, can be cut; the decision cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import get_proxy_mode

from tautomer.adapters.torch_programs.capture import trace_operators
from tautomer.adapters.torch_programs.lift import GraphRun


def has_control_flow(graph: torch.fx.GraphModule) -> bool:
    """Whether a graph calls operators that are given functions."""
    return any(
        node.op == "call_function" and isinstance(node.target, torch._ops.HigherOrderOperator)
        for node in graph.graph.nodes
    )


def straightened(
    graph: torch.fx.GraphModule, given: Sequence[Any]
) -> tuple[torch.fx.GraphModule, dict[str, tuple[str, ...]]]:
    """The operators that a run of a graph goes through, one after the other, and by node what it became.

    Args:
        graph: with control flow.
        given: its inputs, flat. Sizes, and which branches are taken, are those of this run.

    Raises:
        Exception: whatever running or tracing it raises.
    """
    became: dict[str, tuple[str, ...]] = {}

    def run(*tensors: torch.Tensor) -> Any:
        filled = iter(tensors)
        return _Watched(graph, became).run(*(next(filled) if isinstance(one, torch.Tensor) else one for one in given))

    tensors = [one.detach().clone() for one in given if isinstance(one, torch.Tensor)]
    with torch.no_grad():
        straight = trace_operators(run, tensors)
    kept = {node.name for node in straight.graph.nodes}
    return straight, {name: tuple(one for one in names if one in kept) for name, names in became.items()}


class _Watched(GraphRun):
    """A run that writes down which operators each node of the graph went through."""

    def __init__(self, graph: torch.fx.GraphModule, became: dict[str, tuple[str, ...]]) -> None:
        super().__init__(graph, lift=False)
        self._became = became

    def run_node(self, n: torch.fx.Node) -> Any:
        """The node's result."""
        mode = get_proxy_mode()
        traced = mode.tracer.graph if mode is not None else None
        before = len(traced.nodes) if traced is not None else 0
        result = super().run_node(n)
        if traced is not None:
            self._became[n.name] = tuple(node.name for node in list(traced.nodes)[before:])
        return result
