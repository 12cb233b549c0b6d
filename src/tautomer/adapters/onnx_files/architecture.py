"""Read an ONNX file as an architecture, before anything converts or optimizes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner

from tautomer.adapters.onnx_files.digest import read_structure
from tautomer.adapters.onnx_files.model_module import built
from tautomer.adapters.worker_api import Channel
from tautomer.errors import ModelFileError, TautomerError
from tautomer.model.architecture import (
    Architecture,
    Dimension,
    Operand,
    OperatorNode,
    Origin,
    Plain,
    ValueType,
    to_plain,
)

BROADCASTING = frozenset(
    """
    Add And BitwiseAnd BitwiseOr BitwiseXor BitShift Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod
    Mul Or PRelu Pow Sub Sum Where Xor
    """.split()
)
"""Source: ONNX, docs/Broadcasting.md, and the operators' own pages for those it does not list."""

_ELEMENT_TYPES = frozenset({"to", "dtype", "output_dtype", "stash_type", "softmax_precision", "qk_matmul_precision"})
"""Attributes that name an element type by its number."""

_DTYPES = {"float": "float32", "double": "float64", "bfloat16": "bfloat16"}


def architecture(channel: Channel, *, spec: dict[str, Any]) -> dict[str, Any]:
    """The architecture of the file at `spec["path"]`, or of what a module there builds, as JSON values.

    Raises:
        ModelFileError: TA115 it is not a sound ONNX model.
        UserCodeError: the module cannot be imported, or builds no model.
    """
    path = Path(spec["path"])
    model = built(path, spec.get("seed", 0)) if path.suffix == ".py" else read_structure(path)
    try:
        return to_plain(architecture_of(model, path.stem))
    except (ValueError, KeyError) as error:
        raise ModelFileError("TA115", f"{path.name} is not a sound ONNX model: {error}.") from error


def architectures(channel: Channel, *, paths: list[str], seed: int = 0) -> list[dict[str, Any]]:
    """The architectures of several files; where one cannot be read, `error`, `code` and `next_step` instead."""
    answers: list[dict[str, Any]] = []
    for path in paths:
        try:
            answers.append(architecture(channel, spec={"path": path, "seed": seed}))
        except TautomerError as error:
            answers.append({"error": error.message, "code": error.code, "next_step": error.next_step})
    return answers


def architecture_of(model: onnx.ModelProto, name: str) -> Architecture:
    """The architecture of a model; its functions are written out where they are called.

    Constants are stored tensors and what Constant nodes hold: how a number is written down is no part of the
    architecture. Operators on constants are operators all the same.

    Raises:
        ValueError: the graph is not in order, or uses what it does not have.
    """
    notes: list[str] = []
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    try:
        model = onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)
    except Exception as error:  # a model that the checker refuses still has an architecture
        notes.append(f"types between nodes are not known: {str(error).splitlines()[0] if str(error) else error!r}")
    reading = _Reading({one.domain: one.version for one in model.opset_import})
    scope = reading.scope(model.graph, {})
    for index, value in enumerate(_free_inputs(model.graph)):
        scope.values[value.name] = _Value(Origin.INPUT, index, 0, _type(value.type))
    inputs = tuple(_type(value.type) for value in _free_inputs(model.graph))
    reading.read(model.graph, scope, ())
    ends = [scope.values.get(one.name) for one in model.graph.output]
    outputs = tuple((one.index, one.port) for one in ends if one is not None and one.origin is Origin.NODE)
    return Architecture(name, "onnx", inputs, tuple(reading.nodes), outputs, tuple(notes))


@dataclass(frozen=True, slots=True)
class _Value:
    origin: Origin
    index: int
    port: int
    type: ValueType

    def operand(self, port: int) -> Operand:
        return Operand(port, self.origin, self.index, self.port, self.type)


@dataclass(slots=True)
class _Scope:
    """Values by name, and the types a graph states."""

    values: dict[str, _Value]
    types: Mapping[str, ValueType]


