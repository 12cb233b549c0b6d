"""Graphs compiled once into steps: attributes decoded, outer names resolved, the last use of every value known."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import onnx

from tautomer.numerics.onnx_evaluator.element_types import type_of_proto
from tautomer.numerics.onnx_evaluator.errors import InvalidModel, InvalidNode

_A = onnx.AttributeProto


@dataclass(frozen=True, slots=True)
class Reference:
    """An attribute whose value is that of an attribute of the enclosing function."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A graph, a subgraph or a function body ready to run.

    Attributes:
        name: of the graph or function.
        inputs: names in order.
        input_types: declared type strings, empty where undeclared (functions declare none).
        outputs: names in order.
        output_protos: their declared types; empty for functions.
        initializers: stored tensors by name.
        sparse_initializers: stored sparse tensors by name.
        steps: nodes in order.
        opsets: version by domain.
        defaults: values of function attributes that a call may leave out.
        outer: names it takes from the enclosing scopes.
    """

    name: str
    inputs: tuple[str, ...]
    input_types: tuple[str, ...]
    outputs: tuple[str, ...]
    output_protos: tuple[onnx.TypeProto, ...]
    initializers: Mapping[str, onnx.TensorProto]
    sparse_initializers: Mapping[str, onnx.SparseTensorProto]
    steps: tuple[Step, ...]
    opsets: Mapping[str, int]
    defaults: Mapping[str, Any]
    outer: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One node.

    Attributes:
        node: the message it was made from.
        domain: of its operator, with `ai.onnx` spelled as the empty string.
        attributes: decoded; `Reference` where the value comes from the enclosing function.
        subgraphs: compiled graph attributes by name.
        frees: names of values no later step of the plan uses.
    """

    node: onnx.NodeProto
    domain: str
    attributes: Mapping[str, Any]
    subgraphs: Mapping[str, Plan]
    frees: tuple[str, ...]

    @property
    def op_type(self) -> str:
        """The node's operator."""
        return str(self.node.op_type)


def normal_domain(domain: str) -> str:
    """`domain` with ONNX's own spelled as the empty string."""
    return "" if domain == "ai.onnx" else domain


