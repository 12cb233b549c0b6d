"""Types of tensors as the rules know them, and the intervals that operators are defined on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tautomer.synthesis.dims import product, second_size

FLOATS = ("float32", "float64", "float16", "bfloat16")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
BOOL = "bool"
NUMBERS = (*FLOATS, *INTEGERS)
ALL = (*NUMBERS, BOOL)
USUAL = ("float32", "int64", BOOL)
"""What models take unless they are special."""
MAXIMUM_RANK = 5

LARGEST_INTEGER = {"int8": 127, "uint8": 255, "int16": 32_767, "int32": 2**31 - 1, "int64": 2**63 - 1}


class DtypeName(str):
    """A dtype as an attribute: each framework spells it in its own way."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TensorType:
    """A dtype and a shape; a dimension may be a `Dim`."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        """How many dimensions it has."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many elements it has, at both sizes."""
        return product(self.shape)

    @property
    def is_empty(self) -> bool:
        """Whether a dimension is zero."""
        return any(dimension == 0 for dimension in self.shape)

    def of_shape(self, shape: tuple[int, ...]) -> TensorType:
        """The same dtype with another shape."""
        return TensorType(self.dtype, shape)

    def of_dtype(self, dtype: str) -> TensorType:
        """The same shape with another dtype."""
        return TensorType(dtype, self.shape)

    def shape_at_second_size(self) -> tuple[int, ...]:
        """The shape in the run at the second size."""
        return tuple(second_size(dimension) for dimension in self.shape)


@dataclass(frozen=True, slots=True)
class Domain:
    """The values that an operand may have: an interval, less what lies too near to zero.

    Attributes:
        low: the least value.
        high: the largest value.
        away_from_zero: no value is nearer to zero than this.
    """

    low: float = -math.inf
    high: float = math.inf
    away_from_zero: float = 0.0

    def drawn_from(self, dtype: str) -> tuple[float, float]:
        """The interval that fresh values of a dtype are drawn from: bounded, and on one side of zero where need be."""
        low, high = max(self.low, -TYPICAL), min(self.high, TYPICAL)
        if self.away_from_zero > 0.0:
            low = max(low, self.away_from_zero) if high > 0.0 else low
            high = high if high > 0.0 else min(high, -self.away_from_zero)
        if low >= high:  # beyond what is typical on one side
            low, high = (self.low, self.low + TYPICAL) if math.isfinite(self.low) else (self.high - TYPICAL, self.high)
            high = min(high, self.high)
        if dtype in INTEGERS or dtype in UNSIGNED:
            low = max(low, 0) if dtype in UNSIGNED else low
            whole = math.ceil(low), math.floor(high)
            spread = 3 if self.high == math.inf else 0
            return whole[0], max(whole[1] + spread, whole[0])
        return low, high


TYPICAL = 2.0
"""Fresh values lie within this of zero unless an operator's domain says otherwise."""

ANYTHING = Domain()
POSITIVE = Domain(low=0.05)
NOT_NEGATIVE = Domain(low=0.0)
NOT_ZERO = Domain(away_from_zero=0.1)


class Subscript(tuple[slice | int | None, ...]):
    """What stands between brackets: slices and integers, one for each axis, and None where there is to be a new one."""

    __slots__ = ()

    @property
    def text(self) -> str:
        """As Python source: `:, 1:3`."""
        return ", ".join(_slice_text(one) if isinstance(one, slice) else str(one) for one in self)


def _slice_text(one: slice) -> str:
    start, stop, step = ("" if part is None else str(part) for part in (one.start, one.stop, one.step))
    return f"{start}:{stop}:{step}" if step else f"{start}:{stop}"
