"""Images made larger or smaller, to sizes or by factors."""

from __future__ import annotations

from typing import Any, Literal

from tautomer.synthesis.dims import any_dynamic, is_dynamic
from tautomer.synthesis.rules.shapes import same_type
from tautomer.synthesis.rules.windows import image_shape
from tautomer.synthesis.specification import Application, Operand, Rule, Scope

FACTORS = (2.0, 3.0, 0.5, 1.5)
"""Products with sizes are exact, so that what is rounded down is the same in every format."""


def resized(
    spatial: tuple[int, ...],
    *,
    by: Literal["sizes", "factors"],
    coordinates: tuple[str, ...],
    **choices: tuple[Any, ...],
) -> Rule:
    """`x (b, c, ...) -> (b, c, sizes...)`.

    Binds `sizes` or `factors` (for every axis), `coordinates`, and one of each of the choices.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        if any(size < 1 for size in shape) or any_dynamic(shape[:2]) or (by == "sizes" and any_dynamic(shape)):
            return None
        made, factors = list(shape[:2]), [1.0, 1.0]
        for size in shape[2:]:
            if by == "sizes":
                made.append(draw.between(1, 2 * int(size)))
                continue
            factor = 2.0 if is_dynamic(size) else draw.pick([one for one in FACTORS if int(size * one) >= 1])
            factors.append(factor)
            made.append(size * 2 if is_dynamic(size) else int(size * factor))
        bound: dict[str, Any] = {"sizes": tuple(made)} if by == "sizes" else {"factors": tuple(factors)}
        bound["coordinates"] = draw.pick(coordinates)
        bound |= {name: draw.pick(values) for name, values in choices.items()}
        return Application({"x": x}, (x.type.of_shape(tuple(made)),), bound)

    return Rule(tuple(one + 2 for one in spatial), apply, same_type(), shape=image_shape(2, 6))
