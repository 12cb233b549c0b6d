"""Activation functions, written so that they neither overflow nor cancel where the function itself does not."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array
from tautomer.numerics.onnx_evaluator.kernels.arithmetic import erfc, unary


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), with the exponential taken of a negative number."""
    decay = np.exp(-np.abs(x))
    return np.where(x < 0, decay / (1 + decay), 1 / (1 + decay))


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) without overflow."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def relu(x: Array) -> Array:
    """max(0, x); NaN and -0.0 pass."""
    return np.where(x < 0, x.dtype.type(0), x)


def softmax(x: Array, axis: int) -> Array:
    """exp(x) over its sum along `axis`; NaN where a slice is all -inf."""
    if x.size == 0:
        return x
    powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return np.asarray(powers / np.sum(powers, axis=axis, keepdims=True))


def log_softmax(x: Array, axis: int) -> Array:
    """log(softmax(x)) along `axis` without the logarithm of a rounded quotient."""
    if x.size == 0:
        return x
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)))


def _hardmax(x: Array, axis: int) -> Array:
    if x.size == 0:
        return x
    result = np.zeros_like(x)
    np.put_along_axis(result, np.expand_dims(np.argmax(x, axis=axis), axis), 1, axis=axis)
    return result


def _along_axis(function: object) -> Kernel:
    assert callable(function)

    def kernel(call: Call) -> Array:
        x = call.inputs[0]
        if call.opset >= 13:
            return np.asarray(function(x, axis_of(call.get("axis", -1), max(x.ndim, 1)) if x.ndim else None))
        # Below opset 13 the input is seen as a matrix whose columns begin at `axis`.
        axis = call.get("axis", 1)
        axis = axis if axis == x.ndim else axis_of(axis, x.ndim)
        rows = math.prod(x.shape[:axis])
        return np.asarray(function(x.reshape(rows, math.prod(x.shape[axis:])), 1)).reshape(x.shape)

    return kernel


def _gelu(call: Call) -> Array:
    x = call.inputs[0]
    if call.get("approximate", "none") == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        # 0.5 (1 + tanh(t)) is sigmoid(2 t), which keeps its digits where tanh is near -1.
        return np.asarray(x * sigmoid(2 * inner)).astype(x.dtype)
    return np.asarray(0.5 * x * erfc(-x / math.sqrt(2))).astype(x.dtype)


def _leaky_relu(call: Call) -> Array:
    x = call.inputs[0]
    return np.asarray(np.where(x < 0, x * x.dtype.type(call.get("alpha", 0.01)), x))


def _prelu(call: Call) -> Array:
    x, slope = call.inputs
    if call.opset < 7 and slope.size != 1:
        slope = slope.reshape(slope.shape + (1,) * (x.ndim - 2))
    if np.broadcast_shapes(x.shape, slope.shape) != x.shape:
        raise ValueError(f"slope of shape {slope.shape} does not broadcast to {x.shape}")
    return np.asarray(np.where(x < 0, x * slope, x))


def _elu(call: Call) -> Array:
    x = call.inputs[0]
    return np.asarray(np.where(x < 0, x.dtype.type(call.get("alpha", 1.0)) * np.expm1(np.minimum(x, 0)), x))


def _celu(call: Call) -> Array:
    x = call.inputs[0]
    alpha = x.dtype.type(call.get("alpha", 1.0))
    # The operator's function body keeps the sign of a zero, which the sum of the formula does not.
    return np.asarray(np.where(x == 0, x, np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(x / alpha))))


def _selu(call: Call) -> Array:
    x = call.inputs[0]
    alpha, gamma = (
        x.dtype.type(call.get("alpha", 1.67326319217681884765625)),
        x.dtype.type(call.get("gamma", 1.05070102214813232421875)),
    )
    return np.asarray(np.where(x > 0, gamma * x, gamma * (alpha * np.expm1(np.minimum(x, 0)))))


def _hard_sigmoid(call: Call) -> Array:
    x = call.inputs[0]
    alpha, beta = x.dtype.type(call.get("alpha", 0.2)), x.dtype.type(call.get("beta", 0.5))
    return np.asarray(np.clip(alpha * x + beta, 0, 1))


def _hard_swish(x: Array) -> Array:
    # The alpha is the float32 number nearest to 1/6.
    # The specification says 1/6; rounding it to float32 is an implementation's arithmetic, not the function.
    return np.asarray(x * np.clip(x.dtype.type(1 / 6) * x + x.dtype.type(0.5), 0, 1))


def _thresholded_relu(call: Call) -> Array:
    x = call.inputs[0]
    # NaN is not greater than alpha: "y = 0 otherwise".
    return np.asarray(np.where(x > call.get("alpha", 1.0), x, x.dtype.type(0)))


def _shrink(call: Call) -> Array:
    x = call.inputs[0]
    lambd, bias = call.get("lambd", 0.5), call.get("bias", 0.0)
    above, below = x > lambd, x < -lambd
    # NaN is on neither side: "otherwise, y = 0".
    shrunk = np.where(below, x + x.dtype.type(bias), np.where(above, x - x.dtype.type(bias), x.dtype.type(0)))
    return np.asarray(shrunk).astype(x.dtype)


def _swish(call: Call) -> Array:
    x = call.inputs[0]
    return np.asarray(x * sigmoid(x.dtype.type(call.get("alpha", 1.0)) * x))


def _swiglu(call: Call) -> Array:
    gate, linear = call.inputs
    if gate.shape != linear.shape:
        raise ValueError(f"gate has shape {gate.shape} and the linear input {linear.shape}")
    return np.asarray(gate * sigmoid(gate.dtype.type(call.get("alpha", 1.0)) * gate) * linear)


KERNELS: Mapping[str, Kernel] = {
    "Celu": _celu,
    "Elu": _elu,
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": unary(_hard_swish),
    "Hardmax": _along_axis(_hardmax),
    "LeakyRelu": _leaky_relu,
    "LogSoftmax": _along_axis(log_softmax),
    "Mish": unary(lambda x: x * np.tanh(softplus(x))),
    "PRelu": _prelu,
    "Relu": unary(relu),
    "Selu": _selu,
    "Shrink": _shrink,
    "Sigmoid": unary(sigmoid),
    "Softmax": _along_axis(softmax),
    "Softplus": unary(softplus),
    "Softsign": unary(lambda x: x / (1 + np.abs(x))),
    "SwiGLU": _swiglu,
    "Swish": _swish,
    "ThresholdedRelu": _thresholded_relu,
}
