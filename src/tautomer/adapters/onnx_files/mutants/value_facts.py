"""Element types and shapes of a model's values: as stated by the graph, else inferred without reading its weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import onnx

Dimension = int | str | None
Shape = tuple[Dimension, ...] | None

_KEPT_BYTES = 4096
"""Constants up to this size stay in the graph that is inferred: shapes may depend on them."""


@dataclass(frozen=True, slots=True)
class ValueFacts:
    """What is known of one value.

    Attributes:
        element: number of its element type (`TensorProto.DataType`); 0 where it is not known.
        shape: sizes, symbols, or None for an unknown one; None where the rank is unknown.
    """

    element: int = 0
    shape: Shape = None


def facts_of_graph(model: onnx.ModelProto) -> dict[str, ValueFacts]:
    """Facts by name of every value of the main graph and its subgraphs for which they can be known."""
    graph = _inferred(model)
    facts: dict[str, ValueFacts] = {}
    _collect(graph, facts)
    for tensor in model.graph.initializer:
        facts[tensor.name] = ValueFacts(tensor.data_type, tuple(tensor.dims))
    return facts


def _collect(graph: onnx.GraphProto, facts: dict[str, ValueFacts]) -> None:
    for value in _stated(graph):
        if value.type.WhichOneof("value") != "tensor_type":
            continue
        tensor = value.type.tensor_type
        shape = None
        if tensor.HasField("shape"):
            shape = tuple(
                one.dim_value if one.HasField("dim_value") else one.dim_param or None for one in tensor.shape.dim
            )
        facts[value.name] = ValueFacts(tensor.elem_type, shape)
    for tensor in graph.initializer:
        facts[tensor.name] = ValueFacts(tensor.data_type, tuple(tensor.dims))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _collect(attribute.g, facts)
            elif node.op_type == "Constant" and attribute.name == "value":
                facts[node.output[0]] = ValueFacts(attribute.t.data_type, tuple(attribute.t.dims))


def _stated(graph: onnx.GraphProto) -> Iterable[onnx.ValueInfoProto]:
    yield from graph.input
    yield from graph.value_info
    yield from graph.output


def _inferred(model: onnx.ModelProto) -> onnx.GraphProto:
    """The graph with shape inference's facts; as it is where inference refuses it."""
    skeleton = onnx.ModelProto()
    skeleton.ir_version = model.ir_version
    skeleton.opset_import.extend(model.opset_import)
    skeleton.functions.extend(model.functions)
    graph = skeleton.graph
    graph.name = model.graph.name
    graph.input.extend(model.graph.input)
    for node in model.graph.node:
        tensor = _large_constant(node)
        if tensor is None:
            graph.node.append(node)
        else:
            graph.input.append(onnx.helper.make_tensor_value_info(node.output[0], tensor.data_type, tensor.dims))
    graph.output.extend(model.graph.output)
    graph.value_info.extend(model.graph.value_info)
    given = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if tensor.data_location != onnx.TensorProto.EXTERNAL and tensor.ByteSize() <= _KEPT_BYTES:
            graph.initializer.append(tensor)
        elif tensor.name not in given:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    try:
        return onnx.shape_inference.infer_shapes(skeleton).graph
    except (onnx.shape_inference.InferenceError, ValueError):
        return skeleton.graph  # a graph whose shapes contradict each other still states some


def _large_constant(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor of a Constant node whose values cannot matter to shapes."""
    if node.op_type != "Constant" or node.ByteSize() <= _KEPT_BYTES:
        return None
    return next((one.t for one in node.attribute if one.name == "value"), None)
