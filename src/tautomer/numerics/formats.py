"""Unit roundoffs and smallest numbers of the floating-point formats."""

from __future__ import annotations

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
    "bfloat16": 2.0**-126,
    "float16": 2.0**-14,
    "float32": 2.0**-126,
    "complex64": 2.0**-126,
    "float64": 2.0**-1022,
    "complex128": 2.0**-1022,
}
"""Smallest positive normal number; below it rounding is absolute."""


def unit_roundoff(dtype: str) -> float:
    """U of a logical element type; float32's where the type is not a floating-point one."""
    return UNIT_ROUNDOFF.get(dtype, 2.0**-24)
