"""Branches, loops and scans: what their bodies read, and how often they run."""

from __future__ import annotations

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.rules.shapes import EVERY_RANK, FROM_1, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import MAXIMUM_RANK, Domain, TensorType

MOST_ROUNDS = 4


def chosen(name: str, dtypes: tuple[str, ...], *, second: str | None = None, **constants: Domain) -> Rule:
    """`condition (), x (...) -> (...)`: one of two functions of `x`, and of a second value of its type.

    Args:
        name: of the operand that both branches read.
        dtypes: that it may have.
        second: the name of another operand of its type.
        constants: numbers of its dtype that branches read, by name.
    """

    def apply(scope: Scope, condition: Operand) -> Application | None:
        x: Operand | None = scope.find(name, lambda type_: type_.dtype in dtypes)
        if x is None:
            shape = tuple(scope.draw.between(2, 4) for _ in range(scope.draw.between(1, 3)))
            x = scope.fresh(name, TensorType(dtypes[0], shape))
        operands: dict[str, Operand | tuple[Operand, ...]] = {"condition": condition, name: x}
        if second is not None:
            operands[second] = scope.operand(second, x.type)
        return Application({**operands, **_constants(scope, x, constants)}, (x.type,))

    def possible(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        return frozenset((one, own) for one in dtypes for own in EVERY_RANK)

    return Rule((0,), apply, possible, anchor="condition", joins=True)


def iterated(*, collected: bool = False, **constants: Domain) -> Rule:
    """`x (...) -> (...)` after `turns` rounds; where a value of each is collected, that is a second `(turns, ...)`.

    Args:
        collected: whether a value of each round is a result.
        constants: numbers of the dtype of `x` that the body reads, by name.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        if x.type.is_empty or (collected and x.type.rank == MAXIMUM_RANK):
            return None
        turns = scope.draw.between(2, MOST_ROUNDS)
        results = [x.type]
        if collected:
            results.append(x.type.of_shape((turns, *x.type.shape)))
        return Application({"x": x, **_constants(scope, x, constants)}, tuple(results), {"turns": turns})

    def possible(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        return frozenset({(dtype, rank), *(((dtype, rank + 1),) if collected else ())})

    return Rule(EVERY_RANK[:-1] if collected else EVERY_RANK, apply, possible)


def scanned(**constants: Domain) -> Rule:
    """`x (n, ...), start (...) -> (...), (n, ...)`: the last state, and a value for each of the slices of `x`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        length, *rest = x.type.shape
        if x.type.is_empty or length < 2 or any(is_dynamic(one) for one in rest):
            return None
        state = x.type.of_shape(tuple(rest))
        operands = {"x": x, "start": scope.operand("start", state), **_constants(scope, x, constants)}
        return Application(operands, (state, x.type))

    return Rule(FROM_1, apply, lambda dtype, rank: same_type()(dtype, rank) | {(dtype, rank - 1)}, joins=True)


def _constants(scope: Scope, x: Operand, constants: dict[str, Domain]) -> dict[str, Operand]:
    type_ = TensorType(x.type.dtype, ())
    return {name: scope.fresh(name, type_, domain=domain, fixed=True) for name, domain in constants.items()}
