"""Sliding windows over spatial axes: sizes, automatic padding and views, shared by convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call
from tautomer.numerics.onnx_evaluator.element_types import Array


@dataclass(frozen=True, slots=True)
class Windows:
    """Where the windows of a kernel lie on the spatial axes of an input.

    Attributes:
        kernel: size of the kernel on each axis, in elements it touches.
        strides: distance between windows.
        dilations: distance between elements of a window.
        before: padding in front of each axis.
        after: padding behind each axis.
        counts: number of windows on each axis.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    counts: tuple[int, ...]

    def view(self, x: Array, fill: Any) -> Array:
        """The windows of `x` padded with `fill`, as a read-only view of one padded copy.

        Shapes: x (N, C, D1..Dr) -> (N, C, W1..Wr, K1..Kr), W the counts and K the kernel.
        """
        padded = x
        widths = []
        for axis, size in enumerate(x.shape[2:]):
            reach = self._reach(axis)
            # A window of the last rows may need more than the declared padding when sizes were rounded up.
            widths.append((self.before[axis], max(reach - size - self.before[axis], 0)))
        if any(low or high for low, high in widths):
            padded = np.pad(x, [(0, 0), (0, 0), *widths], constant_values=fill)
        spans = [(size - 1) * dilation + 1 for size, dilation in zip(self.kernel, self.dilations, strict=True)]
        axes = tuple(range(2, x.ndim))
        if any(count <= 0 for count in self.counts):
            return np.empty(x.shape[:2] + tuple(max(count, 0) for count in self.counts) + self.kernel, dtype=x.dtype)
        view = np.lib.stride_tricks.sliding_window_view(padded, spans, axis=axes)
        where: list[Any] = [slice(None), slice(None)]
        where += [
            slice(0, (count - 1) * stride + 1, stride) for count, stride in zip(self.counts, self.strides, strict=True)
        ]
        where += [slice(None, None, dilation) for dilation in self.dilations]
        return np.asarray(view[tuple(where)])

    def _reach(self, axis: int) -> int:
        span = (self.kernel[axis] - 1) * self.dilations[axis] + 1
        return (self.counts[axis] - 1) * self.strides[axis] + span


def spatial_windows(call: Call, sizes: Sequence[int], kernel: Sequence[int], *, drop_padding_windows: bool) -> Windows:
    """The windows the attributes of a convolution or pooling node ask for.

    Args:
        call: reads auto_pad, ceil_mode, dilations, pads and strides.
        sizes: of the input's spatial axes.
        kernel: size of the kernel on each axis.
        drop_padding_windows: whether windows that would start in the padding behind the input are ignored where
            sizes are rounded up (pooling since opset 22).

    Raises:
        ValueError: attributes have the wrong length, or the kernel does not fit.

    Source: ONNX operator schemas AveragePool-11, AveragePool-22, MaxPool-22 and Conv-22.
    """
    rank = len(sizes)
    kernel = tuple(kernel)
    strides = tuple(call.get("strides") or (1,) * rank)
    dilations = tuple(call.get("dilations") or (1,) * rank)
    pads = list(call.get("pads") or [0] * (2 * rank))
    auto_pad = call.get("auto_pad", "NOTSET") or "NOTSET"
    # Without padding both modes give the same number of windows: the schemas add one before they divide and round up.
    round_up = bool(call.get("ceil_mode", 0)) and auto_pad != "VALID"
    if not len(kernel) == len(strides) == len(dilations) == rank or len(pads) != 2 * rank:
        raise ValueError(f"kernel {kernel}, strides {strides}, dilations {dilations}, pads {pads} for {rank} axes")
    before, after, counts = [], [], []
    for axis, size in enumerate(sizes):
        span, stride = (kernel[axis] - 1) * dilations[axis] + 1, strides[axis]
        low, high = pads[axis], pads[axis + rank]
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            count = -(-size // stride)
            total = max((count - 1) * stride + span - size, 0)
            low = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            high = total - low
        else:
            if auto_pad == "VALID":
                low = high = 0
            room = size + low + high - span
            count = (-(-room // stride) if round_up else room // stride) + 1
            if round_up and drop_padding_windows and (count - 1) * stride >= size + low:
                count -= 1
        if count < 0 or (
            count == 0 and size + low + high < span and not drop_padding_windows and not round_up and size
        ):
            raise ValueError(f"a kernel spanning {span} does not fit an input of {size} with padding {low} + {high}")
        before.append(low)
        after.append(high)
        counts.append(count)
    return Windows(kernel, strides, dilations, tuple(before), tuple(after), tuple(counts))
