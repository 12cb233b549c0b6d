"""TensorFlow's pooling of volumes, which computes in float32 only, in float64.

Source: TensorFlow's tf.nn.max_pool3d and tf.nn.avg_pool3d: `SAME` pads as evenly as it can, the odd one behind; what is
padded takes no part in a maximum or a mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Rounded = Callable[[Any], Any]


def max_pool_3d(inputs: Sequence[Array], attributes: Mapping[str, Any], _: Rounded) -> list[Array]:
    """MaxPool3D. Shapes: x (N, D, H, W, C) -> (N, d, h, w, C), or with C second."""
    windows = _windows(inputs[0], attributes, -np.inf)
    return [_in_format(windows.max(axis=(-3, -2, -1)), attributes)]


def average_pool_3d(inputs: Sequence[Array], attributes: Mapping[str, Any], _: Rounded) -> list[Array]:
    """AvgPool3D. Shapes: x (N, D, H, W, C) -> (N, d, h, w, C), or with C second."""
    total = _windows(inputs[0], attributes, 0.0).sum(axis=(-3, -2, -1))
    count = _windows(np.ones_like(inputs[0]), attributes, 0.0).sum(axis=(-3, -2, -1))
    return [_in_format(total / count, attributes)]


def _channels_first(attributes: Mapping[str, Any]) -> bool:
    return bool(attributes.get("data_format", b"NDHWC") == b"NCDHW")


def _in_format(pooled: Array, attributes: Mapping[str, Any]) -> Array:
    return np.ascontiguousarray(np.moveaxis(pooled, -1, 1)) if _channels_first(attributes) else pooled


def _windows(x: Array, attributes: Mapping[str, Any], padding: float) -> Array:
    """Shapes: (N, D, H, W, C) -> (N, d, h, w, C, kd, kh, kw)."""
    axes = slice(2, 5) if _channels_first(attributes) else slice(1, 4)
    volume = np.moveaxis(x, 1, -1) if _channels_first(attributes) else x
    sizes, strides = attributes["ksize"][axes], attributes["strides"][axes]
    pads = [(0, 0)] * 5
    if attributes["padding"] == b"SAME":
        for axis, (size, stride) in enumerate(zip(sizes, strides, strict=True), start=1):
            length = volume.shape[axis]
            most = max((-(-length // stride) - 1) * stride + size - length, 0)
            pads[axis] = (most // 2, most - most // 2)
    padded = np.pad(volume, pads, constant_values=padding)
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(sizes), axis=(1, 2, 3))
    return np.asarray(windows[:, :: strides[0], :: strides[1], :: strides[2]])
