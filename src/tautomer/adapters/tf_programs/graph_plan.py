"""A GraphDef made ready to be executed node by node: edges resolved, element types known, functions looked up.

Source: TensorFlow's op_def.proto, node_def.proto and function.proto, for how names refer to tensors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from tautomer.adapters.tf_programs.operators import SHAPE_ONLY


class UnknownOperator(Exception):
    """A graph that cannot be run node by node; its text says which operator, or what else, is not known."""


Edge = tuple[str, int]

_SOURCES = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault", "_Arg")


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One node.

    Attributes:
        name: in its graph or function.
        op: its operator; `PartitionedCall` for a node that names a function directly.
        inputs: node and output number of each input tensor.
        attributes: as Python values, those it leaves out with their defaults; functions as their names.
        input_dtypes, output_dtypes: declared element types, one a tensor.
        fixed_float: whether the operator takes or gives float32 whatever its attributes are.
    """

    name: str
    op: str
    inputs: tuple[Edge, ...]
    attributes: Mapping[str, Any]
    input_dtypes: tuple[tf.DType, ...]
    output_dtypes: tuple[tf.DType, ...]
    type_attributes: frozenset[str]
    fixed_float: bool


@dataclass(frozen=True)
class GraphPlan:
    """Nodes of one graph or function body, and where its results come from. Not slotted: it remembers what it derives.

    Attributes:
        nodes: by name, in the order of the file.
        functions: of the library, by name; shared with the functions' own plans.
        plans: of the functions that were needed so far, shared in the same way.
        arguments: names of the nodes that stand for a function's arguments.
        results: what a function returns.
    """

    nodes: Mapping[str, NodePlan]
    functions: Mapping[str, Any]
    plans: dict[str, GraphPlan]
    arguments: tuple[str, ...] = ()
    results: tuple[Edge, ...] = ()
    _orders: dict[tuple[str, ...], tuple[NodePlan, ...]] = field(default_factory=dict)

    def function(self, name: str) -> GraphPlan:
        """The body of a function of the library.

        Raises:
            UnknownOperator: there is none.
        """
        if name not in self.plans:
            if name not in self.functions:
                raise UnknownOperator(f"the function {name} is not in the graph's library")
            self.plans[name] = _planned_function(self.functions[name], self.functions, self.plans)
        return self.plans[name]

    def order(self, wanted: Iterable[str]) -> tuple[NodePlan, ...]:
        """The nodes that `wanted` need, each after those it takes values from."""
        key = tuple(sorted(set(wanted)))
        if key not in self._orders:
            self._orders[key] = tuple(_sorted(self.nodes, key))
        return self._orders[key]

    @cached_property
    def varying(self) -> frozenset[str]:
        """Nodes whose values depend on those of inputs, not only on their shapes."""
        found: set[str] = set()
        for node in self.order(self.nodes):
            is_source = node.op in _SOURCES and tf.resource not in node.output_dtypes  # what a resource holds stays
            if is_source or (node.op not in SHAPE_ONLY and any(source in found for source, _ in node.inputs)):
                found.add(node.name)
        return frozenset(found)

    @cached_property
    def decides_sizes(self) -> frozenset[str]:
        """Nodes that do not vary, and from whose numbers integers are made: float paths to shapes."""
        needed: set[str] = set()
        for node in reversed(self.order(self.nodes)):
            if node.name in self.varying:
                continue
            floats = any(dtype.is_floating for dtype in node.input_dtypes)
            whole = node.op == "Range" or any(not dtype.is_floating for dtype in node.output_dtypes)
            if (floats and whole) or node.name in needed:
                needed.add(node.name)
                needed.update(source for source, _ in node.inputs if source not in self.varying)
        return frozenset(needed)


def planned(graph_def: Any) -> GraphPlan:
    """The plan of a GraphDef.

    Raises:
        UnknownOperator: naming an operator that is not registered.
    """
    functions = {one.signature.name: one for one in graph_def.library.function}
    nodes = {node.name: _planned_node(node, functions, _graph_edge) for node in graph_def.node}
    return GraphPlan(nodes, functions, {})


def edge_of(tensor: str) -> Edge:
    """Node and output number of a tensor's name (`node:1`)."""
    name, _, number = tensor.partition(":")
    return name, int(number or 0)


def _graph_edge(reference: str, _: Any) -> Edge:
    return edge_of(reference)


def _planned_function(function: Any, functions: Mapping[str, Any], plans: dict[str, GraphPlan]) -> GraphPlan:
    definitions = {node.name: node for node in function.node_def}
    arguments = tuple(one.name for one in function.signature.input_arg)

    def edge(reference: str, _: Any) -> Edge:
        parts = reference.split(":")
        if parts[0] in arguments:
            return parts[0], 0
        if len(parts) == 1:
            return parts[0], 0
        node = definitions[parts[0]]
        return parts[0], _offset(node, parts[1], functions) + int(parts[2])

    nodes = {
        one.name: NodePlan(one.name, "_Arg", (), {}, (), (tf.as_dtype(one.type),), frozenset(), fixed_float=False)
        for one in function.signature.input_arg
    }
    nodes |= {node.name: _planned_node(node, functions, edge) for node in function.node_def}
    results = tuple(edge(function.ret[one.name], None) for one in function.signature.output_arg)
    return GraphPlan(nodes, functions, plans, arguments, results)


