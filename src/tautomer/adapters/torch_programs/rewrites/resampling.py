"""Separable resampling as products with constant weight matrices."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: A002

from __future__ import annotations

from typing import Any

import torch
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing

from tautomer.adapters.torch_programs.rewrites.rule import Table

TABLE = Table()

_IDENTITY = "resampling is linear and separable: its weights are what it makes of an identity matrix"
_NOTE = (
    "for sizes known at conversion and finite inputs; computed in float64 and rounded once; compute the matrices once,"
    " in __init__, and keep them as buffers; the bound is on the scale of the weighted magnitudes, times their number"
)


def resample(value: torch.Tensor, axis: int, weights: torch.Tensor) -> torch.Tensor:
    """Replace one dimension by its product with weights.

    Shapes: value (..., n, ...), weights (m, n) -> (..., m, ...)
    """
    return torch.matmul(value.movedim(axis, -1), weights.transpose(0, 1)).movedim(-1, axis)


def output_sizes(value: torch.Tensor, size: Any, factors: Any) -> list[int] | None:
    """Sizes after resampling, from sizes or from factors; None where they are not constants."""
    sizes = list(value.shape[2:])
    if not all(isinstance(one, int) for one in sizes):
        return None
    if size is not None:
        return [int(one) for one in size]
    return [int(one * factor) for one, factor in zip(sizes, factors, strict=True)]


def _by_matrices(value: torch.Tensor, sizes: list[int] | None, one_axis: Any) -> Any:
    """Apply the weights of each dimension.

    Args:
        one_axis: takes an identity (1, n, n, 1, ...) whose second n is the dimension to resample, that dimension's
            number and its new size; gives what the operator makes of it.
    """
    if sizes is None or not value.dtype.is_floating_point or value.numel() == 0:
        return NotImplemented
    rank = value.dim() - 2
    # Weights that are rounded to the type of the values would be another function, by several u where they cancel.
    exact = value.to(torch.float64)
    for one, size in enumerate(sizes):
        count = int(value.size(2 + one))
        with unset_fake_temporarily(), disable_proxy_modes_tracing():
            # The other dimensions keep their size of two: antialiasing kernels are wrong about dimensions of one.
            shape, spread = [1, count] + [1] * rank, [1, count] + [2] * rank
            shape[2 + one] = spread[2 + one] = count
            identity = torch.eye(count, dtype=torch.float64).reshape(shape).expand(spread).contiguous()
            resampled = one_axis(identity, one, size).movedim(2 + one, 2).reshape(count, size, -1)
            weights = resampled.select(-1, 0).transpose(0, 1).contiguous()
        exact = resample(exact, 2 + one, weights)
    return exact.to(value.dtype)


def _only(rank: int, which: int, size: int) -> list[int]:
    sizes = [2] * rank
    sizes[which] = size
    return sizes


def _scale(scales: Any, which: int) -> list[float | None]:
    """The given scale of one dimension; the others are not resampled."""
    chosen: list[float | None] = [1.0] * len(scales)
    chosen[which] = scales[which]
    return chosen


def antialiased(operator: Any, value: torch.Tensor, size: Any, align_corners: bool, scales: Any) -> Any:
    """As `_with_corners`; not for an output of width one, where PyTorch's answer depends on the memory format."""
    if size[-1] == 1:
        return NotImplemented
    return _with_corners(operator, value, size, align_corners, scales)


def _with_corners(operator: Any, value: torch.Tensor, size: Any, align_corners: bool, scales: Any) -> Any:
    rank = value.dim() - 2
    return _by_matrices(
        value,
        output_sizes(value, size, None),
        lambda identity, which, count: operator(
            identity, _only(rank, which, count), align_corners, *_scale(scales, which)
        ),
    )


def _factors(value: torch.Tensor, scale_factors: Any) -> list[float | None]:
    return [None] * (value.dim() - 2) if scale_factors is None else list(scale_factors)


@TABLE.rewrite("upsample_linear1d.default", bound_u=4, source=_IDENTITY, note=_NOTE)
def linear(self: torch.Tensor, output_size: Any, align_corners: bool, scales: float | None = None) -> Any:
    """One weight matrix."""
    return _with_corners(torch.ops.aten.upsample_linear1d.default, self, output_size, align_corners, [scales])


