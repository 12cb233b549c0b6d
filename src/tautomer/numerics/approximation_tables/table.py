"""What a runtime's approximated functions err by, by interval of the argument."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tautomer.numerics.formats import SMALLEST_NORMAL, unit_roundoff

Array = np.ndarray[Any, Any]

CORRECT_ROUNDING_U = 1.0
"""Least relative error that a cell states, in u: what storing the result costs a kernel that computes it exactly.

A kernel that rounds correctly has at most 1 u, and few samples need not meet its worst case.
Source: Higham 2002, theorem 2.2 (|fl(x) - x| <= u |x|).
"""


@dataclass(frozen=True, slots=True, eq=False)
class FunctionErrors:
    """Worst errors of one function in one element type.

    An argument in `[lower[i], lower[i + 1])` belongs to cell i; the cells cover the real line. Both columns bound the
    error of every sample of the cell, so that the smaller of them may be used.

    Attributes:
        lower: least argument of each cell, ascending; the first is -inf.
        relative_u: max |kernel - exact| / (u |exact|); infinite where the exact value is zero or the kernel's is not
            finite.
        absolute_u: max |kernel - exact| / u.
        samples: how many arguments were measured.
        special_values: arguments (NaN, infinities, zeros) at which the kernel's value is of another kind than the
            function's: (argument, found, expected).
    """

    lower: Array
    relative_u: Array
    absolute_u: Array
    samples: int
    special_values: tuple[tuple[float, float, float], ...] = ()

    def allowance_u(self, argument: Array, exact: Array) -> Array:
        """Error in units of u that was measured at most for arguments like these, without any safety factor.

        Shapes:
            argument (...), exact (...) -> (...)
        """
        cell = np.clip(np.searchsorted(self.lower, argument, side="right") - 1, 0, self.lower.size - 1)
        with np.errstate(all="ignore"):
            relative = self.relative_u[cell] * np.abs(exact)
            # Where the exact value is zero an unbounded relative error says nothing.
            relative = np.where(np.isnan(relative), np.inf, relative)
            least = CORRECT_ROUNDING_U * np.abs(exact)
            return np.asarray(np.maximum(np.minimum(relative, self.absolute_u[cell]), least))

    @property
    def worst_relative_u(self) -> float:
        """Largest relative error of a cell in which it is finite, in u."""
        finite = self.relative_u[np.isfinite(self.relative_u)]
        return float(finite.max()) if finite.size else float("inf")


@dataclass(frozen=True, slots=True)
class Validation:
    """How a table did on samples that it was not made from.

    Attributes:
        seed: of those samples.
        samples: how many there were.
        above_measured: those whose error was above the measured one, without the safety factor.
        above_bound: those whose error was above the bound, with the factor.
        largest_ratio: largest error over the measured one.
    """

    seed: int
    samples: int
    above_measured: int
    above_bound: int
    largest_ratio: float


@dataclass(frozen=True, slots=True, eq=False)
class ApproximationTable:
    """The table of one runtime.

    Attributes:
        runtime: name of its adapter.
        version: of the runtime that was measured.
        processor: machine and vector instructions it was measured on; kernels are chosen by them.
        date: of the measurement (ISO 8601).
        seed: of the samples.
        safety_factor: measured errors are multiplied by it, since samples miss the worst argument.
        functions: errors by function and element type (`float32`).
        refused: functions that the runtime did not take, with its word.
        validation: on other samples; None where it was not made.
        asked_version: the version that was asked for, where the table is another one's; None otherwise.
    """

    runtime: str
    version: str
    processor: str
    date: str
    seed: int
    safety_factor: float
    functions: Mapping[tuple[str, str], FunctionErrors]
    refused: Mapping[str, str] = field(default_factory=dict)
    validation: Validation | None = None
    asked_version: str | None = None

    @property
    def note(self) -> str | None:
        """What a reader has to know where the table was not measured on the version in use; None where it was."""
        if self.asked_version is None:
            return None
        asked = f"{self.runtime} {self.asked_version}"
        return (
            f"approximated functions of {asked} are judged by errors measured on {self.version}; "
            f"`tautomer calibrate {self.runtime}` measures this one"
        )

    def error_bound(self, function: str, element: str, argument: Array, exact: Array) -> Array | None:
        """The bound on |kernel - exact| of one function, or None where it was not measured.

        Args:
            function: name of the table's function (`Exp`, `Gelu tanh`).
            element: element type of the kernel (`float32`).
            argument: what the cells go by; for functions of one variable its argument.
            exact: the function's value.

        Shapes:
            argument (...), exact (...) -> (...)
        """
        errors = self.functions.get((function, element))
        if errors is None:
            return None
        u = unit_roundoff(element)
        # Below the smallest normal number rounding is absolute, and some kernels flush what lies there to zero.
        return np.asarray(
            self.safety_factor * u * errors.allowance_u(argument, exact) + SMALLEST_NORMAL.get(element, 0.0)
        )
