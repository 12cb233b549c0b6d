"""Where a captured program decides (rounds, compares, chooses) on values whose own rounding could turn the decision.

An element is undecided where its input is inexact in the declared precision and lies within the error bound of where
the decision turns (docs/explanation/numerics.md, section 5). Sampling alone misses such elements; margins do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from tautomer.adapters.torch_programs.capture import source_line
from tautomer.adapters.torch_programs.lift import GraphRun, base_name
from tautomer.adapters.torch_programs.quantization import QUANTIZING, turn_of_quantization
from tautomer.adapters.undecided import UndecidedDecision
from tautomer.numerics.branches import Branches
from tautomer.numerics.judge import MAX_LIMIT


class Decisions:
    """The deciding operators of a captured graph.

    Attributes:
        inputs: names of the nodes whose values they decide on.
    """

    def __init__(self, graph: torch.fx.GraphModule) -> None:
        self._nodes = [node for node in graph.graph.nodes if _decides(node)]
        self.inputs = {source.name for node in self._nodes for source in node.all_input_nodes}

    @property
    def names(self) -> list[str]:
        """Of the deciding nodes."""
        return [node.name for node in self._nodes]

    @property
    def stepping(self) -> list[str]:
        """Of those whose results are nothing but their decisions: whole numbers, signs, truth values, places."""
        return [node.name for node in self._nodes if base_name(node.target) in _STEPS]

    def undecided(
        self,
        declared: Mapping[str, torch.Tensor],
        exact: Mapping[str, torch.Tensor],
        deviation: Mapping[str, torch.Tensor],
    ) -> list[UndecidedDecision]:
        """Operators with elements that rounding could turn.

        Args:
            declared, exact: values of `inputs` in the declared precision and in float64.
            deviation: RMS deviation of the same under perturbed rounding.
        """
        found = []
        for node in self._nodes:
            one = self._of(node, declared, exact, deviation)
            if one is not None:
                found.append(one)
        return found

    def _of(
        self,
        node: torch.fx.Node,
        declared: Mapping[str, torch.Tensor],
        exact: Mapping[str, torch.Tensor],
        deviation: Mapping[str, torch.Tensor],
    ) -> UndecidedDecision | None:
        names = [source.name for source in node.all_input_nodes if source.name in exact]
        if not names or any(exact[name].shape != declared[name].shape for name in names):
            return None
        inexact = {name: declared[name].to(exact[name].dtype) != exact[name] for name in names}
        if not any(bool(one.any()) for one in inexact.values()):
            return None  # nothing was rounded on the way to it
        values = [_value(argument, exact) for argument in node.args]
        bounds = [_bound(argument, deviation, inexact) for argument in node.args]
        turned = _TURNS[base_name(node.target)](values, bounds, _options(node))
        if turned is None:
            return None
        margin, bound = turned
        where = (margin <= bound) & (bound > 0)
        count = int(where.sum())
        if not count:
            return None
        nearest = int(torch.where(where, margin - bound, torch.inf).argmin())
        return UndecidedDecision(
            node.name,
            str(node.target),
            source_line(node),
            count,
            where.numel(),
            float(margin.reshape(-1)[nearest]),
            float(bound.reshape(-1)[nearest]),
            bounds,
        )


def taken_decisions(
    graph: torch.fx.GraphModule,
    inputs: Sequence[torch.Tensor],
    names: Sequence[str],
    branches: Branches,
    *,
    lift: bool = False,
) -> dict[str, torch.Tensor]:
    """What nodes decide in the declared precision, or in float64, by name; those with several results are left out."""
    taken: dict[str, torch.Tensor] = {}

    def observe(node: torch.fx.Node, result: Any) -> None:
        if node.name in names and isinstance(result, torch.Tensor):
            taken[node.name] = result.detach().clone()

    GraphRun(graph, lift=lift, observe=observe, branches=branches.again()).outputs(*inputs)
    return taken


_STEPS = frozenset(
    """
    round floor ceil trunc fix to _to_copy sign sgn heaviside signbit floor_divide argmax argmin argsort
    gt lt ge le eq ne greater less greater_equal less_equal
    """.split()
)


def _decides(node: torch.fx.Node) -> bool:
    value = node.meta.get("val")
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return False
    name = base_name(node.target)
    if name not in _TURNS:
        return False
    sources = [source.meta.get("val") for source in node.all_input_nodes]
    floating = any(isinstance(one, torch.Tensor) and one.is_floating_point() for one in sources)
    if name in ("to", "_to_copy"):
        return floating and isinstance(value, torch.Tensor) and not (value.is_floating_point() or value.is_complex())
    return floating


def _value(argument: Any, exact: Mapping[str, torch.Tensor]) -> Any:
    return exact.get(argument.name) if isinstance(argument, torch.fx.Node) else argument


def _bound(argument: Any, deviation: Mapping[str, torch.Tensor], inexact: Mapping[str, torch.Tensor]) -> Any:
    """What an element may be off: the factor the judge allows one element, times its deviation."""
    if not isinstance(argument, torch.fx.Node) or argument.name not in deviation:
        return 0.0
    return torch.where(inexact[argument.name], MAX_LIMIT * deviation[argument.name], 0.0)


def _options(node: torch.fx.Node) -> dict[str, Any]:
    options = dict(node.kwargs)
    for argument, value in zip(node.target._schema.arguments, node.args, strict=False):  # type: ignore[union-attr]
        options[argument.name] = value
    return options


_Turned = tuple[torch.Tensor, torch.Tensor] | None


def _to_half(values: Sequence[Any], bounds: Sequence[Any], options: Mapping[str, Any]) -> _Turned:
    scale = 10.0 ** float(options.get("decimals") or 0)
    x = values[0] * scale
    return ((x - torch.floor(x)) - 0.5).abs() / scale, bounds[0]


def _to_integer(values: Sequence[Any], bounds: Sequence[Any], _: Mapping[str, Any]) -> _Turned:
    x = values[0]
    return (x - torch.round(x)).abs(), bounds[0]


def _to_zero(values: Sequence[Any], bounds: Sequence[Any], _: Mapping[str, Any]) -> _Turned:
    return values[0].abs(), bounds[0]


def _to_equal(values: Sequence[Any], bounds: Sequence[Any], _: Mapping[str, Any]) -> _Turned:
    difference = (torch.as_tensor(values[0]) - torch.as_tensor(values[1])).abs()
    bound = torch.as_tensor(bounds[0]) + torch.as_tensor(bounds[1])
    return difference, bound.broadcast_to(difference.shape)


def _to_quotient(values: Sequence[Any], bounds: Sequence[Any], options: Mapping[str, Any]) -> _Turned:
    """Where a / b is near an integer, measured in the quotient."""
    if options.get("rounding_mode", "floor") is None:
        return None
    a, b = torch.as_tensor(values[0]), torch.as_tensor(values[1])
    quotient = a / b
    bound = (torch.as_tensor(bounds[0]) + quotient.abs() * torch.as_tensor(bounds[1])) / b.abs()
    return (quotient - torch.round(quotient)).abs(), bound.broadcast_to(quotient.shape)


def _to_next(values: Sequence[Any], bounds: Sequence[Any], options: Mapping[str, Any]) -> _Turned:
    """The gaps of each element to its neighbours in order, along the dimension; for a choice, those around it."""
    x = values[0]
    if not isinstance(x, torch.Tensor) or not x.numel():
        return None
    bound = torch.as_tensor(bounds[0]).broadcast_to(x.shape)
    dim = options.get("dim", -1 if "k" in options or "descending" in options else None)
    if dim is None:
        x, bound, dim = x.reshape(-1), bound.reshape(-1), 0
    if x.ndim == 0 or x.shape[dim] < 2:
        return None
    ascending, order = torch.sort(x, dim=dim)
    ordered = torch.gather(bound, dim, order)
    gaps = ascending.diff(dim=dim)
    allowed = ordered.narrow(dim, 0, ordered.shape[dim] - 1) + ordered.narrow(dim, 1, ordered.shape[dim] - 1)
    largest = options.get("largest", True)
    count = int(options.get("k", 0)) or (0 if "descending" in options or "stable" in options else 1)
    if count:
        size = min(count, gaps.shape[dim])
        start = gaps.shape[dim] - size if largest else 0
        gaps, allowed = gaps.narrow(dim, start, size), allowed.narrow(dim, start, size)
    return gaps, allowed


def _to_smallest(values: Sequence[Any], bounds: Sequence[Any], options: Mapping[str, Any]) -> _Turned:
    return _to_next(values, bounds, {**options, "largest": False})


_TURNS: dict[str, Callable[[Sequence[Any], Sequence[Any], Mapping[str, Any]], _Turned]] = {
    "round": _to_half,
    **dict.fromkeys(("floor", "ceil", "trunc", "fix", "frac", "to", "_to_copy"), _to_integer),
    **dict.fromkeys(("sign", "sgn", "heaviside", "signbit"), _to_zero),
    **dict.fromkeys(("gt", "lt", "ge", "le", "eq", "ne", "greater", "less", "greater_equal", "less_equal"), _to_equal),
    **dict.fromkeys(("remainder", "fmod", "floor_divide"), _to_quotient),
    **dict.fromkeys(("argmax", "topk", "sort", "argsort"), _to_next),
    "argmin": _to_smallest,
    **dict.fromkeys(QUANTIZING, turn_of_quantization),
}
"""By operator, the distance of each element to where the decision turns, and what its inputs may be off."""
