"""Logarithms and exponentials that cancel, overflow or underflow when written as their definition."""

from __future__ import annotations

import math
from typing import Any

import torch

from tautomer.adapters.torch_programs.rewrites.rule import Table
from tautomer.adapters.torch_programs.rewrites.signs import promoted, promoted_to_float

TABLE = Table()

_GOLDBERG = "Goldberg 1991 (doi 10.1145/103162.103163), theorem 4: ln(1+x) = x ln(1+x) / ((1+x) - 1)"
_HIGHAM = "Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 1.14.1 (Kahan)"


def floating(value: torch.Tensor) -> torch.Tensor:
    """The value as floating-point numbers: of its own type, or of the default type."""
    return value if value.dtype.is_floating_point else value.to(torch.get_default_dtype())


def stable_log1p(value: torch.Tensor) -> torch.Tensor:
    """ln(1 + x) without the rounding of 1 + x."""
    shifted = 1 + value
    near = (shifted != 1) & (torch.abs(value) < 1)
    one = torch.ones_like(value)
    correction = torch.where(near, value, one) / torch.where(near, shifted - 1, one)
    return torch.where(shifted == 1, value, torch.log(shifted) * correction)


def stable_expm1(value: torch.Tensor) -> torch.Tensor:
    """exp(x) - 1 without cancellation."""
    power = torch.exp(value)
    near = (power != 1) & (torch.abs(value) < 1)
    one = torch.ones_like(value)
    correction = torch.where(near, value, one) / torch.where(near, torch.log(power), one)
    return torch.where(power == 1, value, (power - 1) * correction)


def softplus_of(value: torch.Tensor) -> torch.Tensor:
    """ln(1 + exp(x)) without overflow or cancellation."""
    return torch.clamp(value, min=0) + stable_log1p(torch.exp(-torch.abs(value)))


@TABLE.rewrite("log1p.default", bound_u=8, source=_GOLDBERG)
def log1p(self: torch.Tensor) -> Any:
    """Logarithm of the rounded sum, corrected for its rounding."""
    return stable_log1p(floating(self))


@TABLE.rewrite("expm1.default", "special_expm1.default", bound_u=8, source=_HIGHAM)
def expm1(self: torch.Tensor) -> Any:
    """Exponential less one, corrected by the logarithm of what was computed."""
    return stable_expm1(floating(self))


@TABLE.rewrite(
    "log_sigmoid.default", bound_u=8, source="log(sigmoid(x)) = min(x, 0) - log1p(exp(-|x|)); Higham, 1.14.1"
)
def log_sigmoid(self: torch.Tensor) -> Any:
    """Logarithm of the sigmoid without computing the sigmoid."""
    return torch.clamp(self, max=0) - stable_log1p(torch.exp(-torch.abs(self)))


@TABLE.rewrite(
    "softplus.default", bound_u=12, source="log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)); PyTorch, softplus_kernel"
)
def softplus(self: torch.Tensor, beta: Any = 1, threshold: Any = 20) -> Any:
    """Logarithm of 1 + exp without overflow; the identity above the threshold."""
    scaled = self * beta
    return torch.where(scaled > threshold, self, softplus_of(scaled) / beta)


@TABLE.rewrite("mish.default", bound_u=24, source="x tanh(log(1 + exp(x))); PyTorch, mish_kernel")
def mish(self: torch.Tensor) -> Any:
    """Mish on a softplus that neither overflows nor cancels."""
    return self * torch.tanh(softplus_of(self))


def _shifted_addexp(first: torch.Tensor, second: torch.Tensor, base: float) -> torch.Tensor:
    large = torch.where(first > second, first, second)
    gap = torch.where(first == second, torch.zeros_like(large), -torch.abs(first - second))
    added = large + stable_log1p(torch.exp(gap * math.log(base))) / math.log(base)
    invalid = torch.isnan(first) | torch.isnan(second)
    settled = torch.isinf(large) & (first == second)
    return torch.where(invalid, first + second, torch.where(settled, first, added))


