"""Attributes that are graphs, written as functions: `lambda row: Add(row, bias)` is a branch or the body of a loop."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node of a branch or a body.

    Attributes:
        op_type: its operator.
        inputs: names.
        attributes: names and values.
        result: the name of its result.
    """

    op_type: str
    inputs: tuple[str, ...]
    attributes: tuple[tuple[str, Any], ...]
    result: str


@dataclass(frozen=True, slots=True)
class GraphAttribute:
    """A branch or a body.

    Attributes:
        parameters: its inputs in their order.
        nodes: in their order.
        results: its outputs in their order.
        captured: values of the graph around it that it reads, as the expression names them.
    """

    parameters: tuple[str, ...]
    nodes: tuple[GraphNode, ...]
    results: tuple[str, ...]
    captured: tuple[str, ...]


def graph_attribute(function: ast.Lambda) -> GraphAttribute:
    """The graph that a function of an expression stands for: calls are nodes of one result, a tuple is its results."""
    parameters = tuple(one.arg for one in function.args.args)
    nodes: list[GraphNode] = []
    captured: dict[str, None] = {}

    def named(expression: ast.expr) -> str:
        if isinstance(expression, ast.Name):
            if expression.id not in parameters:
                captured[expression.id] = None
            return expression.id
        assert isinstance(expression, ast.Call)
        assert isinstance(expression.func, ast.Name)
        inputs = tuple(named(one) for one in expression.args)
        attributes = tuple((str(one.arg), ast.literal_eval(one.value)) for one in expression.keywords)
        result = f"t{len(nodes)}"
        nodes.append(GraphNode(expression.func.id, inputs, attributes, result))
        return result

    body = function.body
    results = tuple(named(one) for one in (body.elts if isinstance(body, ast.Tuple) else (body,)))
    return GraphAttribute(parameters, tuple(nodes), results, tuple(captured))


def graph_text(
    graph: GraphAttribute,
    name: str,
    *,
    captured: Mapping[str, str],
    parameter_types: Mapping[str, str],
    spell_attribute: Callable[[Any], str],
) -> str:
    """A branch or a body in ONNX's text; a value of its own is called by the graph's name and its own.

    Args:
        graph: what to write.
        name: of the graph: no other value of the model begins with it.
        captured: names of what it reads of the graph around it.
        parameter_types: types of its inputs, in ONNX's text.
        spell_attribute: how the value of a node's attribute is written.
    """

    def named(own: str) -> str:
        return captured.get(own) or f"{name}_{own}"

    def statement(node: GraphNode) -> str:
        attributes = ", ".join(f"{key} = {spell_attribute(value)}" for key, value in node.attributes)
        inputs = ", ".join(map(named, node.inputs))
        return f"{named(node.result)} = {node.op_type}{f' <{attributes}>' if attributes else ''} ({inputs})"

    taken = ", ".join(f"{parameter_types[one]} {named(one)}" for one in graph.parameters)
    given = ", ".join(map(named, graph.results))
    return f"{name} ({taken}) => ({given}) {{ {' '.join(map(statement, graph.nodes))} }}"
