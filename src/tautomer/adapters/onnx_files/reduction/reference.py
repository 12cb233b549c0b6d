"""The part of a sound graph that a candidate cut from another one should be equal to: values correspond by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx

from tautomer.adapters.onnx_files.graph_paths import uses
from tautomer.adapters.onnx_files.reduction.case import Array, Case, without_unused


class ReferenceGraph:
    """A graph that is right.

    Args:
        proto: the model.
        folder: where its external tensors lie.
        given: values of the graph's inputs in the failing run.
    """

    def __init__(self, proto: onnx.ModelProto, folder: Path | None, given: Mapping[str, Array]) -> None:
        self._proto = proto
        self._folder = folder
        self._given = given
        self._producer = {name: index for index, node in enumerate(proto.graph.node) for name in node.output if name}
        self._stored = {one.name for one in proto.graph.initializer}
        self._stored |= {one.values.name for one in proto.graph.sparse_initializer}
        self._declared = {one.name: one for one in proto.graph.input}

    def counterpart(self, case: Case) -> Case | None:
        """The nodes that make the candidate's outputs from its inputs; None where the graph has no such values."""
        graph = self._proto.graph
        wanted = [output.name for output in case.proto.graph.output]
        if any(name not in self._producer for name in wanted):
            return None
        fed = {one.name: one for one in case.proto.graph.input}
        tensors = {one.name: one for one in case.proto.graph.initializer}
        nodes: set[int] = set()
        pending = list(wanted)
        inputs: dict[str, Array] = {}
        stored: list[str] = []
        while pending:
            name = pending.pop()
            if name in fed and name not in wanted:
                inputs[name] = case.inputs[name]
            elif name in tensors and (name in self._producer or name in self._stored):
                stored.append(name)
            elif name in self._producer:
                if self._producer[name] not in nodes:
                    nodes.add(self._producer[name])
                    pending.extend(uses(graph.node[self._producer[name]]))
            elif name in self._given:
                inputs[name] = self._given[name]
            elif name not in self._stored:
                return None
        made = onnx.ModelProto()
        made.CopyFrom(self._proto)
        for part in ("node", "input", "output"):
            made.graph.ClearField(part)
        made.graph.node.extend(graph.node[index] for index in sorted(nodes))
        made.graph.input.extend(fed.get(name) or self._declared[name] for name in inputs)
        made.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
        replaced = set(stored)
        kept = [one for one in made.graph.initializer if one.name not in replaced]
        made.graph.ClearField("initializer")
        made.graph.initializer.extend(kept)
        made.graph.initializer.extend(tensors[name] for name in dict.fromkeys(stored))
        without_unused(made)
        return Case(made, inputs, self._folder)
