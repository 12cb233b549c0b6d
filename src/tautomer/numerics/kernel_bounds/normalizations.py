"""Bounds of normalizations: statistics in two passes, as their specification has them, then scale and shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tautomer.numerics.kernel_bounds.rule import Node, Rule
from tautomer.numerics.kernel_bounds.running_error import Arithmetic, Axes, Running
from tautomer.numerics.kernel_bounds.summation import summation_roundings
from tautomer.numerics.onnx_evaluator.call import axis_of


def _normalized(arithmetic: Arithmetic, x: Running, axes: Axes, epsilon: float) -> tuple[Running, Running, Running]:
    """(x - mean) / sqrt(variance + epsilon), the mean, and the reciprocal of the root.

    An error d of the mean shifts every term of the variance alike, which changes it by d^2 only: the terms linear in d
    sum to zero. Taking the squares' errors for independent would lose that, and with it all use at large means.
    """
    count = x.value.size // max(np.size(np.sum(x.value, axis=axes, keepdims=True)), 1)
    mean = arithmetic.mean(x, axes)
    centred = arithmetic.subtract(x, mean)
    with np.errstate(all="ignore"):
        deviations = np.abs(centred.value)
        variance = np.mean(deviations**2, axis=axes, keepdims=True)
        # Each centred term has its own rounding, beside the mean's error that all share.
        own = x.error + arithmetic.u * (deviations + mean.error)
        roundings = summation_roundings(count, arithmetic.summation) + 2.0
        size = np.mean((deviations + mean.error + own) ** 2, axis=axes, keepdims=True)
        error = mean.error**2 + np.mean(2 * (deviations + mean.error) * own + own**2, axis=axes, keepdims=True)
        error = error + roundings * arithmetic.u * size + arithmetic.smallest
        overflow = size * count + error > arithmetic.largest
    total = arithmetic.add(Running(variance, np.where(overflow, np.inf, error)), arithmetic.exactly(epsilon))
    inverse = _reciprocal_root(arithmetic, total, epsilon)
    return arithmetic.multiply(centred, inverse), mean, inverse


def _reciprocal_root(arithmetic: Arithmetic, total: Running, epsilon: float) -> Running:
    """1 / sqrt(total), where the kernel's total is epsilon and a mean of squares, so never much below epsilon."""
    root = arithmetic.square_root(total)
    with np.errstate(all="ignore"):
        least = np.maximum(root.value - root.error, np.sqrt(epsilon) * (1 - 4 * arithmetic.u))
        error = np.where(least > 0, root.error / (root.value * least), np.inf)
        return arithmetic.rounded(1 / root.value, np.where(np.isnan(error), np.inf, error))


def _scaled(arithmetic: Arithmetic, y: Running, scale: Running, bias: Running | None) -> Running:
    product = arithmetic.multiply(y, scale)
    return product if bias is None else arithmetic.add(product, bias)


def _layer_normalization(node: Node) -> Sequence[Running | None]:
    arithmetic, x = node.arithmetic, node.given(0)
    axes = tuple(range(axis_of(node.call.get("axis", -1), x.value.ndim), x.value.ndim))
    y, mean, inverse = _normalized(arithmetic, x, axes, node.call.get("epsilon", 1e-5))
    bias = node.given(2) if node.call.input(2) is not None else None
    return _scaled(arithmetic, y, node.given(1), bias), mean, inverse


def _rms_normalization(node: Node) -> Running:
    arithmetic, x = node.arithmetic, node.given(0)
    axes = tuple(range(axis_of(node.call.get("axis", -1), x.value.ndim), x.value.ndim))
    squares = arithmetic.mean(arithmetic.multiply(x, x), axes)
    epsilon = arithmetic.exactly(node.call.get("epsilon", 1e-5))
    root = arithmetic.square_root(arithmetic.add(squares, epsilon))
    y = arithmetic.multiply(x, arithmetic.divide(arithmetic.exactly(1.0), root))
    return _scaled(arithmetic, y, node.given(1), None)


def _channels(part: Running, rank: int) -> Running:
    return part.reshape(-1, *(1,) * (rank - 2))


def _per_channel(
    arithmetic: Arithmetic, x: Running, statistics: tuple[Running, Running], scale: Running, bias: Running
) -> Running:
    """X * (scale * inverse) + (bias - mean * scale * inverse), the form that kernels with folded parameters use.

    Its two terms may cancel; the bound of the form that subtracts the mean first is never larger.
    """
    mean, inverse = statistics
    factor = arithmetic.multiply(scale, inverse)
    offset = arithmetic.subtract(bias, arithmetic.multiply(mean, factor))
    return arithmetic.add(arithmetic.multiply(x, factor), offset)


def _instance_normalization(node: Node) -> Running:
    arithmetic, x = node.arithmetic, node.given(0)
    rank = x.value.ndim
    _, mean, inverse = _normalized(arithmetic, x, tuple(range(2, rank)), node.call.get("epsilon", 1e-5))
    return _per_channel(arithmetic, x, (mean, inverse), _channels(node.given(1), rank), _channels(node.given(2), rank))


