"""Which nodes of an ONNX graph are declared in a floating-point format other than float32, from the file alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT_NAMES = {1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"}
"""Source: onnx.proto, TensorProto.DataType."""

_OTHER_THAN_FLOAT32 = frozenset(code for code, name in FORMAT_NAMES.items() if name != "float32")

COPYING = frozenset(
    """
    Compress Concat Constant ConstantOfShape DepthToSpace Dropout Expand Flatten Gather GatherElements GatherND Identity
    If Loop Optional OptionalGetElement Pad Reshape ReverseSequence Scan Scatter ScatterElements ScatterND SequenceAt
    SequenceConstruct SequenceEmpty SequenceErase SequenceInsert Slice SpaceToDepth Split SplitToSequence Squeeze Tile
    Transpose Trilu Unsqueeze Where
    """.split()
)
"""Operators that hand values on unchanged: in which format they run cannot be seen in any value."""


@dataclass(frozen=True, slots=True)
class DeclaredNode:
    """A node whose results are rounded to a format other than float32, by the word of the graph.

    Attributes:
        names: its own name, where it has one, and those of its outputs: what runtimes call it.
        inputs: the values it takes.
        output: its first output in that format.
        op_type: its operator.
        format: `float16`, `bfloat16` or `float64`.
    """

    names: tuple[str, ...]
    inputs: tuple[str, ...]
    output: str
    op_type: str
    format: str


def read_graph(model: Path) -> Any:
    """The `ModelProto` of a file, without its external data."""
    import onnx

    return onnx.load(model, load_external_data=False)


def declared_nodes(proto: Any) -> list[DeclaredNode]:
    """Nodes that round to float16, bfloat16 or float64, subgraphs included, bodies of functions left out.

    A graph without any such type costs one walk over its declarations.
    """
    if not any(code in _OTHER_THAN_FLOAT32 for code in _stated_codes(proto)):
        return []
    types = value_types(proto)
    found = []
    for node in all_nodes(proto.graph):
        if node.op_type in COPYING:
            continue
        for output in node.output:
            if types.get(output) in _OTHER_THAN_FLOAT32:
                names = tuple(name for name in (node.name, *node.output) if name)
                found.append(DeclaredNode(names, tuple(node.input), output, node.op_type, FORMAT_NAMES[types[output]]))
                break
    return found


def all_graphs(graph: Any) -> Iterator[Any]:
    """A graph and the bodies of its control flow, at any depth."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from all_graphs(attribute.g)


def all_nodes(graph: Any) -> Iterator[Any]:
    """Nodes of a graph and of the bodies of its control flow."""
    for one in all_graphs(graph):
        yield from one.node


def value_types(proto: Any) -> Mapping[str, int]:
    """Element types (`TensorProto.DataType`) by value name, as far as they are stated or follow.

    What neither the file nor the specification's inference tells (operators of other domains) is taken from the first
    typed input of the node, since operators that change the format have an attribute or a name of their own.
    """
    types = dict(_stated(proto.graph))
    if any(name and name not in types for node in all_nodes(proto.graph) for name in node.output):
        types = dict(_stated(_inferred(proto).graph)) | types
    for node in all_nodes(proto.graph):
        if node.op_type == "Cast":
            types.update(
                {name: attribute.i for attribute in node.attribute if attribute.name == "to" for name in node.output}
            )
        known = next((types[name] for name in node.input if name in types), None)
        for name in node.output:
            if name and known is not None:
                types.setdefault(name, known)
    return types


def _stated(graph: Any) -> Iterator[tuple[str, int]]:
    for one in all_graphs(graph):
        for value in (*one.value_info, *one.input, *one.output):
            if value.type.tensor_type.elem_type:
                yield value.name, value.type.tensor_type.elem_type
        for tensor in one.initializer:
            yield tensor.name, tensor.data_type


def _stated_codes(proto: Any) -> Iterator[int]:
    """Every element type the file names anywhere."""
    for _, code in _stated(proto.graph):
        yield code
    for node in (*all_nodes(proto.graph), *(node for function in proto.functions for node in function.node)):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t.data_type
            elif node.op_type == "Cast" and attribute.name == "to":
                yield attribute.i


def _inferred(proto: Any) -> Any:
    from onnx import shape_inference

    try:
        return shape_inference.infer_shapes(proto)
    except (shape_inference.InferenceError, ValueError, RuntimeError):
        return proto  # more than protobuf serializes, or contradictory shapes: what is stated has to do
