"""Operators of two tensors of which one leads, and rearrangements of several axes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tautomer.synthesis.dims import any_dynamic, is_dynamic, product
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.elementwise import Attributes, no_attributes
from tautomer.synthesis.rules.normalization import EPSILONS, SCALE, SHIFT
from tautomer.synthesis.rules.products import WIDEST, unit_scale
from tautomer.synthesis.rules.shapes import EVERY_RANK, FROM_1, FROM_2, fixed_part, narrower, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import TensorType


def led(name: str = "y", *, dtype: str | None = None, attributes: Attributes = no_attributes) -> Rule:
    """`x (...), y -> (...)` of the type of `x`, to whose shape that of `y` broadcasts; `y` may have another dtype."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        wanted = TensorType(dtype or x.type.dtype, fixed_part(narrower(scope.draw, x.type.shape)))
        drawn = attributes(scope.draw, x.type)
        if drawn is None:
            return None
        return Application({"x": x, name: scope.operand(name, wanted)}, (x.type,), drawn)

    return Rule(EVERY_RANK, apply, same_type(), joins=True)


def cast_to_that_of(*targets: str) -> Rule:
    """`x (...), y -> (...)` in the dtype of `y`, whose elements do not matter."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        others = [one for one in targets if one != x.type.dtype]
        if not others:
            return None
        target = scope.draw.pick(others)
        y = scope.fresh("y", TensorType(target, (1,)), fixed=True)
        return Application({"x": x, "y": y}, (x.type.of_dtype(target),))

    return Rule(EVERY_RANK, apply, lambda dtype, rank: frozenset((one, rank) for one in targets if one != dtype))


def cut_in_steps() -> Rule:
    """`x -> x` cut along several axes, in either direction; binds `starts`, `stops`, `axes` and `steps`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, made = scope.draw, list(x.type.shape)
        axes = [one for one in draw.subset(range(x.type.rank)) if made[one] >= 1 and not is_dynamic(made[one])]
        starts, stops, steps = [], [], []
        for axis in axes:
            size, step = int(made[axis]), draw.pick((1, 2, -1, -2))
            low = draw.between(0, size - 1)
            high = draw.between(low, size - 1)
            starts.append(low if step > 0 else high)
            # One before the first element is said as a number below that of any element, -1 being the last one.
            stops.append(high + 1 if step > 0 else (low - 1 if low else -size - 1))
            steps.append(step)
            made[axis] = (high - low) // abs(step) + 1
        if not axes:
            return None
        bound = {"starts": tuple(starts), "stops": tuple(stops), "axes": tuple(axes), "steps": tuple(steps)}
        return Application({"x": x}, (x.type.of_shape(tuple(made)),), bound)

    return Rule(FROM_1, apply, same_type())


def cropped_or_padded() -> Rule:
    """`x -> x` with some axes cut or filled up on both sides to sizes; binds `sizes` and `axes`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, made = scope.draw, list(x.type.shape)
        axes = [one for one in draw.subset(range(x.type.rank)) if not is_dynamic(made[one])]
        if not axes:
            return None
        sizes = tuple(draw.between(1, int(made[one]) + 2) for one in axes)
        for axis, size in zip(axes, sizes, strict=True):
            made[axis] = size
        return Application({"x": x}, (x.type.of_shape(tuple(made)),), {"sizes": sizes, "axes": tuple(axes)})

    return Rule(FROM_1, apply, same_type())


def general_product() -> Rule:
    """`x (m, k) or (k, m), y (k, n) or (n, k), z -> (m, n)`: alpha x y + beta z.

    Binds `alpha`, `beta`, `transposed` and `other_transposed`; `z` broadcasts to the result.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw = scope.draw
        transposed, other_transposed = draw.chance(0.4), draw.chance(0.4)
        inner, rows = x.type.shape if transposed else x.type.shape[::-1]
        if is_dynamic(inner) or inner < 1:
            return None
        columns = draw.between(1, WIDEST)
        own = (columns, inner) if other_transposed else (inner, columns)
        made = (rows, columns)
        y = scope.operand("y", x.type.of_shape(own), domain=None if draw.chance(0.3) else unit_scale(inner))
        z = scope.operand("z", x.type.of_shape(fixed_part(narrower(draw, made))))
        bound: Mapping[str, Any] = {
            "alpha": draw.pick((1.0, 1.0, 0.5, 2.0)),
            "beta": draw.pick((1.0, 1.0, 0.25, -1.0)),
            "transposed": int(transposed),
            "other_transposed": int(other_transposed),
        }
        return Application({"x": x, "y": y, "z": z}, (x.type.of_shape(made),), bound)

    return Rule((2,), apply, same_type(), joins=True)


def determinant() -> Rule:
    """`x (..., n, n) -> (...)`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        rows, columns = x.type.shape[-2:]
        if any_dynamic((rows, columns)) or rows != columns or rows < 1:
            return None
        return Application({"x": x}, (x.type.of_shape(x.type.shape[:-2]),))

    def shape(draw: Draw, rank: int, dimension: Any) -> tuple[int, ...]:
        size = draw.between(1, 4)
        return (*(dimension() for _ in range(rank - 2)), size, size)

    return Rule(FROM_2, apply, lambda dtype, rank: frozenset({(dtype, rank - 2)}), shape=shape)


def normalised_from(*, weights: tuple[str, ...] = ("weight", "bias"), statistics: str | None = None) -> Rule:
    """`x (..., n...), weight (n...), bias (n...) -> (..., n...)`; binds `axis`, the first one, and `epsilon`.

    Where `statistics` names a dtype, the mean and the inverse deviation are results as well.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank = scope.draw, x.type.rank
        count = draw.between(1, min(2, rank))
        own = x.type.shape[rank - count :]
        if any_dynamic(own) or product(own) < 2:
            return None
        operands: dict[str, Operand | tuple[Operand, ...]] = {"x": x}
        for name in weights:
            domain = SCALE if name == "weight" else SHIFT
            operands[name] = scope.fresh(name, x.type.of_shape(own), domain=domain, fixed=True)
        results = [x.type]
        if statistics is not None:
            results += [TensorType(statistics, (*x.type.shape[: rank - count], *(1,) * count))] * 2
        bound = {"axis": draw.pick((-count, rank - count)), "epsilon": draw.pick(EPSILONS)}
        return Application(operands, tuple(results), bound)

    def possible(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        return frozenset({(dtype, rank), *(((statistics, rank),) if statistics else ())})

    return Rule(FROM_1, apply, possible)


def centred() -> Rule:
    """`x -> x` with mean zero and variance one over some axes, which `axes` binds."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        axes = scope.draw.subset(range(x.type.rank))
        if any(x.type.shape[one] < 1 for one in axes) or product([x.type.shape[one] for one in axes]) < 2:
            return None
        return Application({"x": x}, (x.type,), {"axes": tuple(axes)})

    return Rule(FROM_2, apply, same_type())
