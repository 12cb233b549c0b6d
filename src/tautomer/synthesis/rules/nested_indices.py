"""Operators whose last axis of indices addresses several axes, and those that choose by a fixed list."""

from __future__ import annotations

from typing import Any

from tautomer.synthesis.dims import any_dynamic, is_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.selection import indices_below
from tautomer.synthesis.rules.shapes import EVERY_RANK, FROM_1, at, axis, replaced, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import MAXIMUM_RANK, TensorType


def gathered_slices() -> Rule:
    """`x (n1, ..., nd, b...), index (i..., d) -> (i..., b...)`; the places hold along every addressed axis."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        depth = draw.between(1, x.type.rank)
        addressed = shape[:depth]
        if any_dynamic(addressed) or min(addressed) < 1:
            return None
        rest = shape[depth:]
        own = tuple(draw.between(1, 3) for _ in range(draw.between(0, min(2, MAXIMUM_RANK - len(rest)))))
        domain = indices_below(min(addressed), negative=True)
        index = scope.operand("index", TensorType("int64", (*own, depth)), domain=domain)
        return Application({"x": x, "index": index}, (x.type.of_shape((*own, *rest)),))

    def possible(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        return frozenset((dtype, one) for one in range(min(rank + 1, MAXIMUM_RANK) + 1))

    return Rule(FROM_1, apply, possible, joins=True)


def scattered_slices(*, accumulated: bool) -> Rule:
    """`x (n, b...), places (k, 1), source (k, b...) -> x`; without accumulation, binds `places` that differ.

    With accumulation, `places` is an operand, and one may come twice.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        if is_dynamic(shape[0]) or shape[0] < 1:
            return None
        size, bound = int(shape[0]), {}
        count = draw.between(1, min(3, size))
        operands: dict[str, Operand | tuple[Operand, ...]] = {"x": x}
        if accumulated:
            type_ = TensorType("int64", (count, 1))
            operands["places"] = scope.operand("places", type_, domain=indices_below(size))
        else:
            bound["places"] = tuple((place,) for place in draw.sample(range(size), count))
        operands["source"] = scope.operand("source", x.type.of_shape((count, *shape[1:])))
        return Application(operands, (x.type,), bound)

    return Rule(FROM_1, apply, same_type(), joins=True)


def chosen_slices() -> Rule:
    """`x (..., n, ...) -> (..., k, ...)`: slices of an axis where `condition` holds; binds `axis` and `condition`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank = scope.draw, x.type.rank
        drawn = axis(draw, rank)
        place = at(drawn, rank)
        size = x.type.shape[place]
        if is_dynamic(size) or size < 1:
            return None
        condition = tuple(draw.chance(0.6) for _ in range(int(size)))
        if not any(condition):
            return None
        made = replaced(x.type.shape, place, sum(condition))
        return Application({"x": x}, (x.type.of_shape(made),), {"axis": drawn, "condition": condition})

    return Rule(FROM_1, apply, same_type())


def hot_along(result: str, *, classes: int = 6) -> Rule:
    """`x (...) of integers -> (..., classes, ...)`; binds `axis`, `classes` and `values`, off before on."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank = scope.draw, x.type.rank
        drawn = draw.between(-rank - 1, rank)
        place = drawn % (rank + 1)
        made = (*x.type.shape[:place], classes, *x.type.shape[place:])
        values: tuple[float, float] = (0, draw.between(1, 3))
        if result.startswith("float"):
            values = (draw.number(-1, 0.5), draw.number(0.6, 2))
        bound = {"axis": drawn, "classes": classes, "values": values}
        return Application({"x": x}, (TensorType(result, made),), bound)

    return Rule(EVERY_RANK[:-1], apply, lambda dtype, rank: frozenset({(result, rank + 1)}))


def counted_runs() -> Rule:
    """`x (n,) or (b, n) of integers -> (k,) or (b, k)`: how often single numbers and pairs of them occur.

    Binds `pool` (the numbers, then the pairs), `starts` (where each of the two begins in it) and `places`, the columns.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw = scope.draw
        if x.type.shape[-1] < 2:
            return None
        singles = tuple(draw.sample(range(-2, 4), draw.between(2, 4)))
        pairs = tuple(draw.sample([(a, b) for a in range(-1, 3) for b in range(-1, 3)], draw.between(1, 3)))
        count = len(singles) + len(pairs)
        bound: dict[str, Any] = {
            "pool": (*singles, *(one for pair in pairs for one in pair)),
            "starts": (0, len(singles)),
            "places": tuple(draw.sample(range(count), count)),
        }
        return Application({"x": x}, (TensorType("float32", (*x.type.shape[:-1], count)),), bound)

    def shape(draw: Draw, rank: int, dimension: Any) -> tuple[int, ...]:
        return tuple(draw.between(3, 8) for _ in range(rank))

    return Rule((1, 2), apply, same_type("float32"), shape=shape)
