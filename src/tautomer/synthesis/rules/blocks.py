"""Operators that are whole layers: recurrences and attention."""

from __future__ import annotations

from typing import Any

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.rules.products import unit_scale
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import TensorType


def recurrence(gates: int, *, cell: bool = False) -> Rule:
    """`x (length, batch, k) -> outputs (length, batch, h), hidden (1, batch, h)`, and the state of a cell.

    Binds `start` (and `start_cell`), `weight_input` (gates h, k), `weight_hidden` (gates h, h), `bias_input` and
    `bias_hidden`.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        length, batch, width = x.type.shape
        if is_dynamic(length) or is_dynamic(width) or is_dynamic(batch) or min(length, batch, width) < 1:
            return None
        hidden, dtype = scope.draw.between(1, 4), x.type.dtype

        def weight(name: str, shape: tuple[int, ...]) -> Operand:
            return scope.fresh(name, TensorType(dtype, shape), domain=unit_scale(shape[-1]), fixed=True)

        operands: dict[str, Operand | tuple[Operand, ...]] = {
            "x": x,
            "weight_input": weight("weight_input", (gates * hidden, width)),
            "weight_hidden": weight("weight_hidden", (gates * hidden, hidden)),
            "bias_input": weight("bias_input", (gates * hidden,)),
            "bias_hidden": weight("bias_hidden", (gates * hidden,)),
        }
        state = TensorType(dtype, (1, batch, hidden))
        for name in ("start", "start_cell") if cell else ("start",):
            operands[name] = scope.operand(name, state)
        results = (x.type.of_shape((length, batch, hidden)), state, *((state,) if cell else ()))
        return Application(operands, results)

    def shape(draw: Any, rank: int, dimension: Any) -> tuple[int, ...]:
        return draw.between(1, 4), draw.between(1, 3), draw.between(1, 5)

    return Rule((3,), apply, lambda dtype, rank: frozenset({(dtype, 3)}), shape=shape, joins=True)


def attention(*, rank: int = 4) -> Rule:
    """`x (b, h, q, e), key (b, h, k, e), value (b, h, k, v) -> (b, h, q, v)`; binds `causal`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        if any(size < 1 for size in shape) or is_dynamic(shape[-1]):
            return None
        length = draw.between(1, 5)
        key = scope.operand("key", x.type.of_shape((*shape[:-2], length, shape[-1])))
        value = scope.operand("value", x.type.of_shape((*shape[:-2], length, draw.between(1, 5))))
        made = (*shape[:-1], value.type.shape[-1])
        return Application({"x": x, "key": key, "value": value}, (x.type.of_shape(made),), {"causal": draw.chance(0.3)})

    return Rule((rank,), apply, lambda dtype, one: frozenset({(dtype, one)}), joins=True)
