"""ONNX's layers: convolutions, pooling, resizing, normalizations, recurrences, attention."""

from __future__ import annotations

from typing import Literal

from tautomer.adapters.onnx_files.operators.entry import FLOATING, HALF, operator
from tautomer.synthesis import Domain, Specification
from tautomer.synthesis.rules import padded_windows, quantization, sequences, whole_tensors
from tautomer.synthesis.rules.normalization import by_channel, local_response
from tautomer.synthesis.rules.resizing import resized
from tautomer.synthesis.rules.windows import transposed_convolution

CONVOLVED = "x, weight, bias, kernel_shape=kernel, strides=strides, dilations=dilations, group=groups"
TRANSPOSED = "x, weight, bias, strides=stride, pads=[*padding, *padding], output_padding=output_padding, group=groups"
WINDOW = "kernel_shape=kernel, strides=strides, pads=pads"
DILATED = f"{WINDOW}, dilations=dilations, ceil_mode=round_up"
AUTOMATIC = "kernel_shape=kernel, strides=strides, auto_pad=auto"
POINTS = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
PLACED = "coordinate_transformation_mode=coordinates"
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
GIVEN: tuple[tuple[Literal["sizes", "factors"], str], ...] = (("sizes", "None, sizes"), ("factors", "factors"))
WITHIN = Domain(-0.9, 0.9)

WINDOWS: tuple[Specification, ...] = (
    *(
        operator(f"Conv({CONVOLVED}, pads=pads)", padded_windows.weighted_windows(n), HALF, name=f"Conv {n}d")
        for n in (1, 2, 3)
    ),
    operator(
        "Conv(x, weight, bias, kernel_shape=kernel, strides=strides, group=groups, auto_pad=auto)",
        padded_windows.weighted_windows(2, same=True),
        HALF,
        name="Conv padded automatically",
    ),
    *(
        operator(f"ConvTranspose({TRANSPOSED})", transposed_convolution(n), HALF, name=f"ConvTranspose {n}d")
        for n in (1, 2, 3)
    ),
    operator(
        "DeformConv(x, weight, offset, bias, mask, kernel_shape=kernel)",
        padded_windows.deformed_windows(),
        FLOATING,
        decides=True,
        offset=Domain(0.1, 0.9),
    ),
    *(
        operator(f"MaxPool(x, {DILATED})", padded_windows.pooled(n), (*FLOATING, "int8", "uint8"), name=f"MaxPool {n}d")
        for n in (1, 2, 3)
    ),
    operator(
        f"MaxPool(x, {DILATED})[:2]",
        padded_windows.pooled(2, indices="int64"),
        (*FLOATING, "int8", "uint8"),
        name="MaxPool with indices",
        decides=True,
    ),
    operator(
        f"MaxPool(x, {AUTOMATIC})",
        padded_windows.pooled(2, same=True),
        (*FLOATING, "int8", "uint8"),
        name="MaxPool padded automatically",
    ),
    *(
        operator(
            f"AveragePool(x, {DILATED}, count_include_pad=counted)",
            padded_windows.pooled(n),
            HALF,
            name=f"AveragePool {n}d",
        )
        for n in (1, 2, 3)
    ),
    operator(
        f"AveragePool(x, {AUTOMATIC}, count_include_pad=counted)",
        padded_windows.pooled(2, same=True),
        HALF,
        name="AveragePool padded automatically",
    ),
    operator(f"LpPool(x, {DILATED}, p=p)", padded_windows.pooled(2), HALF),
    operator("GlobalAveragePool(x)", padded_windows.pooled_to_one(), HALF),
    operator("GlobalMaxPool(x)", padded_windows.pooled_to_one(), HALF),
    operator("MaxUnpool(x, places, kernel_shape=[2, 2], strides=[2, 2])", padded_windows.unpooled(), HALF),
    operator("Col2Im(x, image, block, strides=strides)", padded_windows.columns_to_image(), HALF),
    operator("AffineGrid(x, sizes, align_corners=corners)", padded_windows.sampling_grid()),
    *(
        operator(
            f'GridSample(x, grid, mode="{mode}", padding_mode="{padding}", align_corners=corners)',
            padded_windows.sampled_at_grid(),
            FLOATING,
            name=f"GridSample {mode} {padding}",
            decides=True,
            grid=WITHIN,
        )
        for mode in ("linear", "nearest", "cubic")
        for padding in ("zeros", "border", "reflection")
    ),
)

RESIZING: tuple[Specification, ...] = (
    *(
        operator(
            f'Resize(x, None, {given}, mode="nearest", {PLACED}, nearest_mode=rounding)',
            resized((1, 2, 3), by=by, coordinates=POINTS, rounding=ROUNDINGS),
            (*HALF, "int32", "int8", "uint8"),
            name=f"Resize nearest by {by}",
        )
        for by, given in GIVEN
    ),
    *(
        operator(
            f'Resize(x, None, {given}, mode="{mode}", {PLACED}, antialias=antialias)',
            resized(spatial, by=by, coordinates=POINTS, antialias=(0, 0, 1)),
            (*HALF, "int32", "int8", "uint8") if mode == "linear" else HALF,
            name=f"Resize {mode} by {by}",
        )
        for mode, spatial in (("linear", (1, 2, 3)), ("cubic", (2,)))
        for by, given in GIVEN
    ),
)

