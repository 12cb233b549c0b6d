"""Operators that take elements by index or put them there."""

from __future__ import annotations

from typing import Any

from tautomer.synthesis.dims import any_dynamic, is_dynamic
from tautomer.synthesis.rules.shapes import EVERY_RANK, FROM_1, at, axis, ranks_from, replaced, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import MAXIMUM_RANK, Domain, TensorType


def indices_below(size: int, *, negative: bool = False) -> Domain:
    """Indices of an axis."""
    return Domain(-int(size) if negative else 0, int(size) - 1)


def gathered(*, index_dtype: str = "int64", index_ranks: tuple[int, ...] = (0, 1, 2), negative: bool = False) -> Rule:
    """`x (a..., n, b...), index (i...) -> (a..., i..., b...)`; binds `axis`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank = scope.draw, x.type.rank
        drawn = axis(draw, rank)
        place = at(drawn, rank)
        size = x.type.shape[place]
        if is_dynamic(size) or size < 1:
            return None
        allowed = [one for one in index_ranks if rank - 1 + one <= MAXIMUM_RANK]
        own = tuple(draw.between(1, 4) for _ in range(draw.pick(allowed)))
        index = scope.operand("index", TensorType(index_dtype, own), domain=indices_below(size, negative=negative))
        made = (*x.type.shape[:place], *own, *x.type.shape[place + 1 :])
        return Application({"x": x, "index": index}, (x.type.of_shape(made),), {"axis": drawn})

    least, most = min(index_ranks), max(index_ranks)
    return Rule(
        FROM_1,
        apply,
        lambda dtype, rank: frozenset(
            (dtype, one) for one in range(rank - 1 + least, min(rank - 1 + most, MAXIMUM_RANK) + 1)
        ),
        joins=True,
    )


def gathered_elements(*, index_dtype: str = "int64", negative: bool = False) -> Rule:
    """`x, index -> x[..., index, ...]` element by element along an axis; `index` has the rank of `x`; binds `axis`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank, shape = scope.draw, x.type.rank, x.type.shape
        drawn = axis(draw, rank)
        place = at(drawn, rank)
        size = shape[place]
        if any_dynamic(shape) or any(one < 1 for one in shape):
            return None
        own = replaced(shape, place, draw.between(1, int(size) + 1))
        index = scope.operand("index", TensorType(index_dtype, own), domain=indices_below(size, negative=negative))
        return Application({"x": x, "index": index}, (x.type.of_shape(own),), {"axis": drawn})

    return Rule(FROM_1, apply, same_type(), joins=True)


def scattered_elements(*, index_dtype: str = "int64", values: str = "source") -> Rule:
    """`x, index, source -> x` with elements put at places along an axis that differ from one another; binds `axis`."""
    # One place along the axis for each line: two that are the same would be written in an order nobody defines.
    return _elements_at_places(1, index_dtype, values)


def accumulated_elements(*, index_dtype: str = "int64", values: str = "source") -> Rule:
    """`x, index, source -> x` with elements added (or reduced otherwise, in any order) at places; binds `axis`."""
    return _elements_at_places(4, index_dtype, values)


def _elements_at_places(most: int, index_dtype: str, values: str) -> Rule:
    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank, shape = scope.draw, x.type.rank, x.type.shape
        drawn = axis(draw, rank)
        place = at(drawn, rank)
        if any_dynamic(shape) or any(one < 1 for one in shape):
            return None
        own = replaced(shape, place, draw.between(1, most))
        index = scope.operand("index", TensorType(index_dtype, own), domain=indices_below(shape[place]))
        source = scope.operand(values, x.type.of_shape(own))
        return Application({"x": x, "index": index, values: source}, (x.type,), {"axis": drawn})

    return Rule(FROM_1, apply, same_type(), joins=True)


def added_slices(*, index_dtype: str = "int64", values: str = "source") -> Rule:
    """`x (a..., n, b...), index (k,), source (a..., k, b...) -> x`; binds `axis`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank, shape = scope.draw, x.type.rank, x.type.shape
        drawn = axis(draw, rank)
        place = at(drawn, rank)
        if is_dynamic(shape[place]) or shape[place] < 1:
            return None
        count = draw.between(1, 3)
        index = scope.operand("index", TensorType(index_dtype, (count,)), domain=indices_below(shape[place]))
        source = scope.operand(values, x.type.of_shape(replaced(shape, place, count)))
        return Application({"x": x, "index": index, values: source}, (x.type,), {"axis": drawn})

    return Rule(FROM_1, apply, same_type(), joins=True)


def looked_up(*, index: str = "x", wide: int = 4, rows: int = 6) -> Rule:
    """`x (...) of integers, weight (rows, wide) -> (..., wide)`: rows of a table."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        columns = scope.draw.between(1, wide)
        weight = scope.fresh("weight", TensorType("float32", (rows, columns)), fixed=True)
        return Application({index: x, "weight": weight}, (TensorType("float32", (*x.type.shape, columns)),))

    return Rule(EVERY_RANK[:-1], apply, lambda dtype, rank: frozenset({("float32", rank + 1)}), anchor=index)


def one_hot(*, result: str = "int64", classes: int = 6, extra: Any = None) -> Rule:
    """`x (...) of integers -> (..., classes)`; binds `classes`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        bound = {"classes": classes, **(extra(scope.draw) if extra else {})}
        return Application({"x": x}, (TensorType(result, (*x.type.shape, classes)),), bound)

    return Rule(EVERY_RANK[:-1], apply, lambda dtype, rank: frozenset({(result, rank + 1)}))


def sorted_places(*, boundaries: str = "boundaries", result: str = "int64") -> Rule:
    """`x (...), boundaries (n,) ascending -> (...)`: where each element belongs; binds `right`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        count = scope.draw.between(1, 4)
        edges = tuple(round(-1.5 + 3.0 * (k + 0.5) / count, 3) for k in range(count))
        return Application({"x": x}, (x.type.of_dtype(result),), {boundaries: edges, "right": scope.draw.chance(0.5)})

    return Rule(EVERY_RANK, apply, same_type(result))


def masked() -> Rule:
    """`x (...), mask (...) -> (...)`: a number where the mask holds; binds `value`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        mask = scope.operand("mask", x.type.of_dtype("bool"))
        value: Any = scope.draw.number(-2, 2) if x.type.dtype.startswith(("float", "bfloat")) else 1
        return Application({"x": x, "mask": mask}, (x.type,), {"value": value})

    return Rule(EVERY_RANK, apply, same_type(), joins=True)


__all__ = [
    "accumulated_elements",
    "added_slices",
    "gathered",
    "gathered_elements",
    "indices_below",
    "looked_up",
    "masked",
    "one_hot",
    "ranks_from",
    "scattered_elements",
    "sorted_places",
]
