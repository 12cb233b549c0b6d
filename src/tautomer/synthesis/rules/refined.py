"""Rules made of other rules: more names bound, fewer first operands taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from tautomer.synthesis.dims import any_dynamic
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import TensorType


def derived(rule: Rule, names: Callable[[Mapping[str, Any], TensorType], Mapping[str, Any]]) -> Rule:
    """The rule, with more names bound: computed from those that it binds and from the type of its first operand."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        application = rule.apply(scope, x)
        if application is None:
            return None
        more = names(application.attributes, x.type)
        return dataclasses.replace(application, attributes={**application.attributes, **more})

    return dataclasses.replace(rule, apply=apply)


def where(rule: Rule, taken: Callable[[TensorType], bool]) -> Rule:
    """The rule for those first operands only whose type is taken."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        return rule.apply(scope, x) if taken(x.type) else None

    return dataclasses.replace(rule, apply=apply)


def is_static(type_: TensorType) -> bool:
    """Whether no dimension differs between the sizes."""
    return not any_dynamic(type_.shape)


def has_elements(type_: TensorType) -> bool:
    """Whether no dimension is zero."""
    return not type_.is_empty


def of_ranks(rule: Rule, *ranks: int) -> Rule:
    """The rule for first operands of these ranks."""
    return dataclasses.replace(rule, ranks=tuple(one for one in rule.ranks if one in ranks))


def first_result(rule: Rule) -> Rule:
    """The rule for an expression that gives the first of its results only."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        application = rule.apply(scope, x)
        return None if application is None else dataclasses.replace(application, results=application.results[:1])

    return dataclasses.replace(rule, apply=apply)


def twice(rule: Rule) -> Rule:
    """The rule for an expression that gives two values of its result's type."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        application = rule.apply(scope, x)
        return None if application is None else dataclasses.replace(application, results=application.results * 2)

    return dataclasses.replace(rule, apply=apply)
