"""Expressions of ONNX's table as nodes: what is an input, an initializer or an attribute, and how many results."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from tautomer.adapters.onnx_files.graph_attributes import GraphAttribute, graph_attribute
from tautomer.adapters.onnx_files.operators.entry import OPSET
from tautomer.synthesis import DtypeName

ELEMENT_NAMES = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.DOUBLE: "float64",
    onnx.TensorProto.FLOAT16: "float16",
    onnx.TensorProto.BFLOAT16: "bfloat16",
    onnx.TensorProto.INT64: "int64",
    onnx.TensorProto.INT32: "int32",
    onnx.TensorProto.INT16: "int16",
    onnx.TensorProto.INT8: "int8",
    onnx.TensorProto.UINT8: "uint8",
    onnx.TensorProto.UINT16: "uint16",
    onnx.TensorProto.UINT32: "uint32",
    onnx.TensorProto.UINT64: "uint64",
    onnx.TensorProto.BOOL: "bool",
}
ELEMENT_TYPES = {name: code for code, name in ELEMENT_NAMES.items()}
"""ONNX's numbers of the element types that generated models have."""

TEXT_NAMES = {"float32": "float", "float64": "double"}
"""Element types that ONNX's text calls otherwise."""

_SPELLED = {spelled: name for name, spelled in TEXT_NAMES.items()}


@dataclass(frozen=True, slots=True)
class Initializer:
    """A rule's attribute that stands in the place of an input.

    Attributes:
        dtype: of its elements.
        value: a number, or nested tuples of numbers.
    """

    dtype: str
    value: Any


@dataclass(frozen=True, slots=True)
class NodeCall:
    """A node as its expression says it.

    Attributes:
        op_type: its operator.
        inputs: tensors as they were bound, `Initializer`, or None for one that is left out.
        attributes: by name, as ONNX takes them.
        results: how many results are named.
        captured: what its graphs read of the graph around it, by the name that they call it.
        parameter_types: types of its graphs' inputs, in ONNX's text.
    """

    op_type: str
    inputs: tuple[Any, ...]
    attributes: Mapping[str, Any]
    results: int
    captured: Mapping[str, Any] = field(default_factory=dict)
    parameter_types: Mapping[str, str] = field(default_factory=dict)


def node_call(
    expression: str,
    bindings: Mapping[str, Any],
    dtype_of: Callable[[Any], str],
    rank_of: Callable[[Any], int] = np.ndim,
) -> NodeCall:
    """The node that an expression stands for.

    Args:
        expression: of the table.
        bindings: tensors, sequences of tensors, and plain values, by name.
        dtype_of: the dtype of a bound tensor.
        rank_of: its rank.
    """
    call, count = _parsed(expression)
    assert isinstance(call.func, ast.Name)
    op_type = call.func.id
    given: list[Any] = []
    for argument in call.args:
        if isinstance(argument, ast.Starred):
            given.extend(_value(argument.value, bindings))
        else:
            given.append(_value(argument, bindings))
    schema = onnx.defs.get_schema(op_type, OPSET)
    inputs = tuple(
        one if one is None or not _is_plain(one) else Initializer(_dtype(schema, place, given, dtype_of), one)
        for place, one in enumerate(given)
    )
    attributes = {
        str(keyword.arg): _attribute(_value(keyword.value, bindings)) for keyword in call.keywords if keyword.arg
    }
    required = onnx.defs.OpSchema.FormalParameterOption.Single
    results = sum(one.option == required for one in schema.outputs)
    if count is not None:
        bound = _value(count, bindings)
        results = len(bound) if isinstance(bound, tuple) else int(bound)
    graphs = [one for one in attributes.values() if isinstance(one, GraphAttribute)]
    captured = {name: bindings[name] for one in graphs for name in one.captured}
    types = {name: kind for one in graphs for name, kind in _parameter_types(op_type, one, inputs, dtype_of, rank_of)}
    return NodeCall(op_type, inputs, attributes, results, captured, types)


def _parameter_types(
    op_type: str,
    graph: GraphAttribute,
    inputs: Sequence[Any],
    dtype_of: Callable[[Any], str],
    rank_of: Callable[[Any], int],
) -> Iterator[tuple[str, str]]:
    """Types of what Loop and Scan give to their bodies: an iteration, a condition and states, or a state and a slice.

    Ranks are said, for ONNX Runtime executes no Scan whose body gives values of a rank that it cannot infer.
    """
    if op_type == "Loop":
        iteration, condition, *states = graph.parameters
        yield iteration, "int64"
        yield condition, "bool"
        for name, one in zip(states, inputs[2:], strict=True):
            yield name, _text_type(dtype_of(one), rank_of(one))
    elif op_type == "Scan":
        (state, row), (start, scanned) = graph.parameters, inputs
        yield state, _text_type(dtype_of(start), rank_of(start))
        yield row, _text_type(dtype_of(scanned), rank_of(scanned) - 1)


def _text_type(dtype: str, rank: int) -> str:
    name = TEXT_NAMES.get(dtype, dtype)
    return f"{name}[{', '.join('?' * rank)}]" if rank else name


@functools.cache
def _parsed(expression: str) -> tuple[ast.Call, ast.expr | None]:
    whole = ast.parse(expression, mode="eval").body
    if isinstance(whole, ast.Subscript):
        assert isinstance(whole.value, ast.Call)
        assert isinstance(whole.slice, ast.Slice)
        return whole.value, whole.slice.upper
    assert isinstance(whole, ast.Call)
    return whole, None


def _value(node: ast.expr, bindings: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        return bindings[node.id]
    if isinstance(node, ast.List):
        made: list[Any] = []
        for one in node.elts:
            if isinstance(one, ast.Starred):
                made.extend(_value(one.value, bindings))
            else:
                made.append(_value(one, bindings))
        return tuple(made)
    if isinstance(node, ast.Lambda):
        return graph_attribute(node)
    return ast.literal_eval(node)


def _is_plain(value: Any) -> bool:
    first = value
    while isinstance(first, tuple) and first:
        first = first[0]
    return isinstance(first, bool | int | float | tuple)


def _attribute(value: Any) -> Any:
    if isinstance(value, DtypeName):
        return int(ELEMENT_TYPES[value])
    if isinstance(value, bool | int) and not isinstance(value, float):
        return int(value)
    return [_attribute(one) for one in value] if isinstance(value, tuple) else value


def _dtype(schema: Any, place: int, given: Sequence[Any], dtype_of: Callable[[Any], str]) -> str:
    """The dtype of an initializer: what the schema says, that of an input of the same type, or that of the number."""
    declared = [schema.inputs[min(index, len(schema.inputs) - 1)].type_str for index in range(len(given))]
    own = str(declared[place])
    if own.startswith("tensor("):
        name = own.removeprefix("tensor(").removesuffix(")")
        return _SPELLED.get(name, name)
    for other, one in zip(declared, given, strict=True):
        if other == own and one is not None and not _is_plain(one):
            return dtype_of(one)
    first = given[place]
    while isinstance(first, tuple) and first:
        first = first[0]
    if isinstance(first, bool):
        return "bool"
    return "float32" if isinstance(first, float) else "int64"


def numpy_dtype(name: str) -> np.dtype[Any]:
    """A dtype as NumPy knows it, with ml_dtypes' help."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)
