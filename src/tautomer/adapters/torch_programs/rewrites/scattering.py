"""Writing and adding at places that an index tensor names."""

# The names, the number and the order of arguments are those of the operators.

from __future__ import annotations

import math
from typing import Any

import torch

from tautomer.adapters.torch_programs.rewrites.rule import Table

TABLE = Table()

_DEFINITION = "PyTorch, scatter_reduce: the definition"


def neutral(dtype: torch.dtype, reduce: str) -> Any:
    """The element that a reduction ignores."""
    if reduce in ("sum", "mean"):
        return 0
    if reduce == "prod":
        return 1
    if dtype == torch.bool:
        return reduce == "amin"
    if dtype.is_floating_point:
        return -math.inf if reduce == "amax" else math.inf
    return torch.iinfo(dtype).min if reduce == "amax" else torch.iinfo(dtype).max


@TABLE.rewrite(
    "scatter_reduce.two",
    bound_u=2,
    source=f"{_DEFINITION}; a mean is the sum over the count, integers rounded down",
    note="the bound is on the scale of the magnitudes added to an element, times their number",
)
def scatter_reduce(
    self: torch.Tensor,
    dim: int,
    index: torch.Tensor,
    src: torch.Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Any:
    """Sums, counts and extremes whose first element is neutral where `self` does not take part."""
    if self.dim() == 0 or self.dtype == torch.bool or index.dim() != self.dim():
        return NotImplemented
    # Only as much of the source is read as there are indices.
    for axis in range(src.dim()):
        src = src.narrow(axis, 0, index.size(axis))
    start = self
    if not include_self:
        start = torch.scatter(self, dim, index, torch.full_like(src, neutral(self.dtype, reduce)))
    if reduce in ("sum", "mean"):
        total = torch.scatter_add(start, dim, index, src)
        if reduce == "sum":
            return total
        count = torch.full_like(self, 1 if include_self else 0)
        count = torch.scatter_add(count, dim, index, torch.ones_like(src))
        count = torch.where(count == 0, torch.ones_like(count), count)
        return total / count if self.dtype.is_floating_point else floored(total, count)
    return torch.scatter_reduce(start, dim, index, src, reduce, include_self=True)


def floored(dividend: torch.Tensor, divisor: torch.Tensor) -> torch.Tensor:
    """Quotient of integers, rounded down."""
    return torch.floor_divide(dividend, divisor)


def _along(index: torch.Tensor, dim: int, source: torch.Tensor) -> torch.Tensor:
    """A one-dimensional index, repeated over the other dimensions of what it addresses."""
    shape = [1] * source.dim()
    shape[dim] = -1
    return index.to(torch.int64).reshape(shape).expand(source.shape)


@TABLE.rewrite(
    "index_add.default",
    bound_u=2,
    source="PyTorch, index_add: the definition",
    note="the bound is on the scale of the magnitudes added to an element, times their number",
)
def index_add(self: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor, *, alpha: Any = 1) -> Any:
    """As a scatter with a repeated index."""
    if self.dim() == 0 or source.dim() != self.dim() or self.dtype == torch.bool:
        return NotImplemented
    scaled = source if alpha == 1 else source * alpha
    return torch.scatter_add(self, dim, _along(index, dim, source), scaled.to(self.dtype))


@TABLE.rewrite(
    "index_reduce.default",
    bound_u=2,
    source="PyTorch, index_reduce: the definition",
    note="the bound is on the scale of the magnitudes reduced to an element, times their number",
)
def index_reduce(
    self: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor, reduce: str, *, include_self: bool = True
) -> Any:
    """As a scatter with a repeated index."""
    if self.dim() == 0 or source.dim() != self.dim():
        return NotImplemented
    return scatter_reduce(self, dim, _along(index, dim, source), source, reduce, include_self=include_self)


@TABLE.rewrite("index_copy.default", bound_u=0, source="PyTorch, index_copy; which of equal indices wins is undefined")
def index_copy(self: torch.Tensor, dim: int, index: torch.Tensor, source: torch.Tensor) -> Any:
    """As a scatter with a repeated index."""
    if self.dim() == 0 or source.dim() != self.dim():
        return NotImplemented
    return torch.scatter(self, dim, _along(index, dim, source), source)


@TABLE.rewrite("index_fill.int_Scalar", bound_u=0, source="PyTorch, index_fill: the definition")
def index_fill(self: torch.Tensor, dim: int, index: torch.Tensor, value: Any) -> Any:
    """Where the place along the dimension is one of the indices."""
    if self.dim() == 0 or index.numel() == 0:
        return NotImplemented
    size = self.size(dim)
    wrapped = torch.where(index < 0, index + size, index).reshape(-1)
    place = torch.arange(size, device=self.device)
    named = (place.unsqueeze(1) == wrapped.unsqueeze(0)).any(1)
    shape = [1] * self.dim()
    shape[dim] = -1
    return torch.where(named.reshape(shape), torch.full([], value, dtype=self.dtype, device=self.device), self)


@TABLE.rewrite("masked_fill.Scalar", "masked_fill.Tensor", bound_u=0, source="PyTorch, masked_fill: the definition")
def masked_fill(self: torch.Tensor, mask: torch.Tensor, value: Any) -> Any:
    """A choice by the mask."""
    if not isinstance(value, torch.Tensor):
        value = torch.full([], value, dtype=self.dtype, device=self.device)
    return torch.where(mask, value.to(self.dtype), self)


@TABLE.rewrite(
    "masked_scatter.default", bound_u=0, source="PyTorch, masked_scatter: the source's elements in order of the mask"
)
def masked_scatter(self: torch.Tensor, mask: torch.Tensor, source: torch.Tensor) -> Any:
    """The n-th chosen place takes the n-th element of the source."""
    if source.numel() == 0 or self.numel() == 0:
        return NotImplemented
    chosen = mask.expand(self.shape).reshape(-1)
    which = torch.clamp(torch.cumsum(chosen.to(torch.int64), 0) - 1, min=0, max=source.numel() - 1)
    taken = torch.index_select(source.reshape(-1), 0, which)
    return torch.where(chosen, taken, self.reshape(-1)).reshape(self.shape)


@TABLE.rewrite("take.default", bound_u=0, source="PyTorch, take: places in the flattened tensor")
def take(self: torch.Tensor, index: torch.Tensor) -> Any:
    """Elements of the flattened tensor; negative places count from the end."""
    if self.numel() == 0:
        return NotImplemented
    flat = self.reshape(-1)
    places = index.reshape(-1)
    places = torch.where(places < 0, places + flat.size(0), places)
    return torch.index_select(flat, 0, places).reshape(index.shape)


@TABLE.rewrite("diagonal_scatter.default", bound_u=0, source="PyTorch, diagonal_scatter: two-dimensional tensors")
def diagonal_scatter(self: torch.Tensor, src: torch.Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A choice where the column less the row is the offset; two dimensions only."""
    if self.dim() != 2 or (dim1 % 2, dim2 % 2) != (0, 1) or self.numel() == 0:
        return NotImplemented
    rows = torch.arange(self.size(0), device=self.device).unsqueeze(1)
    columns = torch.arange(self.size(1), device=self.device).unsqueeze(0)
    if src.numel() == 0:
        return self.clone()
    which = torch.clamp(torch.minimum(rows.expand(self.shape), columns.expand(self.shape)), max=src.size(0) - 1)
    return torch.where(columns - rows == offset, src[which], self)


@TABLE.rewrite("select_scatter.default", bound_u=0, source="PyTorch, select_scatter: the definition")
def select_scatter(self: torch.Tensor, src: torch.Tensor, dim: int, index: int) -> Any:
    """A choice where the place along the dimension is the index."""
    size = self.size(dim)
    place = torch.arange(size, device=self.device)
    shape = [1] * self.dim()
    shape[dim] = -1
    return torch.where((place == (index if index >= 0 else index + size)).reshape(shape), src.unsqueeze(dim), self)