@dataclass(slots=True)
class _Reading:
    """One pass over a model."""

    opsets: Mapping[str, int]
    nodes: list[OperatorNode] = field(default_factory=list)

    def scope(self, graph: onnx.GraphProto, outer: Mapping[str, _Value]) -> _Scope:
        """What a graph's nodes can refer to before the first of them."""
        values = dict(outer)
        types = {one.name: _type(one.type) for one in (*graph.value_info, *graph.output)}
        for tensor in graph.initializer:
            values[tensor.name] = _constant(tensor)
        for sparse in graph.sparse_initializer:
            dtype = _dtype(sparse.values.data_type)
            values[sparse.values.name] = _Value(Origin.CONSTANT, -1, 0, ValueType(dtype, tuple(sparse.dims)))
        return _Scope(values, types)

    def read(self, graph: onnx.GraphProto, scope: _Scope, within: tuple[str, ...]) -> None:
        for node in graph.node:
            domain = "" if node.domain == "ai.onnx" else node.domain
            if node.op_type == "Constant" and not domain:
                scope.values[node.output[0]] = _of_constant_node(node, scope.types.get(node.output[0]))
                continue
            schema = _schema(node.op_type, domain, self.opsets.get(domain) or self.opsets.get("ai.onnx"))
            operands = []
            for position, name in enumerate(node.input):
                if not name:
                    continue
                if name not in scope.values:
                    raise ValueError(f"{node.op_type} uses '{name}', which nothing before it makes")
                operands.append(scope.values[name].operand(_formal(schema.inputs if schema else (), position)))
            first_free = len(schema.inputs) if schema else len(node.input)
            for number, (attribute, body) in enumerate(_bodies(node)):
                results = self._read_body(node, body, scope, (*within, f"{node.op_type}.{attribute}"))
                operands.extend(value.operand(first_free + number) for value in results)
            self.nodes.append(
                OperatorNode(
                    f"{domain}::{node.op_type}" if domain else node.op_type,
                    tuple(operands),
                    tuple(scope.types.get(name, ValueType()) for name in node.output),
                    _attributes(node, schema),
                    not domain and node.op_type in BROADCASTING,
                    within,
                    next(filter(None, node.output), node.name),
                )
            )
            for position, name in enumerate(node.output):
                if name:
                    port = _formal(schema.outputs if schema else (), position)
                    scope.values[name] = _Value(
                        Origin.NODE, len(self.nodes) - 1, port, scope.types.get(name, ValueType())
                    )

    def _read_body(
        self, owner: onnx.NodeProto, body: onnx.GraphProto, outer: _Scope, within: tuple[str, ...]
    ) -> list[_Value]:
        """Read a graph in an attribute; returns what it results in."""
        scope = self.scope(body, outer.values)
        given = _given(owner, body)
        for formal in body.input:
            source = outer.values.get(given.get(formal.name, ""))
            if source is None:  # the number of the round, or an initial value that is left out
                source = _Value(Origin.CONSTANT, -1, 0, ValueType())
            stated = _type(formal.type)
            scope.values[formal.name] = _Value(
                source.origin, source.index, source.port, stated if stated.dtype else source.type
            )
        self.read(body, scope, within)
        return [scope.values[one.name] for one in body.output if one.name in scope.values]


def _given(owner: onnx.NodeProto, body: onnx.GraphProto) -> dict[str, str]:
    """Which of the owner's inputs each formal input of its body is.

    Source: ONNX operators Loop (iteration number, condition, carried values), Scan (states, then scanned inputs; opset
    8 has sequence_lens before them), SequenceMap; If has none.
    """
    names = [one.name for one in body.input]
    if owner.op_type == "Loop":
        return dict(zip(names[1:], owner.input[1:], strict=False))
    if owner.op_type == "Scan" and len(owner.input) == len(names) + 1:
        return dict(zip(names, owner.input[1:], strict=True))
    return dict(zip(names, owner.input, strict=False))


