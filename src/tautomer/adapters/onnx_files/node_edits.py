"""The ways in which one node of a formula can be wrong, each undone: another operator, axis, operand or number."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

Array = np.ndarray[Any, Any]

ALIKE = (
    ("Add", "Sub", "Mul", "Div", "Pow"),
    ("Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"),
    ("And", "Or", "Xor"),
    ("Min", "Max"),
    ("Floor", "Ceil", "Round"),
    ("Sin", "Cos", "Tan", "Sinh", "Cosh", "Tanh", "Asin", "Acos", "Atan", "Exp", "Log", "Sqrt", "Reciprocal", "Abs"),
    ("Relu", "Sigmoid", "Tanh", "Erf", "Softplus", "HardSigmoid"),
    ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"),
    ("Softmax", "LogSoftmax"),
)
"""Operators that are taken for one another."""

_ORDERED = frozenset(
    {"Sub", "Div", "Pow", "MatMul", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Mod", "Gather"}
)
"""Operators whose two operands may stand in the wrong order."""

_AXES = ("axes", "axis")
_FLAGS = ("keepdims", "exclusive", "reverse", "largest", "transA", "transB", "upper", "fmod")
_REDUCE = "Reduce"
_STEPS = 6
_SHARING = 4
"""Elements of a result for each element of an operand that is solved for."""


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """A changed node.

    Attributes:
        node: instead of the one in the graph.
        text: what was changed, in words.
        given: values that stand for others that the node is given.
    """

    node: onnx.NodeProto
    text: str
    given: Mapping[str, Array] = field(default_factory=dict)


def edits(node: onnx.NodeProto, given: Mapping[str, Array], rank: int) -> Iterator[Edit]:
    """Changes of a node that have no parameter to be fitted.

    Args:
        node: the node.
        given: values that are known.
        rank: of the largest tensor whose axes come into question.
    """
    if node.domain not in ("", "ai.onnx"):
        return
    for other in dict.fromkeys(name for family in ALIKE if node.op_type in family for name in family):
        if other != node.op_type:
            yield _with(node, f"{other} instead of {node.op_type}", op_type=other)
    if node.op_type in _ORDERED and len(node.input) == 2:
        yield _with(node, f"the operands of {node.op_type} exchanged", inputs=[node.input[1], node.input[0]])
    if node.op_type == "Where":
        yield _with(node, "the branches of Where exchanged", inputs=[node.input[0], node.input[2], node.input[1]])
    yield from _flags(node)
    yield from _axes(node, given, rank)
    if node.op_type == "Transpose":
        yield from _permutations(node)
    if len(node.output) == 1 and len(node.input) and node.op_type != "Identity":
        for name in dict.fromkeys(node.input):
            if name:
                yield Edit(onnx.helper.make_node("Identity", [name], list(node.output)), f"without {node.op_type}")


def fitted(
    node: onnx.NodeProto, given: Mapping[str, Array], result: Callable[[Edit], Array | None], expected: Array
) -> Iterator[Edit]:
    """Changes of one number that a node holds or is given, fitted to what is expected by Gauss-Newton steps.

    Args:
        node: the node.
        given: values that are known; those of one floating element that the node is given are numbers.
        result: what the formula makes with a change.
        expected: what it should make.
    """
    if expected.dtype.kind != "f" or not np.all(np.isfinite(expected)):
        return
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.FLOAT:
            name, start = attribute.name, float(attribute.f)

            def edit(number: float, name: str = name, start: float = start) -> Edit:
                changed = _with(node, f"{name}={number:.7g} instead of {start:.7g}")
                next(one for one in changed.node.attribute if one.name == name).f = number
                return changed

            yield from _fit(edit, start, result, expected)
    for operand in dict.fromkeys(node.input):
        value = given.get(operand)
        if value is not None and value.size == 1 and value.dtype.kind == "f":
            first = float(value.reshape(-1)[0])

            def replaced(number: float, name: str = operand, value: Array = value, first: float = first) -> Edit:
                stand_in = {name: np.full_like(value, number)}
                return Edit(node, f"{number:.7g} instead of {first:.7g} in {node.op_type}", stand_in)

            yield from _fit(replaced, first, result, expected)


def other_operands(
    node: onnx.NodeProto, stored: Mapping[str, Array], result: Callable[[Edit], Array | None], expected: Array
) -> Iterator[Edit]:
    """A stored operand of the node that makes the result, replaced as a whole by what it should be, in least squares.

    Many elements of the result must share each of the operand's: one operand fits any result of its own size.

    Args:
        node: the node.
        stored: the tensors that the model stores.
        result: what the formula makes with a change.
        expected: what it should make.
    """
    if node.op_type not in ("Add", "Sub", "Mul") or expected.dtype.kind != "f" or not np.all(np.isfinite(expected)):
        return
    wanted = expected.astype(np.float64)
    for position, name in enumerate(node.input):
        value = stored.get(name)
        if value is None or value.dtype.kind != "f" or value.size * _SHARING > expected.size:
            continue
        beside = result(Edit(onnx.helper.make_node("Identity", [node.input[1 - position]], list(node.output)), ""))
        if beside is None or beside.ndim > expected.ndim:
            continue
        other = np.broadcast_to(beside.astype(np.float64), expected.shape)
        sizes = (1,) * (expected.ndim - value.ndim) + value.shape
        axes = tuple(axis for axis, size in enumerate(sizes) if size == 1)
        with np.errstate(all="ignore"):
            if node.op_type == "Mul":
                solved = np.sum(wanted * other, axis=axes) / np.sum(other * other, axis=axes)
            else:
                sign = -1.0 if node.op_type == "Sub" and position else 1.0
                solved = sign * np.mean(
                    wanted - other if node.op_type == "Add" or position else wanted + other, axis=axes
                )
        if np.all(np.isfinite(solved)):
            stand_in = {name: solved.reshape(value.shape).astype(value.dtype)}
            yield Edit(node, f"another tensor instead of '{name}' in {node.op_type}", stand_in)


def _fit(
    edit: Callable[[float], Edit], start: float, result: Callable[[Edit], Array | None], expected: Array
) -> Iterator[Edit]:
    """The number that brings a formula nearest to what is expected, by Gauss-Newton steps with secant slopes."""
    number = start
    for _ in range(_STEPS):
        step = 1e-3 * abs(number) or 1e-3
        here, beside = result(edit(number)), result(edit(number + step))
        if here is None or beside is None or here.shape != expected.shape or beside.shape != expected.shape:
            return
        with np.errstate(all="ignore"):
            slope = (beside.astype(np.float64) - here) / step
            missing = expected.astype(np.float64) - here
            steepness = float(np.sum(slope * slope))
            change = float(np.sum(slope * missing)) / steepness if steepness else 0.0
        if not np.isfinite(change) or change == 0.0:
            break
        number += change
    if number != start:
        yield edit(number)


def _with(node: onnx.NodeProto, text: str, *, op_type: str | None = None, inputs: list[str] | None = None) -> Edit:
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    if op_type is not None:
        changed.op_type = op_type
    if inputs is not None:
        changed.input[:] = inputs
    return Edit(changed, text)


def _set(node: onnx.NodeProto, name: str, value: Any, was: Any) -> Edit:
    changed = _with(node, f"{name}={value} instead of {was}")
    kept = [one for one in changed.node.attribute if one.name != name]
    del changed.node.attribute[:]
    changed.node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])
    return changed


def _flags(node: onnx.NodeProto) -> Iterator[Edit]:
    stated = {one.name: int(one.i) for one in node.attribute if one.type == onnx.AttributeProto.INT}
    if node.op_type.startswith(_REDUCE):
        stated.setdefault("keepdims", 1)
    for name, value in stated.items():
        if name in _FLAGS:
            yield _set(node, name, 1 - value, value)


def _axes(node: onnx.NodeProto, given: Mapping[str, Array], rank: int) -> Iterator[Edit]:
    for attribute in node.attribute:
        if attribute.name in _AXES and attribute.type == onnx.AttributeProto.INT:
            for axis in range(-rank, rank):
                if axis != attribute.i:
                    yield _set(node, attribute.name, axis, attribute.i)
    takes_axes = node.op_type.startswith(_REDUCE) or node.op_type in ("Unsqueeze", "Squeeze", "CumSum")
    value = given.get(node.input[1]) if takes_axes and len(node.input) > 1 else None
    if value is not None and value.dtype == np.int64 and value.size == 1:
        was = int(value.reshape(-1)[0])
        for axis in range(-rank - 1, rank + 1):
            if axis != was:
                stand_in = {node.input[1]: np.full_like(value, axis)}
                yield Edit(node, f"axis {axis} instead of {was} in {node.op_type}", stand_in)


def _permutations(node: onnx.NodeProto) -> Iterator[Edit]:
    perm = next((list(one.ints) for one in node.attribute if one.name == "perm"), None)
    if perm is not None and len(perm) <= 4:
        for other in itertools.permutations(range(len(perm))):
            if list(other) != perm:
                yield _set(node, "perm", list(other), perm)