def opsets_of(imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """Imported version by domain."""
    return {normal_domain(item.domain): item.version for item in imports}


def compile_graph(graph: onnx.GraphProto, opsets: Mapping[str, int]) -> Plan:
    """The plan of a graph or subgraph.

    Raises:
        InvalidModel: a value is defined twice.
    """
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    sparse = {tensor.values.name: tensor for tensor in graph.sparse_initializer}
    inputs = tuple(value.name for value in graph.input)
    return _plan(
        name=graph.name,
        inputs=inputs,
        input_types=tuple(type_of_proto(value.type) for value in graph.input),
        outputs=tuple(value.name for value in graph.output),
        output_protos=tuple(value.type for value in graph.output),
        initializers=initializers,
        sparse_initializers=sparse,
        nodes=graph.node,
        opsets=opsets,
        defaults={},
    )


def compile_function(function: onnx.FunctionProto, model_opsets: Mapping[str, int]) -> Plan:
    """The plan of a model-local function; domains it does not import itself come from the model."""
    return _plan(
        name=function.name,
        inputs=tuple(function.input),
        input_types=("",) * len(function.input),
        outputs=tuple(function.output),
        output_protos=(),
        initializers={},
        sparse_initializers={},
        nodes=function.node,
        opsets={**model_opsets, **opsets_of(function.opset_import)},
        defaults={item.name: decode_attribute(item) for item in function.attribute_proto},
    )


def decode_attribute(attribute: onnx.AttributeProto) -> Any:
    """The attribute as a Python value: numbers, strings, lists of them, or the message itself for tensors and types.

    Raises:
        InvalidNode: the attribute has no type.
    """
    kind = attribute.type
    if kind == _A.FLOAT:
        return attribute.f
    if kind == _A.INT:
        return attribute.i
    if kind == _A.STRING:
        return _text(attribute.s)
    if kind == _A.FLOATS:
        return list(attribute.floats)
    if kind == _A.INTS:
        return list(attribute.ints)
    if kind == _A.STRINGS:
        return [_text(item) for item in attribute.strings]
    if kind == _A.TENSOR:
        return attribute.t
    if kind == _A.TENSORS:
        return list(attribute.tensors)
    if kind == _A.SPARSE_TENSOR:
        return attribute.sparse_tensor
    if kind == _A.TYPE_PROTO:
        return attribute.tp
    raise InvalidNode(f"attribute {attribute.name!r} has the unknown type {kind}")


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", errors="surrogateescape")


def _compile_attributes(node: onnx.NodeProto, opsets: Mapping[str, int]) -> tuple[dict[str, Any], dict[str, Plan]]:
    attributes: dict[str, Any] = {}
    subgraphs: dict[str, Plan] = {}
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            attributes[attribute.name] = Reference(attribute.ref_attr_name)
        elif attribute.type == _A.GRAPH:
            subgraphs[attribute.name] = compile_graph(attribute.g, opsets)
        else:
            attributes[attribute.name] = decode_attribute(attribute)
    return attributes, subgraphs


def sorted_nodes(nodes: Iterable[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Nodes in an order in which values are made before they are used; as given where that is already so.

    ONNX asks for that order and its checker insists; ONNX Runtime does not, and its own float16 converter appends Casts
    at the end. What is left over in a cycle keeps its place, and is found by its undefined inputs.
    """
    waiting = list(nodes)
    makers = {name: index for index, node in enumerate(waiting) for name in node.output if name}
    needs = [sorted({makers[name] for name in _names_used(node) if name in makers}) for node in waiting]
    if all(all(maker < index for maker in needed) for index, needed in enumerate(needs)):
        return waiting
    users: dict[int, list[int]] = {}
    missing = [len(needed) for needed in needs]
    for index, needed in enumerate(needs):
        for maker in needed:
            users.setdefault(maker, []).append(index)
    ready = [index for index, count in enumerate(missing) if not count]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        index = heapq.heappop(ready)
        order.append(index)
        for user in users.get(index, ()):
            missing[user] -= 1
            if not missing[user]:
                heapq.heappush(ready, user)
    placed = set(order)
    return [waiting[index] for index in (*order, *(one for one in range(len(waiting)) if one not in placed))]


def _names_used(node: onnx.NodeProto) -> set[str]:
    """Names a node takes, those its subgraphs take from around them included."""
    used = {name for name in node.input if name}
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                used |= _names_used(inner)
            used |= {value.name for value in graph.output}
    return used


def _plan(
    *,
    name: str,
    inputs: tuple[str, ...],
    input_types: tuple[str, ...],
    outputs: tuple[str, ...],
    output_protos: tuple[onnx.TypeProto, ...],
    initializers: Mapping[str, onnx.TensorProto],
    sparse_initializers: Mapping[str, onnx.SparseTensorProto],
    nodes: Iterable[onnx.NodeProto],
    opsets: Mapping[str, int],
    defaults: Mapping[str, Any],
) -> Plan:
    known = {*inputs, *initializers, *sparse_initializers}
    outer: set[str] = set()
    drafts = []
    for node in sorted_nodes(nodes):
        attributes, subgraphs = _compile_attributes(node, opsets)
        used = {item for item in node.input if item}.union(*(plan.outer for plan in subgraphs.values()))
        outer |= used - known
        for item in node.output:
            if item and item in known:
                raise InvalidModel(f"graph {name!r} defines {item!r} twice")
            known.add(item)
        drafts.append((node, attributes, subgraphs, used))
    kept = {*outputs, *outer, *initializers, *sparse_initializers}
    outer |= {item for item in outputs if item} - known
    steps: list[Step] = []
    for node, attributes, subgraphs, used in reversed(drafts):
        last_used = tuple(({*used, *(item for item in node.output if item)}) - kept)
        kept.update(last_used)
        steps.append(Step(node, normal_domain(node.domain), attributes, subgraphs, last_used))
    return Plan(
        name,
        inputs,
        input_types,
        outputs,
        output_protos,
        initializers,
        sparse_initializers,
        tuple(reversed(steps)),
        opsets,
        defaults,
        frozenset(outer),
    )
