"""What the ONNX operator specification leaves open, and which values of a graph hang on it.

An operator is open on the inputs it meets where the specification does not say what comes out. Such a node is computed
in several ways that are all allowed; what changes downstream hangs on it. docs/explanation/policies.md has the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Value, element_of
from tautomer.numerics.onnx_evaluator.kernels import KERNELS
from tautomer.numerics.onnx_evaluator.reference_kernel import reference_kernel

Array = np.ndarray[Any, Any]
Way = Callable[[Call, Kernel], Any]

WAYS = 2
"""How many other ways an open node is computed in."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of open case.

    Attributes:
        operators: of ONNX's own domain.
        name: of the case, after the operator's name: `NaN`.
        said: the specification's word on it, or its silence.
        opens: on how many of its elements (or slices) a call is open.
        ways: `WAYS` other ways to compute the node that the specification allows as well.
    """

    operators: tuple[str, ...]
    name: str
    said: str
    opens: Callable[[Call], int]
    ways: tuple[Way, Way]


@dataclass(frozen=True, slots=True)
class OpenCase:
    """A node that met an open case.

    Attributes:
        node: its name, or its first output where it has none.
        op_type: its operator.
        name: of the rule.
        said: the specification's word.
        elements: how many elements or slices are open.
    """

    node: str
    op_type: str
    name: str
    said: str
    elements: int


def watched_kernels(
    kernels: Mapping[tuple[str, str], Kernel], seen: list[OpenCase], way: int | None = None
) -> dict[tuple[str, str], Kernel]:
    """A kernel table for an `Evaluator(lift=False)` that notices open cases.

    Args:
        kernels: the faster kernels that would be used otherwise.
        seen: gets the open cases, in the order the nodes are executed.
        way: which of the other ways open nodes are computed in, from 0 to `WAYS - 1`; None for the usual one.
    """
    table = dict(kernels)
    for operator, rules in _RULES_BY_OPERATOR.items():
        compute = kernels.get(("", operator)) or KERNELS.get(operator) or reference_kernel
        table["", operator] = _watched(compute, rules, seen, way)
    return table


def _watched(compute: Kernel, rules: Sequence[Rule], seen: list[OpenCase], way: int | None) -> Kernel:
    def kernel(call: Call) -> Any:
        for rule in rules:
            elements = rule.opens(call)
            if elements:
                name = call.node.name or call.node.output[0]
                seen.append(OpenCase(name, call.node.op_type, rule.name, rule.said, elements))
                return compute(call) if way is None else rule.ways[way](call, compute)
        return compute(call)

    return kernel


def _floating(value: Value) -> Array | None:
    return value if isinstance(value, np.ndarray) and value.dtype.kind == "f" else None


def _nan_in_first(call: Call) -> int:
    x = _floating(call.input(0))
    return int(np.isnan(x).sum()) if x is not None else 0


def _nan_beside_others(call: Call) -> int:
    if len(call.inputs) < 2:
        return 0
    return sum(int(np.isnan(x).sum()) for x in map(_floating, call.inputs) if x is not None)


def _with_inputs(change: Callable[[Array], Array]) -> Way:
    """Compute the node on changed floating inputs."""

    def way(call: Call, compute: Kernel) -> Any:
        inputs = tuple(change(value) if _floating(value) is not None else value for value in call.inputs)
        return compute(replace(call, inputs=inputs))

    return way


def _nan_as(number: float) -> Way:
    return _with_inputs(lambda x: np.where(np.isnan(x), x.dtype.type(number), x))


_AS_LEAST, _AS_GREATEST, _AS_ZERO = _nan_as(-np.inf), _nan_as(np.inf), _nan_as(0.0)


def _as_computed(call: Call, compute: Kernel) -> Any:
    return compute(call)


def _out_of_range(call: Call) -> int:
    x, bounds = _floating(call.input(0)), _integer_bounds(call)
    if x is None or bounds is None:
        return 0
    low, high = bounds
    # A fraction is truncated first, so that -0.5 is in the range of an unsigned type.
    return int((~((np.trunc(x) >= low) & (np.trunc(x) <= high))).sum())


def _integer_bounds(call: Call) -> tuple[float, float] | None:
    target = element_of(call.output_types[0])
    if not target.startswith(("int", "uint")):
        return None
    bits = int(target.lstrip("uint"))
    unsigned = target.startswith("u")
    return (0.0 if unsigned else -(2.0 ** (bits - 1))), np.nextafter(2.0 ** (bits if unsigned else bits - 1), 0)


def _saturated(call: Call, compute: Kernel) -> Any:
    bounds = _integer_bounds(call)
    assert bounds is not None
    low, high = bounds

    def clip(x: Array) -> Array:
        kind = x.dtype.type
        # The bound of the integer type may not be a number of this format: the nearest one inside it is taken.
        below = np.nextafter(kind(high), kind(0)) if float(kind(high)) > high else kind(high)
        return np.clip(np.where(np.isnan(x), kind(0), x), kind(low), below)

    return _with_inputs(clip)(call, compute)


def _zero_where_out_of_range(call: Call, compute: Kernel) -> Any:
    bounds = _integer_bounds(call)
    assert bounds is not None
    low, high = bounds
    return _with_inputs(lambda x: np.where((np.trunc(x) >= low) & (np.trunc(x) <= high), x, x.dtype.type(0)))(
        call, compute
    )


def _reduces_nothing(call: Call) -> int:
    x = _floating(call.input(0))
    return int(x is not None and x.size == 0)


def _filled(number: float) -> Way:
    def way(call: Call, compute: Kernel) -> Any:
        computed = compute(call)
        outputs = [computed] if isinstance(computed, np.ndarray) else list(computed)
        return [np.full_like(value, number) for value in outputs]

    return way


def _shifts_too_far(call: Call) -> int:
    x, amount = call.inputs[0], call.inputs[1]
    return int((np.asarray(amount) >= np.asarray(x).dtype.itemsize * 8).sum())


def _shifted_modulo(call: Call, compute: Kernel) -> Any:
    x, amount = np.asarray(call.inputs[0]), np.asarray(call.inputs[1])
    return compute(replace(call, inputs=(x, (amount % (x.dtype.itemsize * 8)).astype(amount.dtype))))


def _repeats_an_index(call: Call) -> int:
    """How many entries of ScatterElements go where another one goes."""
    data, indices = np.asarray(call.inputs[0]), np.asarray(call.inputs[1])
    if call.get("reduction", "none") != "none" or not indices.size:
        return 0
    axis = axis_of(int(call.get("axis", 0)), data.ndim)
    lines = np.sort(indices % data.shape[axis], axis=axis)
    return int((np.diff(lines, axis=axis) == 0).sum())


def _scattered_backwards(call: Call, compute: Kernel) -> Any:
    data, indices, updates = (np.asarray(value) for value in call.inputs[:3])
    axis = axis_of(int(call.get("axis", 0)), data.ndim)
    return compute(replace(call, inputs=(data, np.flip(indices, axis), np.flip(updates, axis))))


def _repeats_a_place(call: Call) -> int:
    """How many rows of ScatterND's indices stand for a place that another row stands for."""
    data, indices = np.asarray(call.inputs[0]), np.asarray(call.inputs[1])
    if call.get("reduction", "none") != "none" or not indices.size:
        return 0
    depth = indices.shape[-1]
    places = indices.reshape(-1, depth) % np.asarray(data.shape[:depth])
    return int(len(places) - len(np.unique(places, axis=0)))


