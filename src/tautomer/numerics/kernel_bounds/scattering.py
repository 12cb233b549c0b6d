"""Bounds of scattering: exact where updates replace values, a sum or a product where several meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tautomer.numerics.kernel_bounds.rule import Array, Node, Rule
from tautomer.numerics.kernel_bounds.running_error import Running


def _scatter(node: Node) -> Running:
    value = np.asarray(node.exact[0])
    reduction, arithmetic = node.call.get("reduction", "none"), node.arithmetic
    if reduction not in ("add", "mul"):
        return Running(value, 2.0 * arithmetic.input_error_u * arithmetic.u * np.abs(value))
    meeting = _updates_of_each(node)
    roundings = meeting * (1.0 + arithmetic.input_error_u) + arithmetic.input_error_u
    size = node.of_magnitudes()
    with np.errstate(all="ignore"):
        growth = roundings * arithmetic.u if reduction == "add" else np.expm1(roundings * np.log1p(arithmetic.u))
        error = np.where(meeting > 0, growth * size + meeting * arithmetic.smallest, 0.0)
        # Parts of a product can leave the range though the whole does not; how, depends on the order.
        bounded = (size + error <= arithmetic.largest) & ((reduction == "add") | (meeting <= 1))
    return Running(value, np.where(bounded | (meeting == 0), error, np.inf))


def _updates_of_each(node: Node) -> Array:
    """How many updates reach each element: the operator itself, adding ones to zeros."""
    data, indices, updates = node.call.inputs
    call = replace(
        node.call,
        inputs=(np.zeros_like(data), indices, np.ones_like(updates)),
        attributes={**node.call.attributes, "reduction": "add"},
    )
    result = node.kernel(call)
    return np.asarray(result if isinstance(result, np.ndarray) else result[0])


RULES: Mapping[str, Rule] = {"Scatter": _scatter, "ScatterElements": _scatter, "ScatterND": _scatter}
"""Rules by operator."""
