"""TensorFlow's normalization kernels that exist in float32 only, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Rounded = Callable[[Any], Any]


def fused_batch_norm(inputs: Sequence[Array], attributes: Mapping[str, Any], _: Rounded) -> list[Array]:
    """FusedBatchNorm, V2 and V3: `(x - mean) * scale / sqrt(variance + epsilon) + offset` by channel.

    Shapes: x (N, ..., C) or (N, C, ...), scale, offset, mean, variance (C,) -> x's.

    Source: TensorFlow's nn_ops.cc and fused_batch_norm_op.cc: the variance that is returned in training is that of the
    sample (N - 1), the one that is divided by is not; running statistics move by `exponential_avg_factor`.
    """
    x, scale, offset, mean, variance = inputs[:5]
    channels_first = attributes.get("data_format", b"NHWC") in (b"NCHW", b"NCDHW")
    moved = np.moveaxis(x, 1, -1) if channels_first else x
    given_mean, given_variance = mean, variance
    if attributes.get("is_training", True):
        axes = tuple(range(moved.ndim - 1))
        count = moved.size // max(moved.shape[-1], 1)
        mean, variance = moved.mean(axis=axes), moved.var(axis=axes)
        unbiased = variance * (count / max(count - 1, 1))
        factor = float(attributes.get("exponential_avg_factor", 1.0))
        running_mean, running_variance = mean, unbiased
        if factor != 1.0 and given_mean.size:
            running_mean = (1.0 - factor) * given_mean + factor * mean
            running_variance = (1.0 - factor) * given_variance + factor * unbiased
    else:
        running_mean, running_variance = mean, variance
    y = (moved - mean) * (scale / np.sqrt(variance + attributes["epsilon"])) + offset
    y = np.ascontiguousarray(np.moveaxis(y, -1, 1)) if channels_first else y
    reserved = [mean, variance] if attributes.get("is_training", True) else [given_mean, given_variance]
    return [y, running_mean, running_variance, *reserved]


def fused_batch_norm_v3(inputs: Sequence[Array], attributes: Mapping[str, Any], rounded: Rounded) -> list[Array]:
    """FusedBatchNormV3, which reserves one thing more for its gradient."""
    return [*fused_batch_norm(inputs, attributes, rounded), np.zeros(0)]


def local_response_normalization(inputs: Sequence[Array], attributes: Mapping[str, Any], _: Rounded) -> list[Array]:
    """LRN: each element over `(bias + alpha * sum of squares of its neighbours) ** beta`, along the last axis.

    Shapes: x (N, H, W, C) -> the same.

    Source: tf.nn.local_response_normalization; Krizhevsky, Sutskever & Hinton, NIPS 2012, section 3.3.
    """
    x = inputs[0]
    radius = int(attributes["depth_radius"])
    squares = np.pad(np.square(x), [(0, 0)] * (x.ndim - 1) + [(radius, radius)])
    depth = x.shape[-1]
    total = np.add.reduce([squares[..., at : at + depth] for at in range(2 * radius + 1)])
    return [x / (attributes["bias"] + attributes["alpha"] * total) ** attributes["beta"]]
