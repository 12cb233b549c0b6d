"""ONNX graphs changed a little while they stay valid: nodes put in, taken out, exchanged, set otherwise, resized."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from tautomer.adapters.onnx_files.node_calls import ELEMENT_TYPES, Initializer, node_call, numpy_dtype
from tautomer.adapters.onnx_files.operators import OPERATORS
from tautomer.adapters.onnx_files.operators.entry import OPSET
from tautomer.synthesis import Reference, Specification, values_of
from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.health import Array
from tautomer.synthesis.mutation import LARGEST_LIST, Change, NoEffect, Place, followed, resized
from tautomer.synthesis.specification import Origin, Value

INLINE = 1024
"""Weights with more elements are held beside the graph: operators that want a constant want a small one."""

_NOT_SET = frozenset({"to", "dtype", "output_dtype", "stash_type", "training_mode", "seed", "saturate"})
"""Attributes that are numbers and name a type or a mode."""

_FLAGS = frozenset(
    "allowzero antialias ceil_mode center_point_box count_include_pad exclude_outside exclusive fmod input_forget "
    "inverse is_causal keepdims largest layout linear_before_reset noop_with_empty_axes onesided reverse "
    "select_last_index sorted storage_order transA transB".split()
)
"""Attributes that are 0 or 1; kernels take other numbers without a word, but they mean nothing."""

_WITHOUT_PLACE = frozenset({"Constant", "If", "Loop", "Scan"})
DEFAULT = ("", "ai.onnx")


@dataclass(frozen=True, slots=True)
class Graph:
    """A model with its large weights beside it.

    Attributes:
        proto: the model; its large initializers are inputs.
        weights: the large initializers, by name.
    """

    proto: onnx.ModelProto
    weights: Mapping[str, Array]

    @property
    def opset(self) -> int:
        """The version of the default operators that the model is written in."""
        return max((one.version for one in self.proto.opset_import if one.domain in DEFAULT), default=1)

    def whole(self) -> onnx.ModelProto:
        """The model with all its weights in it."""
        made = onnx.ModelProto()
        made.CopyFrom(self.proto)
        given = [one for one in made.graph.input if one.name not in self.weights]
        del made.graph.input[:]
        made.graph.input.extend(given)
        made.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in self.weights.items())
        return made


def separated(model: onnx.ModelProto, *, inline: float = INLINE) -> Graph:
    """A model with its large weights taken out; what it says of intermediate values is dropped, it will not hold."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model)
    graph = proto.graph
    del graph.value_info[:]
    kept = [one for one in graph.initializer if np.prod(one.dims) <= inline or one.data_type not in _NUMPY]
    large = {one.name: one for one in graph.initializer if not (np.prod(one.dims) <= inline or one in kept)}
    held = {one.name for one in graph.initializer}
    given = [one for one in graph.input if one.name not in held]
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(kept)
    weights = {name: numpy_helper.to_array(one) for name, one in large.items()}
    graph.input.extend(given)
    graph.input.extend(
        helper.make_tensor_value_info(name, large[name].data_type, array.shape) for name, array in weights.items()
    )
    return Graph(proto, weights)


_NUMPY = frozenset(ELEMENT_TYPES.values())


def fitting_table(opset: int) -> list[Specification]:
    """The operators that an older or newer opset has with the inputs and attributes that the table gives them."""
    return [one for one in OPERATORS if _is_alike(one, opset)]


def _is_alike(one: Specification, opset: int) -> bool:
    try:
        known = onnx.defs.get_schema(one.graph_operator, opset)
    except onnx.defs.SchemaError:
        return False
    written = onnx.defs.get_schema(one.graph_operator, OPSET)
    names = {keyword.arg for node in ast.walk(ast.parse(one.expression)) for keyword in getattr(node, "keywords", ())}
    inputs = [formal.name for formal in written.inputs]
    return names <= set(known.attributes) and [formal.name for formal in known.inputs] == inputs


