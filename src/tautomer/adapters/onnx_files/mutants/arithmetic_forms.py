"""Unstable forms of arithmetic: the same function in exact arithmetic, with less accuracy or range."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tautomer.adapters.onnx_files.mutants.any_float import float_changes
from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import Spot
from tautomer.adapters.onnx_files.mutants.site import Change, Family, Kind

_BIG = 4096.0
_OF_UNIT_RANGE = ("Sigmoid", "Softmax", "HardSigmoid")
_SUMS = ("ReduceSum", "ReduceMean")
_PADDED_BY = ("Add", "Conv", "Gemm", "MatMul", "Mul", "Sub", "Tanh", "LayerNormalization")


def _one_minus_twice(edit: Edit, _variant: str) -> None:
    one = edit.like(1.0, edit.spot.output())
    value = edit.keep()
    edit.op("Sub", one, edit.op("Sub", one, value), output=edit.spot.output())


def _there_and_back(edit: Edit, _variant: str) -> None:
    big = edit.like(_BIG, edit.spot.output())
    value = edit.keep()
    edit.op("Sub", edit.op("Add", value, big), big, output=edit.spot.output())


def _remainder_changes(spot: Spot) -> Iterator[Change]:
    if spot.is_float(spot.output()) and spot.attribute("fmod", 0):
        yield Change("form", "the remainder became a - trunc(a / b) b")


def _remainder_by_division(edit: Edit, _variant: str) -> None:
    a, b = edit.spot.input(0), edit.spot.input(1)
    output = edit.replace()
    quotient = edit.op("Div", a, b)
    truncated = edit.op("Mul", edit.op("Sign", quotient), edit.op("Floor", edit.op("Abs", quotient)))
    edit.op("Sub", a, edit.op("Mul", truncated, b), output=output)


def _abs_by_root(edit: Edit, _variant: str) -> None:
    x = edit.spot.input(0)
    output = edit.replace()
    edit.op("Sqrt", edit.op("Mul", x, x), output=output)


def _power_changes(spot: Spot) -> Iterator[Change]:
    if not spot.is_float(spot.output()):
        return
    if spot.op_type == "Sqrt":
        yield Change("0.5", "the root became exp(log(x) / 2)")
        return
    array = spot.constant(1)
    if array is None or array.size != 1:
        return
    exponent = float(array.reshape(-1)[0])
    # An even power, or one that takes no negative base: the logarithm of |x| gives the same function.
    if exponent % 2 == 0 or exponent % 1 != 0:
        yield Change(repr(exponent), f"the power {exponent:g} became exp({exponent:g} log|x|)")


def _power_by_log(edit: Edit, variant: str) -> None:
    x = edit.spot.input(0)
    output = edit.replace()
    logarithm = edit.op("Log", edit.op("Abs", x))
    edit.op("Exp", edit.op("Mul", logarithm, edit.like(float(variant), x)), output=output)


def _sum_changes(spot: Spot) -> Iterator[Change]:
    shape, axes = spot.shape(spot.input(0)), spot.axes()
    if shape is None or axes is None or len(axes) != 1 or not spot.is_float(spot.output()) or spot.opset < 11:
        return
    size = shape[axes[0]] if -len(shape) <= axes[0] < len(shape) else None
    if isinstance(size, int) and size > 1:
        yield Change(str(size), "the sum was accumulated one term after the other")


def _sequential_sum(edit: Edit, variant: str) -> None:
    spot = edit.spot
    axes = spot.axes()
    assert axes is not None
    output = edit.replace()
    running = edit.op("CumSum", spot.input(0), edit.constant(np.asarray(axes[0], dtype=np.int64)))
    index = np.asarray([-1] if spot.attribute("keepdims", 1) else -1, dtype=np.int64)
    last = edit.op("Gather", running, edit.constant(index), axis=axes[0])
    divisor = float(variant) if spot.op_type == "ReduceMean" else 1.0
    edit.op("Div", last, edit.like(divisor, spot.input(0)), output=output)


def _square_changes(spot: Spot) -> Iterator[Change]:
    if spot.op_type == "Pow":
        array = spot.constant(1)
        squares = array is not None and array.size == 1 and float(array.reshape(-1)[0]) == 2.0
    else:
        squares = spot.input(0) == spot.input(1)
    difference = spot.producer(spot.input(0))
    if squares and difference is not None and difference.op_type == "Sub" and spot.is_float(spot.output()):
        yield Change("form", "(a - b)^2 became a^2 - 2 a b + b^2", (difference.index,))


def _expand_square(edit: Edit, _variant: str) -> None:
    difference = edit.spot.producer(edit.spot.input(0))
    assert difference is not None
    a, b = difference.input(0), difference.input(1)
    output = edit.replace()
    twice = edit.op("Mul", edit.op("Mul", a, b), edit.like(2.0, a))
    edit.op("Add", edit.op("Sub", edit.op("Mul", a, a), twice), edit.op("Mul", b, b), output=output)


KINDS = (
    Kind(
        "one_minus_twice",
        Family.STABILITY,
        "a value between 0 and 1 goes through 1 - (1 - x)",
        _OF_UNIT_RANGE,
        float_changes("the result went through 1 - (1 - x)"),
        _one_minus_twice,
    ),
    Kind(
        "there_and_back",
        Family.STABILITY,
        f"{_BIG:g} is added to a value and subtracted again",
        _PADDED_BY,
        float_changes(f"{_BIG:g} was added and subtracted again"),
        _there_and_back,
    ),
    Kind(
        "remainder_by_division",
        Family.STABILITY,
        "a remainder is computed as a - trunc(a / b) b",
        ("Mod",),
        _remainder_changes,
        _remainder_by_division,
    ),
    Kind(
        "abs_by_root",
        Family.RANGE,
        "|x| is computed as Sqrt(x x)",
        ("Abs",),
        float_changes("|x| became Sqrt(x x)"),
        _abs_by_root,
    ),
    Kind(
        "power_by_log",
        Family.STABILITY,
        "a power or root is computed as Exp(c Log|x|)",
        ("Pow", "Sqrt"),
        _power_changes,
        _power_by_log,
    ),
    Kind(
        "sequential_sum",
        Family.STABILITY,
        "a sum is accumulated one term after the other",
        _SUMS,
        _sum_changes,
        _sequential_sum,
    ),
    Kind(
        "expanded_square",
        Family.STABILITY,
        "(a - b)^2 is computed as a^2 - 2 a b + b^2",
        ("Mul", "Pow"),
        _square_changes,
        _expand_square,
    ),
)
