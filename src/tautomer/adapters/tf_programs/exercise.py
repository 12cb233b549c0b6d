"""Which parts of a graph one set of inputs exercises: what was cut off, what was chosen, what came out constant.

A check on inputs that exercise nothing proves nothing. One run in the declared precision is watched; an operator that
has a rule says what it was seen doing, and every computed value whether it varied at all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tautomer.adapters.tf_programs.graph_plan import Edge, NodePlan
from tautomer.adapters.tf_programs.interpreter import GraphDefRun
from tautomer.adapters.tf_programs.nested import to_tensor
from tautomer.adapters.tf_programs.operators import MOVES
from tautomer.adapters.tf_programs.tracing import Call
from tautomer.numerics.branches import Branches

Array = np.ndarray[Any, Any]
Seen = tuple[str, bool]
"""What is to be said where no run shows it, and whether this run does."""

Rule = Callable[[Sequence[Array], Sequence[Array]], Iterator[Seen]]


def observed(call: Call, branches: Branches) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a graph in its own precision.

    Returns:
        Its outputs by path; and what was seen, as JSON values for `tautomer.checking.exercise`.
    """
    run = _Watched(call, branches)
    outputs = call.run(run)
    digests = {path: _digest(value) for path, value in outputs.items()}
    return outputs, {"observations": run.observations, "outputs": digests}


class _Watched(GraphDefRun):
    """A run that asks the rules about every operator of the graph itself whose values come from the inputs."""

    def __init__(self, call: Call, branches: Branches) -> None:
        super().__init__(call.plan, lift=False, branches=branches)
        self.observations: list[dict[str, Any]] = []
        self._lines = call.lines
        self._ordinals: Counter[tuple[str, str | None]] = Counter()
        self._constant: set[Edge] = set()
        users: dict[str, set[str]] = {}
        for node in call.order():
            for source, _ in node.inputs:
                users.setdefault(source, set()).add(node.op)
        self._only_chooses = {name for name, ops in users.items() if ops <= {"Select", "SelectV2"}}

    def _node(self, plan: Any, node: NodePlan, inputs: Any, shadows: Any, *, observed: bool) -> Any:
        results = super()._node(plan, node, inputs, shadows, observed=observed)
        if observed and node.name in plan.varying and all(hasattr(one, "numpy") for one in (*inputs, *results)):
            rule = _RULES.get(node.op)
            if rule is not None and not (node.op in _COMPARISONS and node.name in self._only_chooses):
                given = [one.numpy() for one in inputs]
                self._note(node.op, node, rule(given, [one.numpy() for one in results]))
            self._varied(node, results)
        return results

    def _note(self, operator: str, node: NodePlan, seen: Iterator[Seen]) -> None:
        line = self._lines.get(node.name)
        self._ordinals[operator, line] += 1
        place = {"operator": operator, "line": line, "ordinal": self._ordinals[operator, line] - 1, "node": node.name}
        self.observations += [{**place, "lacking": lacking, "acted": acted, "edge": False} for lacking, acted in seen]

    def _varied(self, node: NodePlan, results: Sequence[Any]) -> None:
        """Whether a computed value differs anywhere; only where a constant begins, not where it is handed on."""
        handed_on = any(edge in self._constant for edge in node.inputs)
        if not results or not getattr(results[0].dtype, "is_floating", False):
            return
        if node.op in MOVES:
            if handed_on:
                self._constant.add((node.name, 0))
            return
        array = results[0].numpy()
        if array.size < 2:
            return
        single = array.astype(np.float64)
        constant = not np.nanmin(single, initial=np.inf) < np.nanmax(single, initial=-np.inf)
        if constant:
            self._constant.add((node.name, 0))
        if not (constant and handed_on):
            self._note(f"{node.op} values", node, iter([("all its values are equal", not constant)]))


def _digest(value: Any) -> str:
    tensor = to_tensor(value)
    digest = hashlib.blake2b(f"{tensor.dtype} {tensor.shape}".encode(), digest_size=16)
    digest.update(repr(tensor.array.tolist()).encode() if tensor.dtype == "string" else tensor.array.tobytes())
    return digest.hexdigest()


def _on_both_sides(*points: float) -> Rule:
    """A piecewise function of its first input: values on either side of every point where it bends."""

    def rule(inputs: Sequence[Array], _: Sequence[Array]) -> Iterator[Seen]:
        x = inputs[0]
        if x.size:
            for point in points:
                yield f"no value is below {point:g}", bool((x < point).any())
                yield f"no value is above {point:g}", bool((x > point).any())

    return rule


def _winners(inputs: Sequence[Array], _: Sequence[Array]) -> Iterator[Seen]:
    one, other = inputs[:2]
    if one.size and other.size:
        yield "its first argument never wins", bool((one > other).any())
        yield "its second argument never wins", bool((one < other).any())


def _outcomes(_: Sequence[Array], results: Sequence[Array]) -> Iterator[Seen]:
    yield from _truth(results[0], "its result")


def _condition(inputs: Sequence[Array], _: Sequence[Array]) -> Iterator[Seen]:
    yield from _truth(inputs[0], "its condition")


def _truth(mask: Array, what: str) -> Iterator[Seen]:
    if mask.size:
        yield f"{what} is never true", bool(mask.any())
        yield f"{what} is never false", not bool(mask.all())


_COMPARISONS = frozenset({"Greater", "GreaterEqual", "Less", "LessEqual", "Equal", "NotEqual"})

_RULES: dict[str, Rule] = {
    **dict.fromkeys(("Relu", "LeakyRelu", "Elu", "Selu", "Abs"), _on_both_sides(0.0)),
    "Relu6": _on_both_sides(0.0, 6.0),
    **dict.fromkeys(("Maximum", "Minimum"), _winners),
    **dict.fromkeys(("Select", "SelectV2"), _condition),
    **dict.fromkeys((*_COMPARISONS, "LogicalAnd", "LogicalOr", "LogicalNot", "IsNan"), _outcomes),
}
"""By operator, what it must be seen doing."""