def _offset(node: Any, argument: str, functions: Mapping[str, Any]) -> int:
    """The number of a node's first output that belongs to a named output argument of its operator."""
    definition = _definition(node.op, functions)
    attributes = _attributes(node, definition)
    start = 0
    for one in definition.output_arg:
        if one.name == argument:
            return start
        start += len(element_types(one, attributes))
    raise UnknownOperator(f"the operator {node.op} has no output {argument!r}")


def formal_parameters(node: NodePlan) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which formal parameter of its operator each input tensor, and each output tensor, of a node belongs to."""
    definition = op_def_registry.get(node.op)

    def numbered(arguments: Any) -> tuple[int, ...]:
        return tuple(number for number, one in enumerate(arguments) for _ in element_types(one, node.attributes))

    if definition is None or "f" in node.attributes:  # a call: each tensor is an argument of its own
        return tuple(range(len(node.inputs))), tuple(range(len(node.output_dtypes)))
    return numbered(definition.input_arg), numbered(definition.output_arg)


def _definition(op: str, functions: Mapping[str, Any]) -> Any:
    found = op_def_registry.get(op)
    if found is None and op in functions:
        return functions[op].signature
    if found is None:
        raise UnknownOperator(f"the operator {op} is not known")
    return found


def _planned_node(node: Any, functions: Mapping[str, Any], edge: Any) -> NodePlan:
    definition = _definition(node.op, functions)
    attributes = _attributes(node, definition)
    calls = node.op in functions
    arguments = [*definition.input_arg, *definition.output_arg]
    return NodePlan(
        node.name,
        "PartitionedCall" if calls else node.op,
        tuple(edge(reference, node) for reference in node.input if not reference.startswith("^")),
        {"f": node.op} if calls else attributes,
        tuple(dtype for one in definition.input_arg for dtype in element_types(one, attributes)),
        tuple(dtype for one in definition.output_arg for dtype in element_types(one, attributes)),
        frozenset(one.name for one in definition.attr if one.type in ("type", "list(type)")),
        not calls
        and any(one.type in (tf.float32.as_datatype_enum, tf.complex64.as_datatype_enum) for one in arguments),
    )


def element_types(argument: Any, attributes: Mapping[str, Any]) -> list[tf.DType]:
    """Element types of the tensors of one argument of an operator."""
    if argument.type_list_attr:
        return list(attributes[argument.type_list_attr])
    dtype = attributes[argument.type_attr] if argument.type_attr else tf.as_dtype(argument.type)
    count = int(attributes[argument.number_attr]) if argument.number_attr else 1
    return [dtype] * count


def _attributes(node: Any, definition: Any) -> dict[str, Any]:
    found = {one.name: attribute_value(one.default_value) for one in definition.attr if one.HasField("default_value")}
    known = {one.name for one in definition.attr}
    found |= {name: attribute_value(value) for name, value in node.attr.items() if name in known}
    return found


def attribute_value(value: Any) -> Any:
    """What an attribute says: numbers, types and names as Python has them; tensors stay protos."""
    kind = value.WhichOneof("value")
    if kind == "type":
        return tf.as_dtype(value.type)
    if kind == "shape":
        return None if value.shape.unknown_rank else [dim.size for dim in value.shape.dim]
    if kind == "func":
        return value.func.name
    if kind != "list":
        return getattr(value, kind) if kind else None
    lists = value.list
    if lists.type:
        return [tf.as_dtype(one) for one in lists.type]
    if lists.shape:
        return [None if one.unknown_rank else [dim.size for dim in one.dim] for one in lists.shape]
    if lists.func:
        return [one.name for one in lists.func]
    return list(lists.i) or list(lists.s) or list(lists.f) or list(lists.b) or []


def _sorted(nodes: Mapping[str, NodePlan], wanted: Sequence[str]) -> list[NodePlan]:
    order: list[NodePlan] = []
    state: dict[str, int] = {}
    for start in wanted:
        stack = [(start, iter(nodes[start].inputs))] if start not in state else []
        state.setdefault(start, 1)
        while stack:
            name, remaining = stack[-1]
            source = next((one for one, _ in remaining if state.get(one) != 2), None)
            if source is None:
                order.append(nodes[name])
                state[name] = 2
                stack.pop()
            elif state.get(source) == 1:
                raise UnknownOperator("the graph has a loop of TensorFlow 1, which is not run node by node")
            else:
                state[source] = 1
                stack.append((source, iter(nodes[source].inputs)))
    return order
