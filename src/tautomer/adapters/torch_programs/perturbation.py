"""Random perturbations that stand for the rounding of operators in the declared precision.

Source: D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002 (1997).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

PERTURBATION_U = 4.0
"""Half-width of the uniform relative perturbation, in units of u: a few roundings, as a blocked kernel makes."""

SCALED = frozenset({"add", "sub", "rsub"})
"""Sums that may scale their second operand by `alpha`."""

WITH_TERM = SCALED | {"addcmul", "addcdiv", "lerp"}
"""Elementwise operators that add a product."""


def noisy(tensor: torch.Tensor, u: float, generator: torch.Generator, most: torch.Tensor | None = None) -> torch.Tensor:
    """The tensor with a relative perturbation, in absolute terms no larger than `most`."""
    if not u or not (tensor.is_floating_point() or tensor.is_complex()):
        return tensor
    noise = (2.0 * torch.rand(tensor.shape, generator=generator, dtype=torch.float64) - 1.0) * (PERTURBATION_U * u)
    if most is None or most.shape != tensor.shape or tensor.is_complex():
        return tensor * (1.0 + noise)
    moved = (tensor * noise).clamp(-most, most)
    return torch.where(torch.isfinite(tensor), tensor + moved, tensor)


def smaller_operand(args: Any, kwargs: Any) -> torch.Tensor | None:
    """The error of a sum of two floats is at most the smaller of them: either is itself a candidate for the result."""
    if len(args) < 2 or not isinstance(args[0], torch.Tensor) or args[0].is_complex():
        return None
    other = torch.as_tensor(args[1])
    if other.is_complex():
        return None
    alpha = kwargs.get("alpha", args[2] if len(args) > 2 else 1)
    return torch.minimum(args[0].abs().to(torch.float64), (other.to(torch.float64) * alpha).abs())


def with_noisy_term(name: str, args: Any, kwargs: Any, u: float, generator: torch.Generator) -> Any:
    """The arguments of an elementwise operator that adds a product, with the rounding of that product put on a factor.

    `x + alpha y`, `y - alpha x` (rsub), `x + value y z`, `x + value y / z`: the product is rounded before it is added,
    and where the sum cancels nothing of the result's size bounds that. `lerp` is `x + w (y - x)`: its term is the
    difference.

    Args:
        name: of the operator, without namespace.
        args: its arguments in float64.
        kwargs: its keyword arguments.
        u: unit roundoff of its operands.
        generator: of the noise.
    """
    if name not in WITH_TERM or len(args) < 2 or not isinstance(args[1], torch.Tensor):
        return args
    alpha = kwargs.get("alpha", args[2] if name in SCALED and len(args) > 2 else 1)
    if name in SCALED and alpha in (1, -1):
        return args
    first, factor = args[0], args[1]
    if name == "rsub":  # y - alpha x
        return (noisy(first, u, generator), *args[1:])
    if name == "lerp":
        moved = factor + noisy(factor - first, u, generator) - (factor - first)
        return (first, torch.where(torch.isfinite(moved), moved, factor), *args[2:])
    return (first, noisy(factor, u, generator), *args[2:])


def noisy_below_maximum(tensor: torch.Tensor, dim: Any, u: float, generator: torch.Generator) -> torch.Tensor:
    """Kernels of softmax and its like subtract the maximum first: that difference is what is rounded."""
    if not u or not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point() or not tensor.numel():
        return tensor
    top = torch.amax(tensor, dim=dim, keepdim=True)
    below = tensor - top
    return torch.where(torch.isfinite(below), top + noisy(below, u, generator), tensor)


def shifted(args: Any, amounts: Sequence[Any], generator: torch.Generator) -> Any:
    """Arguments with every element moved by its amount, up or down at random."""
    moved = list(args)
    for index, amount in enumerate(amounts):
        if isinstance(amount, torch.Tensor) and isinstance(moved[index], torch.Tensor):
            signs = 2.0 * torch.randint(0, 2, amount.shape, generator=generator).to(torch.float64) - 1.0
            if moved[index].shape == amount.shape:
                moved[index] = moved[index] + signs * amount
    return tuple(moved)
