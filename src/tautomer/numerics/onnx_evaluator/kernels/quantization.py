"""Linear quantization: the integers are part of the function, in whatever type the floats are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array, declared_dtype, element_of, narrow_format, round_to
from tautomer.numerics.onnx_evaluator.kernels.convolution import convolve

_INTEGER_RANGES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "uint16": (0, 65535),
    "int16": (-32768, 32767),
    "uint4": (0, 15),
    "int4": (-8, 7),
    "uint2": (0, 3),
    "int2": (-2, 1),
}


def _spread(parameter: Array, call: Call, shape: tuple[int, ...]) -> Array:
    """A scale or zero point shaped to broadcast against the input: per tensor, per axis or per block."""
    block = call.get("block_size", 0)
    if parameter.size == 1 and parameter.ndim <= 1 and not block:
        return parameter.reshape(())
    axis = axis_of(call.get("axis", 1), len(shape))
    if block:
        repeated = np.repeat(parameter, block, axis=axis)
        return np.take(repeated, range(shape[axis]), axis=axis)
    if parameter.ndim != 1 or parameter.size != shape[axis]:
        raise ValueError(f"a parameter of shape {parameter.shape} for axis {axis} of {shape}")
    return parameter.reshape([-1 if index == axis else 1 for index in range(len(shape))])


def _to_integers(x: Array, zero_point: Array | None, element: str) -> Array:
    low, high = _INTEGER_RANGES[element]
    rounded = np.rint(x)
    if zero_point is not None:
        rounded = rounded + zero_point.astype(np.int64)
    clipped = np.clip(np.nan_to_num(rounded, nan=0.0, posinf=high, neginf=low), low, high)
    dtype = declared_dtype(element)
    return np.asarray(clipped.astype(np.int32).astype(dtype))


def _quantize(call: Call) -> Array:
    x, scale, zero_point = call.inputs[0], call.inputs[1], call.input(2)
    element = element_of(call.output_types[0])
    scale = _spread(scale, call, x.shape)
    if x.dtype.kind in "iu":
        x = x.astype(scale.dtype)
    quotient = x / scale
    if element in _INTEGER_RANGES:
        shifted = None if zero_point is None else _spread(zero_point, call, call.inputs[0].shape)
        return _to_integers(quotient, shifted, element)
    if zero_point is not None and element == "float4e2m1":
        quotient = quotient + _spread(zero_point, call, x.shape).astype(quotient.dtype)
    # The attribute is about the formats of eight bits; what has no infinity and no NaN always saturates.
    if call.get("saturate", 1) or element == "float4e2m1":
        _, _, largest = narrow_format(element)
        quotient = np.clip(quotient, -largest, largest)
    return round_to(quotient, element)


def _dequantize(call: Call) -> Array:
    x, scale, zero_point = call.inputs[0], call.inputs[1], call.input(2)
    dtype = call.output_dtype()
    wide = x.astype(np.int64) if element_of(call.input_types[0]) in (*_INTEGER_RANGES, "int32") else x
    if zero_point is not None:
        zero = _spread(zero_point, call, x.shape)
        wide = wide - zero.astype(wide.dtype) if wide.dtype == np.int64 else wide
    scaled = wide.astype(dtype) * _spread(scale, call, x.shape).astype(dtype)
    return np.asarray(scaled).astype(dtype)


def _dynamic_quantize(call: Call) -> tuple[Array, Array, Array]:
    x = call.inputs[0]
    low, high = min(x.min(initial=0), 0), max(x.max(initial=0), 0)
    scale = x.dtype.type((high - low) / 255) if high > low else x.dtype.type(1)
    zero = np.clip(np.rint((0 - low) / scale), 0, 255).astype(np.uint8)
    y = np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8)
    return y, np.asarray(scale), np.asarray(zero)


def _requantized(total: Array, factor: Array, zero_point: Array, element: str) -> Array:
    return _to_integers(total.astype(factor.dtype) * factor, zero_point, element)


def _aligned(parameter: Array, rank: int, axis: int) -> Array:
    if parameter.ndim == 0 or parameter.size == 1:
        return parameter.reshape(())
    return (
        parameter.reshape([-1 if index == axis else 1 for index in range(rank)]) if parameter.ndim == 1 else parameter
    )


def _q_linear_matmul(call: Call) -> Array:
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = call.inputs
    left = a.astype(np.int64) - _aligned(a_zero, a.ndim, a.ndim - 2).astype(np.int64)
    right = b.astype(np.int64) - _aligned(b_zero, b.ndim, b.ndim - 1).astype(np.int64)
    total = np.matmul(left, right)
    rank = total.ndim
    factor = _aligned(a_scale, rank, rank - 2) * _aligned(b_scale, rank, rank - 1) / _aligned(y_scale, rank, rank - 2)
    return _requantized(total, np.asarray(factor), _aligned(y_zero, rank, rank - 2), element_of(call.output_types[0]))


def _q_linear_conv(call: Call) -> Array:
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = call.inputs[:8]
    bias: Any = call.input(8)
    left = x.astype(np.int64) - x_zero.astype(np.int64).reshape(())
    right = w.astype(np.int64) - _aligned(w_zero, w.ndim, 0).astype(np.int64)
    total = convolve(call, left, right)
    if bias is not None:
        total = total + bias.astype(np.int64).reshape((-1,) + (1,) * (total.ndim - 2))
    factor = x_scale.reshape(()) * _aligned(w_scale, total.ndim, 1) / y_scale.reshape(())
    return _requantized(total, np.asarray(factor), y_zero.reshape(()), element_of(call.output_types[0]))


KERNELS: Mapping[str, Kernel] = {
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _dynamic_quantize,
    "QLinearConv": _q_linear_conv,
    "QLinearMatMul": _q_linear_matmul,
    "QuantizeLinear": _quantize,
}
