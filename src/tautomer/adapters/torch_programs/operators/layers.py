"""PyTorch's layers: convolutions, pooling, resampling, normalizations, recurrences, attention."""

from __future__ import annotations

from tautomer.adapters.torch_programs.operators.entry import operator
from tautomer.synthesis import Specification
from tautomer.synthesis.rules.blocks import attention, recurrence
from tautomer.synthesis.rules.normalization import by_channel, local_response, over_last_axes
from tautomer.synthesis.rules.windows import (
    adaptive,
    convolution,
    pooling,
    resampling,
    shuffled,
    transposed_convolution,
)
from tautomer.synthesis.tensor_types import FLOATS

SINGLE = ("float32", "float64")
CONVOLVED = "x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups"
TRANSPOSED = "x, weight, bias, stride=stride, padding=padding, output_padding=output_padding, groups=groups"
POOLED = "x, kernel, stride=stride, padding=padding, dilation=dilation, ceil_mode=ceil_mode"
AVERAGED = "x, kernel, stride=stride, padding=padding, ceil_mode=ceil_mode, count_include_pad=counted"
STATES = "[weight_input, weight_hidden, bias_input, bias_hidden], True, 1, 0.0, False, False, False"

WINDOWS: tuple[Specification, ...] = (
    *(operator(f"F.conv{n}d({CONVOLVED})", convolution(n), FLOATS) for n in (1, 2, 3)),
    *(operator(f"F.conv_transpose{n}d({TRANSPOSED})", transposed_convolution(n), FLOATS) for n in (1, 2, 3)),
    *(operator(f"F.max_pool{n}d({POOLED})", pooling(n, dilated=True), FLOATS) for n in (1, 2, 3)),
    operator(
        f"F.max_pool2d({POOLED}, return_indices=True)",
        pooling(2, dilated=True, indices="int64"),
        FLOATS,
        name="F.max_pool2d with indices",
        decides=True,
        graph="max_pool2d_with_indices",
    ),
    *(operator(f"F.avg_pool{n}d({AVERAGED})", pooling(n), FLOATS if n < 3 else SINGLE) for n in (1, 2, 3)),
    *(operator(f"F.adaptive_avg_pool{n}d(x, sizes)", adaptive(n), FLOATS) for n in (1, 2, 3)),
    *(operator(f"F.adaptive_max_pool{n}d(x, sizes)", adaptive(n), FLOATS) for n in (1, 2)),
    *(
        operator(
            f'F.interpolate(x, size=sizes, mode="{mode}", align_corners=corners)',
            resampling(n),
            FLOATS,
            name=f"F.interpolate {mode}",
            graph=f"upsample_{mode}{n}d",
        )
        for mode, n in (("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3))
    ),
    operator(
        'F.interpolate(x, size=sizes, mode="nearest")',
        resampling(2, corners=False),
        FLOATS,
        name="F.interpolate nearest",
        graph="upsample_nearest2d",
    ),
    operator(
        'F.interpolate(x, size=sizes, mode="area")',
        resampling(2, corners=False),
        FLOATS,
        name="F.interpolate area",
        graph="adaptive_avg_pool2d",
    ),
    operator("F.pixel_shuffle(x, factor)", shuffled(up=True), FLOATS),
    operator("F.pixel_unshuffle(x, factor)", shuffled(up=False), FLOATS),
)

NORMALIZATIONS: tuple[Specification, ...] = (
    operator("F.layer_norm(x, shape, weight, bias, eps=epsilon)", over_last_axes(), FLOATS),
    operator("F.rms_norm(x, shape, weight, eps=epsilon)", over_last_axes(weights=("weight",)), FLOATS),
    operator("F.batch_norm(x, mean, variance, weight, bias, training=False, eps=epsilon)", by_channel("given"), FLOATS),
    operator(
        "F.instance_norm(x, weight=weight, bias=bias, eps=epsilon)", by_channel("instance", ranks=(3, 4, 5)), FLOATS
    ),
    operator("F.group_norm(x, groups, weight, bias, eps=epsilon)", by_channel("group"), FLOATS),
    operator(
        "F.local_response_norm(x, size, alpha=alpha, beta=beta, k=bias_term)", local_response(), SINGLE, graph="div"
    ),
)

BLOCKS: tuple[Specification, ...] = (
    operator(f"torch.lstm(x, [start, start_cell], {STATES})", recurrence(4, cell=True), FLOATS),
    operator(f"torch.gru(x, start, {STATES})", recurrence(3), FLOATS),
    operator(f"torch.rnn_tanh(x, start, {STATES})", recurrence(1), FLOATS),
    operator("F.scaled_dot_product_attention(x, key, value, is_causal=causal)", attention(), FLOATS),
)

OPERATORS = (*WINDOWS, *NORMALIZATIONS, *BLOCKS)
