"""Where a graph decides (rounds, compares, chooses) on values whose own rounding could turn the decision.

An element is undecided where its input is inexact in the declared precision and lies within the error bound of where
the decision turns (docs/explanation/numerics.md, section 5). Sampling alone misses such elements; margins do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tautomer.adapters.tf_programs.graph_plan import Edge, NodePlan
from tautomer.adapters.tf_programs.interpreter import GraphDefRun, constant
from tautomer.adapters.tf_programs.quantization_kernels import FAKE_QUANTIZATIONS, steps_of
from tautomer.adapters.tf_programs.tracing import Call
from tautomer.adapters.undecided import UndecidedDecision
from tautomer.numerics.branches import Branches
from tautomer.numerics.judge import MAX_LIMIT

Array = np.ndarray[Any, Any]
_Turned = tuple[Array, Array] | None


class Decisions:
    """The deciding operators of a graph.

    Attributes:
        inputs: the values they decide on.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._nodes = [node for node in call.order() if _decides(node) and node.name in call.plan.varying]
        self.inputs: set[Edge] = {edge for node in self._nodes for edge in node.inputs}

    @property
    def stepping(self) -> list[str]:
        """Of those whose results are nothing but their decisions: whole numbers, signs, truth values, places."""
        return [node.name for node in self._nodes if node.op in _STEPS]

    def undecided(
        self, declared: Mapping[Edge, Array], exact: Mapping[Edge, Array], deviation: Mapping[Edge, Array]
    ) -> list[UndecidedDecision]:
        """Operators with elements that rounding could turn.

        Args:
            declared, exact: values of `inputs` in the declared precision and in float64.
            deviation: RMS deviation of the same under perturbed rounding.
        """
        found = [self._of(node, declared, exact, deviation) for node in self._nodes]
        return [one for one in found if one is not None]

    def _number(self, node: NodePlan) -> int | None:
        """The second input where it is one constant number: the axis of ArgMax, the k of TopKV2."""
        source = self._call.plan.nodes[node.inputs[1][0]] if len(node.inputs) > 1 else None
        if source is None or source.op != "Const":
            return None
        array = constant(source).numpy()
        return int(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind in "iu" else None

    def _of(
        self,
        node: NodePlan,
        declared: Mapping[Edge, Array],
        exact: Mapping[Edge, Array],
        deviation: Mapping[Edge, Array],
    ) -> UndecidedDecision | None:
        known = [edge for edge in node.inputs if edge in exact]
        if not known or any(exact[edge].shape != declared[edge].shape for edge in known):
            return None
        inexact = {edge: declared[edge].astype(exact[edge].dtype) != exact[edge] for edge in known}
        if not any(one.any() for one in inexact.values()):
            return None  # nothing was rounded on the way to it
        values = [exact.get(edge) for edge in node.inputs]
        bounds = [
            np.where(inexact[edge], MAX_LIMIT * deviation[edge], 0.0) if edge in deviation and edge in inexact else None
            for edge in node.inputs
        ]
        with np.errstate(all="ignore"):
            turned = _TURNS[node.op](values, bounds, {**node.attributes, "number": self._number(node)})
        if turned is None:
            return None
        margin, bound = turned
        where = (margin <= bound) & (bound > 0)
        count = int(where.sum())
        if not count:
            return None
        nearest = int(np.where(where, margin - bound, np.inf).argmin())
        return UndecidedDecision(
            node.name,
            node.op,
            self._call.lines.get(node.name),
            count,
            int(where.size),
            float(margin.reshape(-1)[nearest]),
            float(bound.reshape(-1)[nearest]),
            bounds,
        )


def taken_decisions(
    call: Call, names: Sequence[str], branches: Branches, *, lift: bool = False
) -> dict[str, list[Any]]:
    """What nodes decide in the declared precision, or in float64, by name; floating results as float64."""
    import tensorflow as tf

    taken: dict[str, list[Any]] = {}

    def observe(node: NodePlan, results: Sequence[Any]) -> None:
        if node.name in names:
            taken[node.name] = [tf.cast(one, tf.float64) if one.dtype.is_floating else one for one in results]

    if names:
        call.run(GraphDefRun(call.plan, lift=lift, observe=observe, branches=branches.again()))
    return taken


_STEPS = frozenset(
    """
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel Round Rint Floor Ceil Cast Sign
    FloorDiv ArgMax ArgMin Greater Less GreaterEqual LessEqual Equal NotEqual
    """.split()
)


def _decides(node: NodePlan) -> bool:
    if node.op not in _TURNS or not any(dtype.is_floating for dtype in node.input_dtypes):
        return False
    return node.op != "Cast" or not (node.output_dtypes[0].is_floating or node.output_dtypes[0].is_complex)


def _or_zero(bound: Array | None) -> Any:
    return 0.0 if bound is None else bound


def _to_half(values: Sequence[Any], bounds: Sequence[Any], _: Mapping[str, Any]) -> _Turned:
    x = values[0]
    return np.abs((x - np.floor(x)) - 0.5), np.broadcast_to(_or_zero(bounds[0]), x.shape)


def _to_integer(values: Sequence[Any], bounds: Sequence[Any], _: Mapping[str, Any]) -> _Turned:
    x = values[0]
    return np.abs(x - np.round(x)), np.broadcast_to(_or_zero(bounds[0]), x.shape)


def _to_whole(values: Sequence[Any], bounds: Sequence[Any], options: Mapping[str, Any]) -> _Turned:
    """Of a cast: where the whole number changes, or the truth value."""
    return (_to_zero if options["DstT"].is_bool else _to_integer)(values, bounds, options)


def _to_zero(values: Sequence[Any], bounds: Sequence[Any], _: Mapping[str, Any]) -> _Turned:
    return np.abs(values[0]), np.broadcast_to(_or_zero(bounds[0]), values[0].shape)


def _to_equal(values: Sequence[Any], bounds: Sequence[Any], _: Mapping[str, Any]) -> _Turned:
    if values[0] is None or values[1] is None:
        return None
    difference = np.abs(values[0] - values[1])
    return difference, np.broadcast_to(np.asarray(_or_zero(bounds[0])) + _or_zero(bounds[1]), difference.shape)


def _to_quotient(values: Sequence[Any], bounds: Sequence[Any], _: Mapping[str, Any]) -> _Turned:
    """Where a / b is near an integer, measured in the quotient."""
    a, b = values[0], values[1]
    if a is None or b is None:
        return None
    quotient = a / b
    bound = (_or_zero(bounds[0]) + np.abs(quotient) * _or_zero(bounds[1])) / np.abs(b)
    return np.abs(quotient - np.round(quotient)), np.broadcast_to(bound, quotient.shape)


def _gaps(x: Array, bound: Any, axis: int) -> tuple[Array, Array]:
    """Between neighbours in ascending order along an axis: their distances, and what both may be off together."""
    order = np.argsort(x, axis=axis)
    ascending = np.take_along_axis(x, order, axis)
    ordered = np.take_along_axis(np.broadcast_to(bound, x.shape), order, axis)
    size = x.shape[axis] - 1
    allowed = np.take(ordered, np.arange(size), axis) + np.take(ordered, np.arange(1, size + 1), axis)
    return np.diff(ascending, axis=axis), allowed


def _to_largest(values: Sequence[Any], bounds: Sequence[Any], options: Mapping[str, Any]) -> _Turned:
    return _to_extreme(values[0], _or_zero(bounds[0]), options["number"])


def _to_smallest(values: Sequence[Any], bounds: Sequence[Any], options: Mapping[str, Any]) -> _Turned:
    return None if values[0] is None else _to_extreme(-values[0], _or_zero(bounds[0]), options["number"])


def _to_extreme(x: Any, bound: Any, axis: int | None) -> _Turned:
    """The gap between the largest two along the axis."""
    if x is None or axis is None or not -x.ndim <= axis < x.ndim or x.shape[axis] < 2:
        return None
    gaps, allowed = _gaps(x, bound, axis)
    return np.take(gaps, [-1], axis), np.take(allowed, [-1], axis)


def _to_next(values: Sequence[Any], bounds: Sequence[Any], options: Mapping[str, Any]) -> _Turned:
    """The gaps of the largest `count` elements of a row to their neighbours in order."""
    x = values[0]
    if x is None or x.ndim == 0 or x.shape[-1] < 2:
        return None
    gaps, allowed = _gaps(x, _or_zero(bounds[0]), -1)
    count = options["number"]
    start = 0 if count is None else max(gaps.shape[-1] - count, 0)
    return gaps[..., start:], allowed[..., start:]


def _to_step(values: Sequence[Any], bounds: Sequence[Any], options: Mapping[str, Any]) -> _Turned:
    """Of a fake quantization: the distance to halfway between two steps, within the range."""
    x = values[0]
    low, high = values[1:] if len(values) > 1 else (options["min"], options["max"])
    if x is None or low is None or high is None:
        return None
    start, end, step = steps_of(np.asarray(low), np.asarray(high), options)
    place = (np.clip(x, start, end) - start) / step
    margin = np.where((x < start) | (x > end), np.inf, np.abs((place - np.floor(place)) - 0.5) * step)
    return margin, np.broadcast_to(_or_zero(bounds[0]), margin.shape)


_TURNS: dict[str, Callable[[Sequence[Any], Sequence[Any], Mapping[str, Any]], _Turned]] = {
    **dict.fromkeys(("Round", "Rint"), _to_half),
    **dict.fromkeys(("Floor", "Ceil"), _to_integer),
    "Cast": _to_whole,
    "Sign": _to_zero,
    **dict.fromkeys(("Greater", "Less", "GreaterEqual", "LessEqual", "Equal", "NotEqual"), _to_equal),
    **dict.fromkeys(("FloorDiv", "FloorMod", "Mod", "TruncateMod"), _to_quotient),
    **dict.fromkeys(("TopK", "TopKV2"), _to_next),
    "ArgMax": _to_largest,
    "ArgMin": _to_smallest,
    **dict.fromkeys(FAKE_QUANTIZATIONS, _to_step),
}
"""By operator, the distance of each element to where the decision turns, and what its inputs may be off."""
