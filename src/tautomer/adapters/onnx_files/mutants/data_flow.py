"""Which values carry a model's data, and which only say shapes, axes and sizes: those are never mutated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx

_ALL = None
_SHAPE_INPUTS: dict[str, frozenset[int] | None] = {
    "AffineGrid": frozenset({1}),
    "CenterCropPad": frozenset({1}),
    "ConstantOfShape": _ALL,
    "CumSum": frozenset({1}),
    "Expand": frozenset({1}),
    "EyeLike": _ALL,
    "MaxUnpool": frozenset({2}),
    "OneHot": frozenset({1}),
    "Pad": frozenset({1, 3}),
    "Range": _ALL,
    "Reshape": frozenset({1}),
    "Resize": frozenset({1, 2, 3}),
    "SequenceAt": frozenset({1}),
    "Shape": _ALL,
    "Size": _ALL,
    "Slice": frozenset({1, 2, 3, 4}),
    "Split": frozenset({1}),
    "SplitToSequence": frozenset({1}),
    "Squeeze": frozenset({1}),
    "Tile": frozenset({1}),
    "TopK": frozenset({1}),
    "Trilu": frozenset({1}),
    "Unsqueeze": frozenset({1}),
    "Upsample": frozenset({1}),
}
"""Inputs, by operator, that say where or how large, not what; every input of those with None."""


def data_values(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> frozenset[str]:
    """Names of the values from which data reaches an output otherwise than as a shape, an axis or a size.

    Args:
        nodes: of one graph, in topological order.
        outputs: of that graph.
    """
    carrying = set(outputs)
    for node in reversed(nodes):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                carrying |= names_used(attribute.g)
        if not any(name in carrying for name in node.output):
            continue
        shapes = _SHAPE_INPUTS.get(node.op_type, frozenset()) if node.domain in ("", "ai.onnx") else frozenset()
        if node.op_type.startswith("Reduce"):
            shapes = frozenset({1})
        if shapes is None:
            continue
        carrying |= {name for index, name in enumerate(node.input) if name and index not in shapes}
    return frozenset(carrying)


def names_used(graph: onnx.GraphProto) -> set[str]:
    """Names that a subgraph takes from around it."""
    used: set[str] = {value.name for value in graph.output}
    made: set[str] = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        used |= {name for name in node.input if name}
        made |= set(node.output)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                used |= names_used(attribute.g)
    return used - made
