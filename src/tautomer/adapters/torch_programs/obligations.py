"""An obligation: what an operator must be seen doing before a comparison says anything about it.

A rule looks at the values an operator got and gave in one native run and yields `Seen`s: an obligation, worded as what
is missing where it is not met, and whether this run meets it. An *edge* is an obligation that ordinary values do not
meet (ties, signed zeros, a fully masked row): conversions go wrong there too, but its absence is nothing unusual.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Seen:
    """One obligation of one operator in one run.

    Attributes:
        lacking: what is to be said where no run meets it.
        acted: whether this run meets it.
        edge: whether ordinary values do not meet it.
    """

    lacking: str
    acted: bool
    edge: bool = False


Arguments = Mapping[str, Any]
"""Arguments of an operator by the names of its schema; the operator's own name as `operator`."""

Rule = Callable[[Arguments, Any], Iterator[Seen]]
"""From the arguments and the result of one operator to what it was seen doing."""


def numbers(value: Any) -> torch.Tensor | None:
    """The value if it is a dense real tensor with elements."""
    if not isinstance(value, torch.Tensor) or value.is_complex() or value.layout is not torch.strided:
        return None
    return value.detach() if value.numel() else None


def extremes(x: torch.Tensor) -> tuple[float, float]:
    """Smallest and largest element that is not NaN; (inf, -inf) where there is none."""
    if x.dtype is torch.bool:
        x = x.to(torch.uint8)
    low, high = (float(one) for one in torch.aminmax(x))
    if math.isnan(low) or math.isnan(high):
        x = x[~x.isnan()]
        return extremes(x) if x.numel() else (float("inf"), float("-inf"))
    return low, high


def both(mask: torch.Tensor, what: str) -> Iterator[Seen]:
    """That a condition is true somewhere, and false somewhere; `what` names it."""
    mask = mask.detach() if mask.dtype is torch.bool else mask.detach() != 0
    if mask.numel():
        yield Seen(f"{what} is never true", bool(mask.any()))
        yield Seen(f"{what} is never false", not bool(mask.all()))
