"""TensorFlow's fake quantization, which computes in float32 only, in float64.

Source: TensorFlow's documentation of tf.quantization.fake_quant_with_min_max_vars, for the range that is moved so that
zero is one of the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

FAKE_QUANTIZATIONS = (
    "FakeQuantWithMinMaxArgs",
    "FakeQuantWithMinMaxVars",
    "FakeQuantWithMinMaxVarsPerChannel",
)

Array = np.ndarray[Any, Any]
Rounded = Callable[[Any], Any]


def fake_quant_with_args(inputs: Sequence[Array], attributes: Mapping[str, Any], _: Rounded) -> list[Array]:
    """FakeQuantWithMinMaxArgs: the range is two attributes. Shapes: x (...) -> the same."""
    return [_quantized(inputs[0], np.asarray(attributes["min"]), np.asarray(attributes["max"]), attributes)]


def fake_quant_with_variables(inputs: Sequence[Array], attributes: Mapping[str, Any], _: Rounded) -> list[Array]:
    """FakeQuantWithMinMaxVars and ...PerChannel. Shapes: x (..., C), min and max () or (C,) -> x's."""
    return [_quantized(inputs[0], inputs[1], inputs[2], attributes)]


def steps_of(low: Any, high: Any, attributes: Mapping[str, Any]) -> tuple[Array, Array, Array]:
    """The moved range's ends, and the size of a step."""
    least = 1.0 if attributes["narrow_range"] else 0.0
    most = float(2 ** int(attributes["num_bits"]) - 1)
    step = (high - low) / (most - least)
    place = least - low / np.where(step == 0.0, 1.0, step)
    zero = np.clip(np.floor(place + 0.5), least, most)
    return (least - zero) * step, (most - zero) * step, np.asarray(step)


def _quantized(x: Array, low: Array, high: Array, attributes: Mapping[str, Any]) -> Array:
    start, end, step = steps_of(low, high, attributes)
    steps = np.floor((np.clip(x, start, end) - start) / np.where(step == 0.0, 1.0, step) + 0.5)
    quantized = steps * step + start
    return np.where((low == 0.0) & (high == 0.0), 0.0, quantized)
