"""Products of matrices and vectors."""

from __future__ import annotations

import math

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.rules.shapes import FROM_1, FROM_2, Results, broadcast, fixed_part
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import MAXIMUM_RANK, Domain, TensorType

WIDEST = 8
"""Fresh weights have at most so many columns, so that values stay small."""


def unit_scale(terms: int) -> Domain:
    """What weights are drawn from so that a sum of so many products stays of the size of its terms."""
    bound = round(1.5 / math.sqrt(max(int(terms), 1)), 3)
    return Domain(-bound, bound)


def matrix_product(least: int = 1, most: int = MAXIMUM_RANK) -> Rule:
    """`x (..., m, k), y (..., k, n) -> (..., m, n)`, vectors as NumPy's matmul takes them, batches broadcast."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        inner = shape[-1]
        if inner < 1:
            return None

        def fits(type_: TensorType) -> bool:
            if type_.dtype != x.type.dtype or not least <= type_.rank <= most:
                return False
            if type_.rank == 1:
                return type_.shape[0] == inner
            return type_.shape[-2] == inner and broadcast(type_.shape[:-2], shape[:-2]) is not None

        y: Operand | None = scope.find("y", fits)
        if y is None:
            if is_dynamic(inner):
                return None
            rank = 2 if least > 1 or draw.chance(0.85) else 1
            own = (inner, draw.between(1, WIDEST)) if rank == 2 else (inner,)
            y = scope.fresh("y", TensorType(x.type.dtype, own), domain=unit_scale(inner))
        return Application({"x": x, "y": y}, (x.type.of_shape(product_shape(shape, y.type.shape)),))

    ranks = tuple(range(max(least, 1), most + 1))

    def results(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        lowest = rank if least > 1 else max(rank - 1, 0)
        highest = max(rank, most) if rank > 1 else most - 1  # a vector has no row to give
        return frozenset((dtype, one) for one in range(lowest, highest + 1))

    return Rule(ranks, apply, results, joins=True)


def product_shape(x: tuple[int, ...], y: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of NumPy's matmul."""
    rows = x[-2:-1] if len(x) > 1 else ()
    columns = y[-1:] if len(y) > 1 else ()
    batch = broadcast(x[:-2], y[:-2])
    assert batch is not None
    return (*batch, *rows, *columns)


def exact_product(ranks: tuple[int, int], *, third: str | None = None) -> Rule:
    """A product of operands of two ranks (`mm`, `bmm`, `mv`, `dot`); `third` is an operand that is added to it."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        inner = shape[-1]
        if inner < 1:
            return None
        batch = shape[:-2] if ranks == (3, 3) else ()

        def fits(type_: TensorType) -> bool:
            if type_.dtype != x.type.dtype or type_.rank != ranks[1]:
                return False
            return type_.shape[-2 if ranks[1] > 1 else -1] == inner and type_.shape[: len(batch)] == batch

        y: Operand | None = scope.find("y", fits)
        if y is None:
            own = (inner,) if ranks[1] == 1 else (*batch, inner, draw.between(1, WIDEST))
            y = scope.fresh("y", TensorType(x.type.dtype, own), domain=unit_scale(inner))
        made = product_shape(shape, y.type.shape)
        operands: dict[str, Operand] = {"x": x, "y": y}
        if third is not None:
            operands[third] = scope.operand(third, x.type.of_shape(fixed_part(made) if draw.chance(0.4) else made))
        return Application(operands, (x.type.of_shape(made),))

    rank = len(product_shape((1,) * ranks[0], (1,) * ranks[1]))
    return Rule((ranks[0],), apply, lambda dtype, _: frozenset({(dtype, rank)}), joins=True)


def outer_product() -> Rule:
    """`x (m,), y (n,) -> (m, n)`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        y: Operand | None = scope.find("y", lambda type_: type_.dtype == x.type.dtype and type_.rank == 1)
        if y is None:
            y = scope.fresh("y", TensorType(x.type.dtype, (scope.draw.between(1, WIDEST),)))
        return Application({"x": x, "y": y}, (x.type.of_shape((*x.type.shape, *y.type.shape)),))

    return Rule((1,), apply, lambda dtype, _: frozenset({(dtype, 2)}), joins=True)


def dense(*, transposed: bool = True, bias: bool = True) -> Rule:
    """`x (..., k), weight (n, k), bias (n,) -> (..., n)`; `weight (k, n)` where it is not transposed."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        inner = x.type.shape[-1]
        if inner < 1 or is_dynamic(inner):
            return None
        wide = scope.draw.between(1, WIDEST)
        own = (wide, inner) if transposed else (inner, wide)
        operands: dict[str, Operand] = {
            "x": x,
            "weight": scope.fresh("weight", TensorType(x.type.dtype, own), domain=unit_scale(inner), fixed=True),
        }
        if bias:
            operands["bias"] = scope.fresh("bias", TensorType(x.type.dtype, (wide,)), fixed=True)
        return Application(operands, (x.type.of_shape((*x.type.shape[:-1], wide)),))

    return Rule(FROM_1 if transposed else FROM_2, apply, _same_rank())


def einstein(equations: tuple[str, ...], rank: int) -> Rule:
    """A sum in Einstein's notation over two operands, `equation`; dimensions by letter."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw = scope.draw
        equation = draw.pick(equations)
        left, out = equation.split("->")
        first, second = left.split(",")
        sizes = dict(zip(first, x.type.shape, strict=True))
        if len(set(first)) != rank or any(size < 1 for size in sizes.values()):
            return None
        for letter in second:
            if letter not in sizes:
                sizes[letter] = draw.between(1, WIDEST)
        summed = [sizes[letter] for letter in sizes if letter not in out]
        terms = math.prod(int(one) for one in summed)

        def fits(type_: TensorType) -> bool:
            return type_.dtype == x.type.dtype and type_.shape == tuple(sizes[letter] for letter in second)

        y: Operand | None = scope.find("y", fits) or scope.fresh(
            "y", TensorType(x.type.dtype, tuple(sizes[letter] for letter in second)), domain=unit_scale(terms)
        )
        assert y is not None
        made = tuple(sizes[letter] for letter in out)
        return Application({"x": x, "y": y}, (x.type.of_shape(made),), {"equation": equation})

    ranks = frozenset(len(one.split("->")[1]) for one in equations)
    return Rule((rank,), apply, lambda dtype, _: frozenset((dtype, one) for one in ranks), joins=True)


def _same_rank() -> Results:
    return lambda dtype, rank: frozenset({(dtype, rank)})
