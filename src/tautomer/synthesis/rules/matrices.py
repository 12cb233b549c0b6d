"""Operators on matrices in the last two axes: products with transposes, determinants, inverses, diagonals."""

from __future__ import annotations

from collections.abc import Callable

from tautomer.synthesis.dims import any_dynamic, is_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.products import WIDEST, unit_scale
from tautomer.synthesis.rules.shapes import FROM_1, FROM_2, broadcast, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import FLOATS, MAXIMUM_RANK, TensorType


def transposable_product() -> Rule:
    """`x (..., m, k), y (..., k, n) -> (..., m, n)`, either operand transposed; binds `turn_x` and `turn_y`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, dtype = scope.draw, x.type.dtype
        *batch, rows, inner = x.type.shape
        turn_x, turn_y = draw.chance(0.4), draw.chance(0.4)
        if turn_x:
            rows, inner = inner, rows
        if inner < 1:
            return None

        def fits(type_: TensorType) -> bool:
            if type_.dtype != dtype or type_.rank < 2 or type_.shape[-1 if turn_y else -2] != inner:
                return False
            return broadcast(type_.shape[:-2], batch) is not None

        y: Operand | None = scope.find("y", fits)
        if y is None:
            if is_dynamic(inner):
                return None
            own = (inner, draw.between(1, WIDEST))
            domain = unit_scale(inner) if dtype in FLOATS else None
            y = scope.fresh("y", TensorType(dtype, own[::-1] if turn_y else own), domain=domain)
        columns = y.type.shape[-2 if turn_y else -1]
        met = broadcast(y.type.shape[:-2], batch)
        assert met is not None
        bound = {"turn_x": turn_x, "turn_y": turn_y}
        return Application({"x": x, "y": y}, (x.type.of_shape((*met, rows, columns)),), bound)

    def results(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        return frozenset((dtype, one) for one in range(rank, MAXIMUM_RANK + 1))

    return Rule(FROM_2, apply, results, joins=True)


def matrix_vector_product() -> Rule:
    """`x (..., m, k), y (..., k) -> (..., m)`: batches of the same shape, or none on the vector's side."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        *batch, rows, inner = x.type.shape
        if inner < 1 or is_dynamic(inner):
            return None

        def fits(type_: TensorType) -> bool:
            return type_.dtype == x.type.dtype and type_.shape in ((*batch, inner), (inner,))

        own = x.type.of_shape((inner,))
        y = scope.find("y", fits) or scope.fresh("y", own, domain=unit_scale(inner))
        return Application({"x": x, "y": y}, (x.type.of_shape((*batch, rows)),))

    return Rule(FROM_2, apply, lambda dtype, rank: frozenset({(dtype, rank - 1)}), joins=True)


def contracted(*, axes: int = 1) -> Rule:
    """`x (a..., k), y (k, b...) -> (a..., b...)`: the last axes of one summed with the first of the other."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rest = scope.draw, x.type.shape[: x.type.rank - axes]
        inner = x.type.shape[x.type.rank - axes :]
        if any_dynamic(inner) or any(one < 1 for one in inner):
            return None

        def fits(type_: TensorType) -> bool:
            if type_.dtype != x.type.dtype or not axes <= type_.rank <= MAXIMUM_RANK + axes - len(rest):
                return False
            return type_.shape[:axes] == inner

        terms = 1
        for one in inner:
            terms *= int(one)
        fresh = TensorType(x.type.dtype, (*inner, *(draw.between(1, 4) for _ in range(draw.between(0, 1)))))
        y = scope.find("y", fits) or scope.fresh("y", fresh, domain=unit_scale(terms))
        made = (*rest, *y.type.shape[axes:])
        return Application({"x": x, "y": y}, (x.type.of_shape(made),)) if len(made) <= MAXIMUM_RANK else None

    def results(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        rest = rank - axes
        return frozenset((dtype, one) for one in range(rest, min(rest + MAXIMUM_RANK - axes, MAXIMUM_RANK) + 1))

    return Rule(tuple(range(axes, MAXIMUM_RANK + 1)), apply, results, joins=True)


def square_matrices(*, scalar: bool = False) -> Rule:
    """`x (..., n, n) -> (..., n, n)`, or `(...)` where a matrix gives a number."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        *batch, rows, columns = x.type.shape
        if rows != columns or rows < 1 or is_dynamic(rows):
            return None
        return Application({"x": x}, (x.type.of_shape(tuple(batch) if scalar else x.type.shape),))

    return Rule(FROM_2, apply, lambda dtype, rank: frozenset({(dtype, rank - 2 if scalar else rank)}), shape=_square)


def solved() -> Rule:
    """`x (..., n, n), y (..., n, k) -> (..., n, k)`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        *batch, rows, columns = x.type.shape
        if rows != columns or rows < 1 or is_dynamic(rows):
            return None
        y = scope.operand("y", x.type.of_shape((*batch, rows, scope.draw.between(1, 3))))
        return Application({"x": x, "y": y}, (y.type,))

    return Rule(FROM_2, apply, same_type(), shape=_square, joins=True)


def with_diagonal() -> Rule:
    """`x (..., m, n), y (..., min(m, n)) -> (..., m, n)`: another main diagonal."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        *batch, rows, columns = x.type.shape
        if any_dynamic((rows, columns)) or min(rows, columns) < 1:
            return None
        y = scope.operand("y", x.type.of_shape((*batch, min(rows, columns))))
        return Application({"x": x, "y": y}, (x.type,))

    return Rule(FROM_2, apply, same_type(), joins=True)


def cross_product() -> Rule:
    """`x (..., 3), y (..., 3) -> (..., 3)`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        if x.type.shape[-1] != 3:
            return None
        return Application({"x": x, "y": scope.operand("y", x.type)}, (x.type,))

    def shape(draw: Draw, rank: int, dimension: Callable[[], int]) -> tuple[int, ...]:
        return (*(dimension() for _ in range(rank - 1)), 3)

    return Rule(FROM_1, apply, same_type(), shape=shape, joins=True)


def _square(draw: Draw, rank: int, dimension: Callable[[], int]) -> tuple[int, ...]:
    size = draw.between(1, 4)
    return (*(dimension() for _ in range(rank - 2)), size, size)
