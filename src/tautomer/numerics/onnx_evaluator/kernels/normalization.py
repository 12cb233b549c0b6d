"""Normalizations: statistics in the compute type, then scale and shift."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array


def _per_channel(values: Array, rank: int) -> Array:
    return values.reshape((-1,) + (1,) * (rank - 2))


def _batch_normalization(call: Call) -> tuple[Array, ...]:
    x, scale, bias, mean, variance = call.inputs[:5]
    if call.opset < 14 and (call.wants(1) or (call.opset < 7 and not call.get("is_test", 0))):
        raise ValueError("batch normalization in training mode of an opset below 14")
    training = bool(call.get("training_mode", 0))
    if call.wants(1) and not training:
        raise ValueError("running statistics are outputs of training mode only")
    outputs: tuple[Array, ...] = ()
    if training:
        axes = tuple(axis for axis in range(x.ndim) if axis != 1)
        current_mean, current_variance = x.mean(axis=axes), x.var(axis=axes)
        momentum = x.dtype.type(call.get("momentum", 0.9))
        outputs = (
            (mean * momentum + current_mean * (1 - momentum)).astype(mean.dtype),
            (variance * momentum + current_variance * (1 - momentum)).astype(variance.dtype),
        )
        mean, variance = current_mean, current_variance
    rank = x.ndim if scale.ndim == 1 else 2
    parts = [_per_channel(part, max(rank, 2)) if part.ndim == 1 else part for part in (scale, bias, mean, variance)]
    scale, bias, mean, variance = parts
    y = (x - mean) / np.sqrt(variance + x.dtype.type(call.get("epsilon", 1e-5))) * scale + bias
    return (np.asarray(y).astype(x.dtype), *outputs)


def _normalized(x: Array, axes: tuple[int, ...], epsilon: float) -> tuple[Array, Array, Array]:
    mean = x.mean(axis=axes, keepdims=True)
    centred = x - mean
    inverse = 1 / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + x.dtype.type(epsilon))
    return centred * inverse, mean, inverse


def _check_broadcast(part: Array | None, shape: tuple[int, ...]) -> None:
    if part is not None and np.broadcast_shapes(part.shape, shape) != shape:
        raise ValueError(f"a parameter of shape {part.shape} does not broadcast to {shape}")


def _layer_normalization(call: Call) -> tuple[Array, Array, Array]:
    x, scale, bias = call.inputs[0], call.inputs[1], call.input(2)
    axes = tuple(range(axis_of(call.get("axis", -1), x.ndim), x.ndim))
    _check_broadcast(scale, x.shape)
    _check_broadcast(bias, x.shape)
    y, mean, inverse = _normalized(x, axes, call.get("epsilon", 1e-5))
    y = y * scale
    statistics = call.output_dtype(1) if call.wants(1) else call.output_dtype(2) if call.wants(2) else x.dtype
    return (
        np.asarray(y if bias is None else y + bias).astype(x.dtype),
        mean.astype(statistics),
        inverse.astype(statistics),
    )


def _rms_normalization(call: Call) -> Array:
    x, scale = call.inputs
    axes = tuple(range(axis_of(call.get("axis", -1), x.ndim), x.ndim))
    _check_broadcast(scale, x.shape)
    root = np.sqrt((x * x).mean(axis=axes, keepdims=True) + x.dtype.type(call.get("epsilon", 1e-5)))
    return np.asarray(x / root * scale).astype(call.output_dtype())


def _group_normalization(call: Call) -> Array:
    x, scale, bias = call.inputs
    groups = call.get("num_groups")
    n, channels = x.shape[:2]
    if channels % groups:
        raise ValueError(f"{channels} channels do not divide into {groups} groups")
    expected = groups if call.opset < 21 else channels
    if scale.shape != (expected,) or bias.shape != (expected,):
        raise ValueError(f"scale {scale.shape} and bias {bias.shape} where opset {call.opset} needs ({expected},)")
    y, _, _ = _normalized(x.reshape(n, groups, -1 if x.size else 0), (2,), call.get("epsilon", 1e-5))
    if call.opset < 21:
        scale, bias = np.repeat(scale, channels // groups), np.repeat(bias, channels // groups)
    return np.asarray(y.reshape(x.shape) * _per_channel(scale, x.ndim) + _per_channel(bias, x.ndim))


def _instance_normalization(call: Call) -> Array:
    x, scale, bias = call.inputs
    y, _, _ = _normalized(x, tuple(range(2, x.ndim)), call.get("epsilon", 1e-5))
    return np.asarray(y * _per_channel(scale, x.ndim) + _per_channel(bias, x.ndim))


def _lp_normalization(call: Call) -> Array:
    x = call.inputs[0]
    axis = axis_of(call.get("axis", -1), x.ndim)
    if call.get("p", 2) == 1:
        norm = np.sum(np.abs(x), axis=axis, keepdims=True)
    else:
        norm = np.sqrt(np.sum(x * x, axis=axis, keepdims=True))
    return np.asarray(np.where(norm == 0, x.dtype.type(0), x / norm))


def _mean_variance_normalization(call: Call) -> Array:
    x = call.inputs[0]
    axes = tuple(axis_of(axis, x.ndim) for axis in call.get("axes", [0, 2, 3]))
    centred = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt((centred * centred).mean(axis=axes, keepdims=True))
    # The operator's function body adds 1e-9 (float32) to the deviation.
    return np.asarray(centred / (deviation + x.dtype.type(np.float32(1e-9))))


def _local_response(call: Call) -> Array:
    x = call.inputs[0]
    size = call.get("size")
    squares = np.pad(x * x, [(0, 0), ((size - 1) // 2, size // 2)] + [(0, 0)] * (x.ndim - 2))
    total = np.lib.stride_tricks.sliding_window_view(squares, size, axis=1).sum(axis=-1)
    kind = x.dtype.type
    base = kind(call.get("bias", 1.0)) + kind(call.get("alpha", 1e-4)) / kind(size) * total
    return np.asarray(x / base ** kind(call.get("beta", 0.75)))


KERNELS: Mapping[str, Kernel] = {
    "BatchNormalization": _batch_normalization,
    "GroupNormalization": _group_normalization,
    "InstanceNormalization": _instance_normalization,
    "LRN": _local_response,
    "LayerNormalization": _layer_normalization,
    "LpNormalization": _lp_normalization,
    "MeanVarianceNormalization": _mean_variance_normalization,
    "RMSNormalization": _rms_normalization,
}
