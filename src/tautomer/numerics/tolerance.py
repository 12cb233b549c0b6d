"""The smallest tolerance that would have passed, for those whose process asks for one. It decides nothing here."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tautomer.model import Scalar, SmallestPassing, Tensor


def smallest_passing(pairs: Iterable[tuple[Tensor | Scalar, Tensor | Scalar | None]]) -> SmallestPassing:
    """The smallest atol (rtol 0) and the smallest rtol (atol 0) such that |target - source| <= atol + rtol |source|.

    Args:
        pairs: source and target values of every output on every input set.
    """
    atol, rtol = 0.0, 0.0
    for source, target in pairs:
        if not isinstance(source, Tensor) or not isinstance(target, Tensor):
            continue
        if source.shape != target.shape or "string" in (source.dtype, target.dtype):
            return SmallestPassing(atol=None, rtol=None)
        s, t = source.float64(), target.float64()
        with np.errstate(all="ignore"):
            finite = np.isfinite(s) & np.isfinite(t)
            same = (s == t) | (np.isnan(s) & np.isnan(t))
        if not np.all(finite | same):
            return SmallestPassing(atol=None, rtol=None)
        difference, magnitude = np.abs(t - s)[finite], np.abs(s)[finite]
        if difference.size:
            atol = max(atol, float(difference.max()))
            with np.errstate(all="ignore"):
                rtol = max(rtol, float(np.where(difference == 0, 0.0, difference / magnitude).max()))
    return SmallestPassing(atol=atol, rtol=rtol if np.isfinite(rtol) else None)