NORMALIZATIONS: tuple[Specification, ...] = (
    operator("BatchNormalization(x, weight, bias, mean, variance, epsilon=epsilon)", by_channel("given"), FLOATING),
    operator("InstanceNormalization(x, weight, bias, epsilon=epsilon)", by_channel("instance", ranks=(3, 4, 5)), HALF),
    operator(
        "GroupNormalization(x, weight, bias, num_groups=groups, epsilon=epsilon)",
        by_channel("group", ranks=(3, 4, 5)),
        FLOATING,
    ),
    operator(
        "LayerNormalization(x, weight, bias, axis=axis, epsilon=epsilon)",
        whole_tensors.normalised_from(),
        (*FLOATING, "bfloat16"),
    ),
    operator(
        "LayerNormalization(x, weight, bias, axis=axis, epsilon=epsilon)[:3]",
        whole_tensors.normalised_from(statistics="float32"),
        (*FLOATING, "bfloat16"),
        name="LayerNormalization with statistics",
    ),
    operator(
        "RMSNormalization(x, weight, axis=axis, epsilon=epsilon)",
        whole_tensors.normalised_from(weights=("weight",)),
        FLOATING,
    ),
    operator("MeanVarianceNormalization(x, axes=axes)", whole_tensors.centred(), HALF),
    operator("LRN(x, size=size, alpha=alpha, beta=beta, bias=bias_term)", local_response(last=True), HALF),
)

RECURRENT = "x, weight, recurrent, bias, None, start"
SEQUENCES: tuple[Specification, ...] = (
    operator(
        f"LSTM({RECURRENT}, start_cell, hidden_size=hidden, direction=direction)[:3]",
        sequences.directed_recurrence(4, cell=True),
        HALF,
    ),
    operator(f"GRU({RECURRENT}, hidden_size=hidden, direction=direction)[:2]", sequences.directed_recurrence(3), HALF),
    operator(
        f"GRU({RECURRENT}, hidden_size=hidden, direction=direction, linear_before_reset=1)[:2]",
        sequences.directed_recurrence(3),
        HALF,
        name="GRU reset after",
    ),
    operator(f"RNN({RECURRENT}, hidden_size=hidden, direction=direction)[:2]", sequences.directed_recurrence(1), HALF),
    operator("Attention(x, key, value, is_causal=causal)", sequences.attention_of_heads(), FLOATING),
    operator(
        "Attention(x, key, value, mask)",
        sequences.attention_of_heads("numbers"),
        FLOATING,
        name="Attention with a mask of numbers",
    ),
    operator(
        "Attention(x, key, value, mask)",
        sequences.attention_of_heads("booleans"),
        FLOATING,
        name="Attention with a mask of booleans",
    ),
    operator(
        "Attention(x, key, value, q_num_heads=heads, kv_num_heads=heads)",
        sequences.attention_of_packed_heads(),
        FLOATING,
        name="Attention of packed heads",
    ),
    operator("RotaryEmbedding(x, cos, sin, interleaved=interleaved)", sequences.rotated_positions(), HALF),
    operator(
        "RotaryEmbedding(x, cos, sin, position, interleaved=interleaved)",
        sequences.rotated_positions(positions=True),
        HALF,
        name="RotaryEmbedding of positions",
    ),
)

QUANTIZED = "x, scale, zero, weight, weight_scale, weight_zero, result_scale, result_zero"
QUANTIZATION: tuple[Specification, ...] = (
    *(
        operator(
            "QuantizeLinear(x, scale, zero)",
            quantization.quantized(target),
            HALF,
            name=f"QuantizeLinear to {target}",
            decides=True,
        )
        for target in ("uint8", "int8", "uint16", "int16")
    ),
    operator(
        "QuantizeLinear(x, scale, zero, axis=axis)",
        quantization.quantized("int8", by_axis=True),
        HALF,
        name="QuantizeLinear along an axis",
        decides=True,
    ),
    operator(
        "DequantizeLinear(x, scale, zero)",
        quantization.dequantized("float32"),
        ("uint8", "int8", "uint16", "int16", "int32"),
    ),
    operator(
        "DequantizeLinear(x, scale, zero, axis=axis)",
        quantization.dequantized("float32", by_axis=True),
        ("uint8", "int8", "uint16", "int16", "int32"),
        name="DequantizeLinear along an axis",
    ),
    operator("DynamicQuantizeLinear(x)", quantization.quantized_by_range(), ("float32",), decides=True),
    *(
        operator(
            "MatMulInteger(x, weight, zero, weight_zero)",
            quantization.quantized_product(weight, result="int32"),
            ("uint8", "int8"),
            name=f"MatMulInteger by {weight}",
        )
        for weight in ("uint8", "int8")
    ),
    operator(
        f"ConvInteger(x, weight, zero, weight_zero, {WINDOW}, dilations=dilations)",
        quantization.quantized_windows("uint8", result="int32"),
        ("uint8", "int8"),
    ),
    *(
        operator(
            f"QLinearMatMul({QUANTIZED})",
            quantization.quantized_product(weight, scaled=True),
            ("uint8", "int8") if weight == "int8" else ("uint8",),
            name=f"QLinearMatMul by {weight}",
        )
        for weight in ("uint8", "int8")
    ),
    *(
        operator(
            f"QLinearConv({QUANTIZED}, bias, {WINDOW}, dilations=dilations)",
            quantization.quantized_windows(weight, scaled=True),
            ("uint8", "int8") if weight == "int8" else ("uint8",),
            name=f"QLinearConv by {weight}",
        )
        for weight in ("uint8", "int8")
    ),
)

OPERATORS = (*WINDOWS, *RESIZING, *NORMALIZATIONS, *SEQUENCES, *QUANTIZATION)
