"""Bounds of operators that round to integers after a division of their own: exact, but near a tie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tautomer.numerics.kernel_bounds.rule import Node, Rule
from tautomer.numerics.kernel_bounds.running_error import Running


def _quantize(node: Node) -> Running | Sequence[Running | None]:
    """One step where x / scale, which the kernel rounds, lies within its error of a tie; elsewhere nothing."""
    x, scale = node.call.inputs[:2]
    value = np.asarray(node.exact[0])
    if value.dtype.kind not in "iu" or scale.size != 1 or node.call.get("block_size", 0):
        return [None]
    arithmetic = node.arithmetic
    with np.errstate(all="ignore"):
        # A kernel may multiply by the rounded reciprocal: two roundings.
        quotient = arithmetic.divide(node.given(0), arithmetic.given(scale.reshape(())))
        error = quotient.error + arithmetic.u * np.abs(quotient.value)
        distance = np.abs(np.abs(quotient.value - np.trunc(quotient.value)) - 0.5)
        undecided = ~(distance > error)
    return Running(value, np.where(undecided & np.isfinite(x), 1.0, 0.0))


RULES: Mapping[str, Rule] = {"QuantizeLinear": _quantize}
"""Rules by operator."""
