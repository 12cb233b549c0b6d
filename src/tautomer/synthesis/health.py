"""Whether a new value is worth having: finite, moved by the inputs, not amplifying, away from ties.

Every value of a growing model is known in three runs: on the inputs that the model is written with, on the same inputs
perturbed by a small relative amount, and on other inputs. What is asked of it is asked of these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tautomer.synthesis.tensor_types import FLOATS

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
class Observed:
    """A result in the three runs.

    Attributes:
        written: on the inputs that the model is written with.
        perturbed: on these inputs, perturbed.
        other: on other inputs.
    """

    written: NDArray[np.generic]
    perturbed: NDArray[np.generic]
    other: NDArray[np.generic]


def ailment(seen: Observed, dtype: str, *, ties: bool = False) -> str | None:
    """What is wrong with a value, as a word; None where nothing is.

    Args:
        seen: the value in the three runs.
        dtype: its dtype.
        ties: whether decisions near ties are asked for.
    """
    if seen.written.size == 0:
        return None
    for one in (seen.written, seen.perturbed, seen.other):
        wrong = out_of_range(one, dtype)
        if wrong is not None:
            return wrong
    if not ties and jumps(seen.written, seen.perturbed, dtype):
        return "amplifies" if dtype in FLOATS else "near a tie"
    return None if _moves(seen, dtype) else "vacuous"


def out_of_range(array: NDArray[np.generic], dtype: str) -> str | None:
    """What is wrong with the size of a value's elements, as a word; None where nothing is."""
    if dtype == "bool" or array.size == 0:
        return None
    if dtype not in FLOATS:
        largest = max(abs(int(array.min())), abs(int(array.max())))
        return "too large" if largest > LARGEST_INTEGER else None
    reach = float(np.abs(array).max())
    if reach <= LARGEST.get(dtype, LARGEST_ELSEWHERE):  # NaN compares false
        return None
    return "too large" if math.isfinite(reach) else "not finite"


def jumps(value: NDArray[np.generic], perturbed: NDArray[np.generic], dtype: str) -> bool:
    """Whether a value changes by more than a perturbation of what it is computed from explains."""
    if dtype not in FLOATS:
        return not np.array_equal(value, perturbed)
    if value.size == 0:
        return False
    change = np.abs(np.subtract(perturbed, value, dtype=np.float64)).max()
    return not change <= AMPLIFICATION * PERTURBATION[dtype] * float(np.abs(value).max())


def _moves(seen: Observed, dtype: str) -> bool:
    if dtype not in FLOATS:
        return not np.array_equal(seen.written, seen.other)
    reach = max(float(np.abs(seen.written).max()), float(np.abs(seen.other).max()))
    change = np.abs(np.subtract(seen.other, seen.written, dtype=np.float64))
    moved = int(np.count_nonzero(change > MOVED * reach))
    return moved >= max(1, MOVED_SHARE * seen.written.size)
