"""Largest and smallest elements and their places, with NaN as PyTorch orders it."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: A002

from __future__ import annotations

import math
from typing import Any

import torch

from tautomer.adapters.torch_programs.rewrites.rule import Table

TABLE = Table()

_FIRST = "PyTorch, ReduceOpsUtils/SharedReduceOps.h: NaN is before every number, the first of equals wins"


def first_place(value: torch.Tensor, dim: int, keepdim: bool, *, largest: bool) -> torch.Tensor:
    """Index of the first NaN, else of the first extreme element."""
    chosen = torch.argmax(value, dim, keepdim) if largest else torch.argmin(value, dim, keepdim)
    if not value.dtype.is_floating_point:
        return chosen
    invalid = torch.isnan(value)
    first_invalid = torch.argmax(invalid.to(torch.int32), dim, keepdim)
    return torch.where(torch.any(invalid, dim, keepdim), first_invalid, chosen)


def _place(value: torch.Tensor, dim: int | None, keepdim: bool, *, largest: bool) -> Any:
    if dim is None:
        place = first_place(value.reshape(-1), 0, False, largest=largest)
        return place.reshape([1] * value.dim()) if keepdim else place
    if value.dim() == 0:
        return torch.zeros_like(value, dtype=torch.int64)
    return first_place(value, dim, keepdim, largest=largest)


@TABLE.rewrite("argmax.default", bound_u=0, source=_FIRST)
def argmax(self: torch.Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Place of the first NaN, else of the first largest element."""
    return _place(self, dim, keepdim, largest=True)


