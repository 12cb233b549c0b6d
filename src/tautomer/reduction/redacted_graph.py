"""An ONNX graph without its author's names and values: hashed, resampled, without metadata and doc strings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto

from tautomer.reduction.redacted_values import Resampling, resampled

Hashed = Callable[[str], str]

_WEIGHTS = frozenset(
    {
        TensorProto.FLOAT,
        TensorProto.DOUBLE,
        TensorProto.FLOAT16,
        TensorProto.BFLOAT16,
        TensorProto.INT8,
        TensorProto.UINT8,
        TensorProto.INT16,
        TensorProto.UINT16,
        TensorProto.COMPLEX64,
        TensorProto.COMPLEX128,
        TensorProto.STRING,
    }
)
"""Types of stored tensors that hold weights or texts; the wider integers state sizes, axes and indices."""

_ML_DOMAIN = "ai.onnx.ml"
"""Operators whose weights are attributes: trees, linear and support vector models."""


def renamed_graph(model: ModelProto, hashed: Hashed) -> ModelProto:
    """A copy with every name that its author or exporter chose replaced, and nothing that does not compute.

    Kept: operator types, domains of operators, attribute names and values, constant sizes; of the model's own
    functions nothing.
    """
    found = ModelProto()
    found.CopyFrom(model)
    own = {(one.domain, one.name) for one in found.functions}
    domains = {domain for domain, _ in own} - {"", "ai.onnx"}
    for field in ("producer_name", "producer_version", "domain", "doc_string", "model_version", "training_info"):
        found.ClearField(field)
    del found.metadata_props[:]
    _rename_graph(found.graph, hashed, own)
    for function in found.functions:
        function.name = hashed(function.name)
        function.domain = hashed(function.domain) if function.domain in domains else function.domain
        function.overload = hashed(function.overload) if function.overload else ""
        for field in ("doc_string", "metadata_props"):
            function.ClearField(field)
        for names in (function.input, function.output, function.attribute):
            _rename_all(names, hashed)
        for attribute in function.attribute_proto:
            attribute.name = hashed(attribute.name)
            attribute.doc_string = ""
        _rename_nodes(function.node, hashed, own)
        for value in function.value_info:
            _rename_value(value, hashed)
    for imports in (found.opset_import, *(one.opset_import for one in found.functions)):
        for one in imports:
            one.domain = hashed(one.domain) if one.domain in domains else one.domain
    return found


def resampled_graph(model: ModelProto, how: Resampling, generator: np.random.Generator) -> ModelProto:
    """A copy with other weights and texts; integers (sizes, axes, indices) and single numbers stay."""
    found = ModelProto()
    found.CopyFrom(model)
    for tensor in _tensors(found):
        if tensor.data_type in _WEIGHTS:
            array = onnx.numpy_helper.to_array(tensor)
            if array.size > 1 or tensor.data_type == TensorProto.STRING:
                other = resampled(array, how, generator)
                if tensor.data_type == TensorProto.STRING:
                    texts = [str(one).encode() for one in other.ravel()]
                    del tensor.string_data[:]
                    tensor.string_data.extend(texts)
                else:
                    tensor.CopyFrom(onnx.numpy_helper.from_array(other, tensor.name))
    for node in nodes_of(found):
        for attribute in node.attribute if node.domain == _ML_DOMAIN or node.op_type == "Constant" else ():
            if attribute.type == AttributeProto.FLOATS and len(attribute.floats) > 1:
                numbers = resampled(np.asarray(attribute.floats, np.float32), how, generator)
                del attribute.floats[:]
                attribute.floats.extend(map(float, numbers))
    return found


def nodes_of(model: ModelProto) -> Iterator[NodeProto]:
    """Every node of a model, those of its branches, loops and functions included."""
    pending = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while pending:
        node = pending.pop(0)
        yield node
        pending += [inner for graph in _graphs(node) for inner in graph.node]


def _graphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        yield from [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    graphs = [model.graph]
    for node in nodes_of(model):
        graphs += _graphs(node)
        for attribute in node.attribute:
            yield from [attribute.t] if attribute.type == AttributeProto.TENSOR else attribute.tensors
    for graph in graphs:
        yield from graph.initializer
        yield from (one.values for one in graph.sparse_initializer)


def _rename_graph(graph: GraphProto, hashed: Hashed, own: set[tuple[str, str]]) -> None:
    graph.name = hashed(graph.name) if graph.name else graph.name
    graph.doc_string = ""
    del graph.metadata_props[:]
    del graph.quantization_annotation[:]
    for value in [*graph.input, *graph.output, *graph.value_info]:
        _rename_value(value, hashed)
    for tensor in [*graph.initializer, *(one.values for one in graph.sparse_initializer)]:
        _rename_tensor(tensor, hashed)
    _rename_nodes(graph.node, hashed, own)


def _rename_nodes(nodes: Sequence[NodeProto], hashed: Hashed, own: set[tuple[str, str]]) -> None:
    for node in nodes:
        node.name = hashed(node.name) if node.name else node.name
        node.doc_string = ""
        node.overload = hashed(node.overload) if node.overload else ""
        del node.metadata_props[:]
        is_own = (node.domain, node.op_type) in own
        if is_own:
            node.op_type = hashed(node.op_type)
            node.domain = hashed(node.domain) if node.domain not in ("", "ai.onnx") else node.domain
        _rename_all(node.input, hashed)
        _rename_all(node.output, hashed)
        for attribute in node.attribute:
            attribute.doc_string = ""
            if is_own:
                attribute.name = hashed(attribute.name)
            if attribute.ref_attr_name:
                attribute.ref_attr_name = hashed(attribute.ref_attr_name)
            if attribute.type == AttributeProto.TENSOR:
                _rename_tensor(attribute.t, hashed)
        for graph in _graphs(node):
            _rename_graph(graph, hashed, own)


def _rename_tensor(tensor: TensorProto, hashed: Hashed) -> None:
    tensor.name = hashed(tensor.name) if tensor.name else ""
    tensor.doc_string = ""
    del tensor.metadata_props[:]


def _rename_value(value: onnx.ValueInfoProto, hashed: Hashed) -> None:
    value.name = hashed(value.name)
    value.doc_string = ""
    del value.metadata_props[:]
    _rename_sizes(value.type, hashed)


def _rename_sizes(kind: TypeProto, hashed: Hashed) -> None:
    kind.denotation = ""
    for field in ("tensor_type", "sparse_tensor_type"):
        if kind.HasField(field):
            for size in getattr(kind, field).shape.dim:
                if size.HasField("dim_param") and size.dim_param:
                    size.dim_param = hashed(size.dim_param)
                size.denotation = ""
    for field in ("sequence_type", "optional_type"):
        if kind.HasField(field):
            _rename_sizes(getattr(kind, field).elem_type, hashed)
    if kind.HasField("map_type"):
        _rename_sizes(kind.map_type.value_type, hashed)


def _rename_all(names: Any, hashed: Hashed) -> None:
    for index, name in enumerate(names):
        names[index] = hashed(name) if name else name
