"""Which nodes of a captured program are meant by a located operator, and what may stand in their place."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch

from tautomer.adapters.rewrite_rules import RewriteFunction, described
from tautomer.adapters.stack_traces import users_line
from tautomer.adapters.torch_programs.rewrites.rule import code_of
from tautomer.adapters.torch_programs.rewrites.splice import Choice
from tautomer.adapters.torch_programs.rewrites.table import TABLE

TABLE_METHOD, DECOMPOSITION_METHOD = "table", "decomposition"


@dataclass(frozen=True, slots=True)
class Target:
    """What to rewrite.

    Attributes:
        method: `table` or `decomposition`.
        operator: as located: `aten.name.overload`; None for every operator of the table.
        line: the source line it was located at, as `file.py:12`; None for every node of the operator.
    """

    method: str
    operator: str | None = None
    line: str | None = None


@dataclass(frozen=True, slots=True)
class ChosenRewrite:
    """A way to replace the target's nodes.

    Attributes:
        choose: says of a node what replaces it.
        describe: of the operators that were replaced: the code to paste, how exact it is, a note, and the source.
    """

    choose: Choice
    describe: Callable[[Collection[str]], dict[str, str]]


def choice(program: Any, target: Target) -> ChosenRewrite:
    """The way to replace the nodes of a program that a target means."""
    meant = {node.name for node in _nodes(program, target)}
    if target.method == TABLE_METHOD:

        def from_table(node: Any) -> RewriteFunction | None:
            entry = TABLE.entries.get(str(node.target)) if node.name in meant else None
            return entry.function if entry is not None else None

        return ChosenRewrite(from_table, _of_table)

    def from_pytorch(node: Any) -> RewriteFunction | None:
        return _decomposition(node.target) if node.name in meant else None

    return ChosenRewrite(from_pytorch, _of_decompositions)


def _of_table(operators: Collection[str]) -> dict[str, str]:
    functions = dict.fromkeys(TABLE.entries[one].function for one in operators)
    return {"code": code_of(*functions), **described(TABLE, list(operators))}


def _of_decompositions(operators: Collection[str]) -> dict[str, str]:
    table = ", ".join(f"torch.ops.{one}: decompositions[torch.ops.{one}]" for one in operators)
    code = (
        "import torch\n\n"
        "decompositions = torch.export.default_decompositions()\n"
        f"program = torch.export.export(model, args).run_decompositions({{{table}}})\n"
        "torch.onnx.export(program, dynamo=True)\n"
    )
    said = f"PyTorch's own decomposition of {' and '.join(operators)}"
    return {"code": code, "exactness": "as PyTorch defines it", "note": "", "source": said}


def _nodes(program: Any, target: Target) -> list[Any]:
    """The nodes of the located operator at the located line: of that overload, else of another overload of it."""
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    if target.operator is None:
        return calls
    for same in (_same_overload, _same_operator):
        meant = [node for node in calls if same(str(node.target), target.operator)]
        if target.line is not None:
            meant = [node for node in meant if users_line(str(node.meta.get("stack_trace", ""))) == target.line]
        if meant:
            return meant
    return []


def _same_overload(name: str, located: str) -> bool:
    return name == located


def _same_operator(name: str, located: str) -> bool:
    """Whether two overloads, in place or not, are of one operator."""
    return name.split(".")[:2] == located.split(".")[:2]


def _decomposition(operator: Any) -> RewriteFunction | None:
    """PyTorch's own definition of an operator by simpler ones; None where it has none."""
    if not isinstance(operator, torch._ops.OpOverload):
        return None
    found = torch._decomp.decomposition_table.get(operator)
    if found is not None:
        return found
    if operator._can_decompose():
        return operator.decompose
    return None
