"""Normalizations, and the weights that they take."""

from __future__ import annotations

from typing import Literal

from tautomer.synthesis.dims import any_dynamic, is_dynamic, product
from tautomer.synthesis.rules.shapes import FROM_1
from tautomer.synthesis.rules.windows import image_shape
from tautomer.synthesis.specification import Application, Fresh, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import Domain, TensorType

EPSILONS = (1e-5, 1e-6, 1e-3)
SCALE = Domain(0.5, 1.5)
SHIFT = Domain(-0.5, 0.5)


def over_last_axes(*, weights: tuple[str, ...] = ("weight", "bias"), most: int = 2) -> Rule:
    """`x (..., n...), weight (n...), bias (n...) -> (..., n...)`; binds `shape`, the normalised one, and `epsilon`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw = scope.draw
        count = draw.between(1, min(most, x.type.rank))
        own = x.type.shape[x.type.rank - count :]
        if any_dynamic(own) or product(own) < 2:
            return None
        operands: dict[str, Operand | tuple[Operand, ...]] = {"x": x}
        for name in weights:
            domain = SCALE if name == "weight" else SHIFT
            operands[name] = scope.fresh(name, TensorType(x.type.dtype, own), domain=domain, fixed=True)
        return Application(operands, (x.type,), {"shape": own, "epsilon": draw.pick(EPSILONS)})

    return Rule(FROM_1, apply, lambda dtype, rank: frozenset({(dtype, rank)}))


def by_channel(
    statistics: Literal["given", "instance", "group"], *, last: bool = False, ranks: tuple[int, ...] = (2, 3, 4, 5)
) -> Rule:
    """`x (b, c, ...)` normalised for each channel: with given statistics, with its own, or by groups of channels.

    Binds `weight`, `bias` and `epsilon`; `mean` and `variance` where statistics are given; `groups` where there are.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        channels = shape[-1] if last else shape[1]
        if is_dynamic(channels) or channels < 1:
            return None
        rest = shape[1:-1] if last else shape[2:]
        bound: dict[str, object] = {"epsilon": draw.pick(EPSILONS)}
        if statistics == "instance" and product(rest) < 2:
            return None
        if statistics == "group":
            groups = draw.pick([n for n in range(1, int(channels) + 1) if channels % n == 0])
            if product(rest) * (channels // groups) < 2:
                return None
            bound["groups"] = groups

        def weight(name: str, domain: Domain) -> Fresh:
            return scope.fresh(name, TensorType(x.type.dtype, (channels,)), domain=domain, fixed=True)

        operands: dict[str, Operand | tuple[Operand, ...]] = {
            "x": x,
            "weight": weight("weight", SCALE),
            "bias": weight("bias", SHIFT),
        }
        if statistics == "given":
            operands["mean"] = weight("mean", SHIFT)
            operands["variance"] = weight("variance", SCALE)
        return Application(operands, (x.type,), bound)

    return Rule(ranks, apply, lambda dtype, rank: frozenset({(dtype, rank)}), shape=image_shape(2, 5, last=last))


def local_response(*, last: bool = False) -> Rule:
    """`x (b, c, ...)` divided by a power of its neighbours; binds `size`, `alpha`, `beta`, `bias_term`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw = scope.draw
        bound = {
            "size": draw.pick((1, 3, 5)),
            "alpha": draw.pick((1e-4, 0.01, 0.5)),
            "beta": draw.pick((0.5, 0.75)),
            "bias_term": draw.pick((1.0, 2.0)),
        }
        return None if x.type.is_empty else Application({"x": x}, (x.type,), bound)

    return Rule((4,) if last else (3, 4), apply, lambda dtype, rank: frozenset({(dtype, rank)}), shape=image_shape())
