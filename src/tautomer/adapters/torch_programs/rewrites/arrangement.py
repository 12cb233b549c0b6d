"""Operators that move, choose or compare elements without computing with them."""

# The names, the number and the order of arguments are those of the operators.

from __future__ import annotations

from typing import Any

import torch

from tautomer.adapters.torch_programs.rewrites.rule import Table

TABLE = Table()


@TABLE.rewrite(
    "squeeze.dim",
    "squeeze.dims",
    bound_u=0,
    source="PyTorch, squeeze: only dimensions of size 1 are removed",
    note="a dimension whose size is known only at run time is what the captured program took it for",
)
def squeeze(self: torch.Tensor, dim: Any) -> Any:
    """Element 0 of each named dimension of size 1; the tensor itself where none is."""
    if self.dim() == 0:
        return NotImplemented
    named = {one % self.dim() for one in ([dim] if isinstance(dim, int) else list(dim))}
    result = self.clone()
    for one in sorted(named, reverse=True):
        if self.size(one) == 1:
            result = result.select(one, 0)
    return result


@TABLE.rewrite("roll.default", bound_u=0, source="PyTorch, roll: what leaves at the end enters at the beginning")
def roll(self: torch.Tensor, shifts: Any, dims: Any = ()) -> Any:
    """Two parts of a dimension exchanged."""
    if self.numel() == 0 or self.dim() == 0:
        return NotImplemented
    moves = [shifts] if isinstance(shifts, int) else list(shifts)
    axes = [dims] if isinstance(dims, int) else list(dims)
    if not axes:
        return roll(self.reshape(-1), moves, [0]).reshape(self.shape)
    value = self
    for shift, axis in zip(moves, axes, strict=True):
        size = value.size(axis)
        cut = (size - shift % size) % size
        value = torch.cat([value.narrow(axis, cut, size - cut), value.narrow(axis, 0, cut)], axis)
    return value


@TABLE.rewrite("rot90.default", bound_u=0, source="PyTorch, rot90: a flip and a transposition")
def rot90(self: torch.Tensor, k: int = 1, dims: Any = (0, 1)) -> Any:
    """Quarter turns."""
    first, second = dims
    turns = k % 4
    if turns == 0:
        return self.clone()
    if turns == 2:
        return torch.flip(self, [first, second])
    turned = self.transpose(first, second)
    return torch.flip(turned, [first]) if turns == 1 else torch.flip(turned, [second])


def _kept(self: torch.Tensor, diagonal: int, *, lower: bool) -> Any:
    rows = torch.arange(self.size(-2), device=self.device).unsqueeze(1)
    columns = torch.arange(self.size(-1), device=self.device).unsqueeze(0)
    kept = columns - rows <= diagonal if lower else columns - rows >= diagonal
    if self.dtype == torch.bool:
        return kept & self
    return torch.where(kept, self, torch.zeros_like(self))


@TABLE.rewrite("tril.default", bound_u=0, source="PyTorch, tril: zero above a diagonal, whatever stood there")
def tril(self: torch.Tensor, diagonal: int = 0) -> Any:
    """A choice by column less row."""
    return _kept(self, diagonal, lower=True)


@TABLE.rewrite("triu.default", bound_u=0, source="PyTorch, triu: zero below a diagonal, whatever stood there")
def triu(self: torch.Tensor, diagonal: int = 0) -> Any:
    """A choice by column less row."""
    return _kept(self, diagonal, lower=False)


