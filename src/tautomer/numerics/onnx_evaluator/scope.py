"""Values while a graph runs: what each name holds, with the element type the model declares for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tautomer.numerics.onnx_evaluator.element_types import Value
from tautomer.numerics.onnx_evaluator.plan import Plan


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A value between two nodes.

    Attributes:
        value: array, list or None, stored in float64 where lifted.
        type_name: what the model declares: `tensor(float16)`, `seq(tensor(int64))`, `optional(tensor(float))`.
        is_constant: whether it is an initializer or a constant itself, not computed from one.
    """

    value: Value
    type_name: str
    is_constant: bool = False


@dataclass(slots=True, eq=False)
class Scope:
    """The names one run of a plan can see.

    Attributes:
        plan: the graph or function that runs.
        parent: the scope around a subgraph; None for the model's graph and for functions.
        attributes: values of the enclosing function's attributes.
        values: computed so far and still needed.
    """

    plan: Plan
    parent: Scope | None
    attributes: Mapping[str, Any]
    values: dict[str, Held] = field(default_factory=dict)
