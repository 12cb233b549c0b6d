"""Changes one node of a copied model: attributes, inputs, stored tensors, or the nodes that stand in its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from tautomer.adapters.onnx_files.mutants.graph_view import Array, Container, Spot
from tautomer.numerics.onnx_evaluator.loading import read_tensor


class Edit:
    """One change, made in a copy of the model while the original is looked at through `spot`.

    Attributes:
        spot: the node, in the original.
        node: the same node, in the copy.
        tensors: names of the stored tensors whose values were changed.
    """

    def __init__(self, spot: Spot, container: Container) -> None:
        self.spot = spot
        self.node = container.node[spot.index]
        self.tensors: set[str] = set()
        self._container = container
        self._before: list[onnx.NodeProto] = []
        self._after: list[onnx.NodeProto] = []
        self._dropped = False
        self._into = self._before
        self._count = 0

    def set(self, name: str, value: Any) -> None:
        """Give the node an attribute, replacing the one it has."""
        self.drop(name)
        kind = onnx.AttributeProto.INTS if value == [] else None
        self.node.attribute.append(onnx.helper.make_attribute(name, value, attr_type=kind))

    def drop(self, name: str) -> None:
        """Take an attribute away."""
        kept = [attribute for attribute in self.node.attribute if attribute.name != name]
        del self.node.attribute[:]
        self.node.attribute.extend(kept)

    def set_input(self, index: int, name: str) -> None:
        """Connect an input to another value; an empty name leaves it out."""
        while len(self.node.input) <= index:
            self.node.input.append("")
        self.node.input[index] = name
        while self.node.input and not self.node.input[-1]:
            del self.node.input[-1]

    def swap_inputs(self, one: int, other: int) -> None:
        """Exchange two inputs."""
        self.node.input[one], self.node.input[other] = self.node.input[other], self.node.input[one]

    def swap_outputs(self, one: int, other: int) -> None:
        """Exchange the names of two outputs."""
        self.node.output[one], self.node.output[other] = self.node.output[other], self.node.output[one]

    def like(self, value: float | Sequence[float], reference: str) -> str:
        """A constant of the element type of the value `reference` (float32 where that is not known)."""
        element = self.spot.element(reference) or onnx.TensorProto.FLOAT
        return self.constant(np.asarray(value, dtype=onnx.helper.tensor_dtype_to_np_dtype(element)))

    def constant(self, array: Array) -> str:
        """A new constant; returns its name."""
        name = self._fresh()
        tensor = onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
        if isinstance(self._container, onnx.GraphProto):
            self._container.initializer.append(tensor)
        else:
            self._before.append(onnx.helper.make_node("Constant", [], [name], name=name, value=tensor))
        return name

    def op(self, op_type: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """A new node before the changed one (after it, once `keep` was called); returns the name of its output."""
        made = output or self._fresh()
        keeps_name = output is not None and output == self.spot.output() and self._dropped
        node = onnx.helper.make_node(op_type, list(inputs), [made], name=self.node.name if keeps_name else made)
        for name, value in attributes.items():
            node.attribute.append(onnx.helper.make_attribute(name, value))
        node.metadata_props.extend(self.node.metadata_props)
        self._into.append(node)
        return made

    def reduce(self, op_type: str, x: str, axes: Sequence[int], *, keepdims: int = 1) -> str:
        """A reduction over constant axes, written as the opset asks for it."""
        if self.spot.opset >= (13 if op_type == "ReduceSum" else 18):
            given = self.constant(np.asarray(axes, dtype=np.int64))
            return self.op(op_type, x, given, keepdims=keepdims)
        return self.op(op_type, x, axes=list(axes), keepdims=keepdims)

    def unsqueezed(self, x: str, axes: Sequence[int]) -> str:
        """`x` with new axes, written as the opset asks for it."""
        if self.spot.opset >= 13:
            return self.op("Unsqueeze", x, self.constant(np.asarray(axes, dtype=np.int64)))
        return self.op("Unsqueeze", x, axes=list(axes))

    def keep(self) -> str:
        """Keep the node, let what follows go after it; returns the name its first output has now.

        A node made afterwards must take the original name.
        """
        fresh = self._fresh()
        self.node.output[0] = fresh
        self._into = self._after
        return fresh

    def replace(self) -> str:
        """Take the node out; returns the name of its output, which a node made afterwards must take."""
        self._dropped = True
        return self.spot.output()

    def tensor(self, name: str) -> Array:
        """The values of a stored tensor, in its declared type; the caller's own copy."""
        stored = self.spot.graph.tensors[name]
        return np.array(read_tensor(stored, self.spot.graph.folder))

    def replace_tensor(self, name: str, array: Array) -> None:
        """Give a stored tensor other values, inside the model."""
        tensor = onnx.numpy_helper.from_array(np.ascontiguousarray(array), name)
        self.tensors.add(name)
        if isinstance(self._container, onnx.GraphProto):
            for stored in self._container.initializer:
                if stored.name == name:
                    kept = list(stored.metadata_props)
                    stored.CopyFrom(tensor)
                    stored.metadata_props.extend(kept)
                    return
        node = self._container.node[self.spot.graph.producers[name]]
        for attribute in node.attribute:
            if attribute.name == "value":
                attribute.t.CopyFrom(tensor)

    def finish(self) -> None:
        """Put the new nodes in."""
        if not (self._before or self._after or self._dropped):
            return
        index = self.spot.index
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in self._container.node[index:]]
        middle = [] if self._dropped else nodes[:1]
        del self._container.node[index:]
        self._container.node.extend([*self._before, *middle, *self._after, *nodes[1:]])

    def _fresh(self) -> str:
        self._count += 1
        return f"{self.spot.output() or self.spot.name}/mutant_{self._count}"

    def copied_attributes(self) -> Mapping[str, Any]:
        """The node's attributes by name."""
        return {one.name: onnx.helper.get_attribute_value(one) for one in self.node.attribute}
