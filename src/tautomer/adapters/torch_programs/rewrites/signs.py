"""Operators that depend on the sign of zero, on exact remainders, or on quadrants."""

from __future__ import annotations

import math
from typing import Any

import torch

from tautomer.adapters.torch_programs.rewrites.rule import Table

TABLE = Table()

_ATEN = "PyTorch, aten/src/ATen/native/cpu/BinaryOpsKernel.cpp"


def promoted(first: Any, second: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Two operands, of which at least one is a tensor, as tensors of the type that PyTorch computes in."""
    dtype = torch.result_type(first, second)
    tensors = []
    for one in (first, second):
        if isinstance(one, torch.Tensor):
            tensors.append(one.to(dtype))
        else:
            other = second if isinstance(second, torch.Tensor) else first
            tensors.append(torch.full([], one, dtype=dtype, device=other.device))
    return tensors[0], tensors[1]


def promoted_to_float(first: Any, second: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """As `promoted`; integers and booleans become the default floating-point type."""
    first, second = promoted(first, second)
    if not first.dtype.is_floating_point:
        first, second = first.to(torch.get_default_dtype()), second.to(torch.get_default_dtype())
    return first, second


def is_negative(value: torch.Tensor) -> torch.Tensor:
    """Whether a number is below zero or the negative zero; False for NaN."""
    if not value.dtype.is_floating_point:
        return value < 0
    return (value < 0) | ((value == 0) & (torch.reciprocal(value) < 0))


@TABLE.rewrite(
    "signbit.default",
    bound_u=0,
    source="IEEE 754-2019, 6.3 and 7.3: 1/-0 is -infinity",
    note="the sign bit of a NaN is taken as clear",
)
def signbit(self: torch.Tensor) -> Any:
    """Sign by the sign of the reciprocal where the number is a zero."""
    return is_negative(self) if self.dtype != torch.bool else torch.zeros_like(self)


@TABLE.rewrite(
    "copysign.Tensor",
    "copysign.Scalar",
    bound_u=0,
    source="IEEE 754-2019, 5.5.1",
    note="the sign bit of a NaN in `other` is taken as clear",
)
def copysign(self: torch.Tensor, other: Any) -> Any:
    """Magnitude of one, sign of the other."""
    magnitude, sign = promoted_to_float(self, other)
    magnitude = torch.abs(magnitude)
    return torch.where(is_negative(sign), -magnitude, magnitude)


@TABLE.rewrite(
    "remainder.Tensor",
    "remainder.Scalar",
    "remainder.Scalar_Tensor",
    bound_u=0,
    source=f"{_ATEN}, remainder_kernel: the exact fmod, moved into the divisor's sign",
    note="an integer division by zero, which PyTorch refuses, is not refused",
)
def remainder(self: Any, other: Any) -> Any:
    """The exact remainder of truncated division, then the sign of the divisor."""
    dividend, divisor = promoted(self, other)
    if dividend.dtype == torch.bool:
        return NotImplemented
    rest = torch.fmod(dividend, divisor)
    return torch.where((rest != 0) & ((divisor < 0) != (rest < 0)), rest + divisor, rest)


@TABLE.rewrite(
    "floor_divide.default",
    "floor_divide.Scalar",
    bound_u=0,
    source=f"{_ATEN}, div_floor_kernel, after Python's floatobject.c",
    note="an integer division by zero, which PyTorch refuses, is not refused",
)
def floor_divide(self: Any, other: Any) -> Any:
    """Integers without a detour through floating point; floating-point numbers by the exact remainder."""
    dividend, divisor = promoted(self, other)
    if dividend.dtype == torch.bool:
        return NotImplemented
    rest = torch.fmod(dividend, divisor)
    if not dividend.dtype.is_floating_point:
        # What remains is divisible, so that truncated and floored quotient are the same.
        lowered = (rest != 0) & ((rest < 0) != (divisor < 0))
        quotient = torch.floor_divide(dividend - rest, divisor)
        return quotient - lowered.to(quotient.dtype)
    quotient = (dividend - rest) / divisor
    quotient = torch.where((rest != 0) & ((divisor < 0) != (rest < 0)), quotient - 1, quotient)
    floored = torch.floor(quotient)
    floored = torch.where(quotient - floored > 0.5, floored + 1, floored)
    zero = torch.zeros_like(floored)
    zero = torch.where(is_negative(dividend / divisor), -zero, zero)
    floored = torch.where(quotient == 0, zero, floored)
    plain = dividend / divisor
    # Vectorised fmod gives NaN where the quotient is beyond the largest number.
    return torch.where((divisor == 0) | (torch.isinf(plain) & ~torch.isinf(dividend)), plain, floored)


@TABLE.rewrite(
    "div.Tensor_mode",
    "div.Scalar_mode",
    bound_u=0,
    source=f"{_ATEN}, div_trunc_kernel and div_floor_kernel",
    note="an integer division by zero, which PyTorch refuses, is not refused",
)
def div_with_mode(self: torch.Tensor, other: Any, *, rounding_mode: str | None) -> Any:
    """Integer quotients without a detour through floating point; floored ones as `floor_divide`."""
    if rounding_mode is None:
        return torch.true_divide(self, other)
    if rounding_mode == "floor":
        return floor_divide(self, other)
    dividend, divisor = promoted(self, other)
    if dividend.dtype == torch.bool:
        return NotImplemented
    if dividend.dtype.is_floating_point:
        return torch.trunc(dividend / divisor)
    return torch.floor_divide(dividend - torch.fmod(dividend, divisor), divisor)


@TABLE.rewrite(
    "atan2.default",
    bound_u=6,
    source="ISO C, annex F.10.1.4, for the special cases; atan2(y, x) = atan(y/x) moved by its octant",
    note="a quotient that underflows is within one subnormal",
)
def atan2(self: Any, other: Any) -> Any:
    """Arc tangent of a quotient at most 1, moved into its octant by the signs, those of zeros included."""
    y, x = promoted_to_float(self, other)
    high, low = torch.abs(y), torch.abs(x)
    steep = high > low
    numerator, denominator = torch.where(steep, low, high), torch.where(steep, high, low)
    quotient = torch.where(numerator == denominator, torch.ones_like(numerator), numerator / denominator)
    quotient = torch.where((numerator == 0) & (denominator == 0), torch.zeros_like(quotient), quotient)
    angle = torch.atan(quotient)
    angle = torch.where(steep, math.pi / 2 - angle, angle)
    angle = torch.where(is_negative(x), math.pi - angle, angle)
    angle = torch.where(is_negative(y), -angle, angle)
    return torch.where(torch.isnan(x) | torch.isnan(y), x + y, angle)


@TABLE.rewrite("hypot.default", bound_u=6, source="ISO C, annex F.10.4.4; scaled by the larger of the two")
def hypot(self: Any, other: Any) -> Any:
    """Length of a vector without overflow of its square."""
    first, second = promoted(self, other)
    first, second = torch.abs(first), torch.abs(second)
    large = torch.where(first > second, first, second)
    small = torch.where(first > second, second, first)
    ratio = torch.where(large == 0, torch.zeros_like(large), small / large)
    length = large * torch.sqrt(1 + ratio * ratio)
    length = torch.where(torch.isnan(first) | torch.isnan(second), first + second, length)
    infinite = torch.isinf(first) | torch.isinf(second)
    return torch.where(infinite, torch.full_like(length, math.inf), length)


@TABLE.rewrite("sgn.default", "sign.default", bound_u=0, source="PyTorch, UnaryOpsKernel.cpp: (0 < x) - (x < 0)")
def sign(self: torch.Tensor) -> Any:
    """1, 0 or -1; 0 for NaN."""
    if self.dtype == torch.bool or self.dtype.is_complex:
        return NotImplemented
    return (self > 0).to(self.dtype) - (self < 0).to(self.dtype)


@TABLE.rewrite("heaviside.default", bound_u=0, source="PyTorch, BinaryOpsKernel.cpp, heaviside_kernel")
def heaviside(self: torch.Tensor, values: torch.Tensor) -> Any:
    """0 below zero and for NaN, 1 above, `values` at zero."""
    return torch.where(self == 0, values, (self > 0).to(self.dtype))


@TABLE.rewrite("frac.default", bound_u=0, source="PyTorch, UnaryOpsKernel.cpp: x - trunc(x)")
def frac(self: torch.Tensor) -> Any:
    """What follows the decimal point, with the number's sign."""
    return self - torch.trunc(self)
