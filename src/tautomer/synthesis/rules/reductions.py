"""Operators over axes: reductions, scans, softmaxes, and searches for extremes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.rules.elementwise import Attributes, no_attributes
from tautomer.synthesis.rules.shapes import EVERY_RANK, FROM_1, at, axis, replaced, without
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import TensorType


def reduction(
    *,
    over: Literal["one", "some", "all"] = "some",
    result: str | None = None,
    results: Sequence[str | None] | None = None,
    least: int = 1,
    keepdims: bool | None = None,
    attributes: Attributes = no_attributes,
    fixed: bool = False,
    ranks: tuple[int, ...] = EVERY_RANK,
    front: bool = False,
) -> Rule:
    """`x (...) -> (...)` without some axes, or with those of one.

    Binds `axis` or `axes` and `keepdims`.

    Args:
        over: one axis, some axes, or all of them, where neither `axes` nor `keepdims` is bound.
        result: dtype of the result; None for that of `x`.
        results: the dtypes of several results.
        least: how many elements the reduced axes must have.
        keepdims: what it is bound to; None for either.
        attributes: what else the expression needs.
        fixed: whether the reduced axes must not be dynamic.
        ranks: of `x`.
        front: whether axes are counted from the front only.
    """
    dtypes = tuple(results) if results is not None else (result,)

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank, shape = scope.draw, x.type.rank, x.type.shape
        bound: dict[str, Any] = {}
        if over == "all":
            axes, kept = list(range(rank)), False
        elif rank == 0:
            return None
        else:
            kept = draw.chance(0.5) if keepdims is None else keepdims
            bound["keepdims"] = kept
            if over == "one":
                drawn = axis(draw, rank)
                bound["axis"] = at(drawn, rank) if front else drawn
                axes = [at(drawn, rank)]
            else:
                axes = draw.subset(range(rank))
                bound["axes"] = tuple(one if front or draw.chance(0.6) else one - rank for one in axes)
        if any(shape[one] < least or (fixed and is_dynamic(shape[one])) for one in axes):
            return None
        more = attributes(draw, x.type)
        if more is None:
            return None
        reduced = without(shape, axes, keepdims=kept)
        return Application(
            {"x": x}, tuple(TensorType(dtype or x.type.dtype, reduced) for dtype in dtypes), {**bound, **more}
        )

    def possible(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        if over == "all":
            ranks = {0}
        elif keepdims:
            ranks = {rank}
        else:
            lowest = rank - 1 if over == "one" else 0
            ranks = set(range(lowest, rank if keepdims is False else rank + 1))
        return frozenset((one or dtype, rank) for one in dtypes for rank in ranks)

    return Rule(tuple(one for one in ranks if one or over == "all"), apply, possible)


def along(
    *,
    result: str | None = None,
    results: Sequence[str | None] | None = None,
    least: int = 0,
    attributes: Attributes = no_attributes,
    fixed: bool = False,
    last: bool = False,
    front: bool = False,
    ranks: tuple[int, ...] = FROM_1,
) -> Rule:
    """`x (...) -> (...)` of the same shape, computed along one axis, which `axis` binds (softmax, cumsum, sort)."""
    dtypes = tuple(results) if results is not None else (result,)

    def apply(scope: Scope, x: Operand) -> Application | None:
        drawn = -1 if last else axis(scope.draw, x.type.rank)
        index = at(drawn, x.type.rank)
        if x.type.shape[index] < least or (fixed and is_dynamic(x.type.shape[index])):
            return None
        more = attributes(scope.draw, x.type)
        if more is None:
            return None
        bound: Mapping[str, Any] = {"axis": index if front else drawn, **more}
        return Application({"x": x}, tuple(x.type.of_dtype(dtype or x.type.dtype) for dtype in dtypes), bound)

    return Rule(ranks, apply, lambda dtype, rank: frozenset((one or dtype, rank) for one in dtypes))


def top(index_dtype: str = "int64", *, last: bool = False) -> Rule:
    """`x (..., n, ...) -> (..., k, ...), indices`: the k largest along an axis; binds `k`, `axis` and `largest`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw = scope.draw
        drawn = -1 if last else axis(draw, x.type.rank)
        index = at(drawn, x.type.rank)
        size = x.type.shape[index]
        if size < 1 or is_dynamic(size):
            return None
        k = draw.between(1, size)
        shape = replaced(x.type.shape, index, k)
        return Application(
            {"x": x},
            (x.type.of_shape(shape), TensorType(index_dtype, shape)),
            {"k": k, "axis": drawn, "largest": draw.chance(0.7)},
        )

    return Rule(FROM_1, apply, lambda dtype, rank: frozenset({(dtype, rank), (index_dtype, rank)}))
