"""Rounding, limits and replacements of special values."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: A002

from __future__ import annotations

import math
from typing import Any

import torch

from tautomer.adapters.torch_programs.rewrites.rule import Table
from tautomer.adapters.torch_programs.rewrites.signs import promoted

TABLE = Table()

_WHOLE = "whole numbers are their own rounding"


@TABLE.rewrite(
    "floor.default",
    "ceil.default",
    "trunc.default",
    "fix.default",
    "round.default",
    bound_u=0,
    source=_WHOLE,
    note="integers and booleans only",
)
def rounding_of_integers(self: torch.Tensor) -> Any:
    """Nothing to do for integers."""
    if self.dtype.is_floating_point or self.dtype.is_complex or self.dtype == torch.bool:
        return NotImplemented
    return self.clone()


@TABLE.rewrite(
    "round.decimals",
    bound_u=0,
    source="PyTorch, UnaryOpsKernel.cpp, round_decimals_kernel: nearbyint(x 10^d) / 10^d",
)
def round_decimals(self: torch.Tensor, *, decimals: int = 0) -> Any:
    """Scaled, rounded to even, and scaled back."""
    if not self.dtype.is_floating_point:
        return NotImplemented
    if decimals == 0:
        return torch.round(self)
    scale = 10.0 ** abs(decimals)
    return torch.round(self * scale) / scale if decimals > 0 else torch.round(self / scale) * scale


def _bounded(value: torch.Tensor, low: Any, high: Any) -> torch.Tensor:
    if low is not None:
        value, low = promoted(value, low)
        value = torch.where(torch.isnan(low) if low.dtype.is_floating_point else value < low, low, value)
        value = torch.where(value < low, low, value)
    if high is not None:
        value, high = promoted(value, high)
        value = torch.where(torch.isnan(high) if high.dtype.is_floating_point else value > high, high, value)
        value = torch.where(value > high, high, value)
    return value


@TABLE.rewrite(
    "clamp.default",
    "clamp.Tensor",
    bound_u=0,
    source="PyTorch, clamp: min(max(x, low), high); NaN of any of them wins; `high` wins over `low`",
)
def clamp(self: torch.Tensor, min: Any = None, max: Any = None) -> Any:
    """Limits by comparisons, which NaN passes."""
    if self.dtype == torch.bool:
        return NotImplemented
    invalid = torch.isnan(self) if self.dtype.is_floating_point else None
    bounded = _bounded(self, min, max)
    return bounded if invalid is None else torch.where(invalid, self.to(bounded.dtype), bounded)


@TABLE.rewrite("clamp_min.default", "clamp_min.Tensor", bound_u=0, source="as clamp")
def clamp_min(self: torch.Tensor, min: Any) -> Any:
    """A lower limit by comparison."""
    return clamp(self, min, None)


@TABLE.rewrite("clamp_max.default", "clamp_max.Tensor", bound_u=0, source="as clamp")
def clamp_max(self: torch.Tensor, max: Any) -> Any:
    """An upper limit by comparison."""
    return clamp(self, None, max)


@TABLE.rewrite(
    "nan_to_num.default", bound_u=0, source="PyTorch, nan_to_num_kernel; defaults: 0 and the largest finite numbers"
)
def nan_to_num(
    self: torch.Tensor, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Any:
    """Three replacements by comparison."""
    if not self.dtype.is_floating_point:
        return self.clone()
    limits = torch.finfo(self.dtype)
    high = limits.max if posinf is None else posinf
    low = limits.min if neginf is None else neginf
    value = torch.where(torch.isnan(self), torch.full_like(self, 0.0 if nan is None else nan), self)
    value = torch.where(self == math.inf, torch.full_like(self, high), value)
    return torch.where(self == -math.inf, torch.full_like(self, low), value)


def _larger(first: torch.Tensor, second: torch.Tensor, *, largest: bool) -> torch.Tensor:
    return torch.where(first > second if largest else first < second, first, second)


def _propagating(self: torch.Tensor, other: torch.Tensor, *, largest: bool) -> Any:
    first, second = promoted(self, other)
    if first.dtype == torch.bool:
        return first | second if largest else first & second
    chosen = _larger(first, second, largest=largest)
    if not first.dtype.is_floating_point:
        return chosen
    return torch.where(torch.isnan(first), first, torch.where(torch.isnan(second), second, chosen))


def _ignoring(self: torch.Tensor, other: torch.Tensor, *, largest: bool) -> Any:
    first, second = promoted(self, other)
    if not first.dtype.is_floating_point:
        return _propagating(self, other, largest=largest)
    chosen = _larger(first, second, largest=largest)
    return torch.where(torch.isnan(first), second, torch.where(torch.isnan(second), first, chosen))


@TABLE.rewrite("maximum.default", "max.other", bound_u=0, source="PyTorch, maximum: NaN of either wins")
def maximum(self: torch.Tensor, other: torch.Tensor) -> Any:
    """The larger, NaN of either first."""
    return _propagating(self, other, largest=True)


@TABLE.rewrite("minimum.default", "min.other", bound_u=0, source="PyTorch, minimum: NaN of either wins")
def minimum(self: torch.Tensor, other: torch.Tensor) -> Any:
    """The smaller, NaN of either first."""
    return _propagating(self, other, largest=False)


@TABLE.rewrite("fmax.default", bound_u=0, source="ISO C, annex F.10.9.2: a NaN is a missing value")
def fmax(self: torch.Tensor, other: torch.Tensor) -> Any:
    """The larger of those that are numbers."""
    return _ignoring(self, other, largest=True)


@TABLE.rewrite("fmin.default", bound_u=0, source="ISO C, annex F.10.9.3: a NaN is a missing value")
def fmin(self: torch.Tensor, other: torch.Tensor) -> Any:
    """The smaller of those that are numbers."""
    return _ignoring(self, other, largest=False)


@TABLE.rewrite(
    "lerp.Tensor",
    "lerp.Scalar",
    bound_u=8,
    source="PyTorch, Lerp.h: from the nearer end, w < 0.5 or not",
    note="the bound is on the scale of both ends and of their weighted distance",
)
def lerp(self: torch.Tensor, end: torch.Tensor, weight: Any) -> Any:
    """From the start where the weight is below one half, else from the end."""
    distance = end - self
    if not isinstance(weight, torch.Tensor):
        return self + weight * distance if abs(weight) < 0.5 else end - distance * (1 - weight)
    return torch.where(torch.abs(weight) < 0.5, self + weight * distance, end - distance * (1 - weight))


@TABLE.rewrite("isclose.default", bound_u=0, source="PyTorch, isclose: |a - b| <= atol + |rtol b|, or equal")
def isclose(
    self: torch.Tensor, other: torch.Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    """Equal, both NaN where that counts, or within the allowance and finite."""
    if not self.dtype.is_floating_point or self.dtype != other.dtype:
        return NotImplemented
    close = self == other
    if equal_nan:
        close = close | (torch.isnan(self) & torch.isnan(other))
    apart = torch.abs(self - other)
    near = (apart < math.inf) & (apart <= atol + torch.abs(rtol * other))
    return close | near
