"""Samples of a function's arguments, and the table of its errors made from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tautomer.numerics.approximation_tables.functions import MeasuredFunction
from tautomer.numerics.approximation_tables.table import CORRECT_ROUNDING_U, FunctionErrors
from tautomer.numerics.formats import SMALLEST_NORMAL, unit_roundoff

Array = np.ndarray[Any, Any]

LENGTHS = (4096, 17, 3, 1)
"""Lengths of further inputs: kernels treat what is left over behind their vectors' width in other code."""

TAILS_OF_EACH_LENGTH = 24

INFLATION = 2.0
"""Neighbouring cells are joined while that makes no cell's bound larger than this times its own."""

_BREAKPOINTS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 7.90531110763549805, 8.0, 9.0, 10.0, 17.0, 18.0, 20.0, 87.3, 88.37, 88.72)
"""Arguments at which implementations change their formula or saturate; sampled densely on both sides."""

_COMMON_EXPONENTS = (0.5, 2.0, 3.0, -1.0, -0.5, 4.0, 1.5, -2.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Errors of a kernel at arguments.

    Attributes:
        argument: what the cells go by.
        exact: the function's value.
        error: |kernel - exact|; infinite where the kernel is not finite and the function is.
    """

    argument: Array
    exact: Array
    error: Array


def sample_arguments(element: str, count: int, seed: int) -> Array:
    """About `count` finite numbers of an element type: every exponent and sign, denser where functions turn.

    Half of them lie in [2^-12, 2^7], a tenth at known breakpoints; all special numbers are included. Of float16 every
    number is taken, in random order.

    Shapes:
        -> (N,)
    """
    generator = np.random.default_rng(seed)
    if element == "float16":
        every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
        return generator.permutation(every[np.isfinite(every)])
    cells = _cell_edges()
    per_cell = max(count // cells.size, 4)
    low = cells[:-1]
    high = cells[1:]
    inside = generator.uniform(low, high, (per_cell, low.size)).reshape(-1)
    near = np.asarray([*_BREAKPOINTS, *(-one for one in _BREAKPOINTS)])
    dense = (near[:, None] * (1 + generator.normal(0, 1e-3, (near.size, max(count // 10 // near.size, 16))))).reshape(
        -1
    )
    tiny = generator.uniform(-1, 1, max(count // 20, 64)) * 2.0 ** generator.integers(-149, -100, max(count // 20, 64))
    edges = np.concatenate([cells, np.nextafter(cells.astype(np.float32), np.float32(np.inf)).astype(np.float64)])
    with np.errstate(over="ignore"):
        every = np.concatenate([inside, dense, tiny, edges, near]).astype(np.float32)
    return generator.permutation(every[np.isfinite(every)])


def special_arguments(element: str) -> Array:
    """NaN, the infinities, the zeros and the ends of the range.

    Shapes:
        -> (7,)
    """
    largest = 65504.0 if element == "float16" else float(np.finfo(np.float32).max)
    smallest = SMALLEST_NORMAL[element]
    return np.asarray([np.nan, np.inf, -np.inf, 0.0, -0.0, largest, -largest, smallest, -smallest], dtype=element)


def sample_exponents(count: int, seed: int, element: str) -> Array:
    """Exponents of powers: half of them those that models use, half spread over magnitudes and signs."""
    generator = np.random.default_rng([seed, 1])
    spread = generator.uniform(-1, 1, count) * 2.0 ** generator.uniform(-6, 6, count)
    common = generator.choice(_COMMON_EXPONENTS, count)
    return np.where(generator.random(count) < 0.5, common, spread).astype(element)


def tails(samples: Array, seed: int) -> list[Array]:
    """Short inputs drawn from the samples, of every length in `LENGTHS`."""
    generator = np.random.default_rng([seed, 2])
    # Short inputs should not be spent on numbers near 1e-40.
    usual = samples[(np.abs(samples) > 1e-3) & (np.abs(samples) < 128)]
    return [generator.choice(usual, length) for length in LENGTHS for _ in range(TAILS_OF_EACH_LENGTH)]


def compare(function: MeasuredFunction, argument: Array, found: Array, exact: Array, element: str) -> Measured:
    """The kernel's errors where the function has a finite value that the element type can hold."""
    error, value = function.as_measured(argument, found, exact)
    with np.errstate(over="ignore"):
        held = np.isfinite(value) & np.isfinite(exact.astype(element).astype(np.float64)) & np.isfinite(argument)
    error = np.where(np.isfinite(found), error, np.inf)
    # Below the smallest normal number rounding is absolute and flushing to zero allowed; the bound adds that anyway.
    with np.errstate(invalid="ignore"):
        error = np.where(error <= SMALLEST_NORMAL[element], 0.0, error)
    return Measured(argument[held], value[held], error[held])


def joined(parts: Sequence[Measured]) -> Measured:
    """Several measurements as one."""
    return Measured(
        np.concatenate([one.argument for one in parts]),
        np.concatenate([one.exact for one in parts]),
        np.concatenate([one.error for one in parts]),
    )


def errors_of(
    measured: Measured, element: str, special_values: Sequence[tuple[float, float, float]] = ()
) -> FunctionErrors:
    """The table of a function: worst errors by fine cells, neighbours joined where that costs little."""
    u = unit_roundoff(element)
    lower = np.concatenate([[-np.inf], _cell_edges()])
    cell = np.clip(np.searchsorted(lower, measured.argument, side="right") - 1, 0, lower.size - 1)
    with np.errstate(all="ignore"):
        ratio = measured.error / (u * np.abs(measured.exact))
        ratio = np.where(measured.error == 0, 0.0, ratio)
    relative, absolute, size = np.zeros(lower.size), np.zeros(lower.size), np.zeros(lower.size)
    np.maximum.at(relative, cell, ratio)
    np.maximum.at(absolute, cell, measured.error / u)
    np.maximum.at(size, cell, np.abs(measured.exact))
    seen = np.zeros(lower.size, dtype=bool)
    seen[cell] = True
    groups: list[tuple[float, float, float]] = []
    start = 0
    while start < lower.size:
        end = _end_of_group(start, relative, absolute, size, seen)
        part = slice(start, end)
        groups.append((float(lower[start]), float(relative[part].max()), float(absolute[part].max())))
        start = end
    table = np.asarray(groups)
    return FunctionErrors(table[:, 0], table[:, 1], table[:, 2], int(measured.argument.size), tuple(special_values))


def _end_of_group(start: int, relative: Array, absolute: Array, size: Array, seen: Array) -> int:
    """The first cell that does not fit the group which begins at `start`."""
    worst_relative = worst_absolute = 0.0
    own: list[tuple[float, float]] = []
    for index in range(start, relative.size):
        if not seen[index]:
            continue
        worst_relative = max(worst_relative, relative[index])
        worst_absolute = max(worst_absolute, absolute[index])
        own.append((size[index], _bound(relative[index], absolute[index], size[index])))
        sizes, bounds = np.asarray(own).T
        if not (_bound(worst_relative, worst_absolute, sizes) <= INFLATION * bounds).all():
            return index
    return int(relative.size)


def _bound(relative: Any, absolute: Any, size: Any) -> Any:
    with np.errstate(all="ignore"):
        product = np.where(np.asarray(size) == 0, np.inf, relative * size)
    return np.maximum(np.minimum(product, absolute), CORRECT_ROUNDING_U * size)


def _cell_edges() -> Array:
    """Ends of the fine cells: each binade one cell, from 2^-12 four, from 2^-3 to 2^7 sixty-four."""
    edges = []
    for exponent in range(-149, 128):
        parts = 64 if -3 <= exponent < 7 else 4 if -12 <= exponent < -3 else 1
        edges += [2.0**exponent * (1 + part / parts) for part in range(parts)]
    positive = np.asarray(edges)
    return np.concatenate([-positive[::-1], [0.0], positive])
