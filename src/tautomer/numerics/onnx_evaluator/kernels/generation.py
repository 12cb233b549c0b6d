"""Tensors made from parameters: fills, ranges, windows, Dropout, random numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import Array, declared_dtype


def _constant_of_shape(call: Call) -> Array:
    shape = tuple(int(size) for size in call.inputs[0])
    value = call.get("value")
    fill = np.zeros((), np.float32) if value is None else onnx.numpy_helper.to_array(value).reshape(())
    return np.full(shape, fill.astype(call.output_dtype()), dtype=call.output_dtype())


def _eye_like(call: Call) -> Array:
    rows, columns = call.inputs[0].shape
    return np.eye(rows, columns, k=call.get("k", 0)).astype(call.output_dtype())


def _range(call: Call) -> Array:
    start, limit, delta = (np.asarray(item).reshape(()) for item in call.inputs)
    if start.dtype.kind in "iu":
        count = max(-((int(start) - int(limit)) // int(delta)), 0) if int(delta) else 0
    else:
        # The length is an integer path: it is that of the declared type, whatever is computed in.
        declared = declared_dtype(call.element(0))
        span = np.asarray(limit - start).astype(declared).astype(np.float64)
        count = max(math.ceil(span / np.asarray(delta).astype(declared).astype(np.float64)), 0)
    steps = np.arange(count, dtype=np.int64).astype(start.dtype)
    return np.asarray(start + steps * delta).astype(start.dtype)


def _window(*coefficients: float) -> Kernel:
    def kernel(call: Call) -> Array:
        size = int(np.asarray(call.inputs[0]).reshape(()))
        length = size if call.get("periodic", 1) else size - 1
        # A symmetric window of one element divides zero by zero, in the schema's function body too.
        angle = 2 * math.pi * np.arange(size) / np.float64(length)
        total = sum(weight * np.cos(order * angle) for order, weight in enumerate(coefficients))
        return np.asarray(total + np.zeros(size)).astype(call.output_dtype())

    return kernel


def _dropout(call: Call) -> tuple[Any, ...]:
    x = call.inputs[0]
    training, ratio = call.input(2), call.input(1)
    mask = np.ones(x.shape, dtype=call.output_dtype(1)) if call.wants(1) else None
    if call.opset < 7 and not call.get("is_test", 0):
        raise ValueError("Dropout in training mode draws random numbers")
    if training is not None and bool(np.asarray(training).reshape(())):
        share = 0.5 if ratio is None else float(np.asarray(ratio).reshape(()))
        if share == 0:
            return x, mask
        keep = np.random.RandomState(call.get("seed", 0)).uniform(0, 1.0, x.shape) >= share
        return np.asarray(keep * x / x.dtype.type(1 - share)).astype(x.dtype), keep
    return x, mask


def _generator(call: Call) -> np.random.Generator:
    seed = call.get("seed")
    return np.random.default_rng(None if seed is None else int(np.float32(seed).view(np.uint32)))


def _random(distribution: str, like: bool) -> Kernel:
    def kernel(call: Call) -> Array:
        shape = call.inputs[0].shape if like else tuple(call.get("shape"))
        generator = _generator(call)
        if distribution == "normal":
            values = generator.normal(call.get("mean", 0.0), call.get("scale", 1.0), shape)
        else:
            values = generator.uniform(call.get("low", 0.0), call.get("high", 1.0), shape)
        return np.asarray(values).astype(call.output_dtype())

    return kernel


def _bernoulli(call: Call) -> Array:
    x = call.inputs[0]
    return np.asarray(_generator(call).uniform(size=x.shape) < x).astype(call.output_dtype())


KERNELS: Mapping[str, Kernel] = {
    "Bernoulli": _bernoulli,
    "BlackmanWindow": _window(0.42, -0.5, 0.08),
    "ConstantOfShape": _constant_of_shape,
    "Dropout": _dropout,
    "EyeLike": _eye_like,
    "HammingWindow": _window(25 / 46, -21 / 46),
    "HannWindow": _window(0.5, -0.5),
    "RandomNormal": _random("normal", False),
    "RandomNormalLike": _random("normal", True),
    "RandomUniform": _random("uniform", False),
    "RandomUniformLike": _random("uniform", True),
    "Range": _range,
}
