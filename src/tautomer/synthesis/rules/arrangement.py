"""Operators that move elements without computing: reshaping, transposing, repeating, turning."""

from __future__ import annotations

from typing import Any

from tautomer.synthesis.dims import any_dynamic, is_dynamic, product
from tautomer.synthesis.rules.shapes import EVERY_RANK, FROM_1, FROM_2, at, axis, ranks_from, replaced, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import MAXIMUM_RANK


def reshaped() -> Rule:
    """`x -> sizes`: the same elements in another shape; binds `sizes`, one of them possibly -1."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        dynamic = [size for size in shape if is_dynamic(size)]
        if len(dynamic) > 1 or x.type.is_empty:
            return None
        fixed = [int(size) for size in shape if not is_dynamic(size)]
        factors = _factors(int(product(fixed)))
        parts = [1] * draw.between(1, 4 if dynamic else MAXIMUM_RANK)
        for factor in factors:
            place = draw.between(0, len(parts) - 1)
            parts[place] *= factor
        made: list[int] = list(parts)
        if dynamic:
            made.insert(draw.between(0, len(made)), dynamic[0])
        sizes = [-1 if is_dynamic(one) else one for one in made]
        if not dynamic and draw.chance(0.4):
            sizes[draw.between(0, len(sizes) - 1)] = -1
        return Application({"x": x}, (x.type.of_shape(tuple(made)),), {"sizes": tuple(sizes)})

    return Rule(EVERY_RANK, apply, ranks_from(1))


def flattened(*, at_front: bool = False) -> Rule:
    """`x (a..., b..., c...) -> (a..., prod b, c...)`; binds `start` and `end`, or `axis` where two axes are made."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        if at_front:
            place = draw.between(0, x.type.rank)
            made: tuple[int, ...] = (product(shape[:place]), product(shape[place:]))
            bound: dict[str, Any] = {"axis": place}
        else:
            start = draw.between(0, x.type.rank - 1)
            end = draw.between(start, x.type.rank - 1)
            made = (*shape[:start], product(shape[start : end + 1]), *shape[end + 1 :])
            bound = {"start": start, "end": end if draw.chance(0.5) else end - x.type.rank}
        return Application({"x": x}, (x.type.of_shape(made),), bound)

    if at_front:
        return Rule(EVERY_RANK, apply, lambda dtype, rank: frozenset({(dtype, 2)}))
    return Rule(FROM_1, apply, lambda dtype, rank: frozenset((dtype, one) for one in range(1, rank + 1)))


def unflattened() -> Rule:
    """`x (..., a b, ...) -> (..., a, b, ...)`; binds `axis` and `sizes`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank = scope.draw, x.type.rank
        drawn = axis(draw, rank)
        index = at(drawn, rank)
        size = x.type.shape[index]
        if is_dynamic(size) or size < 1:
            return None
        first = draw.pick([n for n in range(1, int(size) + 1) if size % n == 0])
        sizes = (first, int(size) // first)
        made = (*x.type.shape[:index], *sizes, *x.type.shape[index + 1 :])
        return Application({"x": x}, (x.type.of_shape(made),), {"axis": drawn, "sizes": sizes})

    return Rule((1, 2, 3, 4), apply, lambda dtype, rank: frozenset({(dtype, rank + 1)}))


def permuted() -> Rule:
    """`x -> x` with its axes in another order, which `order` binds."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        order = scope.draw.sample(range(x.type.rank), x.type.rank)
        made = tuple(x.type.shape[one] for one in order)
        return Application({"x": x}, (x.type.of_shape(made),), {"order": tuple(order)})

    return Rule(FROM_2, apply, same_type())


def exchanged() -> Rule:
    """`x -> x` with two axes exchanged; binds `first` and `second`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank = scope.draw, x.type.rank
        first, second = draw.sample(range(rank), 2)
        made = list(x.type.shape)
        made[first], made[second] = made[second], made[first]
        bound = {"first": first, "second": second - rank if draw.chance(0.4) else second}
        return Application({"x": x}, (x.type.of_shape(tuple(made)),), bound)

    return Rule(FROM_2, apply, same_type())


def moved() -> Rule:
    """`x -> x` with one axis moved; binds `source` and `target`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        source, target = (axis(scope.draw, x.type.rank) for _ in range(2))
        made = list(x.type.shape)
        made.insert(at(target, x.type.rank), made.pop(at(source, x.type.rank)))
        return Application({"x": x}, (x.type.of_shape(tuple(made)),), {"source": source, "target": target})

    return Rule(FROM_2, apply, same_type())


