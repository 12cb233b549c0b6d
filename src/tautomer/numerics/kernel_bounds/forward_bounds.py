"""The bound of one ONNX node: which rule it has, in which arithmetic, and what is left unsaid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tautomer.numerics.approximation_tables import ApproximationTable
from tautomer.numerics.formats import SMALLEST_NORMAL, UNIT_ROUNDOFF
from tautomer.numerics.kernel_bounds import (
    attention,
    normalizations,
    pointwise,
    quantization,
    recurrent,
    resizing,
    scattering,
    sums,
)
from tautomer.numerics.kernel_bounds import softmax as softmax_rules
from tautomer.numerics.kernel_bounds.exact_operators import EXACT, LEFT_OPEN_ON_NAN, STEPPED
from tautomer.numerics.kernel_bounds.rule import Array, Node, Rule
from tautomer.numerics.kernel_bounds.running_error import Arithmetic, NotMeasured, Running
from tautomer.numerics.kernel_bounds.summation import Summation
from tautomer.numerics.onnx_evaluator import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import element_of
from tautomer.numerics.onnx_evaluator.kernels import KERNELS

RULES: Mapping[str, Rule] = {
    **attention.RULES,
    **normalizations.RULES,
    **pointwise.RULES,
    **quantization.RULES,
    **recurrent.RULES,
    **resizing.RULES,
    **scattering.RULES,
    **softmax_rules.RULES,
    **sums.RULES,
}
"""Rules by operator of ONNX's own domain."""

_FORMATS = {"float": "float32", "float16": "float16", "bfloat16": "bfloat16"}
"""Formats that float64 judges: its own rounding is 2^-29 of float32's, but not less than float64's."""

_INTEGER_ARITHMETIC = frozenset(
    {"Add", "Div", "Mod", "Mul", "Sub", "Sum", "ReduceSum", "ReduceProd", "CumSum", "Range"}
)
"""Operators whose integer results are exact (modulo the width of their type)."""


_CASTS = frozenset({"Cast", "CastLike"})


def is_bounded(op_type: str, domain: str = "") -> bool:
    """Whether the operator has a rule at all; single nodes of it may still be left without a bound."""
    return domain == "" and (op_type in EXACT or op_type in RULES)


def forward_bounds(
    call: Call,
    exact_outputs: Sequence[Any],
    table: ApproximationTable | None,
    *,
    kernel: Kernel | None = None,
    summation: Summation = Summation.ANY_ORDER,
    input_error_u: float = 0.0,
    computed_in: str | None = None,
) -> list[Array | None]:
    """Componentwise bounds on |kernel - exact| for one execution of one node, one entry an output.

    An error above its bound is one that no kernel of the operator makes in its declared precision, in whatever order it
    sums. None where nothing can be said: an operator without a rule, a function that the table lacks, strings,
    sequences, float64. Elements that may overflow, or whose divisor may be zero, are infinite.

    Args:
        call: the node with the inputs that the kernel had, as float64 arrays.
        exact_outputs: what the operator gives for them in float64.
        table: measured errors of the runtime's approximated functions; None leaves operators that need it without a
            bound.
        kernel: computes the operator in float64; None for the evaluator's own.
        summation: what is assumed of sums.
        input_error_u: relative error, in u of the declared type, that the inputs shown may have (a runtime that keeps
            float32 between nodes of float16).
        computed_in: format that a 16-bit node is computed in before its result is rounded; None for the declared one.

    Shapes:
        each bound has its output's shape.
    """
    nothing: list[Array | None] = [None] * len(exact_outputs)
    op_type = call.node.op_type
    if call.node.domain not in ("", "ai.onnx") or not is_bounded(op_type):
        return nothing
    if op_type in EXACT:
        return _bounds_of_exact(call, exact_outputs, input_error_u)
    if op_type in _CASTS and not _floating(call.output_types):
        return [_bound_of_truncation(call, exact_outputs[0])]
    if op_type in _INTEGER_ARITHMETIC and not _floating(call.output_types):
        return [_zeros(one) for one in exact_outputs]
    element = _element(call)
    rule = RULES.get(op_type)
    if element is None or rule is None or not all(_is_plain(one) for one in (*call.inputs, *exact_outputs)):
        return nothing
    inner = computed_in if computed_in is not None and element != "float32" else element
    scale = UNIT_ROUNDOFF[element] / UNIT_ROUNDOFF[inner]
    arithmetic = Arithmetic(inner, table, summation, input_error_u * scale)
    kernel = KERNELS[op_type] if kernel is None else kernel
    try:
        with np.errstate(all="ignore"):
            found = rule(Node(call, exact_outputs, arithmetic, kernel))
    except NotMeasured:
        return nothing
    given = [found] if isinstance(found, Running) else list(found)
    bounds: list[Array | None] = []
    for index, exact in enumerate(exact_outputs):
        one = given[index] if index < len(given) else None
        if one is None or exact is None:
            bounds.append(None)
            continue
        bound = _unsure_as_infinite(one, np.shape(exact))
        bounds.append(bound if inner == element else _rounded_to(element, bound, np.asarray(exact)))
    return bounds


