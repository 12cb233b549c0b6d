"""Subscripts of several axes at once: ranges, steps either way, indices that drop an axis, new axes."""

from __future__ import annotations

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.rules.shapes import FROM_1
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import MAXIMUM_RANK, Subscript


def subscripted() -> Rule:
    """`x -> x[where]`; an axis that is dynamic is left as it is, or turned round."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw = scope.draw
        parts: list[slice | int | None] = []
        made: list[int] = []
        changed = False
        for size in x.type.shape:
            if draw.chance(0.1) and len(made) < MAXIMUM_RANK:
                parts.append(None)
                made.append(1)
                changed = True
            way = "turn" if is_dynamic(size) else draw.pick(("whole", "range", "range", "turn", "index", "step"))
            if size < 1 or draw.chance(0.3):
                way = "whole"
            whole = int(size)
            changed = changed or way != "whole"
            if way == "whole":
                parts.append(slice(None))
                made.append(size)
            elif way == "turn":
                parts.append(slice(None, None, -1))
                made.append(size)
            elif way == "index":
                parts.append(draw.between(-whole, whole - 1))
            else:
                start = draw.between(0, whole - 1)
                stop = draw.between(start + 1, whole)
                step = draw.pick((2, 3)) if way == "step" else 1
                last = stop - whole if stop < whole and draw.chance(0.3) else stop
                parts.append(slice(start, last, step) if step > 1 else slice(start, last))
                made.append((stop - start + step - 1) // step)
        if not changed or len(made) > MAXIMUM_RANK:
            return None
        return Application({"x": x}, (x.type.of_shape(tuple(made)),), {"where": Subscript(parts)})

    def results(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        return frozenset((dtype, one) for one in range(min(2 * rank, MAXIMUM_RANK) + 1))

    return Rule(FROM_1, apply, results)
