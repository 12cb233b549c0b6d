"""Activations by comparisons, and by exponentials that do not cancel."""

# The names, the number and the order of arguments are those of the operators.

from __future__ import annotations

import math
from typing import Any

import torch

from tautomer.adapters.torch_programs.rewrites.logarithms import stable_expm1
from tautomer.adapters.torch_programs.rewrites.rule import Table

TABLE = Table()

_KERNEL = "PyTorch, aten/src/ATen/native/cpu/Activation.cpp"


@TABLE.rewrite("elu.default", bound_u=10, source=f"{_KERNEL}, elu_kernel; expm1 as Higham, 1.14.1")
def elu(self: torch.Tensor, alpha: Any = 1, scale: Any = 1, input_scale: Any = 1) -> Any:
    """Exponential branch without cancellation near zero."""
    below = torch.clamp(self, max=0) * input_scale
    return torch.where(self <= 0, stable_expm1(below) * (alpha * scale), self * scale)


@TABLE.rewrite("celu.default", bound_u=10, source="PyTorch, celu: elu(x, alpha, 1, 1 / alpha); expm1 as Higham, 1.14.1")
def celu(self: torch.Tensor, alpha: Any = 1.0) -> Any:
    """ELU with a continuous derivative."""
    return elu(self, alpha, 1.0, 1.0 / alpha)