def places_of(graph: Graph, values: Mapping[str, Value]) -> list[Place]:
    """The nodes of a graph whose values were seen, each by the name of its first result."""
    seen: list[Value] = [values[one.name] for one in graph.proto.graph.input if one.name in values]
    seen = [one for one in seen if one.origin is Origin.INPUT]
    found = []
    constants = _constants(graph)
    for node in graph.proto.graph.node:
        if node.op_type not in _WITHOUT_PLACE and node.output[0]:
            operands = [values[name] for name in node.input if name in values]
            attributes = list(_attributes(node, graph.opset, constants))
            title = f"{node.name or node.output[0]} ({node.op_type})"
            found.append(Place(node.output[0], title, values.get(node.output[0]), operands, list(seen), attributes))
        if node.op_type != "Constant":
            seen += [values[name] for name in node.output if name in values]
    return found


def _constants(graph: Graph) -> dict[str, Array]:
    """Small constants of numbers, by name."""
    held = {one.name: one for one in graph.proto.graph.initializer}
    for node in graph.proto.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            held[node.output[0]] = node.attribute[0].t
    small = {name: one for name, one in held.items() if np.prod(one.dims) <= LARGEST_LIST and one.data_type in _NUMPY}
    return {name: numpy_helper.to_array(one) for name, one in small.items()}


def _attributes(node: onnx.NodeProto, opset: int, constants: Mapping[str, Array]) -> Iterator[tuple[str, Any]]:
    """What a node is set to: its attributes, those left to their defaults, and constants that it takes as inputs."""
    given = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    names: list[str] = []
    if node.domain in DEFAULT:
        try:
            schema = onnx.defs.get_schema(node.op_type, opset)
        except onnx.defs.SchemaError:
            schema = None
        if schema is not None:
            defaults = {name: one.default_value for name, one in schema.attributes.items() if one.default_value.name}
            given = {**{name: helper.get_attribute_value(one) for name, one in defaults.items()}, **given}
            names = [one.name for one in schema.inputs]
    for name, value in given.items():
        if name not in _NOT_SET and isinstance(value, int | float | list):
            yield name, bool(value) if name in _FLAGS else value
    for place, name in enumerate(node.input):
        array = constants.get(name)
        if array is None or array.dtype.kind not in "if" or array.ndim > 1 or not array.size:
            continue
        if array.dtype.kind == "f" and array.size > 1:
            continue  # a bias, not a setting
        yield names[place] if place < len(names) else f"input {place}", array.tolist()


def changed(graph: Graph, changes: Sequence[Change], dtypes: Mapping[str, str]) -> Graph:
    """A graph with changes applied.

    Args:
        graph: the model.
        changes: at different nodes.
        dtypes: of the values of the graph, by name.

    Raises:
        NoEffect: no output is computed from a node that is changed.
    """
    edit = _Edit(graph, {one.place: one for one in changes if one.kind != "shape"}, dtypes)
    shapes = {name: shape for one in changes for name, shape in one.shapes.items()}
    proto = edit.made()
    read = {one.name for one in proto.graph.input}
    held = {name: array for name, array in {**graph.weights, **edit.weights}.items() if name in read}
    for name in shapes.keys() & held.keys():
        held[name] = resized(held[name], shapes[name])
    for one in proto.graph.initializer:
        if one.name in shapes:
            one.CopyFrom(numpy_helper.from_array(resized(numpy_helper.to_array(one), shapes[one.name]), one.name))
        elif shapes:
            _follow(one, changes)
    for node in proto.graph.node if shapes else ():
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            _follow(node.attribute[0].t, changes)
    for given in proto.graph.input:
        if given.name in shapes:
            _declare(given, shapes[given.name])
    return Graph(proto, held)