def _scattered_by_place_backwards(call: Call, compute: Kernel) -> Any:
    data, indices, updates = (np.asarray(value) for value in call.inputs[:3])
    axes = tuple(range(indices.ndim - 1))
    return compute(replace(call, inputs=(data, np.flip(indices, axes), np.flip(updates, axes))))


def _is_unsorted(call: Call) -> int:
    return int(not call.get("sorted", 1) and np.asarray(call.inputs[0]).size > 0)


def _reversed_order(call: Call, compute: Kernel) -> Any:
    axis = axis_of(int(call.get("axis", -1)), np.asarray(call.inputs[0]).ndim)
    return [np.flip(np.asarray(value), axis) for value in compute(call)]


_SILENT = "the specification does not say what NaN does in it"

RULES = (
    Rule(("ArgMax", "ArgMin"), "NaN", f"{_SILENT}: it speaks of the largest (smallest) value only", _nan_in_first,
         (_AS_LEAST, _AS_GREATEST)),
    Rule(("ReduceMax", "ReduceMin", "MaxPool", "GlobalMaxPool"), "NaN", _SILENT, _nan_in_first,
         (_AS_LEAST, _AS_GREATEST)),
    Rule(("Max", "Min", "Clip"), "NaN", _SILENT, _nan_beside_others, (_AS_LEAST, _AS_GREATEST)),
    Rule(("Relu",), "NaN", f"{_SILENT}: it is max(0, x), and Max is silent, too", _nan_in_first,
         (_AS_ZERO, _as_computed)),
    Rule(("TopK",), "NaN", f"{_SILENT}: it speaks of equivalent values only", _nan_in_first, (_AS_LEAST, _AS_GREATEST)),
    Rule(("TopK",), "sorted = 0", "the order of values and indices is then undefined", _is_unsorted,
         (_reversed_order, _as_computed)),
    Rule(("Sign",), "NaN", "it is defined for x > 0, x < 0 and x == 0, none of which holds for NaN", _nan_in_first,
         (_AS_ZERO, _as_computed)),
    Rule(("QuantizeLinear",), "NaN", _SILENT, _nan_in_first, (_AS_LEAST, _AS_GREATEST)),
    Rule(("Cast", "CastLike"), "a number out of range",
         "casting a floating-point number to an integer is undefined where it is out of range",
         _out_of_range, (_saturated, _zero_where_out_of_range)),
    Rule(("ReduceMean",), "an empty set", "a mean over an empty set of values yields undefined", _reduces_nothing,
         (_filled(0.0), _filled(np.nan))),
    Rule(("BitShift",), "an amount of the width or more", "the specification does not limit the amount",
         _shifts_too_far, (_shifted_modulo, _as_computed)),
    Rule(("Scatter", "ScatterElements"), "an index twice", "without a reduction, indices should not have duplicates",
         _repeats_an_index, (_scattered_backwards, _as_computed)),
    Rule(("ScatterND",), "an index twice", "without a reduction, indices should not have duplicates; the order of"
         " iteration is not specified", _repeats_a_place, (_scattered_by_place_backwards, _as_computed)),
)  # fmt: skip
"""Source: the schemas of onnx 1.23 (`onnx.defs`), and the runtimes' answers in docs/explanation/policies.md."""

_RULES_BY_OPERATOR: Mapping[str, tuple[Rule, ...]] = {
    operator: tuple(rule for rule in RULES if operator in rule.operators)
    for operator in dict.fromkeys(operator for rule in RULES for operator in rule.operators)
}
