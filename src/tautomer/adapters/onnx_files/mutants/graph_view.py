"""A model's graphs as kinds of faults look at them: nodes with their producers, users, constants, types and shapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tautomer.adapters.onnx_files.mutants.data_flow import data_values
from tautomer.adapters.onnx_files.mutants.value_facts import Shape, ValueFacts, facts_of_graph
from tautomer.numerics.onnx_evaluator.loading import read_tensor

Array = np.ndarray[Any, Any]
Container = onnx.GraphProto | onnx.FunctionProto

FLOATS = frozenset(
    {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE}
)
INTEGERS = frozenset({onnx.TensorProto.INT32, onnx.TensorProto.INT64})

SMALL_ELEMENTS = 4096
"""Constants up to this size are read while sites are looked for; larger ones only when they are changed."""


@dataclass(eq=False)
class GraphView:
    """One graph, subgraph or function body.

    Attributes:
        scope: its address (see `Site.scope`).
        container: the message.
        facts: of the values of the whole model, by name; empty in functions, whose values have no types of their own.
        opset: version of ONNX's own domain that its nodes are read at.
        folder: where external data lies.
        outer: the graph around a subgraph.
    """

    scope: str
    container: Container
    facts: Mapping[str, ValueFacts]
    opset: int
    folder: Path | None
    outer: GraphView | None = None
    _constants: dict[str, Array | None] = field(default_factory=dict)

    @cached_property
    def nodes(self) -> Sequence[onnx.NodeProto]:
        """Its nodes in order."""
        return list(self.container.node)

    @cached_property
    def output_names(self) -> frozenset[str]:
        """Names of its outputs."""
        if isinstance(self.container, onnx.FunctionProto):
            return frozenset(self.container.output)
        return frozenset(value.name for value in self.container.output)

    @cached_property
    def producers(self) -> Mapping[str, int]:
        """Position of the node that makes a value."""
        return {name: index for index, node in enumerate(self.nodes) for name in node.output if name}

    @cached_property
    def users(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """Positions of the nodes that use a value, each with the index of the input."""
        found: dict[str, list[tuple[int, int]]] = {}
        for index, node in enumerate(self.nodes):
            for position, name in enumerate(node.input):
                if name:
                    found.setdefault(name, []).append((index, position))
        return found

    @cached_property
    def tensors(self) -> Mapping[str, onnx.TensorProto]:
        """Stored tensors: initializers and the values of Constant nodes."""
        found = {}
        if isinstance(self.container, onnx.GraphProto):
            found = {tensor.name: tensor for tensor in self.container.initializer}
        for node in self.nodes:
            if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
                for attribute in node.attribute:
                    if attribute.name == "value" and attribute.type == onnx.AttributeProto.TENSOR:
                        found[node.output[0]] = attribute.t
        return found

    @cached_property
    def carrying(self) -> frozenset[str]:
        """Values that carry data, not shapes."""
        return data_values(self.nodes, self.output_names)

    def tensor(self, name: str) -> onnx.TensorProto | None:
        """The stored tensor of that name, in this graph or around it."""
        found = self.tensors.get(name)
        return found if found is not None or self.outer is None else self.outer.tensor(name)

    def constant(self, name: str) -> Array | None:
        """A small constant's values, looked for through Identity and Cast; None where it is no small constant."""
        if name not in self._constants:
            self._constants[name] = self._read(name)
        return self._constants[name]

    def _read(self, name: str) -> Array | None:
        tensor = self.tensor(name)
        if tensor is not None:
            size = int(np.prod(tensor.dims, dtype=np.int64))
            out_of_reach = self.folder is None and tensor.data_location == onnx.TensorProto.EXTERNAL
            return None if out_of_reach or not 0 < size <= SMALL_ELEMENTS else read_tensor(tensor, self.folder)
        index = self.producers.get(name)
        if index is None:
            return None
        node = self.nodes[index]
        if node.op_type == "Constant":
            return _literal(node)
        if node.op_type in ("Identity", "Cast", "CastLike") and node.input:
            return self.constant(node.input[0])
        return None

    def spots(self) -> Iterator[Spot]:
        """Its nodes that carry data, in order."""
        for index, node in enumerate(self.nodes):
            if node.domain in ("", "ai.onnx") and any(name in self.carrying for name in node.output):
                yield Spot(self, index)


