"""Read a TensorFlow program as an architecture: the frozen graph, as converters get it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from tautomer.adapters.tf_programs.freezing import FrozenGraph, NotFreezable
from tautomer.adapters.tf_programs.graph_plan import (
    Edge,
    GraphPlan,
    NodePlan,
    UnknownOperator,
    edge_of,
    formal_parameters,
    planned,
)
from tautomer.adapters.tf_programs.preparation import prepare
from tautomer.adapters.user_modules import first_line
from tautomer.adapters.worker_api import Channel
from tautomer.errors import UserCodeError
from tautomer.model.architecture import Architecture, Operand, OperatorNode, Origin, Plain, ValueType, to_plain

BROADCASTING = frozenset(
    """
    Add AddV2 Atan2 BitwiseAnd BitwiseOr BitwiseXor Complex Div DivNoNan Equal FloorDiv
    FloorMod Greater GreaterEqual Igamma Igammac LeftShift Less LessEqual LogicalAnd LogicalOr Maximum Minimum Mod Mul
    MulNoNan NextAfter NotEqual Polygamma Pow RealDiv RightShift SelectV2 SquaredDifference Sub TruncateDiv TruncateMod
    Xdivy Xlog1py Xlogy Zeta
    """.split()
)
"""Source: the operators' own pages in TensorFlow's API of raw operators: those that broadcast element by element."""

_CALLS = {
    "PartitionedCall": ("f",),
    "StatefulPartitionedCall": ("f",),
    "If": ("else_branch", "then_branch"),
    "StatelessIf": ("else_branch", "then_branch"),
    "Case": ("branches",),
    "StatelessCase": ("branches",),
    "While": ("body", "cond"),
    "StatelessWhile": ("body", "cond"),
}
"""Operators that run functions, and the attributes that name these."""

_INPUTS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")


def architecture(channel: Channel, *, spec: dict[str, Any]) -> dict[str, Any]:
    """The architecture of a program, as JSON values.

    Raises:
        MisuseError: the program cannot be loaded, traced or frozen.
    """
    prepared = prepare(spec)
    name = prepared.program.path.stem
    try:
        return to_plain(architecture_of(prepared.frozen(), name))
    except (NotFreezable, UnknownOperator) as error:
        raise UserCodeError("TA126", f"{name} has no graph: {error}.") from error
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise UserCodeError("TA126", f"{name} cannot be traced: {first_line(error)}.") from error


def architecture_of(frozen: FrozenGraph, name: str) -> Architecture:
    """The architecture of a frozen graph: what its outputs need.

    Left out are Identity nodes, which tracing and freezing put everywhere, and control edges. Calls of functions are
    written out.

    Raises:
        UnknownOperator: naming an operator that is not registered.
    """
    plan = planned(frozen.graph_def)
    shapes = {
        f"{node.name}:{number}": shape
        for node in frozen.graph_def.node
        for number, shape in enumerate(node.attr["_output_shapes"].list.shape)
    }
    inputs = [edge_of(tensor) for tensor in frozen.inputs.values()]
    types = [ValueType(_dtype_of(plan, edge), _shape(shapes, edge)) for edge in inputs]
    reading = _Reading()
    given = {edge: _Value(Origin.INPUT, number, 0, types[number]) for number, edge in enumerate(inputs)}
    results = reading.read(plan, [edge_of(one) for one in frozen.outputs.values()], given, (), shapes)
    outputs = tuple((one.index, one.port) for one in results if one.origin is Origin.NODE)
    return Architecture(name, "tensorflow", tuple(types), tuple(reading.nodes), outputs)


@dataclass(frozen=True, slots=True)
class _Value:
    origin: Origin
    index: int = -1
    port: int = 0
    type: ValueType = field(default_factory=ValueType)

    def operand(self, port: int) -> Operand:
        return Operand(port, self.origin, self.index, self.port, self.type)


@dataclass(slots=True)
class _Reading:
    """One pass over a frozen graph and the functions it calls."""

    nodes: list[OperatorNode] = field(default_factory=list)

    def read(
        self,
        plan: GraphPlan,
        wanted: Sequence[Edge],
        given: Mapping[Edge, _Value],
        within: tuple[str, ...],
        shapes: Mapping[str, Any],
    ) -> list[_Value]:
        """Read what some values need; returns where they come from."""
        values: dict[Edge, _Value] = dict(given)
        for node in plan.order(name for name, _ in wanted):
            if (node.name, 0) in given:
                continue
            if node.op == "Const" or node.op in _INPUTS or node.op == "_Arg":
                # A placeholder that is no input of the model holds what stays the same, such as a table's handle.
                stored = node.attributes["value"].tensor_shape if node.op == "Const" else None
                shape = _sizes(stored) if stored is not None else _shape(shapes, (node.name, 0))
                values[node.name, 0] = _Value(Origin.CONSTANT, type=ValueType(node.output_dtypes[0].name, shape))
            elif node.op == "Identity":
                values[node.name, 0] = values[node.inputs[0]]
            else:
                for number, value in enumerate(self._made(plan, node, values, within, shapes)):
                    values[node.name, number] = value
        return [values[edge] for edge in wanted]

    def _made(
        self,
        plan: GraphPlan,
        node: NodePlan,
        values: Mapping[Edge, _Value],
        within: tuple[str, ...],
        shapes: Mapping[str, Any],
    ) -> list[_Value]:
        taken = [values[edge] for edge in node.inputs]
        if node.op in ("PartitionedCall", "StatefulPartitionedCall"):
            return self._body(plan, node.attributes["f"], taken, within)
        ports, results = formal_parameters(node)
        operands = [value.operand(port) for value, port in zip(taken, ports, strict=True)]
        first_free = max(ports, default=-1) + 1
        for number, (label, function) in enumerate(_functions(node)):
            handed = taken if "While" in node.op else taken[1:]
            made = self._body(plan, function, handed, (*within, f"{node.op}.{label}"))
            operands.extend(value.operand(first_free + number) for value in made)
        types = [
            ValueType(dtype.name, _shape(shapes, (node.name, number)))
            for number, dtype in enumerate(node.output_dtypes)
        ]
        self.nodes.append(
            OperatorNode(
                node.op,
                tuple(operands),
                tuple(types),
                dict(_attributes(node)),
                node.op in BROADCASTING,
                within,
                node.name,
            )
        )
        index = len(self.nodes) - 1
        return [_Value(Origin.NODE, index, port, kind) for port, kind in zip(results, types, strict=True)]

    def _body(self, plan: GraphPlan, name: str, handed: Sequence[_Value], within: tuple[str, ...]) -> list[_Value]:
        body = plan.function(name)
        given = {(argument, 0): value for argument, value in zip(body.arguments, handed, strict=True)}
        return self.read(body, body.results, given, within, {})


def _functions(node: NodePlan) -> Iterator[tuple[str, str]]:
    """Functions that a node runs, with the attributes that name them."""
    for name in _CALLS.get(node.op, ()):
        value = node.attributes[name]
        for function in value if isinstance(value, list) else [value]:
            yield name, function


def _attributes(node: NodePlan) -> Iterator[tuple[str, Plain]]:
    """What a node is told besides its operands; what these tell, their number and element types, is left out."""
    definition = op_def_registry.get(node.op)
    counts = [one.number_attr for one in definition.input_arg] if definition is not None else []
    functions = (*_CALLS.get(node.op, ()), *counts)
    told_by_operands = {dtype.name for dtype in node.input_dtypes}
    for name, value in node.attributes.items():
        if name.startswith("_") or name in functions:
            continue
        if name in node.type_attributes and isinstance(value, tf.DType) and value.name in told_by_operands:
            continue
        if name in node.type_attributes and isinstance(value, list):
            continue
        yield name, _plain(value)


def _plain(value: Any) -> Plain:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, tf.DType):
        return str(value.name)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if hasattr(value, "tensor_shape"):
        return f"{tf.as_dtype(value.dtype).name}[{len(value.tensor_shape.dim)}]"
    return type(value).__name__


def _dtype_of(plan: GraphPlan, edge: Edge) -> str:
    name, number = edge
    return str(plan.nodes[name].output_dtypes[number].name)


def _shape(shapes: Mapping[str, Any], edge: Edge) -> tuple[int | None, ...] | None:
    found = shapes.get(f"{edge[0]}:{edge[1]}")
    return None if found is None else _sizes(found)


def _sizes(shape: Any) -> tuple[int | None, ...] | None:
    return None if shape.unknown_rank else tuple(one.size if one.size >= 0 else None for one in shape.dim)
