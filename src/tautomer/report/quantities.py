"""Numbers as people read them: three significant digits, units, and a dash for what is absent."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Context, Decimal

ABSENT = "–"


def number(value: float | None) -> str:
    """A number in about three significant digits: `0.37`, `262`, `2,814`, `1.9e-05`; a dash for None."""
    if value is None:
        return ABSENT
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0:
        return "0"
    magnitude = abs(value)
    if magnitude < 1e-3 or magnitude >= 99_999.5:
        return f"{value:.1e}"
    if magnitude >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(value: float | None) -> str:
    """A number that is compared with one: as `number`, but never `1` for a value that is above or below it."""
    text = number(value)
    if value is None or text != "1" or value == 1:
        return text
    return ">1" if value > 1 else "<1"


def tolerance(value: float | None) -> str:
    """A tolerance in three significant digits, rounded up so that what is shown would pass."""
    if value is None or not math.isfinite(value) or value == 0:
        return number(value)
    rounded = Context(prec=3, rounding=ROUND_CEILING).create_decimal(repr(float(value)))
    digits = f"{rounded:.2e}" if rounded < Decimal("0.001") or rounded >= 1000 else f"{rounded.normalize():f}"
    mantissa, _, exponent = digits.partition("e")
    if not exponent:
        return digits
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent):+03d}"


def duration(seconds: float | None) -> str:
    """A time: `420 ms`, `3.2 s`, `2m 05s`, `1h 02m`; a dash for None and for exactly zero (nothing was measured)."""
    if not seconds or not math.isfinite(seconds):
        return ABSENT
    if seconds < 1e-3:
        return "<1 ms"
    if seconds < 0.9995:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def size(size_bytes: int | None) -> str:
    """A size in decimal units: `512 B`, `412 MB`, `1.2 GB`; a dash for None and for zero (nothing was measured)."""
    if not size_bytes:
        return ABSENT
    scaled = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if scaled < (9.95 if unit == "GB" else 999.5):
            return f"{scaled:.1f} {unit}" if unit != "B" and scaled < 9.95 else f"{scaled:.0f} {unit}"
        if unit != "GB":
            scaled /= 1000
    return f"{scaled:,.0f} GB"


def percentage(part: float, whole: float) -> str:
    """A share: `98 %`; `>99 %` and `<1 %` rather than a rounded 100 or 0; a dash of an empty whole."""
    if not whole:
        return ABSENT
    share = 100 * part / whole
    if 99.5 <= share < 100:
        return ">99 %"
    if 0 < share < 0.5:
        return "<1 %"
    return f"{share:.0f} %"