def _rounded_to(element: str, bound: Array, exact: Array) -> Array:
    """A bound with the rounding of the result to a narrower format added; infinite where that may overflow."""
    if exact.dtype.kind != "f":
        return bound
    narrow = Arithmetic(element, None)
    return narrow.rounded(exact, bound).error


def _bounds_of_exact(call: Call, exact_outputs: Sequence[Any], input_error_u: float) -> list[Array | None]:
    op_type = call.node.op_type
    nothing: list[Array | None] = [None] * len(exact_outputs)
    if op_type in LEFT_OPEN_ON_NAN and any(_has_nan(one) for one in call.inputs):
        return nothing
    if op_type == "TopK" and not call.get("sorted", 1):
        return nothing  # any order will do
    if input_error_u == 0 or not _floating(call.input_types):
        return [_zeros(one) for one in exact_outputs]
    element = _element(call)
    if element is None or op_type in STEPPED:
        return nothing
    # A choice between two numbers that are within their errors of each other doubles the error.
    relative = 2.0 * input_error_u * UNIT_ROUNDOFF[element]
    return [
        relative * np.abs(one) + SMALLEST_NORMAL[element]
        if isinstance(one, np.ndarray | np.generic) and one.dtype.kind == "f"
        else None
        for one in exact_outputs
    ]


def _bound_of_truncation(call: Call, exact: Any) -> Array | None:
    """Casts to integers and booleans are exact; what an integer type does not hold is left open.

    Source: ONNX operator schema Cast-25 (casting to an integer type of a value out of its range is undefined).
    """
    value, x = np.asarray(exact), call.inputs[0]
    if value.dtype.kind not in "iub" or not isinstance(x, np.ndarray) or x.dtype.kind not in "fiub":
        return None
    if value.dtype.kind == "b" or x.dtype.kind != "f":
        return np.zeros(value.shape)
    limits = np.iinfo(value.dtype)
    held = np.isfinite(x) & (np.trunc(x) >= float(limits.min)) & (np.trunc(x) < float(limits.max) + 1.0)
    return np.where(held, 0.0, np.inf)


def _has_nan(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and bool(np.isnan(value).any())


def _unsure_as_infinite(one: Running, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.where(np.isnan(one.error), np.inf, one.error), shape)


def _zeros(value: Any) -> Array | None:
    return np.zeros(np.shape(value)) if isinstance(value, np.ndarray | np.generic) else None


def _is_plain(value: Any) -> bool:
    return value is None or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub")


def _floating(types: Sequence[str]) -> bool:
    return any(element_of(one) in (*_FORMATS, "double") for one in types)


def _element(call: Call) -> str | None:
    """The format the kernel rounds to: its floating output's, else its floating input's; None where there is none."""
    for declared in (*call.output_types, *call.input_types):
        element = element_of(declared)
        if element == "double":
            return None
        if element in _FORMATS and _FORMATS[element] in UNIT_ROUNDOFF:
            return _FORMATS[element]
    return None
