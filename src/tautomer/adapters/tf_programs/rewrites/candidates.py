"""Which nodes of a frozen graph are meant by a located operator, and what may stand in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tautomer.adapters.rewrite_rules import RewriteFunction, described
from tautomer.adapters.tf_programs.graph_plan import NodePlan
from tautomer.adapters.tf_programs.rewrites.freezing import FunctionalGraph
from tautomer.adapters.tf_programs.rewrites.lists import BEGINS_LIST, LIST_FUNCTIONS
from tautomer.adapters.tf_programs.rewrites.rule import code_of
from tautomer.adapters.tf_programs.rewrites.splice import Choice, Replaced
from tautomer.adapters.tf_programs.rewrites.table import TABLE

TABLE_METHOD = "table"

_LOOPS = frozenset({"While", "StatelessWhile"})
_OF_LOOPS = _LOOPS | LIST_FUNCTIONS.keys()
"""Operators that are written out together: a list stays one until everything that uses it knows its elements."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to rewrite.

    Attributes:
        method: `table`; there is no other for TensorFlow.
        operator: as located; None for every operator of the table but loops.
        line: the source line it was located at, as `file.py:12`; None for every node of the operator.
    """

    method: str
    operator: str | None = None
    line: str | None = None


def choice(graph: FunctionalGraph, target: Target) -> Choice:
    """The way to replace the nodes of a graph, and of the functions it calls, that a target means."""
    loops = target.operator in _OF_LOOPS

    def choose(node: NodePlan) -> RewriteFunction | None:
        if target.method != TABLE_METHOD:
            return None
        if loops:
            if node.op in BEGINS_LIST:
                return LIST_FUNCTIONS[node.op]
            return TABLE.entries[node.op].function if node.op in _LOOPS else None
        if node.op not in TABLE.entries or (target.operator is None and node.op in _LOOPS):
            return None
        if target.operator is not None and _plain(node.op) != _plain(target.operator):
            return None
        if target.line is not None and graph.lines.get(node.name) != target.line:
            return None
        return TABLE.entries[node.op].function

    return choose


def _plain(operator: str) -> str:
    """An operator's name without what freezing adds or removes: whether it is known to have no state."""
    return operator.removeprefix("Stateless")


def said_of(graph: FunctionalGraph, replaced: Sequence[Replaced]) -> dict[str, str]:
    """What a person needs of rewrites: the code and its place, how exact it is, a note, and the source."""
    known = [one for one in replaced if one.operator in TABLE.entries]
    operators = list(dict.fromkeys(one.operator for one in known))
    functions = dict.fromkeys(TABLE.entries[one].function for one in operators)
    places = dict.fromkeys(_place(graph, one) for one in known)
    usage = "\n".join(f"# {line}" for line in ("Call it as `tf.raw_ops` is called, here:", *places))
    return {"code": f"{usage}\n\n{code_of(*functions)}", **described(TABLE, operators)}


def _place(graph: FunctionalGraph, one: Replaced) -> str:
    function = TABLE.entries[one.operator].function.__name__
    line = graph.lines.get(one.name) or "line unknown"
    return f"{line} ({one.name}): {function}({', '.join(one.arguments)}) for {one.operator}"