@TABLE.rewrite("pixel_shuffle.default", bound_u=0, source="Shi et al. 2016 (arXiv 1609.05158)")
def pixel_shuffle(self: torch.Tensor, upscale_factor: int) -> Any:
    """Channels into places."""
    if self.numel() == 0:
        return NotImplemented
    factor = upscale_factor
    *lead, channels, height, width = self.shape
    split = self.reshape(*lead, channels // (factor * factor), factor, factor, height, width)
    n = len(lead)
    moved = split.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return moved.reshape(*lead, channels // (factor * factor), height * factor, width * factor)


@TABLE.rewrite("pixel_unshuffle.default", bound_u=0, source="Shi et al. 2016 (arXiv 1609.05158), inverted")
def pixel_unshuffle(self: torch.Tensor, downscale_factor: int) -> Any:
    """Places into channels."""
    if self.numel() == 0:
        return NotImplemented
    factor = downscale_factor
    *lead, channels, height, width = self.shape
    split = self.reshape(*lead, channels, height // factor, factor, width // factor, factor)
    n = len(lead)
    moved = split.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return moved.reshape(*lead, channels * factor * factor, height // factor, width // factor)


@TABLE.rewrite("channel_shuffle.default", bound_u=0, source="Zhang et al. 2018 (arXiv 1707.01083)")
def channel_shuffle(self: torch.Tensor, groups: int) -> Any:
    """Channels of several groups, one of each in turn."""
    if self.numel() == 0:
        return NotImplemented
    split = self.reshape(self.size(0), groups, self.size(1) // groups, *self.shape[2:])
    return split.transpose(1, 2).reshape(self.shape)


@TABLE.rewrite("one_hot.default", bound_u=0, source="PyTorch, one_hot", note="with the number of classes given")
def one_hot(self: torch.Tensor, num_classes: int = -1) -> Any:
    """Equality with each class."""
    if num_classes < 0:
        return NotImplemented
    classes = torch.arange(num_classes, device=self.device)
    return (self.unsqueeze(-1) == classes).to(torch.int64)


@TABLE.rewrite("isin.Tensor_Tensor", bound_u=0, source="PyTorch, isin: equal to one of them")
def isin(
    elements: torch.Tensor, test_elements: torch.Tensor, *, assume_unique: bool = False, invert: bool = False
) -> Any:
    """Equality with each, any of it."""
    if test_elements.numel() == 0:
        return NotImplemented
    found = (elements.unsqueeze(-1) == test_elements.reshape(-1)).any(-1)
    return ~found if invert else found


def _insertion(values: torch.Tensor, boundaries: torch.Tensor, out_int32: bool, right: bool) -> torch.Tensor:
    """How many boundaries come before each value; NaN comes after all."""
    here = values.unsqueeze(-1)
    before = boundaries <= here if right else boundaries < here
    if values.dtype.is_floating_point:
        before = before | torch.isnan(here)
    return torch.sum(before.to(torch.int64), -1).to(torch.int32 if out_int32 else torch.int64)


@TABLE.rewrite(
    "bucketize.Tensor",
    bound_u=0,
    source="PyTorch, bucketize: binary search, written as a count",
    note="takes memory for values times boundaries; boundaries without NaN",
)
def bucketize(self: torch.Tensor, boundaries: torch.Tensor, *, out_int32: bool = False, right: bool = False) -> Any:
    """How many boundaries are below."""
    return _insertion(self, boundaries, out_int32, right)


@TABLE.rewrite(
    "searchsorted.Tensor",
    bound_u=0,
    source="PyTorch, searchsorted: binary search, written as a count",
    note="takes memory for values times boundaries; boundaries without NaN",
)
def searchsorted(
    sorted_sequence: torch.Tensor,
    self: torch.Tensor,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: torch.Tensor | None = None,
) -> Any:
    """How many of the sequence are below."""
    right = side == "right" if side is not None else right
    ordered = sorted_sequence if sorter is None else torch.gather(sorted_sequence, -1, sorter)
    if ordered.dim() > 1:
        ordered = ordered.unsqueeze(-2)
    return _insertion(self, ordered, out_int32, right)


def _logical(name: str, first: torch.Tensor, second: Any) -> Any:
    if first.dtype != torch.bool or (isinstance(second, torch.Tensor) and second.dtype != torch.bool):
        return NotImplemented
    if not isinstance(second, torch.Tensor):
        second = torch.full_like(first, bool(second))
    if name == "and":
        return torch.logical_and(first, second)
    return torch.logical_or(first, second) if name == "or" else first != second


_BOOLEAN = "bits of booleans are their truth"


@TABLE.rewrite(
    "bitwise_and.Tensor", "bitwise_and.Scalar", "__and__.Tensor", bound_u=0, source=_BOOLEAN, note="booleans only"
)
def bitwise_and(self: torch.Tensor, other: Any) -> Any:
    """Both."""
    return _logical("and", self, other)


@TABLE.rewrite(
    "bitwise_or.Tensor", "bitwise_or.Scalar", "__or__.Tensor", bound_u=0, source=_BOOLEAN, note="booleans only"
)
def bitwise_or(self: torch.Tensor, other: Any) -> Any:
    """Either."""
    return _logical("or", self, other)


@TABLE.rewrite(
    "bitwise_xor.Tensor", "bitwise_xor.Scalar", "__xor__.Tensor", bound_u=0, source=_BOOLEAN, note="booleans only"
)
def bitwise_xor(self: torch.Tensor, other: Any) -> Any:
    """One of them."""
    return _logical("xor", self, other)


@TABLE.rewrite("bitwise_not.default", bound_u=0, source=f"{_BOOLEAN}; of integers -1 - x, by two's complement")
def bitwise_not(self: torch.Tensor) -> Any:
    """The opposite truth; of signed integers -1 - x."""
    if self.dtype == torch.bool:
        return torch.logical_not(self)
    return NotImplemented if self.dtype == torch.uint8 else -1 - self


@TABLE.rewrite("unfold.default", bound_u=0, source="PyTorch, Tensor.unfold: windows of a dimension, put last")
def unfold(self: torch.Tensor, dimension: int, size: int, step: int) -> Any:
    """Elements by the places of each window."""
    if self.dim() == 0 or size == 0:
        return NotImplemented
    axis = dimension % self.dim()
    count = (self.size(axis) - size) // step + 1
    begin = torch.arange(count, device=self.device).unsqueeze(1) * step
    places = (begin + torch.arange(size, device=self.device).unsqueeze(0)).reshape(-1)
    taken = torch.index_select(self, axis, places)
    windows = taken.reshape(*self.shape[:axis], count, size, *self.shape[axis + 1 :])
    return windows.movedim(axis + 1, -1)


@TABLE.rewrite("take_along_dim.default", bound_u=0, source="PyTorch, take_along_dim: gather of broadcast operands")
def take_along_dim(self: torch.Tensor, indices: torch.Tensor, dim: int | None = None) -> Any:
    """Elements along a dimension, the others broadcast."""
    if dim is None:
        return torch.gather(self.reshape(-1), 0, indices.reshape(-1))
    if self.dim() == 0:
        return NotImplemented
    axis = dim % self.dim()
    shape = list(
        torch.broadcast_shapes(
            [1 if one == axis else size for one, size in enumerate(self.shape)],
            [1 if one == axis else size for one, size in enumerate(indices.shape)],
        )
    )
    shape[axis] = self.size(axis)
    source = self.expand(shape)
    shape[axis] = indices.size(axis)
    return torch.gather(source, axis, indices.expand(shape))


@TABLE.rewrite("repeat_interleave.self_int", bound_u=0, source="PyTorch, repeat_interleave: each element several times")
def repeat_interleave(self: torch.Tensor, repeats: int, dim: int | None = None, *, output_size: Any = None) -> Any:
    """A new dimension, expanded and merged."""
    if self.dim() == 0 or repeats == 0:
        return NotImplemented
    value, axis = (self.reshape(-1), 0) if dim is None else (self, dim % self.dim())
    spread = value.unsqueeze(axis + 1)
    shape = list(spread.shape)
    shape[axis + 1] = repeats
    return spread.expand(shape).reshape(*value.shape[:axis], value.size(axis) * repeats, *value.shape[axis + 1 :])


@TABLE.rewrite(
    "linalg_cross.default",
    bound_u=4,
    source="the definition of the cross product",
    note="the bound is on the scale of the products that are subtracted",
)
def cross(self: torch.Tensor, other: torch.Tensor, *, dim: int = -1) -> Any:
    """Products of the other two coordinates, subtracted."""
    shape = torch.broadcast_shapes(self.shape, other.shape)
    first, second = self.expand(shape), other.expand(shape)
    one, two = [1, 2, 0], [2, 0, 1]
    parts = [
        first.select(dim, one[place]) * second.select(dim, two[place])
        - first.select(dim, two[place]) * second.select(dim, one[place])
        for place in range(3)
    ]
    return torch.stack(parts, dim)