def _follow(constant: onnx.TensorProto, changes: Sequence[Change]) -> None:
    """Change sizes in a list of integers."""
    if constant.data_type == onnx.TensorProto.INT64 and len(constant.dims) == 1 and constant.dims[0] <= LARGEST_LIST:
        array = numpy_helper.to_array(constant)
        constant.CopyFrom(numpy_helper.from_array(np.array(followed(changes, array.tolist()), np.int64), constant.name))


def _declare(given: onnx.ValueInfoProto, shape: Sequence[int]) -> None:
    """State sizes; a symbol whose size was chosen is no longer one, one that still has two sizes stays."""
    for dimension, size in zip(given.type.tensor_type.shape.dim, shape, strict=True):
        if not is_dynamic(size):
            dimension.dim_value = size


class _Edit:
    """One pass over the nodes of a graph, the changes applied on the way."""

    def __init__(self, graph: Graph, changes: Mapping[str, Change], dtypes: Mapping[str, str]) -> None:
        self._graph = graph
        self._changes = changes
        self._dtypes = dict(dtypes)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._instead: dict[str, str] = {}
        self._constants = _constants(graph)
        self.weights: dict[str, Array] = {}

    def made(self) -> onnx.ModelProto:
        """The graph, edited."""
        for node in self._graph.proto.graph.node:
            change = self._changes.get(node.output[0]) if node.output else None
            if change is None:
                self._nodes.append(node)
            else:
                copied = onnx.NodeProto()
                copied.CopyFrom(node)
                getattr(self, f"_{change.kind}")(copied, change)
        graph = self._graph.proto.graph
        outputs = {one.name for one in graph.output}
        live = _live(self._nodes, outputs)
        if self._changes and not self._changes.keys() <= {name for node in live for name in node.output}:
            raise NoEffect
        # What was taken out lives on as an Identity where its name is needed: as an output, and in bodies.
        needed = outputs | {name for node in live for name in _captured(node)}
        taken = {name: instead for name, instead in self._instead.items() if name not in needed}
        proto = onnx.ModelProto()
        proto.CopyFrom(self._graph.proto)
        del proto.graph.node[:]
        for node in live:
            if node.output[0] in taken:
                continue
            made = proto.graph.node.add()
            made.CopyFrom(node)
            for place, name in enumerate(node.input):
                while name in taken:
                    name = taken[name]  # noqa: PLW2901
                made.input[place] = name
        self._hold(proto)
        return proto

    def _hold(self, proto: onnx.ModelProto) -> None:
        """Put what the changes brought along into the model, and leave out what nothing reads any more."""
        for one in self._initializers:
            array = numpy_helper.to_array(one)
            if array.size > INLINE:
                self.weights[one.name] = array
                proto.graph.input.append(helper.make_tensor_value_info(one.name, one.data_type, array.shape))
            else:
                proto.graph.initializer.append(one)
        read = {name for node in proto.graph.node for name in (*node.input, *_captured(node))}
        read |= {one.name for one in proto.graph.output}
        own = self._graph.weights.keys() | self.weights.keys()
        given = [one for one in proto.graph.input if one.name in read or one.name not in own]
        held = [one for one in proto.graph.initializer if one.name in read]
        del proto.graph.input[:], proto.graph.initializer[:]
        proto.graph.input.extend(given)
        proto.graph.initializer.extend(held)

    def _insert(self, node: onnx.NodeProto, change: Change) -> None:
        result = node.output[0]
        node.output[0] = f"{result}/before"
        self._dtypes[node.output[0]] = self._dtypes[result]
        self._nodes.append(node)
        self._put(change, result, {result: node.output[0]})

    def _swap(self, node: onnx.NodeProto, change: Change) -> None:
        result = self._kept_aside(node)
        self._put(change, result, {})

    def _remove(self, node: onnx.NodeProto, change: Change) -> None:
        result = self._kept_aside(node)
        self._instead[result] = str(change.stays)
        self._nodes.append(helper.make_node("Identity", [str(change.stays)], [result], f"{result}/removed"))

    def _kept_aside(self, node: onnx.NodeProto) -> str:
        """The name of a node's first result; the node itself stays where others of its results may be read."""
        result = str(node.output[0])
        if len(node.output) > 1:
            node.output[0] = f"{result}/before"
            self._nodes.append(node)
        return result

    def _attribute(self, node: onnx.NodeProto, change: Change) -> None:
        assert change.setting is not None
        name, value = change.setting
        place = _input_place(node, name, self._graph.opset)
        if place is None:
            others = [one for one in node.attribute if one.name != name]
            del node.attribute[:]
            node.attribute.extend([*others, helper.make_attribute(name, int(value) if name in _FLAGS else value)])
        else:
            array = np.array(value, self._constants[node.input[place]].dtype)
            node.input[place] = f"{node.output[0]}/{name}"
            self._initializers.append(numpy_helper.from_array(array, node.input[place]))
        self._nodes.append(node)

    def _dtype(self, node: onnx.NodeProto, change: Change) -> None:
        """Cast what the node reads of its own dtype, and what it gives back."""
        result = node.output[0]
        own, wanted = self._dtypes[result], ELEMENT_TYPES[str(change.dtype)]
        for at, name in enumerate(node.input):
            if name and self._dtypes.get(name) == own:
                node.input[at] = f"{result}/cast{at}"
                self._nodes.append(helper.make_node("Cast", [name], [node.input[at]], node.input[at], to=wanted))
        given = [(at, name) for at, name in enumerate(node.output) if name and self._dtypes.get(name) == own]
        for at, name in given:
            node.output[at] = f"{name}/{change.dtype}"
        self._nodes.append(node)
        for at, name in given:
            back = helper.make_node("Cast", [node.output[at]], [name], f"{name}/back", to=ELEMENT_TYPES[own])
            self._nodes.append(back)

    def _put(self, change: Change, result: str, renamed: Mapping[str, str]) -> None:
        """A node of the table, with what it brings along."""
        assert change.placed is not None
        placed = change.placed
        dtypes = {**self._dtypes, **{one.name: one.type.dtype for one in placed.tensors}}
        call = node_call(placed.specification.expression, placed.bindings, lambda one: dtypes[one.name])
        schema = onnx.defs.get_schema(call.op_type, self._graph.opset)
        names = []
        for place, one in enumerate(call.inputs):
            if isinstance(one, Initializer):
                names.append(f"{result}/{schema.inputs[min(place, len(schema.inputs) - 1)].name}")
                array = np.array(one.value, numpy_dtype(one.dtype))
                self._initializers.append(numpy_helper.from_array(array, names[-1]))
            else:
                names.append(renamed.get(one.name, one.name) if isinstance(one, Reference) else "")
        for drawn in placed.tensors:
            array = values_of(drawn, drawn.seed, drawn.type.shape).astype(numpy_dtype(drawn.type.dtype))
            self._initializers.append(numpy_helper.from_array(array, drawn.name))
        node = helper.make_node(call.op_type, names, [result], f"{result}/{change.kind}", **call.attributes)
        self._nodes.append(node)


def _live(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """The nodes that outputs are computed from, in their order."""
    needed, found = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            found.append(node)
            needed.update(node.input, _captured(node))
    return found[::-1]


def _captured(node: onnx.NodeProto) -> Iterator[str]:
    """What the bodies of a node may read from around it: every name that they read."""
    for attribute in node.attribute:
        bodies = [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs
        for body in bodies:
            for inner in body.node:
                yield from inner.input
                yield from _captured(inner)
            yield from (one.name for one in body.output)


def _input_place(node: onnx.NodeProto, name: str, opset: int) -> int | None:
    """Where a setting is among a node's inputs; None where it is an attribute."""
    if name.startswith("input "):
        return int(name.removeprefix("input "))
    try:
        schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    except onnx.defs.SchemaError:
        return None
    if name in schema.attributes:
        return None
    return next((at for at, one in enumerate(schema.inputs) if one.name == name), None)
