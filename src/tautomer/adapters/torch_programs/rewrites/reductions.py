"""Sums, variances and norms by their definition."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: A002

from __future__ import annotations

import math
from typing import Any

import torch

from tautomer.adapters.torch_programs.rewrites.rule import Table

TABLE = Table()

_TWO_PASS = "two passes; Chan, Golub, LeVeque 1983 (doi 10.1080/00031305.1983.10483115)"
_SUMMED = "the bound is on the scale of the summed magnitudes, times their number"


def all_dims(value: torch.Tensor, dim: Any) -> list[int]:
    """The dimensions a reduction means: those named, or all."""
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return list(range(value.dim()))
    return [dim % value.dim()] if isinstance(dim, int) else [one % value.dim() for one in dim]


def count_of(value: torch.Tensor, dims: list[int]) -> Any:
    """How many elements a reduction takes together."""
    return math.prod([value.size(one) for one in dims])


def _mean_and_variance(value: torch.Tensor, dim: Any, correction: Any, keepdim: bool) -> Any:
    if not value.dtype.is_floating_point or value.dim() == 0 or value.numel() == 0:
        return NotImplemented
    dims = all_dims(value, dim)
    mean = torch.mean(value, dims, keepdim=True)
    centred = value - mean
    freedom = count_of(value, dims) - (1 if correction is None else correction)
    squares = torch.sum(centred * centred, dims, keepdim)
    variance = squares / (freedom if not isinstance(freedom, int | float) or freedom > 0 else 0.0)
    return variance, mean if keepdim else mean.squeeze(dims)


@TABLE.rewrite("var.correction", bound_u=16, source=_TWO_PASS, note=_SUMMED)
def var(self: torch.Tensor, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    """Variance about a mean that is taken first."""
    found = _mean_and_variance(self, dim, correction, keepdim)
    return found if found is NotImplemented else found[0]


@TABLE.rewrite("std.correction", bound_u=16, source=_TWO_PASS, note=_SUMMED)
def std(self: torch.Tensor, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    """Root of the variance about a mean that is taken first."""
    found = _mean_and_variance(self, dim, correction, keepdim)
    return found if found is NotImplemented else torch.sqrt(found[0])


@TABLE.rewrite("var_mean.correction", bound_u=16, source=_TWO_PASS, note=_SUMMED)
def var_mean(self: torch.Tensor, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    """Variance and the mean it is about."""
    return _mean_and_variance(self, dim, correction, keepdim)


@TABLE.rewrite("std_mean.correction", bound_u=16, source=_TWO_PASS, note=_SUMMED)
def std_mean(self: torch.Tensor, dim: Any = None, *, correction: Any = None, keepdim: bool = False) -> Any:
    """Standard deviation and the mean it is about."""
    found = _mean_and_variance(self, dim, correction, keepdim)
    return found if found is NotImplemented else (torch.sqrt(found[0]), found[1])


@TABLE.rewrite("nansum.default", bound_u=2, source="PyTorch, nansum: NaN counts as zero", note=_SUMMED)
def nansum(self: torch.Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
    """Sum of the numbers."""
    if not self.dtype.is_floating_point:
        return NotImplemented
    numbers = torch.where(torch.isnan(self), torch.zeros_like(self), self)
    return torch.sum(numbers, all_dims(self, dim), keepdim, dtype=dtype)


@TABLE.rewrite("nanmean.default", bound_u=4, source="PyTorch, nanmean: sum over count of the numbers", note=_SUMMED)
def nanmean(self: torch.Tensor, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Any:
    """Mean of the numbers; NaN where there is none."""
    if not self.dtype.is_floating_point:
        return NotImplemented
    dims = all_dims(self, dim)
    invalid = torch.isnan(self)
    numbers = torch.where(invalid, torch.zeros_like(self), self)
    total = torch.sum(numbers, dims, keepdim, dtype=dtype)
    return total / torch.sum((~invalid).to(total.dtype), dims, keepdim)


@TABLE.rewrite("count_nonzero.default", "count_nonzero.dim_IntList", bound_u=0, source="PyTorch, count_nonzero")
def count_nonzero(self: torch.Tensor, dim: Any = None) -> Any:
    """How many are not zero; NaN is not."""
    return torch.sum((self != 0).to(torch.int64), all_dims(self, dim))


@TABLE.rewrite(
    "cumsum.default",
    bound_u=2,
    source="the definition, by a masked sum of every prefix",
    note=f"{_SUMMED}; takes memory for the square of the dimension",
)
def cumsum(self: torch.Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Any:
    """Sum of every prefix."""
    return _every_prefix(self, dim, dtype, torch.sum, 0)


@TABLE.rewrite(
    "cumprod.default",
    bound_u=4,
    source="the definition, by a masked product of every prefix",
    note="the bound is times the number of factors; takes memory for the square of the dimension",
)
def cumprod(self: torch.Tensor, dim: int, *, dtype: torch.dtype | None = None) -> Any:
    """Product of every prefix."""
    return _every_prefix(self, dim, dtype, torch.prod, 1)


def _every_prefix(value: torch.Tensor, dim: int, dtype: torch.dtype | None, reduce: Any, neutral: int) -> Any:
    kept = dtype or (value.dtype if value.dtype.is_floating_point else torch.int64)
    if value.dim() == 0 or value.numel() == 0:
        return NotImplemented
    moved = value.to(kept).movedim(dim, -1)
    place = torch.arange(moved.size(-1), device=value.device)
    seen = place.unsqueeze(0) <= place.unsqueeze(1)
    rows = torch.where(seen, moved.unsqueeze(-2), torch.full([], neutral, dtype=kept, device=value.device))
    return reduce(rows, -1).movedim(-1, dim)


@TABLE.rewrite(
    "linalg_vector_norm.default", bound_u=32, source="the definition of the p-norm, unscaled as PyTorch's", note=_SUMMED
)
def vector_norm(
    self: torch.Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None
) -> Any:
    """Largest, smallest, count of nonzeros, sum of magnitudes, or a root of a sum of powers."""
    if not self.dtype.is_floating_point or self.numel() == 0:
        return NotImplemented
    size = torch.abs(self if dtype is None else self.to(dtype))
    dims = all_dims(self, dim)
    if not dims:
        return NotImplemented
    if ord in (math.inf, -math.inf):
        reduced = torch.amax(size, dims, keepdim) if ord > 0 else torch.amin(size, dims, keepdim)
        spoiled = torch.amax(torch.isnan(size).to(torch.int32), dims, keepdim) > 0
        return torch.where(spoiled, torch.full_like(reduced, math.nan), reduced)
    if ord == 0:
        return torch.sum((size != 0).to(size.dtype), dims, keepdim)
    if ord == 1:
        return torch.sum(size, dims, keepdim)
    if ord == 2:
        return torch.sqrt(torch.sum(size * size, dims, keepdim))
    return torch.pow(torch.sum(torch.pow(size, ord), dims, keepdim), 1.0 / ord)


@TABLE.rewrite(
    "cosine_similarity.default",
    bound_u=16,
    source="PyTorch, Distance.cpp: x.y over the product of both norms, each at least eps",
    note=_SUMMED,
)
def cosine_similarity(x1: torch.Tensor, x2: torch.Tensor, dim: int = 1, eps: float = 1e-8) -> Any:
    """Each vector over its norm, then their product."""
    if not x1.dtype.is_floating_point or x1.dtype != x2.dtype:
        return NotImplemented
    shape = torch.broadcast_shapes(x1.shape, x2.shape)
    x1, x2 = x1.expand(shape), x2.expand(shape)
    first = torch.clamp(torch.sqrt(torch.sum(x1 * x1, dim, keepdim=True)), min=eps)
    second = torch.clamp(torch.sqrt(torch.sum(x2 * x2, dim, keepdim=True)), min=eps)
    return torch.sum((x1 / first) * (x2 / second), dim)


@TABLE.rewrite(
    "pairwise_distance.default", bound_u=16, source="PyTorch, Distance.cpp: the norm of x1 - x2 + eps", note=_SUMMED
)
def pairwise_distance(
    x1: torch.Tensor, x2: torch.Tensor, p: float = 2, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """Norm of the difference along the last dimension."""
    return vector_norm(x1 - x2 + eps, p, [-1], keepdim)


@TABLE.rewrite(
    "_cdist_forward.default",
    "cdist.default",
    bound_u=16,
    source="the norm of every difference, not the expanded square, which cancels",
    note=f"{_SUMMED}; takes memory for every difference",
)
def cdist(x1: torch.Tensor, x2: torch.Tensor, p: float = 2.0, compute_mode: int | None = None) -> Any:
    """Norms of all differences of rows."""
    if x1.numel() == 0 or x2.numel() == 0:
        return NotImplemented
    return vector_norm(x1.unsqueeze(-2) - x2.unsqueeze(-3), p, [-1])


@TABLE.rewrite(
    "renorm.default",
    bound_u=32,
    source="PyTorch, renorm: rows whose norm exceeds the limit are scaled to it",
    note=_SUMMED,
)
def renorm(self: torch.Tensor, p: Any, dim: int, maxnorm: Any) -> Any:
    """Scaled by maxnorm / (norm + 1e-7) where the norm is larger."""
    dims = [one for one in range(self.dim()) if one != dim % self.dim()]
    norm = vector_norm(self, p, dims, True)
    if norm is NotImplemented:
        return norm
    return self * torch.where(norm > maxnorm, maxnorm / (norm + 1e-7), torch.ones_like(norm))


@TABLE.rewrite("trace.default", bound_u=2, source="the sum of the diagonal", note=_SUMMED)
def trace(self: torch.Tensor) -> Any:
    """Sum where row and column are the same."""
    rows = torch.arange(self.size(0), device=self.device).unsqueeze(1)
    columns = torch.arange(self.size(1), device=self.device).unsqueeze(0)
    return torch.sum(torch.where(rows == columns, self, torch.zeros_like(self)))


def _scaled_sum(self: torch.Tensor, product: torch.Tensor, beta: Any, alpha: Any) -> torch.Tensor:
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else self * beta + product


_BETA = "PyTorch, addmm: with beta 0 the first operand is ignored, NaN and infinity too"


@TABLE.rewrite("addmm.default", bound_u=4, source=_BETA, note=_SUMMED)
def addmm(self: torch.Tensor, mat1: torch.Tensor, mat2: torch.Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Product, scaled and added."""
    product = torch.mm(mat1, mat2)
    return _scaled_sum(self.expand(product.shape), product, beta, alpha)