@TABLE.rewrite("argmin.default", bound_u=0, source=_FIRST)
def argmin(self: torch.Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """Place of the first NaN, else of the first smallest element."""
    return _place(self, dim, keepdim, largest=False)


def _chosen(value: torch.Tensor, dim: int, keepdim: bool, *, largest: bool) -> Any:
    if value.dim() == 0 or value.dtype == torch.bool:
        return NotImplemented
    place = first_place(value, dim, True, largest=largest)
    found = torch.gather(value, dim, place)
    return (found, place) if keepdim else (found.squeeze(dim), place.squeeze(dim))


@TABLE.rewrite("max.dim", bound_u=0, source=_FIRST)
def max_with_place(self: torch.Tensor, dim: int, keepdim: bool = False) -> Any:
    """Largest element and its first place, NaN before every number."""
    return _chosen(self, dim, keepdim, largest=True)


@TABLE.rewrite("min.dim", bound_u=0, source=_FIRST)
def min_with_place(self: torch.Tensor, dim: int, keepdim: bool = False) -> Any:
    """Smallest element and its first place, NaN before every number."""
    return _chosen(self, dim, keepdim, largest=False)


def _extreme(value: torch.Tensor, dims: list[int], keepdim: bool, *, largest: bool) -> Any:
    if not value.dtype.is_floating_point:
        if value.dtype == torch.bool:
            counted = value.to(torch.int32)
            reduced = torch.amax(counted, dims, keepdim) if largest else torch.amin(counted, dims, keepdim)
            return reduced.to(torch.bool)
        return NotImplemented
    low = torch.full_like(value, -math.inf if largest else math.inf)
    invalid = torch.isnan(value)
    numbers = torch.where(invalid, low, value)
    reduced = torch.amax(numbers, dims, keepdim) if largest else torch.amin(numbers, dims, keepdim)
    spoiled = torch.amax(invalid.to(torch.int32), dims, keepdim) > 0
    return torch.where(spoiled, torch.full_like(reduced, math.nan), reduced)


@TABLE.rewrite("amax.default", bound_u=0, source=_FIRST)
def amax(self: torch.Tensor, dim: Any = (), keepdim: bool = False) -> Any:
    """Largest element; NaN where there is one."""
    return _extreme(self, [dim] if isinstance(dim, int) else list(dim), keepdim, largest=True)


@TABLE.rewrite("amin.default", bound_u=0, source=_FIRST)
def amin(self: torch.Tensor, dim: Any = (), keepdim: bool = False) -> Any:
    """Smallest element; NaN where there is one."""
    return _extreme(self, [dim] if isinstance(dim, int) else list(dim), keepdim, largest=False)


@TABLE.rewrite("max.default", bound_u=0, source=_FIRST)
def max_of_all(self: torch.Tensor) -> Any:
    """Largest element of all; NaN where there is one."""
    return _extreme(self, [], False, largest=True)


@TABLE.rewrite("min.default", bound_u=0, source=_FIRST)
def min_of_all(self: torch.Tensor) -> Any:
    """Smallest element of all; NaN where there is one."""
    return _extreme(self, [], False, largest=False)


def _running(value: torch.Tensor, dim: int, *, largest: bool) -> Any:
    if value.dim() == 0 or value.numel() == 0 or value.dtype == torch.bool:
        return NotImplemented
    moved = value.movedim(dim, -1)
    place = torch.arange(moved.size(-1), device=value.device)
    seen = place.unsqueeze(0) <= place.unsqueeze(1)
    rows = moved.unsqueeze(-2).expand(*moved.shape[:-1], moved.size(-1), moved.size(-1))
    floating = value.dtype.is_floating_point
    if floating:
        edge = -math.inf if largest else math.inf
    else:
        limits = torch.iinfo(value.dtype)
        edge = limits.min if largest else limits.max
    invalid = seen & (torch.isnan(rows) if floating else torch.zeros_like(rows, dtype=torch.bool))
    numbers = torch.where(seen & ~invalid, rows, torch.full_like(rows, edge))
    best = torch.amax(numbers, -1) if largest else torch.amin(numbers, -1)
    # The last of equals is the place, and of several NaN the last.
    hit = torch.where(seen & ~invalid & (rows == best.unsqueeze(-1)), place, torch.full_like(place, -1))
    places = torch.amax(hit, -1)
    if floating:
        spoiled = torch.amax(torch.where(invalid, place, torch.full_like(place, -1)), -1)
        best = torch.where(spoiled >= 0, torch.full_like(best, math.nan), best)
        places = torch.where(spoiled >= 0, spoiled, places)
    return best.movedim(-1, dim), places.movedim(-1, dim)


_LAST = "PyTorch, ReduceOps.cpp, cummax_helper_cpu: NaN stays, the last of equals is the place"


@TABLE.rewrite("cummax.default", bound_u=0, source=_LAST, note="takes memory for the square of the dimension")
def cummax(self: torch.Tensor, dim: int) -> Any:
    """Largest element of every prefix and its last place."""
    return _running(self, dim, largest=True)


@TABLE.rewrite("cummin.default", bound_u=0, source=_LAST, note="takes memory for the square of the dimension")
def cummin(self: torch.Tensor, dim: int) -> Any:
    """Smallest element of every prefix and its last place."""
    return _running(self, dim, largest=False)


def ranks(value: torch.Tensor, *, descending: bool) -> torch.Tensor:
    """Place of each element along the last dimension in the stable order, NaN above every number."""
    place = torch.arange(value.size(-1), device=value.device)
    mine, others = value.unsqueeze(-1), value.unsqueeze(-2)
    before = others > mine if descending else others < mine
    equal = others == mine
    if value.dtype.is_floating_point:
        nan_mine, nan_others = torch.isnan(mine), torch.isnan(others)
        before = before | (nan_others & ~nan_mine if descending else nan_mine & ~nan_others)
        equal = equal | (nan_mine & nan_others)
    earlier = place.unsqueeze(0) < place.unsqueeze(1)
    return torch.sum((before | (equal & earlier)).to(torch.int64), -1)


def ordered(value: torch.Tensor, *, descending: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Elements along the last dimension in the stable order, and where they stood."""
    place = torch.arange(value.size(-1), device=value.device)
    here = ranks(value, descending=descending).unsqueeze(-2) == place.unsqueeze(-1)
    indices = torch.sum(torch.where(here, place, torch.zeros_like(place)), -1)
    return torch.gather(value, -1, indices), indices


_ORDER = "rank = how many are before it, by value and then by place; PyTorch orders NaN above every number"
_SQUARE = "takes memory for the square of the dimension"


def _sorted(value: torch.Tensor, dim: int, descending: bool) -> Any:
    if value.dim() == 0 or value.numel() == 0:
        return NotImplemented
    numbers = value.to(torch.int32) if value.dtype == torch.bool else value
    values, indices = ordered(numbers.movedim(dim, -1), descending=descending)
    return values.to(value.dtype).movedim(-1, dim), indices.movedim(-1, dim)


@TABLE.rewrite("sort.default", bound_u=0, source=_ORDER, note=f"{_SQUARE}; equal elements keep their order")
def sort(self: torch.Tensor, dim: int = -1, descending: bool = False) -> Any:
    """Sorted by ranks, stable."""
    return _sorted(self, dim, descending)


@TABLE.rewrite("sort.stable", bound_u=0, source=_ORDER, note=_SQUARE)
def sort_stable(self: torch.Tensor, *, stable: bool | None, dim: int = -1, descending: bool = False) -> Any:
    """Sorted by ranks, stable."""
    return _sorted(self, dim, descending)


@TABLE.rewrite("argsort.default", bound_u=0, source=_ORDER, note=f"{_SQUARE}; equal elements keep their order")
def argsort(self: torch.Tensor, dim: int = -1, descending: bool = False) -> Any:
    """Places in the stable order."""
    found = _sorted(self, dim, descending)
    return found if found is NotImplemented else found[1]


@TABLE.rewrite("argsort.stable", bound_u=0, source=_ORDER, note=_SQUARE)
def argsort_stable(self: torch.Tensor, *, stable: bool, dim: int = -1, descending: bool = False) -> Any:
    """Places in the stable order."""
    return argsort(self, dim, descending)


@TABLE.rewrite("msort.default", bound_u=0, source=_ORDER, note=_SQUARE)
def msort(self: torch.Tensor) -> Any:
    """Sorted along the first dimension."""
    found = _sorted(self, 0, False)
    return found if found is NotImplemented else found[0]


@TABLE.rewrite(
    "topk.default",
    bound_u=0,
    source=_ORDER,
    note=f"{_SQUARE}; values are exact, of equal elements the first place is given where PyTorch may give another",
)
def topk(self: torch.Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The first k of the stable order."""
    found = _sorted(self, dim, largest)
    if found is NotImplemented:
        return found
    return found[0].narrow(dim, 0, k), found[1].narrow(dim, 0, k)


@TABLE.rewrite(
    "kthvalue.default",
    bound_u=0,
    source=_ORDER,
    note=f"{_SQUARE}; of equal elements the first place is given where PyTorch may give another",
)
def kthvalue(self: torch.Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """One place of the stable order."""
    found = _sorted(self, dim, False)
    if found is NotImplemented:
        return found
    values, indices = found[0].narrow(dim, k - 1, 1), found[1].narrow(dim, k - 1, 1)
    return (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))


@TABLE.rewrite(
    "median.dim",
    bound_u=0,
    source="the lower of two middle elements; NaN where there is one",
    note=f"{_SQUARE}; of equal elements the first place is given where PyTorch may give another",
)
def median_with_place(self: torch.Tensor, dim: int, keepdim: bool = False) -> Any:
    """Middle of the stable order, or the first NaN."""
    found = _sorted(self, dim, False)
    if found is NotImplemented or self.dtype == torch.bool:
        return NotImplemented
    middle = (self.size(dim) - 1) // 2
    values, indices = found[0].narrow(dim, middle, 1), found[1].narrow(dim, middle, 1)
    if self.dtype.is_floating_point:
        invalid = torch.isnan(self)
        spoiled = torch.amax(invalid.to(torch.int32), dim, keepdim=True) > 0
        first = torch.argmax(invalid.to(torch.int32), dim, keepdim=True)
        values = torch.where(spoiled, torch.full_like(values, math.nan), values)
        indices = torch.where(spoiled, first, indices)
    return (values, indices) if keepdim else (values.squeeze(dim), indices.squeeze(dim))


@TABLE.rewrite(
    "median.default", bound_u=0, source="the lower of two middle elements; NaN where there is one", note=_SQUARE
)
def median(self: torch.Tensor) -> Any:
    """Middle of all elements."""
    if self.dim() == 0 or self.numel() == 0:
        return NotImplemented
    found = median_with_place(self.reshape(-1), 0)
    return found if found is NotImplemented else found[0]
