"""TensorFlow's kernels that adjust colours, which compute in float32 only, in float64.

Source: TensorFlow 2.21's adjust_contrast_op.cc, adjust_hue_op.cc and adjust_saturation_op.cc; the hexagonal model of
hue, saturation and value of A. R. Smith, Color Gamut Transform Pairs, SIGGRAPH 1978.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Rounded = Callable[[Any], Any]


def adjust_contrast(inputs: Sequence[Array], _attributes: Mapping[str, Any], _: Rounded) -> list[Array]:
    """AdjustContrastv2: each channel of each image about its mean. Shapes: images (..., H, W, C), factor ()."""
    images, factor = inputs
    mean = images.mean(axis=(-3, -2), keepdims=True)
    return [(images - mean) * factor + mean]


def adjust_hue(inputs: Sequence[Array], _attributes: Mapping[str, Any], _: Rounded) -> list[Array]:
    """AdjustHue: the hue turned by a share of the circle. Shapes: images (..., 3), delta ()."""
    images, delta = inputs
    hue, low, high = _hue_and_range(images)
    return [_colours((hue + 6.0 * delta) % 6.0, low, high)]


def adjust_saturation(inputs: Sequence[Array], _attributes: Mapping[str, Any], _: Rounded) -> list[Array]:
    """AdjustSaturation: the saturation scaled, at most to 1. Shapes: images (..., 3), scale ()."""
    images, scale = inputs
    hue, low, high = _hue_and_range(images)
    saturation = np.where(high > 0.0, (high - low) / np.where(high > 0.0, high, 1.0), 0.0)
    changed = np.clip(saturation * scale, 0.0, 1.0)
    return [_colours(hue, high * (1.0 - changed), high)]


def _hue_and_range(images: Array) -> tuple[Array, Array, Array]:
    """Hue in sixths of a circle, and the smallest and largest channel."""
    red, green, blue = (images[..., channel] for channel in range(3))
    low, high = images.min(axis=-1), images.max(axis=-1)
    span = np.where(high > low, high - low, 1.0)
    by_red = ((green - blue) / span) % 6.0
    by_green, by_blue = (blue - red) / span + 2.0, (red - green) / span + 4.0
    hue = np.where(red == high, by_red, np.where(green == high, by_green, by_blue))
    return np.where(high > low, hue, 0.0), low, high


def _colours(hue: Array, low: Array, high: Array) -> Array:
    """Red, green and blue of a hue between the smallest and largest channel."""
    span = high - low
    channels = [
        np.clip(np.abs((hue - centre + 3.0) % 6.0 - 3.0), 1.0, 2.0) for centre in (0.0, 2.0, 4.0)
    ]  # 1 within a sixth of the channel's own hue, 2 from two sixths on
    return np.stack([low + (2.0 - channel) * span for channel in channels], axis=-1)