def _free_inputs(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    stored = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in stored]


def _bodies(node: onnx.NodeProto) -> Iterator[tuple[str, onnx.GraphProto]]:
    """Graphs among a node's attributes, by the attributes' names in alphabetical order."""
    for attribute in sorted(node.attribute, key=lambda one: one.name):
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.name, attribute.g
        for graph in attribute.graphs:
            yield attribute.name, graph


def _schema(operator: str, domain: str, version: int | None) -> Any:
    try:
        return onnx.defs.get_schema(operator, version or onnx.defs.onnx_opset_version(), domain)
    except onnx.defs.SchemaError:
        return None


def _formal(parameters: Any, position: int) -> int:
    """The formal parameter at a position: every value of a variadic one, the last, belongs to it."""
    last = len(parameters) - 1
    if 0 <= last < position and parameters[last].option == onnx.defs.OpSchema.FormalParameterOption.Variadic:
        return last
    return position


def _attributes(node: onnx.NodeProto, schema: Any) -> dict[str, Plain]:
    """A node's attributes, those it leaves out with their defaults."""
    found: dict[str, Plain] = {}
    for name, one in (schema.attributes if schema else {}).items():
        if one.default_value.type != onnx.AttributeProto.UNDEFINED:
            found[name] = _plain(name, one.default_value)
    found |= {one.name: _plain(one.name, one) for one in node.attribute}
    return found


def _plain(name: str, attribute: onnx.AttributeProto) -> Plain:
    kinds = onnx.AttributeProto
    if attribute.type == kinds.INT and name in _ELEMENT_TYPES:
        return _dtype(attribute.i)
    if attribute.type in (kinds.TENSOR, kinds.SPARSE_TENSOR):
        tensor = attribute.t if attribute.type == kinds.TENSOR else attribute.sparse_tensor.values
        return f"{_dtype(tensor.data_type)}[{len(tensor.dims)}]"
    if attribute.type in (kinds.GRAPH, kinds.GRAPHS):
        return "graph"
    if attribute.type in (kinds.TYPE_PROTO, kinds.TYPE_PROTOS, kinds.TENSORS, kinds.SPARSE_TENSORS, kinds.UNDEFINED):
        return str(kinds.AttributeType.Name(attribute.type)).lower()
    value: Any = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if attribute.type in (kinds.INTS, kinds.FLOATS):
        return list(value)
    if attribute.type == kinds.STRINGS:
        return [one.decode("utf-8", "backslashreplace") for one in value]
    return float(value) if attribute.type == kinds.FLOAT else int(value)


def _constant(tensor: onnx.TensorProto) -> _Value:
    return _Value(Origin.CONSTANT, -1, 0, ValueType(_dtype(tensor.data_type), tuple(tensor.dims)))


def _of_constant_node(node: onnx.NodeProto, stated: ValueType | None) -> _Value:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            return _constant(attribute.t)
    return _Value(Origin.CONSTANT, -1, 0, stated or ValueType())


def _type(proto: onnx.TypeProto) -> ValueType:
    kind = proto.WhichOneof("value")
    if kind not in ("tensor_type", "sparse_tensor_type"):
        return ValueType(kind.removesuffix("_type") if kind else None)
    tensor = getattr(proto, kind)
    shape = tuple(_dimension(one) for one in tensor.shape.dim) if tensor.HasField("shape") else None
    return ValueType(_dtype(tensor.elem_type) if tensor.elem_type else None, shape)


def _dimension(one: onnx.TensorShapeProto.Dimension) -> Dimension:
    kind = one.WhichOneof("value")
    return int(one.dim_value) if kind == "dim_value" else str(one.dim_param) or None if kind else None


def _dtype(number: int) -> str:
    try:
        name = str(onnx.TensorProto.DataType.Name(number)).lower()
    except ValueError:
        return f"type_{number}"
    return _DTYPES.get(name, name)