@TABLE.rewrite("upsample_linear1d.vec", bound_u=4, source=_IDENTITY, note=_NOTE)
def linear_by_factors(input: torch.Tensor, output_size: Any, align_corners: bool, scale_factors: Any) -> Any:
    """One weight matrix."""
    sizes = output_sizes(input, output_size, scale_factors)
    return NotImplemented if sizes is None else linear(input, sizes, align_corners, *_factors(input, scale_factors))


@TABLE.rewrite("upsample_bilinear2d.default", bound_u=4, source=_IDENTITY, note=_NOTE)
def bilinear(
    self: torch.Tensor, output_size: Any, align_corners: bool, scales_h: Any = None, scales_w: Any = None
) -> Any:
    """A weight matrix for the rows and one for the columns."""
    operator = torch.ops.aten.upsample_bilinear2d.default
    return _with_corners(operator, self, output_size, align_corners, [scales_h, scales_w])


@TABLE.rewrite("upsample_bilinear2d.vec", bound_u=4, source=_IDENTITY, note=_NOTE)
def bilinear_by_factors(input: torch.Tensor, output_size: Any, align_corners: bool, scale_factors: Any) -> Any:
    """A weight matrix for the rows and one for the columns."""
    sizes = output_sizes(input, output_size, scale_factors)
    return NotImplemented if sizes is None else bilinear(input, sizes, align_corners, *_factors(input, scale_factors))


@TABLE.rewrite("upsample_bicubic2d.default", bound_u=4, source=_IDENTITY, note=_NOTE)
def bicubic(
    self: torch.Tensor, output_size: Any, align_corners: bool, scales_h: Any = None, scales_w: Any = None
) -> Any:
    """A weight matrix for the rows and one for the columns."""
    operator = torch.ops.aten.upsample_bicubic2d.default
    return _with_corners(operator, self, output_size, align_corners, [scales_h, scales_w])


@TABLE.rewrite("upsample_bicubic2d.vec", bound_u=4, source=_IDENTITY, note=_NOTE)
def bicubic_by_factors(input: torch.Tensor, output_size: Any, align_corners: bool, scale_factors: Any) -> Any:
    """A weight matrix for the rows and one for the columns."""
    sizes = output_sizes(input, output_size, scale_factors)
    return NotImplemented if sizes is None else bicubic(input, sizes, align_corners, *_factors(input, scale_factors))


@TABLE.rewrite("_upsample_bilinear2d_aa.default", bound_u=4, source=_IDENTITY, note=_NOTE)
def bilinear_antialiased(
    self: torch.Tensor, output_size: Any, align_corners: bool, scales_h: Any = None, scales_w: Any = None
) -> Any:
    """A weight matrix for the rows and one for the columns."""
    operator = torch.ops.aten._upsample_bilinear2d_aa.default
    return antialiased(operator, self, output_size, align_corners, [scales_h, scales_w])


@TABLE.rewrite("_upsample_bilinear2d_aa.vec", bound_u=4, source=_IDENTITY, note=_NOTE)
def bilinear_antialiased_by_factors(
    input: torch.Tensor,
    output_size: Any,
    align_corners: bool,
    scale_factors: Any,
) -> Any:
    """A weight matrix for the rows and one for the columns."""
    sizes = output_sizes(input, output_size, scale_factors)
    if sizes is None:
        return NotImplemented
    return bilinear_antialiased(input, sizes, align_corners, *_factors(input, scale_factors))


@TABLE.rewrite("_upsample_bicubic2d_aa.default", bound_u=4, source=_IDENTITY, note=_NOTE)
def bicubic_antialiased(
    self: torch.Tensor, output_size: Any, align_corners: bool, scales_h: Any = None, scales_w: Any = None
) -> Any:
    """A weight matrix for the rows and one for the columns."""
    operator = torch.ops.aten._upsample_bicubic2d_aa.default
    return antialiased(operator, self, output_size, align_corners, [scales_h, scales_w])


