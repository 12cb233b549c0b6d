"""A failing case: an ONNX model with the inputs it fails on, and how big it is."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.external_data_helper import load_external_data_for_model, uses_external_data

from tautomer.adapters.onnx_files.graph_paths import uses

Array = np.ndarray[Any, Any]

_LEGIBLE = 4096
"""Elements up to which it matters how simple they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A model and its inputs; neither is changed once it is made.

    Attributes:
        proto: the model.
        inputs: arrays by graph input name (ml_dtypes' for bfloat16 and float8).
        folder: where the model's external tensors lie; None where it has none.
    """

    proto: onnx.ModelProto
    inputs: Mapping[str, Array]
    folder: Path | None = None

    @property
    def key(self) -> str:
        """The same for two cases only if they are the same."""
        digest = hashlib.blake2b(self.proto.SerializeToString(deterministic=True), digest_size=16)
        for name in sorted(self.inputs):
            array = np.asarray(self.inputs[name])
            digest.update(f"{name}\0{array.dtype}\0{array.shape}\0".encode())
            digest.update(repr(array.tolist()).encode() if array.dtype.kind == "O" else array.tobytes())
        return digest.hexdigest()

    @property
    def nodes(self) -> int:
        """Nodes, those in attributes and functions included."""
        return sum(1 for _ in all_nodes(self.proto.graph)) + sum(len(one.node) for one in self.proto.functions)

    @property
    def elements(self) -> int:
        """Elements of stored tensors and inputs."""
        stored: int = sum(math.prod(one.dims) for one in self.proto.graph.initializer)
        return stored + sum(int(np.asarray(one).size) for one in self.inputs.values())

    @property
    def size(self) -> tuple[int, ...]:
        """Nodes, then values at the rim, attributes, elements, how simple these are, and bytes of the file."""
        graph, elements = self.proto.graph, self.elements
        return (
            self.nodes,
            len(graph.input) + len(graph.output) + len(graph.initializer),
            sum(len(node.attribute) for node in all_nodes(graph)),
            elements,
            self._digits() if elements <= _LEGIBLE else 0,
            self.proto.ByteSize(),
        )

    def _digits(self) -> int:
        """Characters it takes to write the numbers down."""
        stored = [numpy_helper.to_array(one) for one in self.proto.graph.initializer if not uses_external_data(one)]
        return sum(len(repr(number)) for one in (*self.inputs.values(), *stored) for number in one.ravel().tolist())

    def changed(self, proto: onnx.ModelProto | None = None, inputs: Mapping[str, Array] | None = None) -> Case:
        """The case with another model or other inputs."""
        return replace(
            self, proto=self.proto if proto is None else proto, inputs=self.inputs if inputs is None else inputs
        )

    def copy(self) -> onnx.ModelProto:
        """A copy of the model, to be changed."""
        copied = onnx.ModelProto()
        copied.CopyFrom(self.proto)
        return copied

    def self_contained(self) -> Case:
        """The case with every tensor inside the model."""
        if self.folder is None or not any(map(uses_external_data, self.proto.graph.initializer)):
            return replace(self, folder=None)
        proto = self.copy()
        load_external_data_for_model(proto, str(self.folder))
        return replace(self, proto=proto, folder=None)


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of the graphs in their attributes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from all_nodes(attribute.g)
            for inner in attribute.graphs:
                yield from all_nodes(inner)


def without_unused(proto: onnx.ModelProto) -> None:
    """Take out of a model, in place, what none of its nodes uses: tensors, functions, domains, stated types."""
    graph = proto.graph
    used = {name for node in graph.node for name in uses(node)} | {value.name for value in graph.output}
    made = {name for node in graph.node for name in node.output}
    _keep(graph.initializer, lambda one: one.name in used)
    _keep(graph.sparse_initializer, lambda one: one.values.name in used)
    ends = {value.name for value in (*graph.input, *graph.output)}
    _keep(graph.value_info, lambda one: one.name in made and one.name not in ends)
    _keep(graph.quantization_annotation, lambda one: one.tensor_name in used | made)
    called = set(_operators(graph.node))
    while True:
        inside = {name for one in proto.functions if (one.domain, one.name) in called for name in _operators(one.node)}
        if inside <= called:
            break
        called |= inside
    _keep(proto.functions, lambda one: (one.domain, one.name) in called)
    domains = {_normal(domain) for domain, _ in called} | {""}
    _keep(proto.opset_import, lambda one: _normal(one.domain) in domains)


def _operators(nodes: Any) -> Iterator[tuple[str, str]]:
    for node in nodes:
        yield node.domain, node.op_type
        for attribute in node.attribute:
            graphs = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
            for inner in graphs:
                yield from _operators(inner.node)


def _normal(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _keep(field_: Any, wanted: Any) -> None:
    kept = [one for one in field_ if wanted(one)]
    if len(kept) != len(field_):
        copies = [type(one).FromString(one.SerializeToString()) for one in kept]
        del field_[:]
        field_.extend(copies)
