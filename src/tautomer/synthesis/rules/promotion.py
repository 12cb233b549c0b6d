"""Operands of different dtypes, and the dtype of what comes out."""

from __future__ import annotations

from tautomer.synthesis.rules.elementwise import Attributes, no_attributes
from tautomer.synthesis.rules.shapes import EVERY_RANK, broadcast, fixed_part, narrower
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import BOOL, FLOATS, MAXIMUM_RANK, NUMBERS, TensorType

_SIGNED = ("int8", "int16", "int32", "int64")
_COMMON = ("float32", "int64")
"""What a fresh second operand is of: inputs of other dtypes are for those who ask for them."""


def promoted(x: TensorType, y: TensorType) -> str:
    """The dtype that PyTorch computes an operator of two tensors in.

    A tensor without dimensions counts only where its category (boolean, integer, floating) is the higher one.

    Source: PyTorch's documentation, Tensor Attributes, "Type promotion" (torch.result_type).
    """
    own, other = _category(x.dtype), _category(y.dtype)
    if own != other:
        return x.dtype if own > other else y.dtype
    if bool(x.rank) != bool(y.rank):
        return x.dtype if x.rank else y.dtype
    if x.dtype == y.dtype:
        return x.dtype
    pair = {x.dtype, y.dtype}
    if x.dtype in FLOATS:
        return "float64" if "float64" in pair else "float32"
    if "uint8" in pair:
        signed = next(iter(pair - {"uint8"}))
        return "int16" if signed == "int8" else signed
    return max(pair, key=_SIGNED.index)


def _category(dtype: str) -> int:
    return 0 if dtype == BOOL else 2 if dtype in FLOATS else 1


def promoting(
    *,
    result: str | None = None,
    others: tuple[str, ...] = NUMBERS,
    condition: str | None = None,
    attributes: Attributes = no_attributes,
) -> Rule:
    """`x (...), y (...) -> (...)`, where shapes broadcast and `y` is of another dtype than `x`.

    Args:
        result: dtype of the result; None for the one that both are promoted to.
        others: dtypes of `y`.
        condition: the name of a third operand, of booleans, that broadcasts with both.
        attributes: what else the expression needs.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        shape = x.type.shape

        def fits(type_: TensorType) -> bool:
            return type_.dtype != x.type.dtype and type_.dtype in others and broadcast(shape, type_.shape) is not None

        y: Operand | None = scope.find("y", fits)
        if y is None:
            common = [one for one in _COMMON if one in others and one != x.type.dtype]
            if not common:
                return None
            y = scope.fresh("y", TensorType(scope.draw.pick(common), fixed_part(narrower(scope.draw, shape))))
        made = broadcast(shape, y.type.shape)
        drawn = attributes(scope.draw, x.type)
        if made is None or drawn is None:
            return None
        operands: dict[str, Operand] = {"x": x, "y": y}
        if condition is not None:
            operands[condition] = scope.operand(condition, TensorType(BOOL, fixed_part(made)))
        return Application(operands, (TensorType(result or promoted(x.type, y.type), made),), drawn)

    def results(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        own = TensorType(dtype, (1,) * rank)
        return frozenset(
            (result or promoted(own, TensorType(other, (1,) * one)), max(rank, one))
            for other in others
            if other != dtype
            for one in range(MAXIMUM_RANK + 1)
        )

    return Rule(EVERY_RANK, apply, results, joins=True)
