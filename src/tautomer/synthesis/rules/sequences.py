"""Layers over sequences: recurrences in both directions, heads of attention, caches, positions."""

from __future__ import annotations

from typing import Any, Literal

from tautomer.synthesis.dims import any_dynamic, is_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.products import unit_scale
from tautomer.synthesis.rules.selection import indices_below
from tautomer.synthesis.rules.shapes import FROM_2, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import Domain, TensorType


def directed_recurrence(gates: int, *, cell: bool = False) -> Rule:
    """`x (length, batch, k) -> outputs (length, d, batch, h), hidden (d, batch, h)`, and the state of a cell.

    Binds `start` (and `start_cell`), `weight` (d, gates h, k), `recurrent` (d, gates h, h), `bias` (d, 2 gates h),
    `hidden` (h) and `direction`; d is 2 in both directions, else 1.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (length, batch, width) = scope.draw, x.type.shape
        if any_dynamic((batch, width)) or min(length, batch, width) < 1:
            return None
        hidden, direction = draw.between(1, 4), draw.pick(("forward", "reverse", "bidirectional"))
        ways = 2 if direction == "bidirectional" else 1

        def weight(name: str, shape: tuple[int, ...]) -> Operand:
            return scope.fresh(name, x.type.of_shape(shape), domain=unit_scale(shape[-1]), fixed=True)

        operands: dict[str, Operand | tuple[Operand, ...]] = {
            "x": x,
            "weight": weight("weight", (ways, gates * hidden, width)),
            "recurrent": weight("recurrent", (ways, gates * hidden, hidden)),
            "bias": weight("bias", (ways, 2 * gates * hidden)),
        }
        state = x.type.of_shape((ways, batch, hidden))
        for name in ("start", "start_cell") if cell else ("start",):
            operands[name] = scope.operand(name, state)
        results = (x.type.of_shape((length, ways, batch, hidden)), state, *((state,) if cell else ()))
        return Application(operands, results, {"hidden": hidden, "direction": direction})

    def shape(draw: Draw, rank: int, dimension: Any) -> tuple[int, ...]:
        return draw.between(1, 4), draw.between(1, 3), draw.between(1, 5)

    return Rule((3,), apply, lambda dtype, rank: frozenset({(dtype, 3), (dtype, 4)}), shape=shape, joins=True)


def attention_of_heads(mask: Literal["none", "numbers", "booleans"] = "none", *, grouped: bool = True) -> Rule:
    """`x (b, g h, q, e), key (b, h, k, e), value (b, h, k, v), mask (q, k) -> (b, g h, q, v)`.

    Binds `causal`; g is how many heads of `x` share one of `key`.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, heads, queries, width) = scope.draw, x.type.shape
        if min(batch, heads, queries, width) < 1 or any_dynamic(x.type.shape):
            return None
        own = draw.pick([n for n in range(1, int(heads) + 1) if heads % n == 0]) if grouped else heads
        length = draw.between(1, 5)
        value = x.type.of_shape((batch, own, length, draw.between(1, 5)))
        operands: dict[str, Operand | tuple[Operand, ...]] = {
            "x": x,
            "key": scope.operand("key", x.type.of_shape((batch, own, length, width))),
            "value": scope.operand("value", value),
        }
        if mask != "none":
            dtype = x.type.dtype if mask == "numbers" else "bool"
            operands["mask"] = scope.operand("mask", TensorType(dtype, (queries, length)))
        made = (batch, heads, queries, value.shape[-1])
        return Application(operands, (x.type.of_shape(made),), {"causal": int(draw.chance(0.3))})

    return Rule((4,), apply, same_type(), joins=True)


def attention_of_packed_heads() -> Rule:
    """`x (b, q, h e), key (b, k, h e), value (b, k, h v) -> (b, q, h v)`; binds `heads`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, queries, width) = scope.draw, x.type.shape
        if min(batch, queries, width) < 1 or any_dynamic(x.type.shape):
            return None
        heads = draw.pick([n for n in range(1, int(width) + 1) if width % n == 0])
        length, wide = draw.between(1, 5), heads * draw.between(1, 3)
        operands: dict[str, Operand | tuple[Operand, ...]] = {
            "x": x,
            "key": scope.operand("key", x.type.of_shape((batch, length, width))),
            "value": scope.operand("value", x.type.of_shape((batch, length, wide))),
        }
        return Application(operands, (x.type.of_shape((batch, queries, wide)),), {"heads": heads})

    return Rule((3,), apply, same_type(), joins=True)


def rotated_positions(*, positions: bool = False) -> Rule:
    """`x (b, h, s, e), cos (b, s, e / 2), sin (b, s, e / 2) -> (b, h, s, e)`; binds `interleaved`.

    With positions, `cos` and `sin` are tables of six rows and `position (b, s)` says which row holds where.
    """
    rows = 6

    def apply(scope: Scope, x: Operand) -> Application | None:
        batch, _, length, width = x.type.shape
        if any_dynamic(x.type.shape) or x.type.is_empty or width % 2 or (positions and length > rows):
            return None
        own = (rows, width // 2) if positions else (batch, length, width // 2)
        operands: dict[str, Operand | tuple[Operand, ...]] = {"x": x}
        for name in ("cos", "sin"):
            operands[name] = scope.fresh(name, x.type.of_shape(own), domain=Domain(-1.0, 1.0), fixed=positions)
        if positions:
            type_ = TensorType("int64", (batch, length))
            operands["position"] = scope.operand("position", type_, domain=indices_below(rows))
        return Application(operands, (x.type,), {"interleaved": int(scope.draw.chance(0.5))})

    def shape(draw: Draw, rank: int, dimension: Any) -> tuple[int, ...]:
        return draw.between(1, 2), draw.between(1, 3), draw.between(1, 4), draw.pick((2, 4, 6))

    return Rule((4,), apply, same_type(), shape=shape, joins=True)


def cache_update() -> Rule:
    """`x (b, ..., n, ...), update (b, ..., k, ...), places (b,) -> x` with slices of an axis replaced; binds `axis`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        axis = draw.between(1, x.type.rank - 1)
        size = shape[axis]
        if any_dynamic(shape) or x.type.is_empty:
            return None
        count = draw.between(1, int(size))
        update = scope.operand("update", x.type.of_shape((*shape[:axis], count, *shape[axis + 1 :])))
        last = Domain(0, int(size) - count)
        places = scope.operand("places", TensorType("int64", (shape[0],)), domain=last)
        return Application({"x": x, "update": update, "places": places}, (x.type,), {"axis": axis - x.type.rank})

    return Rule(FROM_2, apply, same_type(), joins=True)


def reversed_beginnings(*, batch_first: bool) -> Rule:
    """`x -> x` with the beginning of each sequence turned round; binds `lengths`, one for each sequence."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        batch, length = x.type.shape[:2] if batch_first else (x.type.shape[1], x.type.shape[0])
        if is_dynamic(batch) or is_dynamic(length) or min(batch, length) < 1:
            return None
        lengths = tuple(scope.draw.between(1, int(length)) for _ in range(int(batch)))
        return Application({"x": x}, (x.type,), {"lengths": lengths})

    return Rule(FROM_2, apply, same_type())
