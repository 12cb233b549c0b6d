"""Operators that join tensors, cut them, or pad them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.rules.shapes import EVERY_RANK, FROM_1, FROM_2, at, axis, replaced, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import Subscript


def concatenated(*, most: int = 4, axis_of: Literal["any", "first", "second"] = "any") -> Rule:
    """`tensors (..., n_i, ...) -> (..., sum n_i, ...)`; binds `axis`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank, shape = scope.draw, x.type.rank, x.type.shape
        drawn = {"any": axis(draw, rank), "first": 0, "second": min(1, rank - 1)}[axis_of]
        index = at(drawn, rank)
        tensors: list[Operand] = [x]

        def fits(type_: Any) -> bool:
            return (
                type_.dtype == x.type.dtype
                and type_.rank == rank
                and all(a == b for place, (a, b) in enumerate(zip(type_.shape, shape, strict=True)) if place != index)
            )

        for _ in range(draw.between(1, most - 1)):
            found = scope.find("tensors", fits)
            tensors.append(found or scope.fresh("tensors", x.type.of_shape(replaced(shape, index, draw.between(1, 3)))))
        total = tensors[0].type.shape[index]
        for one in tensors[1:]:
            total = total + one.type.shape[index]
        draw_order = draw.sample(range(len(tensors)), len(tensors))
        ordered = tuple(tensors[one] for one in draw_order)
        return Application({"tensors": ordered}, (x.type.of_shape(replaced(shape, index, total)),), {"axis": drawn})

    ranks = FROM_1 if axis_of == "any" else FROM_2
    return Rule(ranks, apply, same_type(), joins=True)


def stacked(*, most: int = 3) -> Rule:
    """`tensors (...) -> (..., k, ...)`; binds `axis`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank = scope.draw, x.type.rank
        index = draw.between(0, rank)
        tensors: list[Operand] = [x]
        for _ in range(draw.between(1, most - 1)):
            tensors.append(scope.operand("tensors", x.type))
        made = (*x.type.shape[:index], len(tensors), *x.type.shape[index:])
        drawn = index - rank - 1 if draw.chance(0.4) else index
        return Application({"tensors": tuple(tensors)}, (x.type.of_shape(made),), {"axis": drawn})

    return Rule(EVERY_RANK[:-1], apply, lambda dtype, rank: frozenset({(dtype, rank + 1)}), joins=True)


def split(*, even: bool = False, most: int = 3) -> Rule:
    """`x (..., n, ...) -> parts`; binds `axis`, and `sizes` or, where parts are even, `count`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank = scope.draw, x.type.rank
        drawn = axis(draw, rank)
        index = at(drawn, rank)
        size = x.type.shape[index]
        if is_dynamic(size) or size < 2:
            return None
        if even:
            counts = [n for n in range(2, most + 2) if size % n == 0]
            if not counts:
                return None
            count = draw.pick(counts)
            sizes = [int(size) // count] * count
            bound: dict[str, Any] = {"count": count}
        else:
            cuts = sorted(draw.sample(range(1, int(size)), draw.between(1, min(most - 1, int(size) - 1))))
            sizes = [b - a for a, b in zip([0, *cuts], [*cuts, int(size)], strict=True)]
            bound = {"sizes": tuple(sizes)}
        results = tuple(x.type.of_shape(replaced(x.type.shape, index, one)) for one in sizes)
        return Application({"x": x}, results, {"axis": drawn, **bound})

    return Rule(FROM_1, apply, same_type())


def unbound() -> Rule:
    """`x (..., k, ...) -> k of (..., ...)`; binds `axis`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        drawn = axis(scope.draw, x.type.rank)
        index = at(drawn, x.type.rank)
        size = x.type.shape[index]
        if is_dynamic(size) or not 2 <= size <= 4:
            return None
        made = (*x.type.shape[:index], *x.type.shape[index + 1 :])
        return Application({"x": x}, (x.type.of_shape(made),) * int(size), {"axis": drawn, "count": int(size)})

    return Rule(FROM_1, apply, lambda dtype, rank: frozenset({(dtype, rank - 1)}))


def sliced(*, steps: bool = True) -> Rule:
    """`x -> x[..., start:stop:step, ...]` along one axis, of which it leaves something out.

    Binds `where`, which is a subscript, and its parts: `axis`, `start`, `stop`, `step` and `length`.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, rank = scope.draw, x.type.rank
        index = draw.between(0, rank - 1)
        size = x.type.shape[index]
        if is_dynamic(size) or size < 1:
            return None
        start = draw.between(0, int(size) - 1)
        stop = draw.between(start + 1, int(size))
        step = draw.pick((1, 1, 2)) if steps else 1
        length = (stop - start + step - 1) // step
        if length == size:
            return None  # nothing is cut: PyTorch's graph has another operator for that
        own = slice(start, stop, step) if step > 1 else slice(start, stop)
        where = Subscript((*(slice(None),) * index, own))
        bound = {"where": where, "axis": index, "start": start, "stop": stop, "step": step, "length": length}
        return Application({"x": x}, (x.type.of_shape(replaced(x.type.shape, index, length)),), bound)

    return Rule(FROM_1, apply, same_type())


def selected() -> Rule:
    """`x -> x[..., index, ...]` along one axis, which goes; binds `axis` and `index`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        drawn = axis(scope.draw, x.type.rank)
        place = at(drawn, x.type.rank)
        size = x.type.shape[place]
        if is_dynamic(size) or size < 1:
            return None
        made = (*x.type.shape[:place], *x.type.shape[place + 1 :])
        bound = {"axis": drawn, "index": scope.draw.between(-int(size), int(size) - 1)}
        return Application({"x": x}, (x.type.of_shape(made),), bound)

    return Rule(FROM_1, apply, lambda dtype, rank: frozenset({(dtype, rank - 1)}))


def padded(
    *, mode: Literal["constant", "reflect", "replicate", "circular"] = "constant", last_axes: Sequence[int] = ()
) -> Rule:
    """`x -> x` with elements before and after.

    Binds `before` and `after` (one number for each axis), `pairs` (both, the last axis first) and `value`.

    Args:
        mode: what is put there; it says how much may be.
        last_axes: by rank, how many of the last axes are padded; all, where it is empty.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        count = last_axes[x.type.rank] if last_axes else draw.between(1, x.type.rank)
        before, after = [0] * x.type.rank, [0] * x.type.rank
        for index in range(x.type.rank - count, x.type.rank):
            size = shape[index]
            most = {"constant": 2, "reflect": int(size) - 1, "replicate": 2, "circular": int(size)}[mode]
            if mode != "constant" and (size < 1 or is_dynamic(size)):
                return None
            before[index], after[index] = (draw.between(0, min(2, most)) for _ in range(2))
        if not any(before) and not any(after):
            return None
        made = tuple(a + size + b for a, size, b in zip(before, shape, after, strict=True))
        pairs = tuple(
            one
            for index in range(x.type.rank - 1, x.type.rank - count - 1, -1)
            for one in (before[index], after[index])
        )
        value: float | int = 0
        if x.type.dtype.startswith(("float", "bfloat")):
            value = draw.pick((0.0, 0.0, 1.0, -0.5))
        bound = {"before": tuple(before), "after": tuple(after), "pairs": pairs, "value": value}
        return Application({"x": x}, (x.type.of_shape(made),), bound)

    ranks = tuple(rank for rank, count in enumerate(last_axes) if count) if last_axes else FROM_1
    return Rule(ranks, apply, same_type())