def _group_normalization(node: Node) -> Running:
    arithmetic, x = node.arithmetic, node.given(0)
    groups, shape = int(node.call.get("num_groups")), x.value.shape
    y, _, _ = _normalized(arithmetic, x.reshape(shape[0], groups, -1), (2,), node.call.get("epsilon", 1e-5))
    scale, bias = node.given(1), node.given(2)
    if node.call.opset < 21:
        scale, bias = (part.map(lambda one: np.repeat(one, shape[1] // groups)) for part in (scale, bias))
    return _scaled(arithmetic, y.reshape(*shape), _channels(scale, len(shape)), _channels(bias, len(shape)))


def _batch_normalization(node: Node) -> Sequence[Running | None]:
    arithmetic, x = node.arithmetic, node.given(0)
    if node.call.get("training_mode", 0) or node.call.opset < 7 or x.value.ndim < 2:
        return [None] * len(node.call.output_types)
    parts = [node.given(index) for index in range(1, 5)]
    if any(part.value.ndim != 1 for part in parts):
        return [None] * len(node.call.output_types)
    scale, bias, mean, variance = (_channels(part, x.value.ndim) for part in parts)
    total = arithmetic.add(variance, arithmetic.exactly(node.call.get("epsilon", 1e-5)))
    inverse = arithmetic.divide(arithmetic.exactly(1.0), arithmetic.square_root(total))
    return [_per_channel(arithmetic, x, (mean, inverse), scale, bias)]


def _lp_normalization(node: Node) -> Running:
    arithmetic, x = node.arithmetic, node.given(0)
    axis = (axis_of(node.call.get("axis", -1), x.value.ndim),)
    if node.call.get("p", 2) == 1:
        norm = arithmetic.sum(Running(np.abs(x.value), x.error), axis)
    else:
        norm = arithmetic.square_root(arithmetic.sum(arithmetic.multiply(x, x), axis))
    quotient = arithmetic.divide(x, norm)
    value = np.asarray(node.exact[0])
    # Of a row of zeros the specification asks for zeros.
    return Running(value, np.where(norm.value == 0, 0.0, quotient.error))


def _mean_variance_normalization(node: Node) -> Running:
    arithmetic, x = node.arithmetic, node.given(0)
    axes = tuple(axis_of(axis, x.value.ndim) for axis in node.call.get("axes", [0, 2, 3]))
    _, _, inverse = _normalized(arithmetic, x, axes, 0.0)
    centred = arithmetic.subtract(x, arithmetic.mean(x, axes))
    with np.errstate(all="ignore"):
        deviation = 1 / inverse.value
        # The deviation has its reciprocal's relative error r, up to a factor 1 / (1 - r).
        relative = inverse.error / np.abs(inverse.value)
        error = np.where(relative < 0.5, 2 * relative * deviation, np.inf)
    spread = Running(deviation, error)
    return arithmetic.divide(centred, arithmetic.add(spread, arithmetic.constant(float(np.float32(1e-9)))))


def _local_response(node: Node) -> Sequence[Running | None]:
    """The input over (bias + alpha / size * sum of squares)^beta over neighbouring channels."""
    arithmetic, x, size = node.arithmetic, node.given(0), int(node.call.get("size"))
    alpha, beta, bias = (
        float(node.call.get(name, default)) for name, default in (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0))
    )
    if alpha < 0 or bias <= 0:
        return [None]  # the sum may cancel
    squares = arithmetic.multiply(x, x)
    widths = [(0, 0), ((size - 1) // 2, size // 2)] + [(0, 0)] * (x.value.ndim - 2)
    windows = squares.map(lambda one: np.lib.stride_tricks.sliding_window_view(np.pad(one, widths), size, axis=1))
    share = arithmetic.divide(arithmetic.exactly(alpha), arithmetic.exactly(float(size)))
    base = arithmetic.add(
        arithmetic.multiply(share, arithmetic.sum(windows, (-1,), keep=False)), arithmetic.exactly(bias)
    )
    with np.errstate(all="ignore"):
        power = base.value**beta
        passed = np.maximum((base.value + base.error) ** beta - power, power - (base.value - base.error) ** beta)
        own = arithmetic.measured("Pow", beta * np.log(base.value), power)
    root = arithmetic.rounded(power, np.abs(passed) + own)
    return [arithmetic.divide(x, root)]


RULES: Mapping[str, Rule] = {
    "BatchNormalization": _batch_normalization,
    "GroupNormalization": _group_normalization,
    "InstanceNormalization": _instance_normalization,
    "LRN": _local_response,
    "LayerNormalization": _layer_normalization,
    "LpNormalization": _lp_normalization,
    "MeanVarianceNormalization": _mean_variance_normalization,
    "RMSNormalization": _rms_normalization,
}
"""Rules by operator."""
