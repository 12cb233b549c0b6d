"""Transposed convolutions to any size, and morphology."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: A002, PLR0917

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.rewrites.rule import Table, static

TABLE = Table()

_FULL = "the transposed convolution to the size that its input fills, cut or padded with zeros to the one asked for"
_KNOWN = "where all sizes are constants and channels come last"


def _lead(size: int, given: int, stride: int, reach: int, padding: str) -> int:
    """How many elements the forward convolution pads with before the first."""
    return max((given - 1) * stride + reach - size, 0) // 2 if padding == "SAME" else 0


def _fitted(full: Any, leads: Any, sizes: Any) -> Any:
    """Cut or padded along the axes of space."""
    begin = [0, *leads, 0]
    ends = [min(lead + size, full.shape[1 + at]) for at, (lead, size) in enumerate(zip(leads, sizes, strict=True))]
    kept = [end - lead for end, lead in zip(ends, leads, strict=True)]
    cut = tf.slice(full, begin, [-1, *kept, -1])
    missing = [size - one for size, one in zip(sizes, kept, strict=True)]
    return tf.pad(cut, [[0, 0], *[[0, one] for one in missing], [0, 0]]) if any(missing) else cut


def _transposed(
    transpose: Any, wanted: Any, filter: Any, given: Any, strides: Any, dilations: Any, options: Any
) -> Any:
    """Of two or three axes of space; `options` are padding, data format and explicit padding."""
    padding, data_format, explicit = options
    axes = filter.shape.rank - 2
    sizes, kernel, source = tf.get_static_value(wanted), static(filter.shape), static(given.shape)
    if sizes is None or kernel is None or source is None or data_format not in ("NHWC", "NDHWC"):
        return NotImplemented
    sizes = (
        [int(one) for one in sizes][-(axes + 1) : -1] if len(sizes) == axes + 2 else [int(one) for one in sizes[:axes]]
    )
    strides, dilations = list(strides)[1:-1], list(dilations)[1:-1]
    reach = [(kernel[at] - 1) * dilations[at] + 1 for at in range(axes)]
    if padding == "EXPLICIT":
        leads = [int(explicit[2 * (1 + at)]) for at in range(axes)]
    else:
        leads = [_lead(sizes[at], source[1 + at], strides[at], reach[at], padding) for at in range(axes)]
    filled = [(source[1 + at] - 1) * strides[at] + reach[at] for at in range(axes)]
    channels = kernel[-2]
    full = transpose(given, filter, [source[0], *filled, channels], strides, "VALID", dilations=dilations)
    return _fitted(full, leads, sizes)


@TABLE.rewrite("Conv2DBackpropInput", bound_u=4, source=_FULL, note=_KNOWN)
def conv2d_transpose(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    *,
    strides: Any,
    padding: str,
    use_cudnn_on_gpu: bool = True,
    explicit_paddings: Any = (),
    data_format: str = "NHWC",
    dilations: Any = (1, 1, 1, 1),
) -> Any:
    """The transposed convolution without padding, then padding."""
    options = (padding, data_format, explicit_paddings)
    return _transposed(tf.nn.conv2d_transpose, input_sizes, filter, out_backprop, strides, dilations, options)


@TABLE.rewrite("Conv3DBackpropInputV2", bound_u=4, source=_FULL, note=_KNOWN)
def conv3d_transpose(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    *,
    strides: Any,
    padding: str,
    data_format: str = "NDHWC",
    dilations: Any = (1, 1, 1, 1, 1),
) -> Any:
    """The transposed convolution without padding, then padding."""
    options = (padding, data_format, ())
    return _transposed(tf.nn.conv3d_transpose, input_sizes, filter, out_backprop, strides, dilations, options)


@TABLE.rewrite(
    "Dilation2D",
    bound_u=2,
    source="the operator's definition: the largest of the window plus the filter, what is outside left out",
    note="where all sizes are constants",
)
def dilation2d(input: Any, filter: Any, *, strides: Any, rates: Any, padding: str) -> Any:
    """The largest of shifted sums."""
    sizes, kernel = static(input.shape), static(filter.shape)
    if sizes is None or kernel is None or not input.dtype.is_floating:
        return NotImplemented
    strides, rates = list(strides)[1:3], list(rates)[1:3]
    reach = [(kernel[at] - 1) * rates[at] + 1 for at in range(2)]
    if padding == "SAME":
        out = [-(-sizes[1 + at] // strides[at]) for at in range(2)]
    else:
        out = [(sizes[1 + at] - reach[at]) // strides[at] + 1 for at in range(2)]
    total = [max((out[at] - 1) * strides[at] + reach[at] - sizes[1 + at], 0) for at in range(2)]
    pads = [[0, 0], *[[one // 2, one - one // 2] for one in total], [0, 0]]
    padded = tf.pad(input, pads, constant_values=input.dtype.min) if any(total) else input
    best = None
    for row, column in np.ndindex(kernel[0], kernel[1]):
        first, second = row * rates[0], column * rates[1]
        shifted = padded[
            :,
            first : first + (out[0] - 1) * strides[0] + 1 : strides[0],
            second : second + (out[1] - 1) * strides[1] + 1 : strides[1],
        ]
        value = shifted + filter[row, column]
        best = value if best is None else tf.maximum(best, value)
    return best
