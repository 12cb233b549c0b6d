"""PyTorch's control flow: branches that a value chooses, loops of a few rounds.

What branches and bodies read is passed to them, and their parameters have names that no rule binds. What a loop carries
must keep its strides from round to round, which only the result of an operator does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tautomer.adapters.torch_programs.operators.entry import operator
from tautomer.synthesis import Draw, Specification, TensorType
from tautomer.synthesis.rules.elementwise import broadcasting, elementwise
from tautomer.synthesis.rules.refined import has_elements, twice, where
from tautomer.synthesis.rules.shapes import FROM_1
from tautomer.synthesis.tensor_types import FLOATS

BRANCH = "higher_order.cond"
LOOP = "higher_order.while_loop"


def _threshold(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"threshold": draw.number(-0.3, 0.3), "factor": draw.number(0.5, 1.5)}


def _threshold_of_integers(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"threshold": draw.between(-2, 4), "factor": draw.between(2, 3)}


def _turns(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"turns": draw.between(1, 4), "factor": draw.number(0.5, 1.2)}


def _until(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"turns": draw.between(3, 6), "least": draw.number(0.1, 0.5)}


OPERATORS: tuple[Specification, ...] = (
    operator(
        "torch.cond(x.mean() > threshold, lambda a: torch.relu(a) * factor, lambda a: torch.tanh(a) + factor, (x,))",
        where(elementwise(attributes=_threshold), has_elements),
        name="torch.cond",
        decides=True,
        graph=BRANCH,
    ),
    operator(
        "torch.cond(x.sum() > threshold, lambda a: a * factor, lambda a: factor - a, (x,))",
        where(elementwise(attributes=_threshold_of_integers), has_elements),
        ("int64", "int32"),
        name="torch.cond of integers",
        decides=True,
        graph=BRANCH,
    ),
    operator(
        "torch.cond(x.sum() < y.sum(), lambda a, b: torch.maximum(a, b), lambda a, b: a - b, (x, y))",
        where(broadcasting(same_shape=True, ranks=FROM_1), has_elements),
        (*FLOATS, "int64", "int32"),
        name="torch.cond of two",
        decides=True,
        graph=BRANCH,
    ),
    operator(
        "torch.while_loop(lambda i, a: i < turns, lambda i, a: (i + 1, torch.tanh(a) * factor), "
        "(torch.tensor(0), x.contiguous()))[1]",
        elementwise(attributes=_turns),
        name="torch.while_loop",
        graph=LOOP,
    ),
    operator(
        "torch.while_loop(lambda i, a: torch.logical_and(i < turns, a.abs().mean() > least), "
        "lambda i, a: (i + 1, a * 0.5), (torch.tensor(0), x.contiguous()))[1]",
        where(elementwise(attributes=_until), has_elements),
        name="torch.while_loop until",
        decides=True,
        graph=LOOP,
    ),
    operator(
        "torch.while_loop(lambda i, a, b: i < turns, lambda i, a, b: (i + 1, torch.sin(b), a * factor + b), "
        "(torch.tensor(0), x.contiguous(), y.contiguous()))[1:]",
        twice(broadcasting(same_shape=True, attributes=_turns)),
        name="torch.while_loop of two",
        graph=LOOP,
    ),
)