@TABLE.rewrite("baddbmm.default", bound_u=4, source=_BETA, note=_SUMMED)
def baddbmm(self: torch.Tensor, batch1: torch.Tensor, batch2: torch.Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Products of a batch, scaled and added."""
    product = torch.bmm(batch1, batch2)
    return _scaled_sum(self.expand(product.shape), product, beta, alpha)


@TABLE.rewrite("addbmm.default", bound_u=4, source=_BETA, note=_SUMMED)
def addbmm(self: torch.Tensor, batch1: torch.Tensor, batch2: torch.Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Products of a batch, summed, scaled and added."""
    product = torch.sum(torch.bmm(batch1, batch2), 0)
    return _scaled_sum(self.expand(product.shape), product, beta, alpha)


@TABLE.rewrite("addmv.default", bound_u=4, source=_BETA, note=_SUMMED)
def addmv(self: torch.Tensor, mat: torch.Tensor, vec: torch.Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Product with a vector, scaled and added."""
    product = torch.mv(mat, vec)
    return _scaled_sum(self.expand(product.shape), product, beta, alpha)


@TABLE.rewrite("addr.default", bound_u=4, source=_BETA, note=_SUMMED)
def addr(self: torch.Tensor, vec1: torch.Tensor, vec2: torch.Tensor, *, beta: Any = 1, alpha: Any = 1) -> Any:
    """Outer product, scaled and added."""
    product = vec1.unsqueeze(1) * vec2.unsqueeze(0)
    return _scaled_sum(self.expand(product.shape), product, beta, alpha)
