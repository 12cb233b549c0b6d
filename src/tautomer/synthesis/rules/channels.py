"""Operators that take the last axis for channels, whatever comes before it."""

from __future__ import annotations

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.rules.shapes import FROM_1, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import Domain, TensorType


def channel_weight(name: str, domain: Domain, ranks: tuple[int, ...] = (2, 3, 4, 5)) -> Rule:
    """`x (..., c)` and a weight `(c,)` -> `(..., c)`: a bias, or the slopes of an activation."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        channels = x.type.shape[-1]
        if is_dynamic(channels) or channels < 1:
            return None
        weight = scope.fresh(name, TensorType(x.type.dtype, (channels,)), domain=domain, fixed=True)
        return Application({"x": x, name: weight}, (x.type,))

    return Rule(ranks, apply, same_type())


def widened(factor: int) -> Rule:
    """`x (..., c) -> (..., factor c)`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        shape = x.type.shape
        return Application({"x": x}, (x.type.of_shape((*shape[:-1], shape[-1] * factor)),))

    return Rule(FROM_1, apply, same_type())
