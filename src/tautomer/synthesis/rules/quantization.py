"""Integers that stand for real numbers: quantizing, and sums of products of what was quantized."""

from __future__ import annotations

from tautomer.synthesis.dims import any_dynamic, is_dynamic, product
from tautomer.synthesis.rules.elementwise import Attributes, no_attributes
from tautomer.synthesis.rules.padded_windows import drawn_windows
from tautomer.synthesis.rules.shapes import EVERY_RANK, FROM_2, Results, same_type
from tautomer.synthesis.rules.windows import image_shape
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import Domain, TensorType

SCALE = Domain(0.02, 0.05)
"""With eight bits, this reaches from 2.5 to 6.4: what fresh values are within."""
ZERO = {
    "uint8": Domain(120, 136),
    "int8": Domain(-4, 4),
    "uint16": Domain(32_000, 33_000),
    "int16": Domain(-50, 50),
    "int32": Domain(0, 0),
}
"""Zero points in the middle of their types; that of int32 is zero by the specification."""
SMALL_ZERO = Domain(0, 4)
"""Zero points among the small numbers that fresh values are, so that these stand for numbers of both signs."""


def quantized(target: str, *, by_axis: bool = False) -> Rule:
    """`x (...), scale, zero -> (...)` in whole numbers; both for each index of an axis, where one is bound."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        shape, bound = _scale_shape(scope, x, by_axis=by_axis)
        if shape is None:
            return None
        operands: dict[str, Operand | tuple[Operand, ...]] = {
            "x": x,
            "scale": scope.fresh("scale", TensorType(x.type.dtype, shape), domain=SCALE, fixed=True),
            "zero": scope.fresh("zero", TensorType(target, shape), domain=ZERO[target], fixed=True),
        }
        return Application(operands, (x.type.of_dtype(target),), bound)

    return Rule(EVERY_RANK[1:] if by_axis else EVERY_RANK, apply, same_type(target))


def dequantized(target: str, *, by_axis: bool = False) -> Rule:
    """`x (...) of whole numbers, scale, zero -> (...)`; `scale` and `zero` as for `quantized`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        shape, bound = _scale_shape(scope, x, by_axis=by_axis)
        if shape is None:
            return None
        operands: dict[str, Operand | tuple[Operand, ...]] = {
            "x": x,
            "scale": scope.fresh("scale", TensorType(target, shape), domain=SCALE, fixed=True),
            "zero": scope.fresh("zero", TensorType(x.type.dtype, shape), domain=_zero_of(x), fixed=True),
        }
        return Application(operands, (x.type.of_dtype(target),), bound)

    return Rule(EVERY_RANK[1:] if by_axis else EVERY_RANK, apply, same_type(target))


def _scale_shape(scope: Scope, x: Operand, *, by_axis: bool) -> tuple[tuple[int, ...] | None, dict[str, int]]:
    if not by_axis:
        return (), {}
    axis = scope.draw.between(0, x.type.rank - 1)
    size = x.type.shape[axis]
    return (None if is_dynamic(size) or size < 1 else (int(size),)), {"axis": axis}


def quantized_by_range(target: str = "uint8") -> Rule:
    """`x (...) -> (...) in whole numbers, scale (), zero ()`, both from the extremes of `x`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        if x.type.is_empty:
            return None
        results = (x.type.of_dtype(target), TensorType(x.type.dtype, ()), TensorType(target, ()))
        return Application({"x": x}, results)

    return Rule(EVERY_RANK, apply, lambda dtype, rank: frozenset({(target, rank), (dtype, 0), (target, 0)}))


def quantized_product(weight_dtype: str, *, result: str | None = None, scaled: bool = False) -> Rule:
    """`x (..., m, k), zero (), weight (k, n), weight_zero () -> (..., m, n)` of whole numbers.

    Where it is scaled, `scale`, `weight_scale`, `result_scale` and `result_zero` say what the numbers stand for.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        inner = x.type.shape[-1]
        if is_dynamic(inner) or inner < 1:
            return None
        weight = TensorType(weight_dtype, (inner, scope.draw.between(1, 6)))
        operands = _zeros(scope, x, weight, result, scaled=scaled, terms=int(inner))
        made = (*x.type.shape[:-1], weight.shape[1])
        return Application(operands, (TensorType(result or x.type.dtype, made),))

    return Rule(FROM_2, apply, same_type(result))


def quantized_windows(
    weight_dtype: str,
    *,
    result: str | None = None,
    scaled: bool = False,
    attributes: Attributes = no_attributes,
) -> Rule:
    """`x (b, c, h, w), zero (), weight (o, c, k, k), weight_zero () -> (b, o, h, w)` of whole numbers.

    Binds the window's names; scales as for `quantized_product`, and `bias (o,)` of int32 where it is scaled.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, channels, *sizes) = scope.draw, x.type.shape
        if is_dynamic(channels) or channels < 1 or any_dynamic(tuple(sizes)):
            return None
        drawn = drawn_windows(draw, tuple(sizes), same=False, dilated=True)
        if drawn is None:
            return None
        bound, made = drawn
        weight = TensorType(weight_dtype, (draw.between(1, 4), channels, *bound["kernel"]))
        operands = _zeros(scope, x, weight, result, scaled=scaled, terms=int(product(weight.shape[1:])))
        if scaled:
            bias = TensorType("int32", weight.shape[:1])
            operands["bias"] = scope.fresh("bias", bias, domain=Domain(-200, 200), fixed=True)
        results = (TensorType(result or x.type.dtype, (batch, weight.shape[0], *made)),)
        return Application(operands, results, {**bound, **(attributes(draw, x.type) or {})})

    return Rule((4,), apply, _of_rank_4(result), shape=image_shape())


def _zeros(
    scope: Scope, x: Operand, weight: TensorType, result: str | None, *, scaled: bool, terms: int
) -> dict[str, Operand | tuple[Operand, ...]]:
    made = result or x.type.dtype

    def fixed(name: str, type_: TensorType, domain: Domain) -> Operand:
        return scope.fresh(name, type_, domain=domain, fixed=True)

    low = 0 if weight.dtype == "uint8" else -100
    operands: dict[str, Operand | tuple[Operand, ...]] = {
        "x": x,
        "zero": fixed("zero", TensorType(x.type.dtype, ()), _zero_of(x)),
        "weight": fixed("weight", weight, Domain(low, low + 200)),
        "weight_zero": fixed("weight_zero", TensorType(weight.dtype, ()), ZERO[weight.dtype]),
    }
    if scaled:
        operands["scale"] = fixed("scale", TensorType("float32", ()), Domain(0.02, 0.05))
        operands["weight_scale"] = fixed("weight_scale", TensorType("float32", ()), Domain(0.005, 0.02))
        step = round(0.002 * max(terms, 1) ** 0.5, 5)
        operands["result_scale"] = fixed("result_scale", TensorType("float32", ()), Domain(step, 10 * step))
        operands["result_zero"] = fixed("result_zero", TensorType(made, ()), ZERO[made])
    return operands


def _zero_of(x: Operand) -> Domain:
    return SMALL_ZERO if x.type.dtype.startswith("uint") else ZERO[x.type.dtype]


def _of_rank_4(result: str | None) -> Results:
    return lambda dtype, rank: frozenset({(result or dtype, 4)})
