"""What comparisons with a fixed tolerance say of a target's outputs, those in use and the best that there could be.

Each family of tolerances has one parameter t and accepts more as t grows, so one number an output says it all: the
smallest t that accepts. That gives the verdict of any member, and the best member, without a grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tautomer.model import Tensor

Array = np.ndarray[Any, Any]


def _quotient(d: Array, s: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where(d == 0, 0.0, d / s)


FAMILIES: dict[str, Callable[[Array, Array], Array]] = {
    "|d| <= t": lambda d, _: d,
    "|d| <= t |s|": _quotient,
    "|d| <= t + t |s|": lambda d, s: d / (1.0 + s),
    "|d| <= t/10 + t |s|": lambda d, s: d / (0.1 + s),
    "|d| <= t/100 + t |s|": lambda d, s: d / (0.01 + s),
    "|d| <= t or |d| <= t |s|": lambda d, s: np.minimum(d, _quotient(d, s)),
}
"""By condition, the smallest t that accepts each element, from d = |target - source| and s = |source|."""


@dataclass(frozen=True, slots=True)
class FixedTolerance:
    """One member of a family: its name in tables, its family and t."""

    name: str
    family: str
    t: float

    def accepts(self, smallest: Mapping[str, float | None]) -> bool:
        """Whether it accepts outputs whose smallest parameters are these."""
        needed = smallest[self.family]
        return needed is not None and needed <= self.t


IN_USE: tuple[FixedTolerance, ...] = (
    FixedTolerance("max-abs 1e-7", "|d| <= t", 1e-7),
    FixedTolerance("rtol 1e-3, atol 1e-5", "|d| <= t/100 + t |s|", 1e-3),
    FixedTolerance("NNSmith 1e-2, 1e-3", "|d| <= t/10 + t |s|", 1e-2),
    # CompareFunc.simple of Polygraphy 0.53.6: an element fails where both |d| > 1e-5 and |d| > 1e-5 |s|.
    FixedTolerance("Polygraphy 1e-5, 1e-5", "|d| <= t or |d| <= t |s|", 1e-5),
)


def smallest_parameters(pairs: Iterable[tuple[Any, Any]]) -> dict[str, float | None]:
    """By family, the smallest t that accepts every pair of (source, target) values; None where no t does.

    Shapes must agree, and NaN and infinities must stand in the same places. Types are not compared: no peer does.
    """
    smallest: dict[str, float | None] = dict.fromkeys(FAMILIES, 0.0)
    for source, target in pairs:
        if not isinstance(source, Tensor):
            continue
        if not isinstance(target, Tensor) or source.shape != target.shape:
            return dict.fromkeys(FAMILIES, None)
        s, t = source.float64(), target.float64()
        with np.errstate(all="ignore"):
            finite = np.isfinite(s) & np.isfinite(t)
            same = (s == t) | (np.isnan(s) & np.isnan(t))
            if not np.all(finite | same):
                return dict.fromkeys(FAMILIES, None)
            d, magnitude = np.abs(t - s)[finite], np.abs(s)[finite]
            if not d.size:
                continue
            for family, of_elements in FAMILIES.items():
                needed = float(of_elements(d, magnitude).max())
                before = smallest[family]
                known = before is not None and np.isfinite(needed)
                smallest[family] = max(before or 0.0, needed) if known else None
    return smallest


@dataclass(frozen=True, slots=True)
class Best:
    """The member of a family that is wrong least often.

    Attributes:
        false_alarms: clean outputs it rejects.
        missed: faulty outputs it accepts.
    """

    tolerance: FixedTolerance
    false_alarms: int
    missed: int


def best_member(
    clean: Sequence[Mapping[str, float | None]], faulty: Sequence[Mapping[str, float | None]], family: str
) -> Best:
    """The member with the smallest sum of its share of false alarms and its share of missed faults.

    It is chosen on the very outputs it is measured on, which favours it: no fixed tolerance does better.
    """
    needed_clean = np.array([_or_infinite(one[family]) for one in clean])
    needed_faulty = np.array([_or_infinite(one[family]) for one in faulty])
    candidates = np.unique(np.concatenate([[0.0], needed_clean[np.isfinite(needed_clean)]]))

    def wrong(t: float) -> tuple[float, float]:
        alarms, missed = np.mean(needed_clean > t), np.mean(needed_faulty <= t) if needed_faulty.size else 0.0
        return float(alarms + missed), t

    t = min(map(float, candidates), key=wrong)
    return Best(
        FixedTolerance(f"best of {family}", family, t),
        int(np.sum(needed_clean > t)),
        int(np.sum(needed_faulty <= t)),
    )


def _or_infinite(value: float | None) -> float:
    return np.inf if value is None else value
