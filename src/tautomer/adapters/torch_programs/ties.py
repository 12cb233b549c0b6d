"""Find the outputs of a captured program that are indices chosen among values whose ties PyTorch leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.torch_programs.capture import Capture
from tautomer.adapters.torch_programs.lift import GraphRun, base_name
from tautomer.numerics.ties import TieKeys

_ORDERS = frozenset({"topk", "sort", "argsort", "msort"})
_CHOICES = frozenset({"kthvalue", "median", "nanmedian", "mode"})
"""Operators whose documentation does not say which of equal values they name; `max` and `argmax` name the first.

Source: PyTorch 2.13's documentation of each: `torch.sort` keeps the order of equal values with `stable=True` only.
"""

_PASSING = frozenset({"clone", "alias", "detach", "contiguous", "to", "_to_copy", "lift_fresh_copy"})
"""Operators that leave the elements of a tensor where they are."""


def tie_keys(captured: Capture, inputs: Sequence[torch.Tensor]) -> dict[str, TieKeys]:
    """By output path, what an output of indices was chosen by; empty, and without a run, where there is no such output.

    Args:
        captured: the program.
        inputs: its tensor inputs.
    """
    wanted: dict[str, torch.fx.Node] = {}
    for path, node in zip(captured.output_paths, _results(captured.graph), strict=True):
        chooser = _chooser(node) if isinstance(node, torch.fx.Node) else None
        if chooser is not None:
            wanted[path] = chooser
    if not wanted:
        return {}
    keys = {node.args[0].name: None for node in wanted.values() if isinstance(node.args[0], torch.fx.Node)}
    values: dict[str, torch.Tensor] = {}

    def observe(node: torch.fx.Node, result: Any) -> None:
        if node.name in keys and isinstance(result, torch.Tensor):
            values[node.name] = result.detach().clone()

    GraphRun(captured.graph, lift=False, observe=observe).outputs(*inputs)
    found = {}
    for path, node in wanted.items():
        source = node.args[0]
        value = values.get(source.name) if isinstance(source, torch.fx.Node) else None
        if value is not None and value.ndim and not value.is_complex():
            found[path] = TieKeys(_comparable(value), _axis(node) % value.ndim, _name(node) in _ORDERS)
    return found


def _results(graph: torch.fx.GraphModule) -> list[Any]:
    output = next(node for node in graph.graph.nodes if node.op == "output")
    return pytree.tree_leaves(output.args)


def _chooser(node: torch.fx.Node) -> torch.fx.Node | None:
    """The operator that chose the indices `node` stands for, looked for through nodes that leave them as they are."""
    while _name(node) in _PASSING and isinstance(node.args[0], torch.fx.Node):
        node = node.args[0]
    if _name(node) == "argsort":
        return None if _is_stable(node) else node
    if getattr(node.target, "__name__", "") != "getitem" or node.args[1] != 1:
        return None
    maker = node.args[0]
    if not isinstance(maker, torch.fx.Node) or _name(maker) not in _ORDERS | _CHOICES or _is_stable(maker):
        return None
    return maker


def _name(node: torch.fx.Node) -> str:
    return base_name(node.target)


def _is_stable(node: torch.fx.Node) -> bool:
    return bool(_argument(node, "stable", None))


def _axis(node: torch.fx.Node) -> int:
    axis = _argument(node, "dim", -1)
    return int(axis) if isinstance(axis, int) else -1


def _argument(node: torch.fx.Node, name: str, default: Any) -> Any:
    """An argument by its name in the operator's schema, wherever the call has it."""
    if name in node.kwargs:
        return node.kwargs[name]
    assert isinstance(node.target, torch._ops.OpOverload)
    names = [argument.name for argument in node.target._schema.arguments]
    at = names.index(name) if name in names else len(node.args)
    return node.args[at] if at < len(node.args) else default


def _comparable(value: torch.Tensor) -> Any:
    """The values as numpy can compare them: widening changes no order and no tie."""
    return (value.float() if value.dtype in (torch.bfloat16, torch.float16) else value).numpy()
