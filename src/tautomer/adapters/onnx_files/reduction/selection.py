"""Cuts a set of nodes out of a graph: what they need from the rest becomes inputs that hold recorded values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from onnx import numpy_helper

from tautomer.adapters.onnx_files.graph_paths import uses
from tautomer.adapters.onnx_files.reduction.case import Array, Case, without_unused
from tautomer.minimization import Dag

Recorded = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of a graph a candidate is.

    Attributes:
        nodes: positions of the nodes that stay.
        bypassed: of these, nodes whose first output is replaced by one of their inputs; they do not stay after all.
        hidden: values that are not shown as outputs although nothing in the part uses them.
    """

    nodes: frozenset[int]
    bypassed: frozenset[tuple[int, str]] = field(default_factory=frozenset)
    hidden: frozenset[str] = field(default_factory=frozenset)


class Cutter:
    """The main graph of a model, to cut candidates from.

    Args:
        proto: the model; external tensors stay outside it.
        folder: where these lie.
        recorded: values of the failing run, graph inputs included.
    """

    def __init__(self, proto: onnx.ModelProto, folder: Path | None, recorded: Recorded) -> None:
        self.proto = proto
        self.recorded = recorded
        self._folder = folder
        graph = proto.graph
        self.nodes = list(graph.node)
        self._uses = [tuple(dict.fromkeys(uses(node))) for node in self.nodes]
        self._producer = {name: index for index, node in enumerate(self.nodes) for name in node.output if name}
        self._stored = {one.name: one for one in graph.initializer}
        self._sparse = {one.values.name: one for one in graph.sparse_initializer}
        self._given: dict[str, onnx.ValueInfoProto] = {one.name: one for one in graph.input}
        self._shown: dict[str, onnx.ValueInfoProto] = {one.name: one for one in graph.output}
        self._stated: dict[str, onnx.ValueInfoProto] = {one.name: one for one in graph.value_info}
        self._constant = self._independent_of_inputs()
        self.dag = Dag([[self._producer[name] for name in used if name in self._producer] for used in self._uses])

    def _independent_of_inputs(self) -> set[str]:
        constant = set(self._stored) - set(self._given) | set(self._sparse)
        for node, used in zip(self.nodes, self._uses, strict=True):
            if used and all(name in constant for name in used):
                constant.update(name for name in node.output if name)
        return constant

    def positions(self, names: Iterable[str]) -> frozenset[int]:
        """Positions of nodes by their name, `OpType#position`, or one of their outputs; unknown names are left out."""
        known = dict(self._producer)
        for index, node in enumerate(self.nodes):
            known[f"{node.op_type}#{index}"] = index
        for index, node in enumerate(self.nodes):
            if node.name:
                known[node.name] = index
        return frozenset(known[name] for name in names if name in known)

    def whole(self) -> Case | None:
        """The graph as it is, on the recorded inputs."""
        names = [name for name in self._given if name not in self._stored]
        if any(name not in self.recorded for name in names):
            return None
        return Case(self.proto, {name: self.recorded[name] for name in names}, self._folder)

    def cut(self, selection: Selection) -> Case | None:
        """The part as a model of its own; None where a value at the cut was not recorded, or nothing would be left."""
        replaced = self._replacements(selection)
        kept = sorted(selection.nodes - {index for index, _ in selection.bypassed})
        if not kept or replaced is None:
            return None
        nodes = [_rewired(self.nodes[index], replaced) for index in kept]
        made = {name for node in nodes for name in node.output if name}
        used = {name for node in nodes for name in uses(node)}
        proto = onnx.ModelProto()
        for part in ("ir_version", "producer_name", "producer_version", "domain", "model_version"):
            setattr(proto, part, getattr(self.proto, part))
        proto.opset_import.extend(self.proto.opset_import)
        proto.functions.extend(self.proto.functions)
        graph = proto.graph
        graph.name = self.proto.graph.name or "reduced"
        graph.node.extend(nodes)
        inputs: dict[str, Array] = {}
        for name in sorted(used - made, key=self._order):
            if name in self._stored and name not in self._given:
                graph.initializer.append(self._stored[name])
            elif name in self._sparse:
                graph.sparse_initializer.append(self._sparse[name])
            elif name not in self.recorded:
                return None
            elif name in self._constant:
                graph.initializer.append(numpy_helper.from_array(self.recorded[name], name))
            else:
                graph.input.append(self._given.get(name) or _described(name, self.recorded[name]))
                inputs[name] = self.recorded[name]
        shown = [name for node in nodes for name in _sinks(node, used) if name not in selection.hidden]
        if not shown:
            return None
        graph.output.extend(self._output(name) for name in shown)
        graph.value_info.extend(one for name, one in self._stated.items() if name in made)
        without_unused(proto)
        return Case(proto, inputs, self._folder)

    def bypasses(self, index: int) -> list[tuple[int, str]]:
        """Ways to leave a node out and pass one of its inputs on: those with the type and shape of its output."""
        node = self.nodes[index]
        shown = [name for name in node.output if name]
        if len(shown) != 1 or shown[0] not in self.recorded:
            return []
        value = self.recorded[shown[0]]
        return [
            (index, name)
            for name in dict.fromkeys(node.input)
            if name in self.recorded
            and name not in self._constant
            and (self.recorded[name].dtype, self.recorded[name].shape) == (value.dtype, value.shape)
        ]

    def _replacements(self, selection: Selection) -> dict[str, str] | None:
        replaced = {self.nodes[index].output[0]: name for index, name in selection.bypassed}
        resolved = {}
        for name in replaced:
            last = name
            while last in replaced:
                last = replaced[last]
            resolved[name] = last
        return resolved

    def _order(self, name: str) -> tuple[int, str]:
        return self._producer.get(name, -1), name

    def _output(self, name: str) -> onnx.ValueInfoProto:
        if name in self._shown:
            return self._shown[name]
        if name in self.recorded:
            value = self.recorded[name]
            # A stated size would be one more thing for a runtime to find fault with; the number of sizes is enough.
            return _described(name, value, sizes=False)
        return self._stated.get(name) or onnx.ValueInfoProto(name=name)


def _sinks(node: onnx.NodeProto, used: set[str]) -> list[str]:
    """The outputs a part shows of a node: none where some are used, else all."""
    names = [name for name in node.output if name]
    return [] if any(name in used for name in names) else names


def _rewired(node: onnx.NodeProto, replaced: Mapping[str, str]) -> onnx.NodeProto:
    """The node with values replaced, in the graphs of its attributes too."""
    if not any(name in replaced for name in uses(node)):
        return node
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    _rewire(changed, replaced)
    return changed


def _rewire(node: onnx.NodeProto, replaced: Mapping[str, str]) -> None:
    for index, name in enumerate(node.input):
        node.input[index] = replaced.get(name, name)
    for attribute in node.attribute:
        for graph in [attribute.g, *attribute.graphs]:
            inside = {value.name for value in graph.input} | {one.name for one in graph.initializer}
            inside |= {name for inner in graph.node for name in inner.output}
            outer = {name: other for name, other in replaced.items() if name not in inside}
            for inner in graph.node:
                _rewire(inner, outer)


def _described(name: str, array: Array, *, sizes: bool = True) -> onnx.ValueInfoProto:
    if array.dtype.kind in "OUS":
        element = int(onnx.TensorProto.STRING)
    else:
        element = int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype))
    shape = array.shape if sizes else [None] * array.ndim
    described: onnx.ValueInfoProto = onnx.helper.make_tensor_value_info(name, element, shape)
    return described
