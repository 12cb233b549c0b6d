"""Takes nodes out of the bodies of loops and branches."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from tautomer.adapters.onnx_files.reduction.case import Case
from tautomer.adapters.onnx_files.reduction.simplification.attributes import without_unused_inputs
from tautomer.adapters.onnx_files.reduction.simplification.step import Fails


def with_smaller_bodies(case: Case, fails: Fails) -> Case:
    """The case in which no node of a body can be left out, or replaced by one of its inputs."""
    current = case
    while True:
        smaller = next((one for one in _smaller(current) if fails(one)), None)
        if smaller is None:
            return current
        current = smaller


def _smaller(case: Case) -> Iterator[Case]:
    for body_index, body in enumerate(_bodies(case.proto.graph)):
        for position in reversed(range(len(body.node))):
            node = body.node[position]
            for name in ["", *dict.fromkeys(one for one in node.input if one)]:
                proto = case.copy()
                if _take_out(list(_bodies(proto.graph))[body_index], position, name):
                    yield without_unused_inputs(case.changed(proto))


def _bodies(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    for node in graph.node:
        for attribute in node.attribute:
            for body in [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs:
                yield body
                yield from _bodies(body)


def _take_out(body: onnx.GraphProto, position: int, name: str) -> bool:
    """Take a node out, its first output replaced by a value; without one only where nothing uses its outputs."""
    node = body.node[position]
    made = {one for one in node.output if one}
    shown = {one.name for one in body.output}
    used = {one for other in body.node for one in other.input} | shown
    if not name:
        if made & used:
            return False
    elif made & shown or len(made) != 1:
        # A body's output has a name and a type of its own; an Identity would be as much as the node.
        return False
    else:
        (gone,) = made
        for other in body.node:
            for index, one in enumerate(other.input):
                if one == gone:
                    other.input[index] = name
    del body.node[position]
    return True
