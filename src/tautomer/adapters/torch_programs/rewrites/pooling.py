"""Pooling with every option: windows that leave the padded input, other divisors, any output size."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: PLR0917

from __future__ import annotations

import itertools
import math
from typing import Any

import torch

from tautomer.adapters.torch_programs.rewrites.rule import Table

TABLE = Table()

_POOL = "PyTorch, aten/src/ATen/native/Pool.h, pooling_output_shape, and AvgPoolKernel.cpp"


def sizes_of(given: Any, rank: int) -> list[int]:
    """One size a dimension."""
    sizes = [given] if isinstance(given, int) else list(given)
    return sizes * rank if len(sizes) == 1 else sizes


def window_count(size: Any, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> Any:
    """How many windows there are; with ceil_mode the last begins within the input or its left padding."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    return count


def window_slices(value: torch.Tensor, axis: int, offset: int, stride: int, count: Any) -> torch.Tensor:
    """The elements at one offset of every window."""
    index: list[Any] = [slice(None)] * value.dim()
    index[axis] = slice(offset, offset + (count - 1) * stride + 1, stride)
    return value[tuple(index)]


def _average(
    value: torch.Tensor,
    rank: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    if not value.dtype.is_floating_point or value.numel() == 0:
        return NotImplemented
    kernel, pads = sizes_of(kernel_size, rank), sizes_of(padding, rank)
    strides = sizes_of(stride, rank) if stride is not None and stride != [] else kernel
    total = value
    shares: list[torch.Tensor] = []
    for one in range(rank):
        axis = value.dim() - rank + one
        size = value.size(axis)
        count = window_count(size, kernel[one], strides[one], pads[one], 1, ceil_mode)
        begin = torch.arange(count, device=value.device) * strides[one] - pads[one]
        end = torch.clamp(begin + kernel[one], max=size + pads[one])
        within = torch.clamp(end, max=size) - torch.clamp(begin, min=0)
        shares.append((end - begin if count_include_pad else within).to(value.dtype))
        after = max(0, (count - 1) * strides[one] + kernel[one] - size - pads[one])
        edges = [0, 0] * (value.dim() - 1 - axis) + [pads[one], after]
        total = torch.nn.functional.pad(total, edges)
        parts = [window_slices(total, axis, offset, strides[one], count) for offset in range(kernel[one])]
        summed = parts[0]
        for part in parts[1:]:
            summed = summed + part
        total = summed
    if divisor_override is not None:
        return total / divisor_override
    for one, share in enumerate(shares):
        total = total / share.reshape([-1] + [1] * (rank - 1 - one))
    return total


@TABLE.rewrite(
    "avg_pool1d.default",
    bound_u=4,
    source=_POOL,
    note="the bound is on the scale of the window's mean magnitude, times its size",
)
def avg_pool1d(
    self: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Sums of shifted slices over what each window counts."""
    return _average(self, 1, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@TABLE.rewrite(
    "avg_pool2d.default",
    bound_u=4,
    source=_POOL,
    note="the bound is on the scale of the window's mean magnitude, times its size",
)
def avg_pool2d(
    self: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Sums of shifted slices over what each window counts, or over the given divisor."""
    return _average(self, 2, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@TABLE.rewrite(
    "avg_pool3d.default",
    bound_u=4,
    source=_POOL,
    note="the bound is on the scale of the window's mean magnitude, times its size",
)
def avg_pool3d(
    self: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Sums of shifted slices over what each window counts, or over the given divisor."""
    return _average(self, 3, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


def _largest(
    value: torch.Tensor, rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Any:
    if not value.dtype.is_floating_point or value.numel() == 0:
        return NotImplemented
    kernel, pads, steps = sizes_of(kernel_size, rank), sizes_of(padding, rank), sizes_of(dilation, rank)
    strides = sizes_of(stride, rank) if stride is not None and stride != [] else kernel
    best = value
    for one in range(rank):
        axis = value.dim() - rank + one
        size = value.size(axis)
        count = window_count(size, kernel[one], strides[one], pads[one], steps[one], ceil_mode)
        after = max(0, (count - 1) * strides[one] + steps[one] * (kernel[one] - 1) + 1 - size - pads[one])
        edges = [0, 0] * (value.dim() - 1 - axis) + [pads[one], after]
        padded = torch.nn.functional.pad(best, edges, value=-math.inf)
        parts = [window_slices(padded, axis, offset * steps[one], strides[one], count) for offset in range(kernel[one])]
        best = parts[0]
        for part in parts[1:]:
            best = torch.where((part > best) | torch.isnan(part), part, best)
    return best


@TABLE.rewrite("max_pool1d.default", bound_u=0, source=f"{_POOL}; MaxPoolKernel.cpp: NaN wins")
def max_pool1d(
    self: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """Largest of shifted slices."""
    return _largest(self, 1, kernel_size, stride, padding, dilation, ceil_mode)


@TABLE.rewrite("max_pool2d.default", bound_u=0, source=f"{_POOL}; MaxPoolKernel.cpp: NaN wins")
def max_pool2d(
    self: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """Largest of shifted slices."""
    return _largest(self, 2, kernel_size, stride, padding, dilation, ceil_mode)


@TABLE.rewrite("max_pool3d.default", bound_u=0, source=f"{_POOL}; MaxPoolKernel.cpp: NaN wins")
def max_pool3d(
    self: torch.Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """Largest of shifted slices."""
    return _largest(self, 3, kernel_size, stride, padding, dilation, ceil_mode)


_ADAPTIVE = "PyTorch, AdaptivePooling.h: window i is [floor(i n / m), ceil((i + 1) n / m)) of n elements into m"


def adaptive_windows(value: torch.Tensor, count: Any) -> torch.Tensor:
    """Which elements of the last dimension each adaptive window holds: (windows, elements)."""
    size = value.size(-1)
    window = torch.arange(count, device=value.device).unsqueeze(1)
    place = torch.arange(size, device=value.device).unsqueeze(0)
    # Whole numbers compared crosswise: i n / m is never rounded.
    held: torch.Tensor = ((place + 1) * count > window * size) & (place * count < (window + 1) * size)
    return held


def _adaptive(value: torch.Tensor, output_size: Any, rank: int, *, largest: bool) -> Any:
    if not value.dtype.is_floating_point or value.numel() == 0:
        return NotImplemented
    for one, count in enumerate(sizes_of(output_size, rank)):
        moved = value.movedim(value.dim() - rank + one, -1)
        held = adaptive_windows(moved, moved.size(-1) if count is None else count)
        rows = moved.unsqueeze(-2)
        if largest:
            best = torch.amax(torch.where(held, rows, torch.full_like(rows, -math.inf)), -1)
            spoiled = torch.amax((held & torch.isnan(rows)).to(torch.int32), -1) > 0
            pooled = torch.where(spoiled, torch.full_like(best, math.nan), best)
        else:
            sums = torch.sum(torch.where(held, rows, torch.zeros_like(rows)), -1)
            pooled = sums / torch.sum(held.to(value.dtype), -1)
        value = pooled.movedim(-1, value.dim() - rank + one)
    return value


@TABLE.rewrite(
    "adaptive_avg_pool1d.default",
    bound_u=8,
    source=_ADAPTIVE,
    note="the bound is on the scale of the window's mean magnitude, times its size",
)
def adaptive_avg_pool1d(self: torch.Tensor, output_size: Any) -> Any:
    """Means over masked rows; holds for sizes known only at run time."""
    return _adaptive(self, output_size, 1, largest=False)


@TABLE.rewrite(
    "adaptive_avg_pool2d.default",
    "_adaptive_avg_pool2d.default",
    bound_u=8,
    source=_ADAPTIVE,
    note="the bound is on the scale of the window's mean magnitude, times its size",
)
def adaptive_avg_pool2d(self: torch.Tensor, output_size: Any) -> Any:
    """Means over masked rows; holds for sizes known only at run time."""
    return _adaptive(self, output_size, 2, largest=False)


@TABLE.rewrite(
    "adaptive_avg_pool3d.default",
    "_adaptive_avg_pool3d.default",
    bound_u=8,
    source=_ADAPTIVE,
    note="the bound is on the scale of the window's mean magnitude, times its size",
)
def adaptive_avg_pool3d(self: torch.Tensor, output_size: Any) -> Any:
    """Means over masked rows; holds for sizes known only at run time."""
    return _adaptive(self, output_size, 3, largest=False)


def _adaptive_places(value: torch.Tensor, output_size: Any, rank: int) -> Any:
    """Largest elements of adaptive windows and their places in the flattened window dimensions."""
    if not value.dtype.is_floating_point or value.numel() == 0:
        return NotImplemented
    counts = sizes_of(output_size, rank)
    shape = list(value.shape[-rank:])
    held = None
    for one, count in enumerate(counts):
        moved = value.movedim(value.dim() - rank + one, -1)
        mine = adaptive_windows(moved, count)
        view = [1] * (2 * rank)
        view[one], view[rank + one] = mine.size(0), mine.size(1)
        held = mine.reshape(view) if held is None else held & mine.reshape(view)
    assert held is not None
    cells, elements = math.prod(counts), math.prod(shape)
    flat = value.reshape(*value.shape[:-rank], 1, elements)
    inside = held.expand(*counts, *shape).reshape(cells, elements)
    best = torch.amax(torch.where(inside, flat, torch.full_like(flat, -math.inf)), -1)
    invalid = inside & torch.isnan(flat)
    spoiled = torch.amax(invalid.to(torch.int32), -1) > 0
    hit = torch.where(spoiled.unsqueeze(-1), invalid, inside & (flat == best.unsqueeze(-1)))
    place = torch.arange(elements, device=value.device)
    # PyTorch keeps the last NaN of a window, and the first of equal numbers.
    first = torch.amin(torch.where(hit, place, torch.full_like(place, elements)), -1)
    last = torch.amax(torch.where(hit, place, torch.full_like(place, -1)), -1)
    best = torch.where(spoiled, torch.full_like(best, math.nan), best)
    final = [*value.shape[:-rank], *counts]
    return best.reshape(final), torch.where(spoiled, last, first).reshape(final)


@TABLE.rewrite("adaptive_max_pool1d.default", bound_u=0, source=_ADAPTIVE)
def adaptive_max_pool1d(self: torch.Tensor, output_size: Any) -> Any:
    """Largest elements and their places; holds for sizes known only at run time."""
    return _adaptive_places(self, output_size, 1)


@TABLE.rewrite("adaptive_max_pool2d.default", bound_u=0, source=_ADAPTIVE)
def adaptive_max_pool2d(self: torch.Tensor, output_size: Any) -> Any:
    """Largest elements and their places; holds for sizes known only at run time."""
    return _adaptive_places(self, output_size, 2)


@TABLE.rewrite("im2col.default", bound_u=0, source="PyTorch, im2col.h: blocks as columns")
def im2col(self: torch.Tensor, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    """Shifted slices, one an offset of the kernel."""
    if self.dim() != 4:
        return NotImplemented
    kernel, pads, steps, strides = (sizes_of(one, 2) for one in (kernel_size, padding, dilation, stride))
    padded = torch.nn.functional.pad(self, [pads[1], pads[1], pads[0], pads[0]])
    counts = [
        window_count(self.size(2 + one), kernel[one], strides[one], pads[one], steps[one], False) for one in (0, 1)
    ]
    parts = []
    for row, column in itertools.product(range(kernel[0]), range(kernel[1])):
        part = window_slices(padded, 2, row * steps[0], strides[0], counts[0])
        parts.append(window_slices(part, 3, column * steps[1], strides[1], counts[1]))
    return torch.stack(parts, 2).reshape(self.size(0), -1, counts[0] * counts[1])