@TABLE.rewrite("selu.default", bound_u=10, source="Klambauer et al. 2017 (arXiv 1706.02515); expm1 as Higham, 1.14.1")
def selu(self: torch.Tensor) -> Any:
    """ELU with the two constants of self-normalizing networks."""
    return elu(self, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


@TABLE.rewrite(
    "gelu.default",
    bound_u=16,
    source=f"{_KERNEL}, GeluKernel: x Phi(x), or its tanh form",
    note="the bound is on the scale of x: the formula cancels where x is negative, as PyTorch's own does",
)
def gelu(self: torch.Tensor, *, approximate: str = "none") -> Any:
    """By the error function, or by the hyperbolic tangent."""
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (self + 0.044715 * self * self * self)
        return 0.5 * self * (1 + torch.tanh(inner))
    return self * 0.5 * (1 + torch.erf(self * math.sqrt(0.5)))


@TABLE.rewrite("silu.default", bound_u=8, source=f"{_KERNEL}, silu_kernel: x / (1 + exp(-x))")
def silu(self: torch.Tensor) -> Any:
    """The number times its sigmoid."""
    if not self.dtype.is_floating_point:
        return NotImplemented
    return self / (1 + torch.exp(-self))


@TABLE.rewrite("hardswish.default", bound_u=6, source=f"{_KERNEL}, hardswish_kernel: x min(max(x + 3, 0), 6) / 6")
def hardswish(self: torch.Tensor) -> Any:
    """Piecewise form of silu."""
    return self * torch.clamp(self + 3, 0, 6) / 6


@TABLE.rewrite("hardsigmoid.default", bound_u=4, source=f"{_KERNEL}, hardsigmoid_kernel: min(max(x + 3, 0), 6) / 6")
def hardsigmoid(self: torch.Tensor) -> Any:
    """Piecewise form of the sigmoid."""
    return torch.clamp(self + 3, 0, 6) / 6


@TABLE.rewrite("hardtanh.default", bound_u=0, source=f"{_KERNEL}, hardtanh: NaN stays NaN")
def hardtanh(self: torch.Tensor, min_val: Any = -1, max_val: Any = 1) -> Any:
    """Limits by comparison."""
    low, high = torch.full_like(self, min_val), torch.full_like(self, max_val)
    return torch.where(self < min_val, low, torch.where(self > max_val, high, self))


@TABLE.rewrite("relu6.default", bound_u=0, source="PyTorch, relu6: hardtanh(x, 0, 6)")
def relu6(self: torch.Tensor) -> Any:
    """Limits by comparison."""
    return hardtanh(self, 0, 6)


@TABLE.rewrite("relu.default", bound_u=0, source="PyTorch, relu: max(x, 0); NaN stays NaN")
def relu(self: torch.Tensor) -> Any:
    """Zero below zero."""
    return NotImplemented if self.dtype == torch.bool else torch.where(self <= 0, torch.zeros_like(self), self)


@TABLE.rewrite("leaky_relu.default", bound_u=0, source=f"{_KERNEL}, leaky_relu_kernel: x > 0 ? x : x slope")
def leaky_relu(self: torch.Tensor, negative_slope: Any = 0.01) -> Any:
    """A slope below zero."""
    return torch.where(self > 0, self, self * negative_slope)


@TABLE.rewrite("rrelu.default", bound_u=2, source="PyTorch, rrelu: out of training a leaky relu of the mean slope")
def rrelu(
    self: torch.Tensor, lower: Any = 0.125, upper: Any = 1 / 3, training: bool = False, generator: Any = None
) -> Any:
    """The mean slope below zero; not in training."""
    return NotImplemented if training else leaky_relu(self, (lower + upper) / 2)


@TABLE.rewrite("prelu.default", "_prelu_kernel.default", bound_u=0, source=f"{_KERNEL}, prelu_kernel: x > 0 ? x : w x")
def prelu(self: torch.Tensor, weight: torch.Tensor) -> Any:
    """A learned slope below zero, one a channel."""
    if weight.dim() == 1 and self.dim() > 1:
        weight = weight.reshape([1, -1] + [1] * (self.dim() - 2))
    return torch.where(self > 0, self, weight * self)


@TABLE.rewrite("threshold.default", bound_u=0, source=f"{_KERNEL}, threshold_kernel: x <= threshold ? value : x")
def threshold(self: torch.Tensor, threshold: Any, value: Any) -> Any:
    """A value at and below the threshold; NaN stays NaN."""
    return torch.where(self <= threshold, torch.full_like(self, value), self)


@TABLE.rewrite("hardshrink.default", bound_u=0, source=f"{_KERNEL}, hardshrink_kernel: zero in [-lambda, lambda]")
def hardshrink(self: torch.Tensor, lambd: Any = 0.5) -> Any:
    """Zero near zero; NaN stays NaN."""
    return torch.where((self >= -lambd) & (self <= lambd), torch.zeros_like(self), self)


@TABLE.rewrite("softshrink.default", bound_u=2, source=f"{_KERNEL}, softshrink_kernel; NaN stays NaN")
def softshrink(self: torch.Tensor, lambd: Any = 0.5) -> Any:
    """Moved toward zero by lambda."""
    moved = torch.where(self > lambd, self - lambd, torch.where(self < -lambd, self + lambd, self * 0))
    return torch.where(torch.isnan(self), self, moved)


@TABLE.rewrite("glu.default", bound_u=8, source="Dauphin et al. 2017 (arXiv 1612.08083): a sigmoid(b) of two halves")
def glu(self: torch.Tensor, dim: int = -1) -> Any:
    """First half, gated by the second."""
    size = self.size(dim) // 2
    return self.narrow(dim, 0, size) * torch.sigmoid(self.narrow(dim, size, size))


@TABLE.rewrite(
    "softmax.int",
    "_softmax.default",
    bound_u=64,
    source="Blanchard, Higham, Higham 2021 (doi 10.1093/imanum/draa038), algorithm 4.1",
)
def softmax(self: torch.Tensor, dim: int, half_to_float: Any = None) -> Any:
    """Shifted by the largest element."""
    if isinstance(half_to_float, torch.dtype):
        self = self.to(half_to_float)
    elif half_to_float:
        return NotImplemented
    if not self.dtype.is_floating_point or self.numel() == 0:
        return NotImplemented
    powers = torch.exp(self - torch.amax(self, dim, keepdim=True))
    return powers / torch.sum(powers, dim, keepdim=True)


@TABLE.rewrite(
    "log_softmax.int",
    "_log_softmax.default",
    bound_u=64,
    source="Blanchard, Higham, Higham 2021 (doi 10.1093/imanum/draa038), algorithm 4.2",
    note="the bound is on the scale of one, of the input and of the result",
)
def log_softmax(self: torch.Tensor, dim: int, half_to_float: Any = None) -> Any:
    """Shifted by the largest element, less the logarithm of the sum."""
    if isinstance(half_to_float, torch.dtype):
        self = self.to(half_to_float)
    elif half_to_float:
        return NotImplemented
    if not self.dtype.is_floating_point or self.numel() == 0:
        return NotImplemented
    moved = self - torch.amax(self, dim, keepdim=True)
    return moved - torch.log(torch.sum(torch.exp(moved), dim, keepdim=True))


def _reduced(loss: torch.Tensor, reduction: int) -> torch.Tensor:
    return (loss, loss.mean(), loss.sum())[reduction]


@TABLE.rewrite(
    "huber_loss.default",
    bound_u=8,
    source="Huber 1964: quadratic within delta, linear beyond",
    note="reduced losses within the bound times the number of elements",
)
def huber_loss(self: torch.Tensor, target: torch.Tensor, reduction: int = 1, delta: float = 1.0) -> Any:
    """Two branches by comparison."""
    apart = torch.abs(self - target)
    return _reduced(torch.where(apart < delta, 0.5 * apart * apart, delta * (apart - 0.5 * delta)), reduction)


@TABLE.rewrite(
    "smooth_l1_loss.default",
    bound_u=8,
    source="Girshick 2015 (arXiv 1504.08083), with beta",
    note="reduced losses within the bound times the number of elements",
)
def smooth_l1_loss(self: torch.Tensor, target: torch.Tensor, reduction: int = 1, beta: float = 1.0) -> Any:
    """Two branches by comparison; the absolute difference for beta 0."""
    apart = torch.abs(self - target)
    if beta == 0:
        return _reduced(apart, reduction)
    return _reduced(torch.where(apart < beta, 0.5 * apart * apart / beta, apart - 0.5 * beta), reduction)