@TABLE.rewrite("_upsample_bicubic2d_aa.vec", bound_u=4, source=_IDENTITY, note=_NOTE)
def bicubic_antialiased_by_factors(
    input: torch.Tensor,
    output_size: Any,
    align_corners: bool,
    scale_factors: Any,
) -> Any:
    """A weight matrix for the rows and one for the columns."""
    sizes = output_sizes(input, output_size, scale_factors)
    if sizes is None:
        return NotImplemented
    return bicubic_antialiased(input, sizes, align_corners, *_factors(input, scale_factors))


@TABLE.rewrite("upsample_trilinear3d.vec", bound_u=4, source=_IDENTITY, note=_NOTE)
def trilinear_by_factors(input: torch.Tensor, output_size: Any, align_corners: bool, scale_factors: Any) -> Any:
    """A weight matrix for each of three dimensions."""
    sizes = output_sizes(input, output_size, scale_factors)
    operator = torch.ops.aten.upsample_trilinear3d.default
    return _with_corners(operator, input, sizes, align_corners, _factors(input, scale_factors))


def _nearest(operator: Any, value: torch.Tensor, sizes: list[int] | None, scales: Any) -> Any:
    """Each element is taken from where the operator takes it: found on the places themselves."""
    if sizes is None or value.numel() == 0:
        return NotImplemented
    for one, size in enumerate(sizes):
        count = int(value.size(2 + one))
        with unset_fake_temporarily(), disable_proxy_modes_tracing():
            shape, spread = [1] * value.dim(), [1, 1] + [2] * (value.dim() - 2)
            shape[2 + one] = spread[2 + one] = count
            places = torch.arange(count, dtype=torch.float64).reshape(shape).expand(spread).contiguous()
            taken = operator(places, _only(value.dim() - 2, one, size), *_scale(scales, one))
            taken = taken.movedim(2 + one, -1).reshape(-1, size).select(0, 0).to(torch.int64)
        value = torch.index_select(value, 2 + one, taken)
    return value


_PLACES = "where each element is taken from, found by resampling the places themselves"
_CONSTANT = "for sizes known at conversion; compute the places once, in __init__, and keep them as buffers"


@TABLE.rewrite("upsample_nearest1d.vec", bound_u=0, source=_PLACES, note=_CONSTANT)
def nearest1d(input: torch.Tensor, output_size: Any, scale_factors: Any) -> Any:
    """Elements by constant places."""
    sizes = output_sizes(input, output_size, scale_factors)
    return _nearest(torch.ops.aten.upsample_nearest1d.default, input, sizes, _factors(input, scale_factors))


@TABLE.rewrite("upsample_nearest2d.vec", bound_u=0, source=_PLACES, note=_CONSTANT)
def nearest2d(input: torch.Tensor, output_size: Any, scale_factors: Any) -> Any:
    """Elements by constant places."""
    sizes = output_sizes(input, output_size, scale_factors)
    return _nearest(torch.ops.aten.upsample_nearest2d.default, input, sizes, _factors(input, scale_factors))


@TABLE.rewrite("upsample_nearest3d.vec", bound_u=0, source=_PLACES, note=_CONSTANT)
def nearest3d(input: torch.Tensor, output_size: Any, scale_factors: Any) -> Any:
    """Elements by constant places."""
    sizes = output_sizes(input, output_size, scale_factors)
    return _nearest(torch.ops.aten.upsample_nearest3d.default, input, sizes, _factors(input, scale_factors))


@TABLE.rewrite("_upsample_nearest_exact1d.vec", bound_u=0, source=_PLACES, note=_CONSTANT)
def nearest_exact1d(input: torch.Tensor, output_size: Any, scale_factors: Any) -> Any:
    """Elements by constant places."""
    sizes = output_sizes(input, output_size, scale_factors)
    return _nearest(torch.ops.aten._upsample_nearest_exact1d.default, input, sizes, _factors(input, scale_factors))


@TABLE.rewrite("_upsample_nearest_exact2d.vec", bound_u=0, source=_PLACES, note=_CONSTANT)
def nearest_exact2d(input: torch.Tensor, output_size: Any, scale_factors: Any) -> Any:
    """Elements by constant places."""
    sizes = output_sizes(input, output_size, scale_factors)
    return _nearest(torch.ops.aten._upsample_nearest_exact2d.default, input, sizes, _factors(input, scale_factors))
