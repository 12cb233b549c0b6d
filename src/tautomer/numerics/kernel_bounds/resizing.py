"""Bounds of Resize: where a coordinate is rounded, the value moves along the slope between its neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tautomer.numerics.kernel_bounds.rule import Array, Node, Rule
from tautomer.numerics.kernel_bounds.running_error import Running

COORDINATE_ROUNDINGS = 4.0
"""Roundings of a coordinate: the scale, the product with it, two shifts by a half. Source: ONNX schema Resize-19."""

CUBIC_SLOPE = 4.0
"""Largest sum of |W'| over the taps of Keys' cubic kernel with a in [-1, 0]: 3.0 (found numerically), rounded up."""

CUBIC_WEIGHTS = 1.6
"""Largest sum of |W| over the four taps with a in [-1, 0]: 1.5 at a = -1, found numerically; rounded up."""

_TRANSFORMS = frozenset({"half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"})


def _resize(node: Node) -> Sequence[Running | None]:
    """Linear and cubic interpolation without antialiasing; of nearest, what no rounded coordinate can change."""
    mode = node.call.get("mode", "nearest")
    transform = node.call.get("coordinate_transformation_mode", "half_pixel")
    if node.call.get("antialias", 0) or transform not in _TRANSFORMS or node.call.opset < 11:
        return [None]
    if mode == "nearest":
        return [_nearest(node, transform)]
    return [_interpolated(node, cubic=mode == "cubic")]


def _interpolated(node: Node, *, cubic: bool) -> Running | None:
    arithmetic = node.arithmetic
    x, value = node.call.inputs[0], np.asarray(node.exact[0])
    resized = [axis for axis in range(x.ndim) if x.shape[axis] != value.shape[axis]]
    # Axes before the first resized one are independent of each other.
    others = tuple(range(min(resized, default=x.ndim), x.ndim))
    if not others:
        return arithmetic.rounded(value, np.zeros(value.shape)) if _is_identity(node) else None
    if cubic and node.call.get("exclude_outside", 0):
        return None  # weights are divided by a sum that may be small
    if cubic and not -1.0 <= node.call.get("cubic_coeff_a", -0.75) <= 0.0:
        return None
    size = np.max(np.abs(x), axis=others, keepdims=True)
    error = np.zeros(size.shape)
    for axis in resized:
        if x.shape[axis] > 1:
            slope = np.max(np.abs(np.diff(x, axis=axis)), axis=others, keepdims=True)
            # A position is rounded relative to the larger of the two lengths it is computed from.
            moved = COORDINATE_ROUNDINGS * arithmetic.u * (x.shape[axis] + 1)
            error = error * (CUBIC_WEIGHTS if cubic else 1.0)
            error = error + moved * (CUBIC_SLOPE * size if cubic else slope)
    # Each axis takes two products, a sum and a weight that is a rounded difference; a cubic one four, and polynomials.
    roundings = 20.0 if cubic else 5.0
    growth = CUBIC_WEIGHTS ** len(others) if cubic else 1.0
    inexact = 2.0 * arithmetic.input_error_u
    error = error + (roundings * len(others) + inexact) * growth * arithmetic.u * size
    return arithmetic.rounded(value, np.broadcast_to(error, value.shape))


def _is_identity(node: Node) -> bool:
    scales = node.call.input(2)
    return scales is None or scales.size == 0 or bool(np.all(scales == 1))


def _nearest(node: Node, transform: str) -> Running:
    """Nothing where the neighbour is certain; no bound where a rounded coordinate may choose another."""
    x, value, arithmetic = node.call.inputs[0], np.asarray(node.exact[0]), node.arithmetic
    open_anywhere = np.zeros(value.shape, dtype=bool)
    for axis, scale in enumerate(_scales(node)):
        if scale == 1.0 and x.shape[axis] == value.shape[axis]:
            continue
        coordinate = _coordinates(transform, x.shape[axis], value.shape[axis], scale)
        # floor and ceil turn at whole numbers, the two ways of rounding at halves.
        turning = coordinate - (0.5 if "round" in node.call.get("nearest_mode", "round_prefer_floor") else 0.0)
        distance = np.abs(turning - np.rint(turning))
        exactly = transform != "align_corners" and math.frexp(scale)[0] == 0.5
        error = 0.0 if exactly else COORDINATE_ROUNDINGS * arithmetic.u * (np.abs(coordinate) + 1)
        undecided = np.asarray(distance < error if exactly else distance <= error)
        open_anywhere |= undecided.reshape((-1,) + (1,) * (value.ndim - axis - 1))
    error = 2.0 * arithmetic.input_error_u * arithmetic.u * np.abs(value)
    return Running(value, np.where(open_anywhere, np.inf, error))


def _scales(node: Node) -> list[float]:
    x, value = node.call.inputs[0], np.asarray(node.exact[0])
    given, axes = node.call.input(2), node.call.get("axes")
    scales = [out / length if length else 1.0 for out, length in zip(value.shape, x.shape, strict=True)]
    if given is not None and given.size:
        for axis, scale in zip(range(x.ndim) if axes is None else axes, given.tolist(), strict=True):
            scales[axis] = float(scale)
    return scales


def _coordinates(transform: str, length: int, count: int, scale: float) -> Array:
    """Positions in the input. Source: ONNX operator schema Resize-19, coordinate_transformation_mode."""
    position = np.arange(count, dtype=np.float64)
    if transform == "asymmetric":
        return position / scale
    if transform == "align_corners":
        return position * (length - 1) / max(count - 1, 1)
    if transform == "pytorch_half_pixel" and count <= 1:
        return np.zeros(count)
    return (position + 0.5) / scale - 0.5


RULES: Mapping[str, Rule] = {"Resize": _resize}
"""Rules by operator."""
