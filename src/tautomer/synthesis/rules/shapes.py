"""Shapes that broadcast, and how they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tautomer.synthesis.dims import Dim, any_dynamic, is_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.tensor_types import MAXIMUM_RANK, TensorType

EVERY_RANK = tuple(range(MAXIMUM_RANK + 1))
FROM_1 = EVERY_RANK[1:]
FROM_2 = EVERY_RANK[2:]
Results = Callable[[str, int], frozenset[tuple[str, int]]]
DrawnShape = Callable[[Draw, int, Callable[[], int]], tuple[int, ...]]


def broadcast(*shapes: Sequence[int]) -> tuple[int, ...] | None:
    """The shape that shapes broadcast to, None where they do not: NumPy's rule, which the frameworks share."""
    result: tuple[int, ...] = tuple(shapes[0])
    for shape in shapes[1:]:
        met = _met(result, tuple(shape))
        if met is None:
            return None
        result = met
    return result


def _met(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    if a == b:
        return a
    if len(a) < len(b):
        a, b = b, a
    more = len(a) - len(b)
    result = list(a)
    for place, dimension in enumerate(b, more):
        if dimension == 1:
            continue
        kept = result[place]
        if kept == 1:
            result[place] = dimension
        elif kept != dimension:
            return None
    return tuple(result)


def narrower(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to a given one: the same, one row of it, or with dimensions of one."""
    way = draw.between(0, 3)
    if way == 0 or not shape:
        return shape
    if way == 1:
        return shape[draw.between(1, len(shape)) :]
    if way == 2:
        return tuple(1 if draw.chance(0.5) else dimension for dimension in shape)
    return tuple(1 if is_dynamic(dimension) else dimension for dimension in shape)


def fixed_part(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without its dynamic dimensions: those of one in their place."""
    return tuple(1 if isinstance(dimension, Dim) else dimension for dimension in shape)


def is_fixed(shape: Sequence[int]) -> bool:
    """Whether no dimension is dynamic."""
    return not any_dynamic(shape)


def axis(draw: Draw, rank: int) -> int:
    """One of the axes of a rank, counted from either end."""
    return draw.between(-rank, rank - 1)


def at(axis_drawn: int, rank: int) -> int:
    """An axis counted from the front."""
    return axis_drawn % rank if rank else 0


def without(shape: tuple[int, ...], axes: Sequence[int], *, keepdims: bool) -> tuple[int, ...]:
    """A shape after a reduction over axes counted from the front."""
    if keepdims:
        return tuple(1 if index in axes else dimension for index, dimension in enumerate(shape))
    return tuple(dimension for index, dimension in enumerate(shape) if index not in axes)


def replaced(shape: tuple[int, ...], index: int, dimension: int) -> tuple[int, ...]:
    """A shape with another dimension at a place."""
    return (*shape[:index], dimension, *shape[index + 1 :])


def same_type(result: str | None = None) -> Results:
    """Results of the operand's rank; of its dtype, or of a named one."""
    return lambda dtype, rank: frozenset({(result or dtype, rank)})


def ranks_from(low: int, high: int = MAXIMUM_RANK, result: str | None = None) -> Results:
    """Results of any rank in an interval."""
    return lambda dtype, rank: frozenset((result or dtype, one) for one in range(low, high + 1))


def of_rank(type_: TensorType, *ranks: int) -> bool:
    """Whether a type has one of these ranks."""
    return type_.rank in ranks