@TABLE.rewrite(
    "logaddexp.default",
    bound_u=8,
    source="log(e^a + e^b) = max(a, b) + log1p(exp(-|a - b|)); Blanchard et al. 2021 (doi 10.1093/imanum/draa038)",
    note="the bound is on the scale of the larger of the operands and of one",
)
def logaddexp(self: torch.Tensor, other: torch.Tensor) -> Any:
    """Shifted by the larger operand, so that nothing overflows."""
    first, second = promoted(self, other)
    return NotImplemented if not first.dtype.is_floating_point else _shifted_addexp(first, second, math.e)


@TABLE.rewrite(
    "logaddexp2.default",
    bound_u=16,
    source="log2(2^a + 2^b) = max(a, b) + log2(1 + 2^-|a - b|); Blanchard et al. 2021",
    note="the bound is on the scale of the larger of the operands and of one",
)
def logaddexp2(self: torch.Tensor, other: torch.Tensor) -> Any:
    """As `logaddexp`, in base two."""
    first, second = promoted(self, other)
    return NotImplemented if not first.dtype.is_floating_point else _shifted_addexp(first, second, 2.0)


@TABLE.rewrite(
    "logsumexp.default",
    bound_u=32,
    source="Blanchard, Higham, Higham 2021 (doi 10.1093/imanum/draa038), algorithm 3.1",
    note="the bound is on the scale of one or of the result, and grows with the logarithm of the number of terms",
)
def logsumexp(self: torch.Tensor, dim: Any, keepdim: bool = False) -> Any:
    """Shifted by the largest element where that is finite."""
    value = floating(self)
    if value.numel() == 0:
        return NotImplemented
    dims = [dim] if isinstance(dim, int) else list(dim)
    largest = torch.amax(value, dims, keepdim=True)
    shift = torch.where(torch.isinf(largest), torch.zeros_like(largest), largest)
    total = torch.log(torch.sum(torch.exp(value - shift), dims, keepdim=True)) + shift
    return total if keepdim else total.squeeze(tuple(dims) if dims else tuple(range(total.dim())))


@TABLE.rewrite(
    "logcumsumexp.default",
    bound_u=64,
    source="log(sum(exp)) of every prefix, shifted by its own largest element",
    note="takes memory for the square of the dimension; the bound is on the scale of one or of the result",
)
def logcumsumexp(self: torch.Tensor, dim: int) -> Any:
    """Every prefix as a masked row, shifted by its largest element."""
    if self.dim() == 0 or self.numel() == 0:
        return self.clone()
    value = self.movedim(dim, -1)
    place = torch.arange(value.size(-1), device=self.device)
    seen = place.unsqueeze(0) <= place.unsqueeze(1)
    low = torch.full_like(value, -math.inf).unsqueeze(-2)
    rows = torch.where(seen, value.unsqueeze(-2), low)
    largest = torch.amax(rows, -1, keepdim=True)
    shift = torch.where(torch.isinf(largest), torch.zeros_like(largest), largest)
    total = torch.log(torch.sum(torch.exp(rows - shift), -1)) + shift.squeeze(-1)
    return total.movedim(-1, dim)


@TABLE.rewrite(
    "logit.default", bound_u=8, source="PyTorch, logit_kernel: log(z / (1 - z)), z clamped to [eps, 1 - eps]"
)
def logit(self: torch.Tensor, eps: float | None = None) -> Any:
    """Log of the odds, of a clamped probability where `eps` is given; NaN stays NaN."""
    value = floating(self)
    if eps is not None:
        value = torch.where(value < eps, torch.full_like(value, eps), value)
        value = torch.where(value > 1 - eps, torch.full_like(value, 1 - eps), value)
    return torch.log(value / (1 - value))


@TABLE.rewrite(
    "xlogy.Tensor",
    "xlogy.Scalar_Self",
    "xlogy.Scalar_Other",
    "special_xlogy.default",
    "special_xlogy.self_scalar",
    "special_xlogy.other_scalar",
    bound_u=4,
    source="PyTorch, xlogy_kernel: NaN of y first, then 0 for x = 0",
)
def xlogy(self: Any, other: Any) -> Any:
    """The product x log y: NaN where y is NaN, else 0 where x is 0."""
    x, y = promoted_to_float(self, other)
    product = torch.where(x == 0, torch.zeros_like(x), x * torch.log(y))
    return torch.where(torch.isnan(y), y, product)


