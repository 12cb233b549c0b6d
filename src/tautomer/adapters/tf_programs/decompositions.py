"""The operators whose kernels compute in float32 only, by name, with their arithmetic in float64.

Each takes the lifted inputs, the node's attributes, and what perturbs a number that the kernel computes on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tautomer.adapters.tf_programs.color_kernels import adjust_contrast, adjust_hue, adjust_saturation
from tautomer.adapters.tf_programs.normalization_kernels import (
    fused_batch_norm,
    fused_batch_norm_v3,
    local_response_normalization,
)
from tautomer.adapters.tf_programs.pooling_kernels import average_pool_3d, max_pool_3d
from tautomer.adapters.tf_programs.quantization_kernels import fake_quant_with_args, fake_quant_with_variables
from tautomer.adapters.tf_programs.resizing_kernels import (
    crop_and_resize,
    resize_area,
    resize_bicubic,
    resize_bilinear,
    scale_and_translate,
)

Decomposition = Callable[[Sequence[Any], Mapping[str, Any], Callable[[Any], Any]], Sequence[Any]]

DECOMPOSED: dict[str, Decomposition] = {
    "AdjustContrastv2": adjust_contrast,
    "AdjustHue": adjust_hue,
    "AdjustSaturation": adjust_saturation,
    "AvgPool3D": average_pool_3d,
    "CropAndResize": crop_and_resize,
    "FakeQuantWithMinMaxArgs": fake_quant_with_args,
    "FakeQuantWithMinMaxVars": fake_quant_with_variables,
    "FakeQuantWithMinMaxVarsPerChannel": fake_quant_with_variables,
    "FusedBatchNorm": fused_batch_norm,
    "FusedBatchNormV2": fused_batch_norm,
    "FusedBatchNormV3": fused_batch_norm_v3,
    "LRN": local_response_normalization,
    "MaxPool3D": max_pool_3d,
    "ResizeArea": resize_area,
    "ResizeBicubic": resize_bicubic,
    "ResizeBilinear": resize_bilinear,
    "ScaleAndTranslate": scale_and_translate,
}
