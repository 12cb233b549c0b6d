"""The evaluator's own kernels of ONNX's domain, collected from their modules."""

from __future__ import annotations

from collections.abc import Mapping

from tautomer.numerics.onnx_evaluator.call import Kernel
from tautomer.numerics.onnx_evaluator.kernels import (
    activations,
    arithmetic,
    attention,
    casting,
    convolution,
    deformation,
    generation,
    indexing,
    linear_algebra,
    movement,
    normalization,
    padding,
    pooling,
    quantization,
    recurrent,
    reduction,
    regions,
    resizing,
    scattering,
    selection,
    sequences,
    signal,
    slicing,
)

_MODULES = (
    activations,
    arithmetic,
    attention,
    casting,
    convolution,
    deformation,
    generation,
    indexing,
    linear_algebra,
    movement,
    normalization,
    padding,
    pooling,
    quantization,
    recurrent,
    reduction,
    regions,
    resizing,
    scattering,
    selection,
    sequences,
    signal,
    slicing,
)

KERNELS: Mapping[str, Kernel] = {name: kernel for module in _MODULES for name, kernel in module.KERNELS.items()}
