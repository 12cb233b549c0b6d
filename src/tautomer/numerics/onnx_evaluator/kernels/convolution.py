"""Convolutions as matrix products over windows; their transposes and integer forms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import Array
from tautomer.numerics.onnx_evaluator.kernels.activations import sigmoid
from tautomer.numerics.onnx_evaluator.kernels.windows import spatial_windows


def convolve(call: Call, x: Array, w: Array) -> Array:
    """The convolution of `x` with `w` as the node's attributes say, in the arrays' type.

    Shapes: x (N, C, D1..Dr), w (M, C/groups, K1..Kr) -> (N, M, W1..Wr)

    Raises:
        ValueError: ranks, channels, groups or the kernel shape do not fit.
    """
    groups = call.get("group", 1)
    kernel = call.get("kernel_shape") or w.shape[2:]
    if x.ndim != w.ndim or x.ndim < 3:
        raise ValueError(f"input has rank {x.ndim} and weights have rank {w.ndim}")
    if tuple(kernel) != w.shape[2:]:
        raise ValueError(f"kernel_shape {list(kernel)} is not the weights' {w.shape[2:]}")
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ValueError(f"input {x.shape} and weights {w.shape} do not fit {groups} groups")
    windows = spatial_windows(call, x.shape[2:], w.shape[2:], drop_padding_windows=False)
    view = windows.view(x, 0)
    n, m = x.shape[0], w.shape[0]
    per_group = w.shape[1]
    taps = per_group * math.prod(w.shape[2:])
    rank = x.ndim - 2
    columns = view.reshape((n, groups, per_group, *view.shape[2:]))
    # (groups, N, windows, channels x taps) as one batch of matrix products
    order = (1, 0, *range(3, 3 + rank), 2, *range(3 + rank, 3 + 2 * rank))
    matrix = columns.transpose(order).reshape(groups, n * math.prod(windows.counts), taps)
    weights = w.reshape(groups, m // groups, taps).transpose(0, 2, 1)
    product = np.matmul(matrix, weights).reshape(groups, n, math.prod(windows.counts), m // groups)
    return np.ascontiguousarray(product.transpose(1, 0, 3, 2)).reshape(n, m, *windows.counts)


def with_bias(result: Array, bias: Array | None) -> Array:
    """`result` plus one number a channel.

    Raises:
        ValueError: the bias does not have one.
    """
    if bias is None:
        return result
    if bias.shape != (result.shape[1],):
        raise ValueError(f"bias has shape {bias.shape} for {result.shape[1]} channels")
    return np.asarray(result + bias.reshape((-1,) + (1,) * (result.ndim - 2)))


def _conv(call: Call) -> Array:
    return with_bias(convolve(call, call.inputs[0], call.inputs[1]), call.input(2))


def _conv_integer(call: Call) -> Array:
    x, w = call.inputs[0].astype(np.int32), call.inputs[1].astype(np.int32)
    x_zero, w_zero = call.input(2), call.input(3)
    if x_zero is not None:
        x = x - x_zero.astype(np.int32).reshape(())
    if w_zero is not None:
        w = w - w_zero.astype(np.int32).reshape((-1,) + (1,) * (w.ndim - 1) if w_zero.ndim else ())
    return convolve(call, x, w)


def transposed_padding(
    call: Call, sizes: Sequence[int], kernel: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """Padding in front, padding behind and output size of each spatial axis of a ConvTranspose node.

    Source: ONNX operator schema ConvTranspose-22 (output_shape, auto_pad).
    """
    rank = len(sizes)
    strides = call.get("strides") or [1] * rank
    dilations = call.get("dilations") or [1] * rank
    extra = call.get("output_padding") or [0] * rank
    pads = call.get("pads") or [0] * (2 * rank)
    wanted = call.get("output_shape")
    auto_pad = call.get("auto_pad", "NOTSET") or "NOTSET"
    before, after, outputs = [], [], []
    for axis, size in enumerate(sizes):
        full = strides[axis] * (size - 1) + extra[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        if wanted is not None or auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            target = wanted[-rank:][axis] if wanted is not None else size * strides[axis]
            total = full - target
            low = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            # A negative total adds zeros behind the output rather than removing rows.
            low, high = (low, total - low) if total >= 0 else (0, total)
        else:
            low, high = (0, 0) if auto_pad == "VALID" else (pads[axis], pads[axis + rank])
        before.append(low)
        after.append(high)
        outputs.append(full - low - high)
    return before, after, outputs


def _conv_transpose(call: Call) -> Array:
    x, w = call.inputs[0], call.inputs[1]
    groups = call.get("group", 1)
    rank = x.ndim - 2
    if x.ndim != w.ndim or x.shape[1] != w.shape[0] or w.shape[0] % groups:
        raise ValueError(f"input {x.shape} and weights {w.shape} do not fit {groups} groups")
    kernel = w.shape[2:]
    strides = call.get("strides") or [1] * rank
    dilations = call.get("dilations") or [1] * rank
    before, _, outputs = transposed_padding(call, x.shape[2:], kernel)
    n, per_group = x.shape[0], w.shape[1]
    spans = [
        max(stride * (size - 1) + (taps - 1) * dilation + 1, low + out)
        for stride, size, taps, dilation, low, out in zip(
            strides, x.shape[2:], kernel, dilations, before, outputs, strict=True
        )
    ]
    full = np.zeros((n, groups * per_group, *spans), dtype=x.dtype)
    grouped = x.reshape(n, groups, x.shape[1] // groups, math.prod(x.shape[2:]))
    weights = w.reshape(groups, w.shape[0] // groups, per_group, *kernel)
    for tap in np.ndindex(*kernel):
        part = np.matmul(weights[(slice(None),) * 3 + tap].transpose(0, 2, 1), grouped)
        where = tuple(
            slice(index * dilation, index * dilation + stride * (size - 1) + 1, stride)
            for index, dilation, stride, size in zip(tap, dilations, strides, x.shape[2:], strict=True)
        )
        full[(slice(None), slice(None), *where)] += part.reshape(n, groups * per_group, *x.shape[2:])
    cut = tuple(slice(low, low + out) for low, out in zip(before, outputs, strict=True))
    return with_bias(full[(slice(None), slice(None), *cut)], call.input(2))


def _col2im(call: Call) -> Array:
    columns, image, block = call.inputs
    sizes, kernel = [int(item) for item in image], [int(item) for item in block]
    rank = len(sizes)
    strides = call.get("strides") or [1] * rank
    dilations = call.get("dilations") or [1] * rank
    pads = call.get("pads") or [0] * (2 * rank)
    padded = [size + pads[axis] + pads[axis + rank] for axis, size in enumerate(sizes)]
    counts = [
        (size - dilations[axis] * (kernel[axis] - 1) - 1) // strides[axis] + 1 for axis, size in enumerate(padded)
    ]
    n = columns.shape[0]
    channels = columns.shape[1] // math.prod(kernel)
    parts = columns.reshape(n, channels, *kernel, *counts)
    result = np.zeros((n, channels, *padded), dtype=columns.dtype)
    for tap in np.ndindex(*kernel):
        where = tuple(
            slice(index * dilation, index * dilation + stride * (count - 1) + 1, stride)
            for index, dilation, stride, count in zip(tap, dilations, strides, counts, strict=True)
        )
        result[(slice(None), slice(None), *where)] += parts[(slice(None), slice(None), *tap)]
    cut = tuple(slice(pads[axis], pads[axis] + size) for axis, size in enumerate(sizes))
    return result[(slice(None), slice(None), *cut)]


def _causal_convolution(call: Call) -> tuple[Array, Array]:
    """Source: ONNX operator schema CausalConvWithState-27; its function body is empty where ranks are not declared."""
    x, w, bias, past = call.inputs[0], call.inputs[1], call.input(2), call.input(3)
    if x.ndim != 3 or w.shape[:2] != (x.shape[1], 1):
        raise ValueError(f"input {x.shape} and weights {w.shape} where (N, C, L) and (C, 1, K) are needed")
    taps = w.shape[2]
    if past is None:
        past = np.zeros((*x.shape[:2], taps - 1), dtype=x.dtype)
    whole = np.concatenate([past, x], axis=2)
    windows = np.lib.stride_tricks.sliding_window_view(whole, taps, axis=2)
    result = with_bias(np.einsum("nclk,ck->ncl", windows, w[:, 0]), bias)
    if call.get("activation", "none") in ("silu", "swish"):
        result = result * sigmoid(result)
    return result, whole[:, :, whole.shape[2] - (taps - 1) :]


KERNELS: Mapping[str, Kernel] = {
    "CausalConvWithState": _causal_convolution,
    "Col2Im": _col2im,
    "Conv": _conv,
    "ConvInteger": _conv_integer,
    "ConvTranspose": _conv_transpose,
}
