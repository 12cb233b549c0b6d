"""Operators that address slices of the first axes: by tuples of indices, or by the segment that each belongs to."""

from __future__ import annotations

from tautomer.synthesis.dims import any_dynamic, is_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.selection import indices_below
from tautomer.synthesis.rules.shapes import FROM_1, FROM_2, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import MAXIMUM_RANK, TensorType

INDEX_DTYPES = ("int32", "int64")
MOST_SEGMENTS = 4


def gathered_by_tuples() -> Rule:
    """`x (n_1..., n_d, rest...), index (i..., d) -> (i..., rest...)`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        depth = draw.between(1, min(3, x.type.rank))
        if any_dynamic(shape[:depth]) or any(one < 1 for one in shape[:depth]):
            return None
        rest = shape[depth:]
        own = tuple(draw.between(1, 4) for _ in range(draw.between(0, min(2, MAXIMUM_RANK - len(rest)))))
        below = indices_below(min(int(one) for one in shape[:depth]))
        index = scope.operand("index", TensorType(draw.pick(INDEX_DTYPES), (*own, depth)), domain=below)
        return Application({"x": x, "index": index}, (x.type.of_shape((*own, *rest)),))

    def results(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        return frozenset((dtype, one) for one in range(max(rank - 3, 0), min(rank + 1, MAXIMUM_RANK) + 1))

    return Rule(FROM_1, apply, results, joins=True)


def gathered_in_batches() -> Rule:
    """`x (b, n, rest...), index (b, k) -> (b, k, rest...)`: every batch has indices of its own."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, size, *rest) = scope.draw, x.type.shape
        if is_dynamic(size) or size < 1:
            return None
        own = TensorType(draw.pick(INDEX_DTYPES), (batch, draw.between(1, 4)))
        index = scope.operand("index", own, domain=indices_below(size))
        return Application({"x": x, "index": index}, (x.type.of_shape((*own.shape, *rest)),))

    return Rule(FROM_2, apply, same_type(), joins=True)


def replaced_slices() -> Rule:
    """`x (n, rest...), source (k, rest...) -> (n, rest...)`; binds `indices`, k of `(i,)` that differ from one another.

    Two places that are the same would be written in an order nobody defines.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        size, *rest = x.type.shape
        if is_dynamic(size) or size < 1:
            return None
        places = scope.draw.sample(range(int(size)), scope.draw.between(1, min(3, int(size))))
        source = scope.operand("source", x.type.of_shape((len(places), *rest)))
        return Application({"x": x, "source": source}, (x.type,), {"indices": tuple((one,) for one in places)})

    return Rule(FROM_1, apply, same_type(), joins=True)


def accumulated_slices() -> Rule:
    """`x (n, rest...), index (k, 1), source (k, rest...) -> (n, rest...)`: slices added, or otherwise brought in."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (size, *rest) = scope.draw, x.type.shape
        if is_dynamic(size) or size < 1:
            return None
        count = draw.between(1, 4)
        own = TensorType(draw.pick(INDEX_DTYPES), (count, 1))
        index = scope.operand("index", own, domain=indices_below(size))
        source = scope.operand("source", x.type.of_shape((count, *rest)))
        return Application({"x": x, "index": index, "source": source}, (x.type,))

    return Rule(FROM_1, apply, same_type(), joins=True)


def scattered_into_zeros() -> Rule:
    """`x (k, rest...) -> (n, rest...)` of zeros with the slices of x added to it.

    Binds `indices`, k of `(i,)`, and `shape`, that of the result.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (count, *rest) = scope.draw, x.type.shape
        if any_dynamic(x.type.shape) or count < 1:
            return None
        size = draw.between(1, int(count) + 2)
        indices = tuple((draw.between(0, size - 1),) for _ in range(int(count)))
        made = (size, *rest)
        return Application({"x": x}, (x.type.of_shape(made),), {"indices": indices, "shape": made})

    return Rule(FROM_1, apply, same_type())


def segmented(*, ascending: bool = False) -> Rule:
    """`x (n, rest...) -> (count, rest...)`: slices of one segment reduced to one.

    Binds `ids`, the segment of each slice, and `count`. Every segment has a slice, since what a reduction gives for
    none may be infinite.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (size, *rest) = scope.draw, x.type.shape
        if is_dynamic(size) or size < 1:
            return None
        count = draw.between(1, min(MOST_SEGMENTS, int(size)))
        ids = segment_ids(draw, int(size), count)
        bound = {"ids": tuple(sorted(ids)) if ascending else ids, "count": count}
        return Application({"x": x}, (x.type.of_shape((count, *rest)),), bound)

    return Rule(FROM_1, apply, same_type())


def segment_ids(draw: Draw, size: int, count: int) -> tuple[int, ...]:
    """The segment of each of so many slices: in any order, none of the segments left out."""
    ids = [*range(count), *(draw.between(0, count - 1) for _ in range(size - count))]
    return tuple(draw.sample(ids, size))


def stitched() -> Rule:
    """`tensors (k_i, rest...) -> (sum k_i, rest...)`: slices put in places; binds `indices`, the places of each."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (first, *rest) = scope.draw, x.type.shape
        if is_dynamic(first) or not 1 <= first <= 8:
            return None

        def fits(type_: TensorType) -> bool:
            size = type_.shape[0] if type_.rank else 0
            same = type_.dtype == x.type.dtype and type_.shape[1:] == tuple(rest)
            return same and not is_dynamic(size) and 1 <= size <= 8

        other = scope.find("tensors", fits) or scope.fresh("tensors", x.type.of_shape((draw.between(1, 3), *rest)))
        sizes = int(first), int(other.type.shape[0])
        places = draw.sample(range(sum(sizes)), sum(sizes))
        indices = (tuple(places[: sizes[0]]), tuple(places[sizes[0] :]))
        made = x.type.of_shape((sum(sizes), *rest))
        return Application({"tensors": (x, other)}, (made,), {"indices": indices})

    return Rule(FROM_1, apply, same_type(), joins=True)
