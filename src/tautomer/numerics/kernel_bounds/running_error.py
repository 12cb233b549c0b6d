"""Running error analysis: exact values beside bounds on what a kernel in another precision has instead.

Source: Wilkinson 1986 and Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 2002, section 3.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from tautomer.numerics.approximation_tables import ApproximationTable
from tautomer.numerics.formats import SMALLEST_NORMAL, unit_roundoff
from tautomer.numerics.kernel_bounds.summation import Summation, summation_roundings

Array = np.ndarray[Any, Any]
Axes = tuple[int, ...]

_FLUSHED = frozenset({"float32", "bfloat16"})
"""Formats whose subnormal numbers processors can be told to flush to zero, which ONNX does not forbid."""


class NotMeasured(Exception):
    """The table has no errors of a function that the kernel needs; the operator then has no bound."""


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """A value in exact arithmetic and how far the kernel's own may lie from it, element by element.

    Attributes:
        value: float64.
        error: at least |kernel's value - value|; infinite where nothing can be said (a possible overflow).
    """

    value: Array
    error: Array

    def reshape(self, *shape: int) -> Running:
        """The same elements in another shape."""
        return Running(self.value.reshape(shape), self.error.reshape(shape))

    def map(self, movement: Callable[[Array], Array]) -> Running:
        """Elements moved, chosen or repeated, which rounds nothing."""
        return Running(np.asarray(movement(self.value)), np.asarray(movement(self.error)))


class Arithmetic:
    """The arithmetic of one kernel: every operation is the exact one and one rounding.

    Args:
        element: element type that the kernel rounds to (`float32`).
        table: errors of approximated functions.
        summation: what is assumed of sums.
        input_error_u: relative error, in u, that each input may have: where a runtime keeps a wider value between two
            nodes than the one it shows.
    """

    def __init__(
        self,
        element: str,
        table: ApproximationTable | None,
        summation: Summation = Summation.ANY_ORDER,
        input_error_u: float = 0.0,
    ) -> None:
        self.element = element
        self.u = unit_roundoff(element)
        self.table = table
        self.summation = summation
        self.input_error_u = input_error_u
        smallest = SMALLEST_NORMAL[element]
        self.smallest = smallest if element in _FLUSHED else smallest * self.u
        self.largest = float(ml_dtypes.finfo(element).max)  # type: ignore[no-untyped-call]

    def without_overflow(self) -> Arithmetic:
        """The same arithmetic with an exponent range that nothing leaves."""
        found = Arithmetic(self.element, self.table, self.summation, self.input_error_u)
        found.largest = math.inf
        return found

    def given(self, values: Array) -> Running:
        """An input of the kernel: exact, but for subnormal numbers, which may be read as zero."""
        values = np.asarray(values, dtype=np.float64)
        size = np.abs(values)
        wider = self.input_error_u * self.u * size if self.input_error_u else 0.0
        return Running(values, np.where(size < self.smallest, size, wider))

    def constant(self, value: float) -> Running:
        """A constant of the kernel, rounded to its format (Python's pi, 1/6, sqrt(2))."""
        return Running(np.asarray(value), np.asarray(self.u * abs(value)))

    def exactly(self, value: Array | float) -> Running:
        """A number without error, such as an attribute, which is a float32 itself."""
        return Running(np.asarray(value, dtype=np.float64), np.zeros(np.shape(value)))

    def rounded(self, value: Array, error: Array, roundings: float = 1.0) -> Running:
        """A result with the error of its operands and that of its own rounding; unbounded where it may overflow."""
        with np.errstate(all="ignore"):
            total = error + roundings * self.u * (np.abs(value) + error) + self.smallest
            # Comparisons with NaN are False: what is not a number stays unbounded too.
            bounded = np.abs(value) + total <= self.largest
        return Running(np.asarray(value), np.asarray(np.where(bounded, total, np.inf)))

    def add(self, a: Running, b: Running) -> Running:
        """A + b."""
        with np.errstate(all="ignore"):
            return self.rounded(a.value + b.value, a.error + b.error)

    def subtract(self, a: Running, b: Running) -> Running:
        """A - b."""
        with np.errstate(all="ignore"):
            return self.rounded(a.value - b.value, a.error + b.error)

    def multiply(self, a: Running, b: Running) -> Running:
        """A * b."""
        with np.errstate(all="ignore"):
            error = np.abs(a.value) * b.error + np.abs(b.value) * a.error + a.error * b.error
            # Zero times a factor of which nothing is known may be anything: that factor may be infinite.
            error = np.where(np.isnan(error), np.inf, error)
            return self.rounded(a.value * b.value, error)

    def divide(self, a: Running, b: Running) -> Running:
        """A / b; unbounded where the divisor may be zero."""
        with np.errstate(all="ignore"):
            value = a.value / b.value
            room = np.abs(b.value) - b.error
            error = np.where(room > 0, (a.error + np.abs(value) * b.error) / room, np.inf)
            return self.rounded(value, error)

    def square_root(self, a: Running) -> Running:
        """sqrt(a), whose error is at most |e| / sqrt(a) and at most sqrt(|e|)."""
        with np.errstate(all="ignore"):
            value = np.sqrt(a.value)
            error = np.minimum(np.where(value > 0, a.error / value, np.inf), np.sqrt(a.error))
            return self.rounded(value, error)

    def sum(self, a: Running, axes: Axes | None, *, keep: bool = True, count: int | None = None) -> Running:
        """The sum along `axes` in any order."""
        with np.errstate(all="ignore"):
            value = np.sum(a.value, axis=axes, keepdims=keep)
            terms = count if count is not None else round(a.value.size / max(np.size(value), 1))
            passed = np.sum(a.error, axis=axes, keepdims=keep)
            size = np.sum(np.abs(a.value), axis=axes, keepdims=keep) + passed
            roundings = summation_roundings(terms, self.summation, products=False)
            return self._summed(value, passed + roundings * self.u * size, size)

    def mean(self, a: Running, axes: Axes | None, *, keep: bool = True) -> Running:
        """The mean along `axes`: a sum, divided by the count or multiplied by its rounded reciprocal."""
        total = self.sum(a, axes, keep=keep)
        terms = a.value.size / max(total.value.size, 1)
        with np.errstate(all="ignore"):
            return self.rounded(total.value / terms, total.error / terms, roundings=2.0)

    def products(self, a: Running, b: Running) -> Running:
        """The matrix product of the last two axes.

        Shapes:
            a (..., M, K), b (..., K, N) -> (..., M, N)
        """
        with np.errstate(all="ignore"):
            value = np.matmul(a.value, b.value)
            size_a, size_b = np.abs(a.value) + a.error, np.abs(b.value) + b.error
            size = np.matmul(size_a, size_b)
            passed = np.matmul(a.error, size_b) + np.matmul(size_a, b.error)
            roundings = summation_roundings(a.value.shape[-1], self.summation)
            return self._summed(value, passed + roundings * self.u * size, size)

    def function(
        self, name: str, a: Running, exact: Callable[[Array], Array], *, slope: float | None = None
    ) -> Running:
        """A function from the runtime's table.

        Args:
            name: in the table.
            a: its argument.
            exact: computes it in float64.
            slope: the largest |derivative|; None for a monotone function, whose ends are then evaluated.

        Raises:
            NotMeasured: the table has no such function.
        """
        with np.errstate(all="ignore"):
            value = exact(a.value)
            if slope is None:
                ends = exact(a.value - a.error), exact(a.value + a.error)
                passed = np.maximum(np.abs(ends[0] - value), np.abs(ends[1] - value))
            else:
                passed = slope * a.error
            passed = np.where(a.error == 0, 0.0, np.where(np.isnan(passed), np.inf, passed))
            own = self.measured(name, a.value, value)
            if np.any(a.error > 0):
                own = np.maximum(own, self.measured(name, a.value - a.error, value))
                own = np.maximum(own, self.measured(name, a.value + a.error, value))
            total = passed + own + self.u * passed
            bounded = np.abs(value) + total <= self.largest
        return Running(np.asarray(value), np.asarray(np.where(bounded, total, np.inf)))

    def measured(self, name: str, argument: Array, exact: Array) -> Array:
        """The bound of the table on a function's own error.

        Raises:
            NotMeasured: it has none.
        """
        bound = None if self.table is None else self.table.error_bound(name, self.element, argument, exact)
        if bound is None:
            raise NotMeasured(name)
        return bound

    def _summed(self, value: Array, error: Array, size: Array) -> Running:
        # Partial sums overflow where the sum of the magnitudes does, even if the terms would cancel.
        bounded = (size + error <= self.largest) & np.isfinite(value)
        return Running(np.asarray(value), np.asarray(np.where(bounded, error + self.smallest, np.inf)))


def concatenate(parts: Sequence[Running], axis: int) -> Running:
    """Values joined along an axis."""
    return Running(
        np.concatenate([one.value for one in parts], axis=axis), np.concatenate([one.error for one in parts], axis=axis)
    )
