"""TensorFlow's layers: convolutions, pooling, normalizations; channels are last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tautomer.adapters.tf_programs.operator_table.entry import (
    FLOATS,
    NUMBERS,
    SIGNED,
    SINGLE,
    operator,
)
from tautomer.synthesis import Domain, Specification, TensorType
from tautomer.synthesis.rules.channels import channel_weight
from tautomer.synthesis.rules.normalization import by_channel, local_response, over_last_axes
from tautomer.synthesis.rules.refined import derived, of_ranks
from tautomer.synthesis.rules.windows import convolution, pooling
from tautomer.synthesis.rules.windows_last import (
    depthwise_convolution,
    morphology,
    padded_convolution,
    patches,
    transposed_convolution_last,
)

BIAS = Domain(-0.5, 0.5)


def _five(bound: Mapping[str, Any], type_: TensorType) -> Mapping[str, Any]:
    return {"strides": (1, *bound["stride"], 1), "dilations": (1, *bound["dilation"], 1)}


CONVOLUTIONS: tuple[Specification, ...] = (
    operator(
        "tf.nn.conv1d(x, weight, stride, padding, dilations=dilation)",
        "Conv2D",
        convolution(1, last=True, grouped=False, bias=False),
        (*FLOATS, "int32"),
    ),
    operator(
        "tf.nn.conv2d(x, weight, stride, padding, dilations=dilation)",
        "Conv2D",
        convolution(2, last=True, grouped=False, bias=False),
        (*FLOATS, "int32"),
    ),
    operator(
        "tf.nn.conv2d(x, weight, stride, padding, dilations=dilation)",
        "Conv2D",
        convolution(2, last=True, bias=False),
        (*FLOATS, "int32"),
        name="tf.nn.conv2d in groups",
    ),
    operator(
        "tf.nn.conv2d(x, weight, stride, padding)",
        "Conv2D",
        padded_convolution(),
        (*FLOATS, "int32"),
        name="tf.nn.conv2d padded",
    ),
    operator(
        "tf.nn.bias_add(tf.nn.conv2d(x, weight, stride, padding, dilations=dilation), bias)",
        "Conv2D",
        convolution(2, last=True, grouped=False),
        (*FLOATS, "int32"),
        name="conv2d with bias",
    ),
    operator(
        "tf.nn.conv3d(x, weight, strides, padding, dilations=dilations)",
        "Conv3D",
        derived(convolution(3, last=True, grouped=False, bias=False), _five),
        FLOATS,
    ),
    operator(
        "tf.nn.depthwise_conv2d(x, weight, stride, padding, dilations=dilation)",
        "DepthwiseConv2dNative",
        depthwise_convolution(),
        FLOATS,
    ),
    operator(
        "tf.nn.separable_conv2d(x, weight, pointwise, stride, padding, dilations=dilation)",
        "DepthwiseConv2dNative",
        depthwise_convolution(separable=True),
        FLOATS,
    ),
    operator(
        "tf.nn.conv1d_transpose(x, weight, shape, stride, padding)",
        "Conv2DBackpropInput",
        transposed_convolution_last(1),
        (*FLOATS, "int32"),
    ),
    operator(
        "tf.nn.conv2d_transpose(x, weight, shape, stride, padding)",
        "Conv2DBackpropInput",
        transposed_convolution_last(2),
        (*FLOATS, "int32"),
    ),
    operator(
        "tf.nn.conv3d_transpose(x, weight, shape, stride, padding)",
        "Conv3DBackpropInputV2",
        transposed_convolution_last(3),
        FLOATS,
    ),
    operator("tf.nn.dilation2d(x, weight, stride, padding, 'NHWC', dilation)", "Dilation2D", morphology(), NUMBERS),
    operator("tf.nn.erosion2d(x, weight, stride, padding, 'NHWC', dilation)", "Dilation2D", morphology(), SIGNED),
    operator(
        "tf.image.extract_patches(x, kernel, stride, rate, padding)",
        "ExtractImagePatches",
        patches(),
        NUMBERS,
    ),
)

POOLING: tuple[Specification, ...] = (
    operator("tf.nn.max_pool1d(x, kernel, stride, padding)", "MaxPool", pooling(1, last=True), NUMBERS),
    operator("tf.nn.max_pool2d(x, kernel, stride, padding)", "MaxPool", pooling(2, last=True), NUMBERS),
    operator("tf.nn.max_pool3d(x, kernel, stride, padding)", "MaxPool3D", pooling(3, last=True), ("float32",)),
    operator("tf.nn.avg_pool1d(x, kernel, stride, padding)", "AvgPool", pooling(1, last=True), FLOATS),
    operator("tf.nn.avg_pool2d(x, kernel, stride, padding)", "AvgPool", pooling(2, last=True), FLOATS),
    operator("tf.nn.avg_pool3d(x, kernel, stride, padding)", "AvgPool3D", pooling(3, last=True), ("float32",)),
    operator(
        "tf.nn.max_pool_with_argmax(x, kernel, stride, padding)",
        "MaxPoolWithArgmax",
        pooling(2, last=True, indices="int64"),
        NUMBERS,
        decides=True,
    ),
)

NORMALIZATIONS: tuple[Specification, ...] = (
    operator(
        "tf.nn.batch_normalization(x, mean, variance, bias, weight, epsilon)",
        "Rsqrt",
        by_channel("given", last=True),
        FLOATS,
    ),
    operator(
        "tf.compat.v1.nn.fused_batch_norm(x, weight, bias, mean, variance, epsilon, is_training=False)[0]",
        "FusedBatchNormV3",
        of_ranks(by_channel("given", last=True), 4),
        ("float32",),
    ),
    operator(
        "tf.compat.v1.nn.fused_batch_norm(x, weight, bias, epsilon=epsilon, is_training=True)[0]",
        "FusedBatchNormV3",
        of_ranks(by_channel("instance", last=True), 4),
        ("float32",),
        name="tf.compat.v1.nn.fused_batch_norm in training",
    ),
    operator(
        "tf.keras.ops.layer_normalization(x, weight, bias, epsilon=epsilon)", "Rsqrt", over_last_axes(most=1), SINGLE
    ),
    operator(
        "tf.keras.ops.rms_normalization(x, weight, epsilon=epsilon)",
        "Rsqrt",
        over_last_axes(weights=("weight",), most=1),
        SINGLE,
    ),
    operator(
        "tf.nn.local_response_normalization(x, size, bias_term, alpha, beta)",
        "LRN",
        local_response(last=True),
        ("float32",),
    ),
    operator("tf.nn.bias_add(x, bias)", "BiasAdd", channel_weight("bias", BIAS), NUMBERS),
)

OPERATORS = (*CONVOLUTIONS, *POOLING, *NORMALIZATIONS)
