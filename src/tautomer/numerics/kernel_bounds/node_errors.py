"""A kernel's output held against the exact one: the element that is furthest beyond its bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class WorstElement:
    """The element whose error is largest in proportion to its bound.

    Attributes:
        ratio: error over bound; above 1 no kernel of the operator explains it. Infinite where no error at all is
            allowed, or where one of the two values is NaN or infinite and the other is not the same.
        error: |found - exact|.
        bound: of this element.
        index: its position.
        found: what the kernel gave.
        exact: the exact value.
        open: elements without a finite bound that are not the exact number, rounded.
    """

    ratio: float
    error: float
    bound: float
    index: tuple[int, ...]
    found: float
    exact: float
    open: int


def worst_element(found: Array, exact: Array, bound: Array) -> WorstElement | None:
    """Compare an output with its bound; None where no element can be judged.

    Elements with an infinite bound are not judged. A number that the output's type may be too small for may be infinite
    instead.

    Shapes:
        found (...), exact (...), bound (...)
    """
    judged = np.isfinite(bound)
    if not judged.any():
        return None
    ratios = _ratios(found, exact, bound)
    ratio = np.where(judged, ratios, -1.0)
    worst = np.unravel_index(int(np.argmax(ratio)), ratio.shape)
    index = tuple(int(one) for one in worst)
    with np.errstate(all="ignore"):
        error = abs(float(found[index]) - float(exact[index]))
    return WorstElement(
        float(ratio[index]),
        error,
        float(bound[index]),
        index,
        float(found[index]),
        float(exact[index]),
        int(np.count_nonzero(~judged & (ratios != 0) & ~_rounded_exactly(found, exact))),
    )


def _ratios(found: Array, exact: Array, bound: Array) -> Array:
    # Integers above 2^53 are not float64 numbers: equality is decided before anything is converted.
    same = np.asarray(found == exact)
    a, b = found.astype(np.float64), exact.astype(np.float64)
    with np.errstate(all="ignore"):
        same |= np.isnan(a) & np.isnan(b)
        if found.dtype.kind == "f":
            same |= np.isinf(a) & (np.sign(a) == np.sign(b)) & (np.abs(b) + bound > np.finfo(found.dtype).max)
        ratio = np.abs(a - b) / bound
    return np.where(same, 0.0, np.where(np.isnan(ratio), np.inf, ratio))


def _rounded_exactly(found: Array, exact: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.asarray(found == exact.astype(found.dtype))
