"""Bounds of Softmax, LogSoftmax and ReduceLogSumExp, computed with the maximum subtracted."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tautomer.numerics.kernel_bounds.rule import Node, Rule
from tautomer.numerics.kernel_bounds.running_error import Arithmetic, Axes, Running
from tautomer.numerics.onnx_evaluator.call import axis_of

INNER_EXPONENTIAL = "Softmax"
"""The table's function for the exponential inside a softmax, which runtimes compute with a kernel of its own."""


def shifted(arithmetic: Arithmetic, x: Running, axes: Axes) -> Running:
    """X minus its maximum. The kernel's own maximum may be another: what is common to a row cancels.

    A difference that overflows becomes -inf, whose exponential is the zero that it should be.
    """
    with np.errstate(all="ignore"):
        peak = np.max(x.value, axis=axes, keepdims=True)
        value = x.value - np.where(np.isfinite(peak), peak, 0.0)
        error = x.error + arithmetic.u * np.abs(value)
    return Running(value, np.where(np.isneginf(value), 0.0, error))


def powers(arithmetic: Arithmetic, difference: Running) -> Running:
    """Exp of numbers that are not positive."""
    return arithmetic.function(INNER_EXPONENTIAL, difference, lambda x: np.exp(np.minimum(x, 0.0)))


def softmax(arithmetic: Arithmetic, x: Running, axes: Axes) -> Running:
    """exp(x) over its sum."""
    raised = powers(arithmetic, shifted(arithmetic, x, axes))
    total = arithmetic.sum(raised, axes)
    quotient = arithmetic.divide(raised, total)
    # Multiplying by the rounded reciprocal of the sum takes one rounding more than dividing by it.
    return arithmetic.rounded(quotient.value, quotient.error)


def _as_matrix(node: Node) -> tuple[Running, Axes]:
    """The input, and the axes that are summed over; below opset 13 all from `axis` on."""
    x = node.given(0)
    if node.call.opset >= 13:
        return x, (axis_of(node.call.get("axis", -1), max(x.value.ndim, 1)),)
    axis = node.call.get("axis", 1)
    axis = axis if axis == x.value.ndim else axis_of(axis, x.value.ndim)
    return x.reshape(math.prod(x.value.shape[:axis]), math.prod(x.value.shape[axis:])), (1,)


def _softmax(node: Node) -> Running:
    x, axes = _as_matrix(node)
    return softmax(node.arithmetic, x, axes).reshape(*node.exact[0].shape)


def _log_softmax(node: Node) -> Running:
    x, axes = _as_matrix(node)
    arithmetic = node.arithmetic
    difference = shifted(arithmetic, x, axes)
    total = arithmetic.sum(powers(arithmetic, difference), axes)
    result = arithmetic.subtract(difference, arithmetic.function("Log", total, np.log))
    return result.reshape(*node.exact[0].shape)


def _log_sum_exp(node: Node) -> Running:
    x, arithmetic = node.given(0), node.arithmetic
    axes = node.call.ints("axes", 1)
    if not axes and node.call.get("noop_with_empty_axes", 0):
        return x
    selected = tuple(axis_of(axis, x.value.ndim) for axis in axes) if axes else tuple(range(x.value.ndim))
    total = arithmetic.sum(powers(arithmetic, shifted(arithmetic, x, selected)), selected)
    peak = arithmetic.given(np.max(x.value, axis=selected, keepdims=True))
    result = arithmetic.add(arithmetic.function("Log", total, np.log), peak)
    return result.reshape(*node.exact[0].shape)


RULES: Mapping[str, Rule] = {"LogSoftmax": _log_softmax, "ReduceLogSumExp": _log_sum_exp, "Softmax": _softmax}
"""Rules by operator."""