@TABLE.rewrite(
    "special_xlog1py.default",
    "special_xlog1py.self_scalar",
    "special_xlog1py.other_scalar",
    bound_u=10,
    source="PyTorch, xlog1py_kernel: NaN of y first, then 0 for x = 0; log1p as Goldberg 1991",
)
def xlog1py(self: Any, other: Any) -> Any:
    """The product x log(1 + y): NaN where y is NaN, else 0 where x is 0."""
    x, y = promoted_to_float(self, other)
    product = torch.where(x == 0, torch.zeros_like(x), x * stable_log1p(y))
    return torch.where(torch.isnan(y), y, product)


@TABLE.rewrite(
    "asinh.default", bound_u=16, source="asinh x = sign(x) log1p(|x| + x^2 / (1 + sqrt(x^2 + 1))); Kahan 1987"
)
def asinh(self: torch.Tensor) -> Any:
    """Inverse hyperbolic sine without cancellation near zero or overflow of the square."""
    value = floating(self)
    size = torch.abs(value)
    huge = size > 1.0 / math.sqrt(torch.finfo(value.dtype).eps)
    modest = torch.where(huge, torch.ones_like(size), size)
    near = stable_log1p(modest + modest * modest / (1 + torch.sqrt(modest * modest + 1)))
    far = torch.log(size) + math.log(2)
    result = torch.where(huge, far, near)
    result = torch.where(value < 0, -result, result)
    return torch.where(value == 0, value, result)


@TABLE.rewrite("acosh.default", bound_u=16, source="acosh x = log1p(t + sqrt(2 t + t^2)), t = x - 1; Kahan 1987")
def acosh(self: torch.Tensor) -> Any:
    """Inverse hyperbolic cosine without cancellation near one or overflow of the square."""
    value = floating(self)
    huge = value > 1.0 / math.sqrt(torch.finfo(value.dtype).eps)
    above = torch.where(huge, torch.ones_like(value), value) - 1
    near = stable_log1p(above + torch.sqrt(2 * above + above * above))
    near = torch.where(value < 1, torch.full_like(near, math.nan), near)
    return torch.where(huge, torch.log(value) + math.log(2), near)


@TABLE.rewrite("atanh.default", bound_u=16, source="atanh x = log1p(2 x / (1 - x)) / 2; Kahan 1987")
def atanh(self: torch.Tensor) -> Any:
    """Inverse hyperbolic tangent without cancellation near zero."""
    value = floating(self)
    size = torch.abs(value)
    result = 0.5 * stable_log1p(2 * size / (1 - size))
    result = torch.where(size == 1, torch.full_like(result, math.inf), result)
    result = torch.where(value < 0, -result, result)
    return torch.where(value == 0, value, result)


@TABLE.rewrite("sinh.default", bound_u=16, source="sinh x = (t + t / (t + 1)) / 2, t = expm1(|x|); Higham, 1.14.1")
def sinh(self: torch.Tensor) -> Any:
    """Hyperbolic sine without cancellation near zero, and without overflow before the result's."""
    value = floating(self)
    size = torch.abs(value)
    large = size > 20
    grown = stable_expm1(torch.where(large, torch.zeros_like(size), size))
    half = torch.exp(0.5 * size)
    result = torch.where(large, (0.5 * half) * half, 0.5 * (grown + grown / (grown + 1)))
    result = torch.where(value < 0, -result, result)
    return torch.where((value == 0) | torch.isnan(value), value, result)


@TABLE.rewrite(
    "sinc.default", "special_sinc.default", bound_u=4, source="PyTorch, sinc_kernel: sin(pi x) / (pi x), 1 at 0"
)
def sinc(self: torch.Tensor) -> Any:
    """One at zero, and a quotient elsewhere."""
    angle = floating(self) * math.pi
    safe = torch.where(angle == 0, torch.ones_like(angle), angle)
    return torch.where(angle == 0, torch.ones_like(angle), torch.sin(safe) / safe)


@TABLE.rewrite("special_entr.default", bound_u=4, source="PyTorch, entr_kernel: -x log x, 0 at 0, -inf below")
def entr(self: torch.Tensor) -> Any:
    """Elementwise entropy."""
    value = floating(self)
    inside = torch.where(value > 0, -value * torch.log(value), torch.full_like(value, -math.inf))
    return torch.where(torch.isnan(value), value, torch.where(value == 0, torch.zeros_like(value), inside))
