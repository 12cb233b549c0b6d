"""Whether a new value is worth having: finite, moved by the inputs, not amplifying, away from ties.

Every value of a growing model is known in three runs: on the inputs that the model is written with, on the same inputs
perturbed by a small relative amount, and on other inputs. What is asked of it is asked of these.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tautomer.synthesis.tensor_types import FLOATS

Array = NDArray[Any]

LARGEST = {"float16": 1e3}
LARGEST_ELSEWHERE = 1e4
LARGEST_INTEGER = 2**20
"""Magnitudes beyond these are refused, so that no later operator overflows: the narrowest format is float16."""

PERTURBATION = {"float32": 2.0**-12, "float64": 2.0**-12, "float16": 2.0**-7, "bfloat16": 2.0**-4}
"""Relative size of the perturbation: well above the format's rounding, well below what changes a value's meaning."""

AMPLIFICATION = 200.0
"""How often as large as the perturbation of the inputs and of all values before it the change of a value may be."""

MOVED = 1e-3
"""A change of an element counts as movement from this share of the largest element on."""

MOVED_SHARE = 0.1
"""At least so many of the elements must move when the inputs change."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The least and the largest element of a value; both zero where it has none."""

    least: float
    largest: float

    @property
    def reach(self) -> float:
        """The largest magnitude; NaN where an element is NaN."""
        return -self.least if -self.least > self.largest else self.largest


NOTHING = Extent(0.0, 0.0)


def extent(array: Array) -> Extent:
    """The extent of an array."""
    if array.size == 0 or array.dtype == np.bool_:
        return NOTHING
    return Extent(float(array.min()), float(array.max()))


@dataclass(frozen=True, slots=True)
class Observed:
    """A result in the three runs.

    Attributes:
        written: on the inputs that the model is written with.
        perturbed: on these inputs, perturbed.
        other: on other inputs.
        extents: that of what is written first, that of the other one last; of the perturbed one between, or not.
    """

    written: Array
    perturbed: Array
    other: Array
    extents: Sequence[Extent]


def ailment(seen: Observed, dtype: str, *, ties: bool = False) -> str | None:
    """What is wrong with a value, as a word; None where nothing is.

    Args:
        seen: the value in the three runs.
        dtype: its dtype.
        ties: whether decisions near ties are asked for.
    """
    if seen.written.size == 0:
        return None
    for one in seen.extents:
        wrong = out_of_range(one, dtype)
        if wrong is not None:
            return wrong
    if not ties and jumps(seen.written, seen.perturbed, dtype, seen.extents[0].reach):
        return "amplifies" if dtype in FLOATS else "near a tie"
    return None if _moves(seen, dtype) else "vacuous"


def out_of_range(found: Extent, dtype: str) -> str | None:
    """What is wrong with the size of a value's elements, as a word; None where nothing is."""
    most = LARGEST.get(dtype, LARGEST_ELSEWHERE) if dtype in FLOATS else LARGEST_INTEGER
    reach = found.reach
    if reach <= most:  # NaN compares false
        return None
    return "too large" if math.isfinite(reach) else "not finite"


def jumps(value: Array, perturbed: Array, dtype: str, reach: float) -> bool:
    """Whether a value changes by more than a perturbation of what it is computed from explains."""
    if dtype not in FLOATS:
        return not np.array_equal(value, perturbed)
    if value.size == 0:
        return False
    return not np.abs(perturbed - value).max() <= AMPLIFICATION * PERTURBATION[dtype] * reach


def _moves(seen: Observed, dtype: str) -> bool:
    if dtype not in FLOATS:
        return not np.array_equal(seen.written, seen.other)
    reach = max(seen.extents[0].reach, seen.extents[-1].reach)
    moved = np.count_nonzero(np.abs(seen.other - seen.written) > MOVED * reach)
    return bool(moved >= max(1, MOVED_SHARE * seen.written.size))
