"""Fourier transforms, of a whole axis and of windows along it."""

from __future__ import annotations

from typing import Any

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.shapes import same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import TensorType


def fourier(*, onesided: bool = False) -> Rule:
    """`x (..., n, ..., c) -> (..., n, ..., 2)`, c being 1 for real numbers and 2 for complex ones.

    Binds `axis` and `inverse`; onesided, `x` is real and the axis of the result is n // 2 + 1 long.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        if shape[-1] not in ((1,) if onesided else (1, 2)) or is_dynamic(shape[-1]):
            return None
        axis = draw.between(1, x.type.rank - 2)
        size = shape[axis]
        if is_dynamic(size) or size < 1:
            return None
        made = [*shape[:-1], 2]
        if onesided:
            made[axis] = size // 2 + 1
        return Application({"x": x}, (x.type.of_shape(tuple(made)),), {"axis": axis, "inverse": int(draw.chance(0.3))})

    def shape(draw: Draw, rank: int, dimension: Any) -> tuple[int, ...]:
        inner = tuple(draw.between(2, 8) for _ in range(rank - 2))
        return (draw.between(1, 3), *inner, 1 if onesided else draw.pick((1, 2)))

    return Rule((3, 4), apply, same_type(), shape=shape)


def fourier_of_windows() -> Rule:
    """`x (b, n, 1), window (w,) -> (b, frames, w // 2 + 1, 2)`; binds `step` and `length`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, size, parts) = scope.draw, x.type.shape
        if parts != 1 or is_dynamic(size) or size < 2:
            return None
        length, step = draw.between(2, min(8, int(size))), draw.between(1, 3)
        window = scope.fresh("window", TensorType(x.type.dtype, (length,)), fixed=True)
        made = (batch, (size - length) // step + 1, length // 2 + 1, 2)
        return Application({"x": x, "window": window}, (x.type.of_shape(made),), {"step": step, "length": length})

    def shape(draw: Draw, rank: int, dimension: Any) -> tuple[int, ...]:
        return draw.between(1, 3), draw.between(4, 16), 1

    return Rule((3,), apply, lambda dtype, rank: frozenset({(dtype, 4)}), shape=shape)
