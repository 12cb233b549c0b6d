"""Calls of operators as JSON: what each argument is called, what it was given, and what its default would have been."""

from __future__ import annotations

import math
from typing import Any

import torch

from tautomer.adapters.torch_programs.capture import source_line


def calls_of(graph: torch.fx.GraphModule) -> list[dict[str, Any]]:
    """Every call of an operator in a captured graph, in order.

    Returns:
        For each `name` of the node, `operator`, `line`, `origin` (the node of the program it was decomposed from, where
        that is recorded), `results` (dtype and shape of each), `pointwise`, and `arguments`: `name`, `value`, whether
        it has a `default` and which, and the `type` that the operator's schema declares.
    """
    return [
        {
            "name": node.name,
            "operator": str(node.target),
            "line": source_line(node),
            "origin": origin_of(node),
            "results": _results(node),
            "pointwise": torch.Tag.pointwise in node.target.tags,
            "arguments": _arguments(node),
        }
        for node in graph.graph.nodes
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)
    ]


def origin_of(node: torch.fx.Node) -> str | None:
    """Name of the node that this one was made from, in the program that was captured; None where unknown."""
    found, sources = None, list(node.meta.get("from_node") or ())
    while sources:
        found = sources[-1]
        sources = list(found.from_node or ())
    return str(found.name) if found is not None else None


def _results(node: torch.fx.Node) -> list[dict[str, Any]]:
    value = node.meta.get("val")
    tensors = [one for one in (value if isinstance(value, list | tuple) else [value]) if isinstance(one, torch.Tensor)]
    return [
        {
            "dtype": str(one.dtype).removeprefix("torch."),
            "shape": [size if isinstance(size, int) else str(size) for size in one.shape],
        }
        for one in tensors
    ]


def _arguments(node: torch.fx.Node) -> list[dict[str, Any]]:
    target: Any = node.target
    described = []
    position = 0
    for argument in target._schema.arguments:
        given: Any = None
        is_given = argument.name in node.kwargs
        if is_given:
            given = node.kwargs[argument.name]
        elif not argument.kwarg_only and position < len(node.args):
            given, is_given = node.args[position], True
        if not argument.kwarg_only:
            position += 1
        has_default = bool(argument.has_default_value())
        default = argument.default_value if has_default else None
        described.append(
            {
                "name": argument.name,
                "type": str(argument.type),
                "value": as_json(given if is_given else default),
                "has_default": has_default,
                "default": as_json(default),
            }
        )
    return described


def as_json(value: Any) -> Any:
    """An argument as JSON: a node as `{"node": name}`, types and devices by name, symbolic sizes as expressions."""
    if isinstance(value, torch.fx.Node):
        return {"node": value.name}
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value)
