"""Pooling over windows and over whole spatial axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import Array
from tautomer.numerics.onnx_evaluator.kernels.windows import Windows, spatial_windows

_IGNORES_PADDING_WINDOWS_SINCE = 22


def pooling_windows(call: Call, x: Array) -> Windows:
    """The windows of a pooling node."""
    return spatial_windows(
        call, x.shape[2:], call.get("kernel_shape"), drop_padding_windows=call.opset >= _IGNORES_PADDING_WINDOWS_SINCE
    )


def _window_axes(x: Array) -> tuple[int, ...]:
    return tuple(range(x.ndim, 2 * x.ndim - 2))


def _average_pool(call: Call) -> Array:
    x = call.inputs[0]
    windows = pooling_windows(call, x)
    axes = _window_axes(x)
    sums = windows.view(x, 0).sum(axis=axes)
    counted = np.ones((1, 1, *x.shape[2:]), dtype=x.dtype)
    if call.get("count_include_pad", 0):
        # Declared padding counts; what rounding the size up adds behind it does not.
        widths = [(0, 0), (0, 0), *zip(windows.before, windows.after, strict=True)]
        counted = np.pad(counted, widths, constant_values=1)
        inner = Windows(
            windows.kernel, windows.strides, windows.dilations, (0,) * len(axes), (0,) * len(axes), windows.counts
        )
        return np.asarray(sums / inner.view(counted, 0).sum(axis=axes))
    return np.asarray(sums / windows.view(counted, 0).sum(axis=axes))


def _lowest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _max_pool(call: Call) -> Array | tuple[Array, Array]:
    x = call.inputs[0]
    windows = pooling_windows(call, x)
    axes = _window_axes(x)
    view = windows.view(x, _lowest(x.dtype))
    values = view.max(axis=axes)
    if not call.wants(1):
        return np.asarray(values)
    sizes = x.shape[2:]
    if call.get("storage_order", 0):
        positions = np.arange(np.prod(sizes)).reshape(sizes[::-1]).T
    else:
        positions = np.arange(np.prod(sizes)).reshape(sizes)
    places = windows.view(positions[None, None], -1).reshape(1, 1, *windows.counts, math.prod(windows.kernel))
    flat = view.reshape(*view.shape[: x.ndim], math.prod(view.shape[x.ndim :]))
    # Padding must never win, even against -inf.
    real = np.broadcast_to(places >= 0, flat.shape)
    first = np.argmax(real & ((flat == values[..., None]) | np.isnan(flat)), axis=-1)
    indices = np.take_along_axis(np.broadcast_to(places, flat.shape), first[..., None], axis=-1)[..., 0]
    planes = np.arange(x.shape[0] * x.shape[1]).reshape(x.shape[0], x.shape[1], *(1,) * len(sizes))
    return values, (indices + planes * np.prod(sizes)).astype(np.int64)


def _max_unpool(call: Call) -> Array:
    x, places, wanted = call.inputs[0], call.inputs[1], call.input(2)
    kernel = call.get("kernel_shape")
    rank = len(kernel)
    strides = call.get("strides") or [1] * rank
    pads = call.get("pads") or [0] * (2 * rank)
    sizes = [
        (x.shape[2 + axis] - 1) * strides[axis] - pads[axis] - pads[axis + rank] + kernel[axis] for axis in range(rank)
    ]
    inferred = (*x.shape[:2], *sizes)
    full = np.zeros(math.prod(inferred), dtype=x.dtype)
    full[places.reshape(-1)] = x.reshape(-1)
    full = full.reshape(inferred)
    if wanted is None:
        return full
    # Indices count in the inferred shape, and a larger output gets zeros behind it: so the schema's tests have it.
    result = np.zeros([int(size) for size in wanted], dtype=x.dtype)
    result[tuple(slice(0, size) for size in inferred)] = full
    return result


def _lp_pool(call: Call) -> Array:
    x = call.inputs[0]
    view = pooling_windows(call, x).view(x, 0)
    return _lp_norm(view, call.get("p", 2), _window_axes(x), keep=False)


def _lp_norm(x: Array, p: float, axes: tuple[int, ...], *, keep: bool) -> Array:
    total = np.sum(np.abs(x) ** x.dtype.type(p), axis=axes, keepdims=keep)
    return np.asarray(total ** x.dtype.type(1.0 / p))


def _spatial_axes(x: Array) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


def _global_average(call: Call) -> Array:
    x = call.inputs[0]
    return np.asarray(np.mean(x, axis=_spatial_axes(x), keepdims=True))


def _global_max(call: Call) -> Array:
    x = call.inputs[0]
    return np.asarray(np.max(x, axis=_spatial_axes(x), keepdims=True))


def _global_lp(call: Call) -> Array:
    x = call.inputs[0]
    return _lp_norm(x, call.get("p", 2), _spatial_axes(x), keep=True)


KERNELS: Mapping[str, Kernel] = {
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
    "GlobalLpPool": _global_lp,
    "GlobalMaxPool": _global_max,
    "LpPool": _lp_pool,
    "MaxPool": _max_pool,
    "MaxUnpool": _max_unpool,
}
