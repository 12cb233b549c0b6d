"""Operators that act on each element, on one tensor or on several that broadcast."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.shapes import EVERY_RANK, broadcast, fixed_part, narrower, same_type
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import MAXIMUM_RANK, DtypeName, TensorType

Attributes = Callable[[Draw, TensorType], Mapping[str, Any] | None]
"""Draws the attributes of an operator for the type of its first operand; None where it has none that fit."""


def no_attributes(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    """Nothing to draw."""
    return {}


def elementwise(
    result: str | None = None, attributes: Attributes = no_attributes, ranks: tuple[int, ...] = EVERY_RANK
) -> Rule:
    """`x (...) -> (...)`, of the same dtype or a named one."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        drawn = attributes(scope.draw, x.type)
        if drawn is None:
            return None
        return Application({"x": x}, (x.type.of_dtype(result or x.type.dtype),), drawn)

    return Rule(ranks, apply, same_type(result))


def cast(*targets: str) -> Rule:
    """`x (...) -> (...)` in another dtype, which the attribute `dtype` names."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        others = [one for one in targets if one != x.type.dtype]
        if not others:
            return None
        target = scope.draw.pick(others)
        return Application({"x": x}, (x.type.of_dtype(target),), {"dtype": DtypeName(target)})

    return Rule(
        EVERY_RANK, apply, lambda dtype, rank: frozenset((target, rank) for target in targets if target != dtype)
    )


def broadcasting(
    *others: str,
    result: str | None = None,
    attributes: Attributes = no_attributes,
    dtypes: Mapping[str, str] | None = None,
    same_shape: bool = False,
    ranks: tuple[int, ...] = EVERY_RANK,
) -> Rule:
    """`x (...), y (...) -> (...)`, where shapes broadcast.

    Args:
        others: names of the operands after `x`.
        result: dtype of the result; None for that of `x`.
        attributes: what else the expression needs.
        dtypes: of operands that have another dtype than `x`.
        same_shape: whether the framework does not broadcast here.
        ranks: of `x`.
    """
    names = others or ("y",)

    def apply(scope: Scope, x: Operand) -> Application | None:
        operands: dict[str, Operand] = {"x": x}
        shape = x.type.shape
        for name in names:
            dtype = (dtypes or {}).get(name, x.type.dtype)
            partner = _partner(scope, name, dtype, shape, same_shape=same_shape)
            operands[name] = partner
            met = broadcast(shape, partner.type.shape)
            if met is None:
                return None
            shape = met
        drawn = attributes(scope.draw, x.type)
        if drawn is None:
            return None
        return Application(operands, (TensorType(result or x.type.dtype, shape),), drawn)

    def results(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        largest = rank if same_shape else MAXIMUM_RANK
        return frozenset((result or dtype, one) for one in range(rank, largest + 1))

    return Rule(ranks, apply, results, joins=True)


def _partner(scope: Scope, name: str, dtype: str, shape: tuple[int, ...], *, same_shape: bool) -> Operand:
    def fits(type_: TensorType) -> bool:
        if type_.dtype != dtype:
            return False
        return type_.shape == shape if same_shape else broadcast(type_.shape, shape) is not None

    found = scope.find(name, fits)
    if found is not None:
        return found
    if same_shape:
        return scope.fresh(name, TensorType(dtype, shape))
    own = narrower(scope.draw, shape)
    wanted = TensorType(dtype, own if scope.draw.chance(0.3) else fixed_part(own))
    return scope.fresh(name, wanted)


def joined(names: str = "tensors", *, most: int = 4, result: str | None = None) -> Rule:
    """A list of tensors that broadcast, folded into one (ONNX's Sum, Max, Mean)."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        tensors: list[Operand] = [x]
        shape = x.type.shape
        for _ in range(scope.draw.between(0, most - 1)):
            partner = _partner(scope, names, x.type.dtype, shape, same_shape=False)
            met = broadcast(shape, partner.type.shape)
            if met is None:
                return None
            shape = met
            tensors.append(partner)
        return Application({names: tuple(tensors)}, (TensorType(result or x.type.dtype, shape),))

    return Rule(
        EVERY_RANK, apply, lambda dtype, rank: frozenset((dtype, one) for one in EVERY_RANK if one >= rank), joins=True
    )
