"""Operators that hold scores of classes against labels."""

from __future__ import annotations

from collections.abc import Sequence

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.rules.selection import indices_below
from tautomer.synthesis.rules.shapes import FROM_1, FROM_2
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import Domain, TensorType

PROBABILITIES = Domain(0.0, 1.0)


def against_distributions(ranks: Sequence[int] = FROM_1) -> Rule:
    """`x (..., c), labels (..., c) -> (...)`: scores against a weight for each class."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        if x.type.shape[-1] < 2:
            return None
        labels = scope.operand("labels", x.type, domain=PROBABILITIES)
        return Application({"x": x, "labels": labels}, (x.type.of_shape(x.type.shape[:-1]),))

    return Rule(tuple(ranks), apply, lambda dtype, rank: frozenset({(dtype, rank - 1)}), joins=True)


def against_classes(*, result: str | None = None, attribute: str | None = None, only: Sequence[int] = FROM_2) -> Rule:
    """`x (..., c), labels (...) of integers below c -> (...)`; binds `attribute`, a number of classes, where asked."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        *batch, classes = x.type.shape
        if is_dynamic(classes) or classes < 2:
            return None
        own = TensorType(scope.draw.pick(("int32", "int64")), tuple(batch))
        labels = scope.operand("labels", own, domain=indices_below(classes))
        bound = {} if attribute is None else {attribute: scope.draw.between(1, int(classes) - 1)}
        made = TensorType(result or x.type.dtype, tuple(batch))
        return Application({"x": x, "labels": labels}, (made,), bound)

    return Rule(tuple(only), apply, lambda dtype, rank: frozenset({(result or dtype, rank - 1)}), joins=True)