def squeezed() -> Rule:
    """`x (..., 1, ...) -> (..., ...)`; binds `axis`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        rank = x.type.rank
        ones = [index for index, size in enumerate(x.type.shape) if size == 1]
        if not ones:
            return None
        index = scope.draw.pick(ones)
        made = (*x.type.shape[:index], *x.type.shape[index + 1 :])
        drawn = index - rank if scope.draw.chance(0.4) else index
        return Application({"x": x}, (x.type.of_shape(made),), {"axis": drawn})

    def shape(draw: Any, rank: int, dimension: Any) -> tuple[int, ...]:
        return replaced(tuple(dimension() for _ in range(rank)), draw.between(0, rank - 1), 1)

    return Rule(FROM_1, apply, lambda dtype, rank: frozenset({(dtype, rank - 1)}), shape=shape)


def unsqueezed() -> Rule:
    """`x (..., ...) -> (..., 1, ...)`; binds `axis`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        rank = x.type.rank
        index = scope.draw.between(0, rank)
        made = (*x.type.shape[:index], 1, *x.type.shape[index:])
        drawn = index - rank - 1 if scope.draw.chance(0.4) else index
        return Application({"x": x}, (x.type.of_shape(made),), {"axis": drawn})

    return Rule(EVERY_RANK[:-1], apply, lambda dtype, rank: frozenset({(dtype, rank + 1)}))


def expanded() -> Rule:
    """`x -> sizes`: broadcast to a larger shape, which `sizes` binds."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        if any_dynamic(shape):
            return None
        front = tuple(draw.between(1, 3) for _ in range(draw.between(0, min(2, MAXIMUM_RANK - x.type.rank))))
        made = (*front, *(draw.between(1, 4) if size == 1 else size for size in shape))
        return Application({"x": x}, (x.type.of_shape(made),), {"sizes": made}) if made else None

    return Rule(
        EVERY_RANK,
        apply,
        lambda dtype, rank: frozenset((dtype, one) for one in range(max(rank, 1), min(rank + 2, MAXIMUM_RANK) + 1)),
    )


def tiled() -> Rule:
    """`x -> x` repeated along each axis, as often as `repeats` binds."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        repeats = tuple(scope.draw.pick((1, 1, 2, 3)) for _ in x.type.shape)
        made = tuple(size * count for size, count in zip(x.type.shape, repeats, strict=True))
        return Application({"x": x}, (x.type.of_shape(made),), {"repeats": repeats})

    return Rule(FROM_1, apply, same_type())


def repeated_along() -> Rule:
    """`x -> x` with each slice of an axis repeated; binds `count` and `axis`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        drawn, count = axis(scope.draw, x.type.rank), scope.draw.between(1, 3)
        index = at(drawn, x.type.rank)
        made = replaced(x.type.shape, index, x.type.shape[index] * count)
        return Application({"x": x}, (x.type.of_shape(made),), {"axis": drawn, "count": count})

    return Rule(FROM_1, apply, same_type())


def rearranged_along(*, several: bool = False) -> Rule:
    """`x -> x` with its elements moved along axes; binds `axes` and `shifts`, or `axis` and `shift`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank = scope.draw, x.type.rank
        if several:
            axes = draw.subset(range(rank))
            shifts = tuple(draw.between(-2, 3) for _ in axes)
            bound: dict[str, Any] = {"axes": tuple(axes), "shifts": shifts}
        else:
            bound = {"axis": axis(draw, rank), "shift": draw.between(-2, 3)}
        return Application({"x": x}, (x.type,), bound)

    return Rule(FROM_1, apply, same_type())


def rotated() -> Rule:
    """`x -> x` turned by quarters in the plane of two axes; binds `turns` and `axes`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        first, second = scope.draw.sample(range(x.type.rank), 2)
        turns = scope.draw.between(1, 3)
        made = list(x.type.shape)
        if turns % 2:
            made[first], made[second] = made[second], made[first]
        return Application({"x": x}, (x.type.of_shape(tuple(made)),), {"turns": turns, "axes": (first, second)})

    return Rule(FROM_2, apply, same_type())


def triangle() -> Rule:
    """`x (..., m, n) -> (..., m, n)` with elements beyond a diagonal made zero; binds `offset`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        return Application({"x": x}, (x.type,), {"offset": scope.draw.between(-1, 1)})

    return Rule(FROM_2, apply, same_type())


def diagonal() -> Rule:
    """`x (..., m, n) -> (..., min(m, n))`: the main diagonal of the last two axes."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        rows, columns = x.type.shape[-2:]
        if any_dynamic((rows, columns)) or min(rows, columns) < 1:
            return None
        return Application({"x": x}, (x.type.of_shape((*x.type.shape[:-2], min(rows, columns))),))

    return Rule(FROM_2, apply, lambda dtype, rank: frozenset({(dtype, rank - 1)}))


def diagonal_matrix() -> Rule:
    """`x (..., n) -> (..., n, n)` with the elements on the diagonal."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        return Application({"x": x}, (x.type.of_shape((*x.type.shape, x.type.shape[-1])),))

    return Rule((1, 2, 3, 4), apply, lambda dtype, rank: frozenset({(dtype, rank + 1)}))


def _factors(number: int) -> list[int]:
    factors, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors
