"""Rewrites a reduced-precision graph so that chosen nodes compute in float32, with Casts where their region ends."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import onnx

NARROW = frozenset({onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16})
_TYPED_BY_ATTRIBUTE = frozenset(
    """
    Bernoulli BlackmanWindow Cast CastLike Constant ConstantOfShape DequantizeLinear EyeLike HammingWindow HannWindow If
    Loop Multinomial Optional QuantizeLinear RandomNormal RandomNormalLike RandomUniform RandomUniformLike Scan
    SequenceConstruct SequenceEmpty
    """.split()
)
"""Operators whose types do not follow from one shared type parameter: casting their inputs would not move them."""


@dataclass(frozen=True, slots=True)
class NarrowGraph:
    """A graph and the element types of its values.

    Attributes:
        proto: the model.
        narrow: element type (FLOAT16 or BFLOAT16) of each value in one of these formats.
        movable: positions of the nodes that can compute in float32 instead.
    """

    proto: onnx.ModelProto
    narrow: Mapping[str, int]
    movable: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A graph with some nodes in float32.

    Attributes:
        proto: the model.
        declared: name in the given graph of each value that is held in float32 under a new name.
    """

    proto: onnx.ModelProto
    declared: Mapping[str, str]


def narrow_graph(proto: onnx.ModelProto, types: Mapping[str, int]) -> NarrowGraph:
    """What can be moved in a model.

    Args:
        proto: the model.
        types: `TensorProto.DataType` of each value of the main graph, by name.
    """
    narrow = {name: code for name, code in types.items() if code in NARROW}
    narrow |= {tensor.name: tensor.data_type for tensor in proto.graph.initializer if tensor.data_type in NARROW}
    movable = tuple(
        index
        for index, node in enumerate(proto.graph.node)
        if node.domain in ("", "ai.onnx")
        and any(name in narrow for name in node.output)
        and (node.op_type not in _TYPED_BY_ATTRIBUTE or _narrows_float32(node, types))
    )
    return NarrowGraph(proto, narrow, movable)


def _narrows_float32(node: onnx.NodeProto, types: Mapping[str, int]) -> bool:
    return node.op_type == "Cast" and types.get(node.input[0]) == onnx.TensorProto.FLOAT


def with_float32(graph: NarrowGraph, kept: Collection[int]) -> Rewritten:
    """The model with the nodes at the positions `kept` in float32.

    Values between two kept nodes stay in float32; a Cast brings each other input up and each result that something else
    takes, or that is an output of the graph, down to its declared type. Names of nodes and declared values are kept.
    """
    chosen = set(kept)
    nodes = graph.proto.graph.node
    made_wide = {name for index in chosen for name in nodes[index].output if name in graph.narrow}
    taken_narrow = {value.name for value in graph.proto.graph.output}
    for index, node in enumerate(nodes):
        if index not in chosen:
            taken_narrow |= names_used(node)
    wide = _FreshNames(_all_names(graph.proto.graph))

    rewritten: list[onnx.NodeProto] = []
    brought_up: set[str] = set()
    for index, node in enumerate(nodes):
        if index not in chosen:
            rewritten.append(node)
            continue
        moved = onnx.NodeProto()
        moved.CopyFrom(node)
        for position, name in enumerate(node.input):
            if name not in graph.narrow:
                continue
            if name not in made_wide and name not in brought_up:
                brought_up.add(name)
                rewritten.append(_cast(name, wide[name], onnx.TensorProto.FLOAT))
            moved.input[position] = wide[name]
        if node.op_type == "Cast":
            next(one for one in moved.attribute if one.name == "to").i = onnx.TensorProto.FLOAT
        down = []
        for position, name in enumerate(node.output):
            if name in graph.narrow:
                moved.output[position] = wide[name]
                if name in taken_narrow:
                    down.append(_cast(wide[name], name, graph.narrow[name]))
        rewritten += [moved, *down]
    model = onnx.ModelProto()
    model.CopyFrom(graph.proto)
    del model.graph.node[:]
    model.graph.node.extend(rewritten)
    return Rewritten(model, {new: name for name, new in wide.items()})


class _FreshNames(dict[str, str]):
    """A new name for each value that is asked for, unlike any in the graph."""

    def __init__(self, taken: set[str]) -> None:
        super().__init__()
        self._taken = taken

    def __missing__(self, name: str) -> str:
        fresh = f"{name}_float32"
        while fresh in self._taken:
            fresh += "_"
        self._taken.add(fresh)
        self[name] = fresh
        return fresh


def _cast(source: str, target: str, to: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Cast", [source], [target], name=f"{source}_to_{target}", to=to)


def names_used(node: onnx.NodeProto) -> set[str]:
    """Names a node takes, those its subgraphs take from around them included."""
    used = {name for name in node.input if name}
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for inner in body.node:
                used |= names_used(inner)
            used |= {value.name for value in body.output}
    return used


def _all_names(graph: onnx.GraphProto) -> set[str]:
    names: set[str] = {value.name for value in (*graph.input, *graph.output, *graph.value_info)}
    names |= {tensor.name for tensor in graph.initializer}
    for node in _nodes(graph):
        names |= {*node.input, *node.output, node.name}
    return names


def _nodes(graph: onnx.GraphProto) -> Iterable[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)
