"""Ways through an ONNX graph: which values depend on the inputs, and which nodes make a value from given others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import onnx

MOVES = frozenset(
    """
    Cast CastLike Concat ConcatFromSequence Constant ConstantOfShape DepthToSpace Expand Flatten Gather GatherElements
    GatherND Identity Pad Reshape ReverseSequence SequenceAt SequenceConstruct Shape Size Slice SpaceToDepth Split
    SplitToSequence Squeeze Tile Transpose Trilu Unsqueeze
    """.split()
)
"""Operators that only put elements in other places, or change how they are stored."""


def is_formula(nodes: Sequence[onnx.NodeProto]) -> bool:
    """Whether nodes compute by a formula of several operators, rather than by one that the specification defines."""
    computing = [node for node in nodes if node.op_type not in MOVES]
    bodies = any(one.type == onnx.AttributeProto.GRAPH for node in computing for one in node.attribute)
    return len(computing) > 1 or bodies or any(node.domain not in ("", "ai.onnx") for node in computing)


class GraphPaths:
    """The main graph of a model, to be walked.

    Attributes:
        inputs: names a caller feeds.
        outputs: names of the graph's outputs.
        variable: names of values that depend on an input.
        branches: whether it has loops or branches.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        stored = {tensor.name for tensor in graph.initializer}
        self.inputs = [value.name for value in graph.input if value.name not in stored]
        self.outputs = [value.name for value in graph.output]
        self._producers: dict[str, tuple[int, onnx.NodeProto]] = {}
        self.variable = set(self.inputs)
        self.branches = any(one.type == onnx.AttributeProto.GRAPH for node in graph.node for one in node.attribute)
        for position, node in enumerate(graph.node):
            for name in node.output:
                if name:
                    self._producers[name] = (position, node)
            if any(name in self.variable for name in uses(node)):
                self.variable.update(name for name in node.output if name)

    def producer(self, name: str) -> onnx.NodeProto | None:
        """The node that makes a value; None for inputs and stored tensors."""
        found = self._producers.get(name)
        return found[1] if found is not None else None

    def between(self, name: str, ends: Callable[[str], bool]) -> list[onnx.NodeProto]:
        """The nodes that make a value, back to those values for which `ends` is true, in the graph's order.

        Constants are left out.
        """
        found: dict[int, onnx.NodeProto] = {}
        pending = [name]
        while pending:
            value = pending.pop()
            if value not in self._producers or (value != name and ends(value)):
                continue
            position, node = self._producers[value]
            if position not in found:
                found[position] = node
                pending.extend(uses(node))
        return [node for _, node in sorted(found.items()) if node.op_type != "Constant"]

    def steps(self, names: Iterable[str], meant: Callable[[str], frozenset[str]]) -> set[str]:
        """Values from which others are computed that stand for the same source value.

        Both branches of a formula may be what it is in exact arithmetic, and only one of them accurate enough to be
        taken: how accurate the formula is shows where it ends.

        Args:
            names: of values that stand for the source's.
            meant: the source values that a value stands for; none for others.
        """

        def ends_at(name: str) -> Callable[[str], bool]:
            return lambda value: bool(meant(value)) and meant(value).isdisjoint(meant(name))

        found: set[str] = set()
        for name in names:
            made = {output for node in self.between(name, ends_at(name)) for output in node.output} - {name}
            found |= {output for output in made if not meant(output).isdisjoint(meant(name))}
        return found

    def stored(self, nodes: list[onnx.NodeProto]) -> set[str]:
        """Names of stored tensors and Constant nodes' values that these nodes use."""
        names = {name for node in nodes for name in uses(node)}
        return {name for name in names if name and name not in self.variable}


def uses(node: onnx.NodeProto) -> Iterator[str]:
    """Names a node uses, those of its subgraphs' outer values included."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        graphs: list[Any] = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else list(attribute.graphs)
        for graph in graphs:
            made = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
            for inner in graph.node:
                yield from (name for name in uses(inner) if name not in made)
                made.update(inner.output)
            yield from (value.name for value in graph.output if value.name not in made)
