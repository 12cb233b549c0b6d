"""What the floating-point formats can hold: unit roundoffs, ranges, and how much of a range values use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

UNIT_ROUNDOFF: dict[str, float] = {
    "float8_e5m2": 2.0**-3,
    "float8_e4m3fn": 2.0**-4,
    "bfloat16": 2.0**-8,
    "float16": 2.0**-11,
    "float32": 2.0**-24,
    "complex64": 2.0**-24,
    "float64": 2.0**-53,
    "complex128": 2.0**-53,
}
"""u = 2**-p by logical element type, rounding to nearest.

Source: IEEE 754-2019, table 3.5 (binary16 p = 11, binary32 p = 24, binary64 p = 53); bfloat16 p = 8.
"""

SMALLEST_NORMAL: dict[str, float] = {
    "float8_e5m2": 2.0**-14,
    "float8_e4m3fn": 2.0**-6,
    "bfloat16": 2.0**-126,
    "float16": 2.0**-14,
    "float32": 2.0**-126,
    "complex64": 2.0**-126,
    "float64": 2.0**-1022,
    "complex128": 2.0**-1022,
}
"""Smallest positive normal number; below it rounding is absolute."""

LARGEST: dict[str, float] = {
    "float8_e5m2": 57344.0,
    "float8_e4m3fn": 448.0,
    "bfloat16": (2.0 - 2.0**-7) * 2.0**127,
    "float16": 65504.0,
    "float32": (2.0 - 2.0**-23) * 2.0**127,
    "float64": (2.0 - 2.0**-52) * 2.0**1023,
}
"""Largest finite number.

Source: IEEE 754-2019, table 3.5; for the float8 formats Micikevicius et al., FP8 Formats for Deep Learning,
arXiv 2209.05433 (2022), table 1.
"""

REDUCED = frozenset({"float8_e5m2", "float8_e4m3fn", "bfloat16", "float16"})
"""Formats narrower than float32."""


def unit_roundoff(dtype: str) -> float:
    """U of a logical element type; float32's where the type is not a floating-point one."""
    return UNIT_ROUNDOFF.get(dtype, 2.0**-24)


def smallest_subnormal(dtype: str) -> float:
    """Smallest positive number of a format: 2 u times its smallest normal number.

    Raises:
        KeyError: not one of the formats above.
    """
    return 2.0 * UNIT_ROUNDOFF[dtype] * SMALLEST_NORMAL[dtype]


def overflows_from(dtype: str) -> float:
    """The magnitude above which rounding to nearest leaves the format: half a unit in the last place above its largest.

    Raises:
        KeyError: not one of the real formats above.
    """
    largest = LARGEST[dtype]
    unit_in_last_place = 2.0 ** (math.frexp(largest)[1] - 1) * 2.0 * UNIT_ROUNDOFF[dtype]
    return largest + unit_in_last_place / 2 if math.isfinite(largest + unit_in_last_place / 2) else largest


@dataclass(frozen=True, slots=True)
class RangeUse:
    """How the finite values of a tensor lie in the range of a format.

    Attributes:
        count: elements that are finite.
        largest: greatest magnitude; 0.0 where there is none.
        overflowing: elements that the format cannot hold: they become infinite (NaN in float8_e4m3fn).
        subnormal: elements below the smallest normal number that do not vanish: they keep fewer bits.
        vanishing: elements other than zero that become zero.
    """

    count: int = 0
    largest: float = 0.0
    overflowing: int = 0
    subnormal: int = 0
    vanishing: int = 0

    def merged(self, other: RangeUse) -> RangeUse:
        """Both tensors' together."""
        return RangeUse(
            self.count + other.count,
            max(self.largest, other.largest),
            self.overflowing + other.overflowing,
            self.subnormal + other.subnormal,
            self.vanishing + other.vanishing,
        )

    def headroom_bits(self, dtype: str) -> float:
        """Powers of two between the greatest magnitude and the format's largest number; negative where it overflows.

        Infinite where all values are zero.
        """
        return math.log2(LARGEST[dtype]) - math.log2(self.largest) if self.largest else math.inf


def range_use(values: np.ndarray[Any, Any], dtype: str) -> RangeUse:
    """How exact values would lie in a format. NaN and infinity are left out.

    Args:
        values: in float64, of any shape.
        dtype: logical element type, one of `LARGEST`.

    Raises:
        KeyError: the format is not known.
    """
    magnitudes = np.abs(values[np.isfinite(values)])
    if not magnitudes.size:
        return RangeUse()
    nonzero = magnitudes > 0
    # Half the smallest number is a tie, and goes to the even neighbour: zero.
    vanishing = nonzero & (magnitudes <= smallest_subnormal(dtype) / 2)
    subnormal = nonzero & ~vanishing & (magnitudes < SMALLEST_NORMAL[dtype])
    return RangeUse(
        int(magnitudes.size),
        float(magnitudes.max()),
        int((magnitudes >= overflows_from(dtype)).sum() if dtype != "float8_e4m3fn" else _above(magnitudes, dtype)),
        int(subnormal.sum()),
        int(vanishing.sum()),
    )


def _above(magnitudes: np.ndarray[Any, Any], dtype: str) -> int:
    # The largest number of float8_e4m3fn is even, so that a tie stays at it; the largest of the others is odd.
    return int((magnitudes > overflows_from(dtype)).sum())
