"""Fingerprints of tensors that no permutation or reshape changes, and an index that finds near ones among thousands.

Values of two programs whose names and metadata say nothing are told apart by sums over their elements, which are the
same in every layout. A fingerprint only proposes: what it finds is confirmed element by element (`alignment`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

LARGEST_SUMMED = 1e30
"""Mask values (-3.4e38) would drown everything else in sums of powers; they are counted instead."""

_PLAIN_RANGE = 1e-25, 1e25
"""Sixth powers of numbers in this range are neither lost nor infinite in float64; others are scaled first."""

_UNIT = 2.0**-53
_ELEMENTS_A_PARTIAL_SUM = 16
"""Vectorised sums keep at least this many partial sums, so that N additions err like N / 16 in a row."""

SLACK = 1.1
"""What terms of second order may add to the first-order bounds below."""

MOMENTS = 3


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a tensor's elements are, whatever their order.

    Attributes:
        size: number of elements.
        apart: how many are NaN, above `LARGEST_SUMMED`, and below its negative; sums leave them out.
        norm: Euclidean norm of the others.
        moments: sum x / (sqrt(N) |x|), sum x**3 / sqrt(sum x**4 sum x**2), and log(sum x**4 / (sum x**2)**2).
        slopes: how much each moment may change per relative change of the tensor.
    """

    size: int
    apart: tuple[int, int, int]
    norm: float
    moments: tuple[float, float, float]
    slopes: tuple[float, float, float]

    @property
    def rounding(self) -> float:
        """Relative error of the sums themselves, which add the elements in the order they lie in."""
        return _UNIT * (64 + self.size / _ELEMENTS_A_PARTIAL_SUM)

    def admits(self, other: Fingerprint, relative: float) -> bool:
        """Whether two tensors of these fingerprints may be within a relative RMS distance, in some layout."""
        if (self.size, self.apart) != (other.size, other.apart):
            return False
        allowed = SLACK * (relative + self.rounding)
        if abs(self.norm - other.norm) > allowed * max(self.norm, other.norm):
            return False
        return all(
            abs(one - another) <= allowed * max(slope, other_slope)
            for one, another, slope, other_slope in zip(
                self.moments, other.moments, self.slopes, other.slopes, strict=True
            )
        )


def fingerprint(array: Array) -> Fingerprint:
    """The fingerprint of a real tensor.

    Source: the slopes are first-order bounds for a change e of x with |e| <= d |x|, by the Cauchy-Schwarz inequality:
    a sum of x**k changes by no more than k d |x| sqrt(sum x**(2k - 2)).
    """
    flat = np.asarray(array).ravel(order="K")
    flat = flat if flat.dtype == np.float64 else flat.astype(np.float64)
    apart = (0, 0, 0)
    with np.errstate(all="ignore"):
        low, high = (float(flat.min()), float(flat.max())) if flat.size else (0.0, 0.0)
        if not (low >= -LARGEST_SUMMED and high <= LARGEST_SUMMED):  # NaN makes both false
            above, below = flat > LARGEST_SUMMED, flat < -LARGEST_SUMMED
            missing = np.isnan(flat)
            apart = (int(missing.sum()), int(above.sum()), int(below.sum()))
            flat = flat[~(missing | above | below)]
            low, high = (float(flat.min()), float(flat.max())) if flat.size else (0.0, 0.0)
        return _of_plain(flat, int(np.size(array)), apart, max(high, -low, 0.0))


def _of_plain(flat: Array, size: int, apart: tuple[int, int, int], largest: float) -> Fingerprint:
    if largest == 0.0:
        return Fingerprint(size, apart, 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    exponent = 0
    if not _PLAIN_RANGE[0] < largest < _PLAIN_RANGE[1]:
        exponent = math.frexp(largest)[1]
        flat = np.ldexp(flat, -exponent)  # a power of two: exact, subnormal numbers apart
    square = flat * flat
    first, second, third = float(flat.sum()), float(square.sum()), float(np.dot(square, flat))
    fourth = float(np.dot(square, square))
    square *= flat
    sixth = float(np.dot(square, square))
    norm = math.sqrt(second)
    steepness = math.sqrt(sixth * second) / fourth
    return Fingerprint(
        size,
        apart,
        math.ldexp(norm, exponent),
        (
            first / (math.sqrt(flat.size) * norm),
            third / math.sqrt(fourth * second),
            math.log(fourth / (second * second)),
        ),
        (2.0, 4.0 + 2.0 * steepness, 4.0 + 4.0 * steepness),
    )


class FingerprintIndex:
    """Fingerprints by name, to be asked for those near a given one.

    A group of one size is sorted by norm, so that a question costs a bisection; where many have one norm (whatever was
    normalised has), the moments of those are compared in one vectorised step.

    Args:
        fingerprints: by name, in the order candidates are given back.
    """

    def __init__(self, fingerprints: Mapping[str, Fingerprint]) -> None:
        grouped: dict[tuple[int, tuple[int, int, int]], list[tuple[int, str, Fingerprint]]] = {}
        for position, (name, one) in enumerate(fingerprints.items()):
            grouped.setdefault((one.size, one.apart), []).append((position, name, one))
        self._groups = {key: _Group.of(entries) for key, entries in grouped.items()}

    def near(self, asked: Fingerprint, relative: float, *, by_norm_alone: bool = False) -> list[str]:
        """Names of all that may be within a relative RMS distance in some layout, in the index's order.

        Args:
            asked: whose neighbours are wanted.
            relative: the distance.
            by_norm_alone: leave the moments out: for distances at which first-order bounds say nothing.
        """
        group = self._groups.get((asked.size, asked.apart))
        return [] if group is None else group.near(asked, relative, by_norm_alone=by_norm_alone)


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Fingerprints of one size, sorted by norm."""

    norms: Array
    moments: Array
    slopes: Array
    positions: Array
    names: tuple[str, ...]

    @classmethod
    def of(cls, entries: list[tuple[int, str, Fingerprint]]) -> _Group:
        ordered = sorted(entries, key=lambda entry: (entry[2].norm, entry[0]))
        return cls(
            np.array([one.norm for _, _, one in ordered]),
            np.array([one.moments for _, _, one in ordered]).reshape(-1, MOMENTS),
            np.array([one.slopes for _, _, one in ordered]).reshape(-1, MOMENTS),
            np.array([position for position, _, _ in ordered]),
            tuple(name for _, name, _ in ordered),
        )

    def near(self, asked: Fingerprint, relative: float, *, by_norm_alone: bool) -> list[str]:
        allowed = SLACK * (relative + asked.rounding)
        within = allowed * asked.norm / max(1.0 - allowed, 0.5)
        first = int(np.searchsorted(self.norms, asked.norm - within, side="left"))
        end = int(np.searchsorted(self.norms, asked.norm + within, side="right"))
        chosen = np.arange(first, end)
        if not by_norm_alone and chosen.size:
            apart = np.abs(self.moments[first:end] - np.array(asked.moments))
            bound = allowed * np.maximum(self.slopes[first:end], np.array(asked.slopes))
            chosen = chosen[np.all(apart <= bound, axis=1)]
        return [self.names[index] for index in sorted(chosen, key=self.positions.__getitem__)]