def _literal(node: onnx.NodeProto) -> Array | None:
    for attribute in node.attribute:
        if attribute.name in ("value_float", "value_floats"):
            return np.asarray(onnx.helper.get_attribute_value(attribute), dtype=np.float32)
        if attribute.name in ("value_int", "value_ints"):
            return np.asarray(onnx.helper.get_attribute_value(attribute), dtype=np.int64)
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A node in its graph."""

    graph: GraphView
    index: int

    @property
    def node(self) -> onnx.NodeProto:
        """The node."""
        return self.graph.nodes[self.index]

    @property
    def op_type(self) -> str:
        """Its operator."""
        return str(self.node.op_type)

    @property
    def opset(self) -> int:
        """Version of ONNX's own domain."""
        return self.graph.opset

    @property
    def name(self) -> str:
        """Its name, or that of its first output."""
        return str(self.node.name or next((name for name in self.node.output if name), ""))

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute's value; `default` where it has none or takes it from the function around it."""
        for attribute in self.node.attribute:
            if attribute.name == name and not attribute.ref_attr_name:
                value = onnx.helper.get_attribute_value(attribute)
                return value.decode() if isinstance(value, bytes) else value
        return default

    def input(self, index: int) -> str:
        """Name of an input; empty where it is absent."""
        return str(self.node.input[index]) if index < len(self.node.input) else ""

    def output(self, index: int = 0) -> str:
        """Name of an output; empty where it is absent."""
        return str(self.node.output[index]) if index < len(self.node.output) else ""

    def element(self, name: str) -> int:
        """Element type of a value; 0 where it is not known."""
        return self.graph.facts.get(name, ValueFacts()).element

    def shape(self, name: str) -> Shape:
        """Shape of a value; None where it is not known."""
        return self.graph.facts.get(name, ValueFacts()).shape

    def rank(self, name: str) -> int | None:
        """Rank of a value; None where it is not known."""
        shape = self.shape(name)
        return None if shape is None else len(shape)

    def is_float(self, name: str) -> bool:
        """Whether a value is known to hold floating-point numbers."""
        return self.element(name) in FLOATS

    def constant(self, index: int) -> Array | None:
        """The values of an input that is a small constant."""
        name = self.input(index)
        return self.graph.constant(name) if name else None

    def scalar(self, index: int) -> float | None:
        """The value of an input that is a floating-point constant of one element."""
        array = self.constant(index)
        if array is None or array.size != 1 or array.dtype.kind in "iubOUS":
            return None
        return float(array.reshape(-1)[0])

    def weight(self, index: int) -> onnx.TensorProto | None:
        """The stored floating-point tensor behind an input; None where it is computed."""
        name = self.input(index)
        tensor = self.graph.tensors.get(name) if name else None
        return tensor if tensor is not None and tensor.data_type in FLOATS else None

    def is_constant(self, name: str) -> bool:
        """Whether a value is stored in the model."""
        return self.graph.tensor(name) is not None or self.graph.constant(name) is not None

    def producer(self, name: str) -> Spot | None:
        """The node of the same graph that makes a value."""
        index = self.graph.producers.get(name)
        return None if index is None else Spot(self.graph, index)

    def users(self, name: str) -> list[tuple[Spot, int]]:
        """The nodes of the same graph that use a value, each with the index of the input."""
        return [(Spot(self.graph, index), position) for index, position in self.graph.users.get(name, ())]

    def axes(self) -> list[int] | None:
        """The axes of a reduction: attribute or constant input; None where they are computed or absent."""
        given = self.attribute("axes")
        if given is not None:
            return [int(axis) for axis in given]
        array = self.constant(1)
        return None if array is None else [int(axis) for axis in array.reshape(-1)]


def views_of(model: onnx.ModelProto, folder: Path | None) -> Iterator[GraphView]:
    """Every graph of a model: the main one, its subgraphs, then functions, each followed by its own subgraphs."""
    opset = _opset(model.opset_import, 1)
    yield from _with_subgraphs(GraphView("", model.graph, facts_of_graph(model), opset, folder))
    for function in model.functions:
        scope = f"function {function.domain}:{function.name}:{function.overload}"
        yield from _with_subgraphs(GraphView(scope, function, {}, _opset(function.opset_import, opset), folder))


def _with_subgraphs(view: GraphView) -> Iterator[GraphView]:
    yield view
    for index, node in enumerate(view.nodes):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                inner = GraphView(
                    f"{view.scope}/{index}.{attribute.name}", attribute.g, view.facts, view.opset, view.folder, view
                )
                yield from _with_subgraphs(inner)


def _opset(imports: Sequence[onnx.OperatorSetIdProto], default: int) -> int:
    return next((one.version for one in imports if one.domain in ("", "ai.onnx")), default)
