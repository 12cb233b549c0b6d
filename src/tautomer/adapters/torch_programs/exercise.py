"""Which parts of a captured program one set of inputs exercises: what clipped, what was masked, what came out constant.

A check on inputs that exercise nothing proves nothing. One native run of the captured graph is watched; every operator
that has a rule says what it was seen doing, and every computed value whether it varied at all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tautomer.adapters.torch_programs.capture import Capture, source_line
from tautomer.adapters.torch_programs.exercise_rules import MASK_USERS, RULES
from tautomer.adapters.torch_programs.obligations import Seen, extremes
from tautomer.adapters.torch_programs.preparation import PreparedProgram
from tautomer.adapters.torch_programs.second_size import DynamicDimension
from tautomer.adapters.torch_programs.trees import to_tensor

_OF_SHAPE_ONLY = frozenset(
    "zeros_like ones_like full_like empty_like rand_like randn_like randint_like new_zeros new_ones new_full new_empty"
    " size sym_size stride numel dim".split()
)
"""Operators that look at the shape of their argument and not at its values."""

_KEEPS_CONSTANT = frozenset({"clone", "contiguous", "to", "_to_copy", "detach", "copy", "neg", "lift_fresh_copy"})


@dataclass(frozen=True, slots=True)
class Place:
    """One operator of a program, so named that the same operator is found again in a capture of other sizes.

    Attributes:
        operator: its name without namespace and overload.
        line: `model.py:12`, or None.
        ordinal: how many operators of this name that line has run before; a loop or a stack of layers repeats a line.
    """

    operator: str
    line: str | None
    ordinal: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What one place was seen doing, or not doing, in one run.

    Attributes:
        place: of the operator.
        node: its name in the captured graph.
        seen: the obligation, and whether the run meets it.
    """

    place: Place
    node: str
    seen: Seen

    @property
    def key(self) -> tuple[Place, str]:
        """What is the same obligation on another set of inputs."""
        return self.place, self.seen.lacking

    def fields(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "operator": self.place.operator,
            "line": self.place.line,
            "ordinal": self.place.ordinal,
            "node": self.node,
            "lacking": self.seen.lacking,
            "acted": self.seen.acted,
            "edge": self.seen.edge,
        }


@dataclass(frozen=True, slots=True)
class Exercise:
    """What one set of inputs exercises.

    Attributes:
        observations: of every operator that was watched, in the order they ran.
        outputs: a digest of each output by path: an output that never changes shows over several sets.
        values: the outputs themselves.
        finite: whether no output holds a NaN or an infinity.
    """

    observations: tuple[Observation, ...]
    outputs: Mapping[str, str]
    values: Mapping[str, torch.Tensor]
    finite: bool

    @property
    def acted(self) -> frozenset[tuple[Place, str]]:
        """Keys of the obligations this run meets."""
        return frozenset(one.key for one in self.observations if one.seen.acted)

    def fields(self) -> dict[str, Any]:
        """As JSON values, for `tautomer.checking.exercise`."""
        return {"observations": [one.fields() for one in self.observations], "outputs": dict(self.outputs)}


def observe(captured: Capture, inputs: Sequence[torch.Tensor]) -> Exercise:
    """Run a captured program once, in its own precision, and say what it was seen doing.

    Args:
        captured: the program on inputs of these shapes.
        inputs: tensor leaves of the call, which are copied.

    Raises:
        RuntimeError: an operator refuses these values.
    """
    run = _WatchedRun(captured.graph)
    outputs = run.watched(*inputs)
    values = dict(zip(captured.output_paths, outputs, strict=True))
    return Exercise(
        tuple(_once_a_place(run.observations)),
        {path: _digest(value) for path, value in values.items()},
        values,
        all(bool(_computable(value).isfinite().all()) for value in values.values() if not value.is_quantized),
    )


def _computable(value: torch.Tensor) -> torch.Tensor:
    """Formats of one byte have no arithmetic."""
    return value.to(torch.float32) if value.is_floating_point() and value.element_size() == 1 else value


def observe_sizes(
    dimensions: Sequence[DynamicDimension], shapes: Sequence[Mapping[str, Sequence[int]]]
) -> list[dict[str, Any]]:
    """Obligations on sizes, for dimensions declared dynamic only: a fixed size is part of the converted model.

    Args:
        dimensions: those declared dynamic.
        shapes: of the inputs by path, one mapping an input set.

    Returns:
        Observations as `Observation.fields` gives them.
    """
    found: list[dict[str, Any]] = []

    def add(path: str, lacking: str, *, acted: bool) -> None:
        place = {"operator": f"input '{path}'", "line": None, "ordinal": 0, "node": path}
        found.append({**place, "lacking": lacking, "acted": acted, "edge": False})

    def size(one: DynamicDimension, of: Mapping[str, Sequence[int]]) -> int | None:
        shape = of.get(one.path, ())
        return shape[one.axis] if len(shape) > one.axis else None

    for one in dimensions:
        sizes = {size(one, of) for of in shapes} - {None}
        add(one.path, f"its dynamic axis {one.axis} has one size in every input set", acted=len(sizes) > 1)
        add(one.path, f"its dynamic axis {one.axis} is 1 in every input set", acted=sizes != {1})
    first_of: dict[str, DynamicDimension] = {}
    for one in dimensions:
        first_of.setdefault(one.symbol, one)
    symbols = list(first_of.values())
    for position, one in enumerate(symbols):
        for other in symbols[position + 1 :]:
            differ = any(size(one, of) != size(other, of) for of in shapes)
            where = f"axis {other.axis}" if other.path == one.path else f"axis {other.axis} of '{other.path}'"
            add(one.path, f"its dynamic axis {one.axis} has the size of {where} in every input set", acted=differ)
    return found


def sizes_exercised(prepared: PreparedProgram) -> list[dict[str, Any]]:
    """`observe_sizes` over all input sets of a program."""
    shapes = []
    for index in range(len(prepared.program.input_sets)):
        leaves = prepared.leaves(index)
        tensors = zip(leaves.paths, leaves.values, strict=True)
        shapes.append({path: tuple(value.shape) for path, value in tensors if isinstance(value, torch.Tensor)})
    return observe_sizes(prepared.dimensions, shapes)


def base_name(target: Any) -> str:
    """Name of an operator without namespace, overload and the underscore of its in-place form."""
    if not isinstance(target, torch._ops.OpOverload):
        name = getattr(target, "__name__", "")
        return name() if callable(name) else str(name)
    name = target._schema.name.rpartition("::")[2]
    return name[:-1] if name.endswith("_") and not name.startswith("__") else name


def _once_a_place(observations: Sequence[Observation]) -> Iterator[Observation]:
    """One observation a key: a body that runs several times meets an obligation when one of its runs does."""
    merged: dict[tuple[Place, str], Observation] = {}
    for one in observations:
        earlier = merged.get(one.key)
        if earlier is None or (one.seen.acted and not earlier.seen.acted):
            merged[one.key] = one
    yield from merged.values()


def _digest(value: torch.Tensor) -> str:
    tensor = to_tensor(value)
    digest = hashlib.blake2b(f"{tensor.dtype} {tensor.shape}".encode(), digest_size=16)
    digest.update(tensor.array.tobytes())
    return digest.hexdigest()


class _WatchedRun(torch.fx.Interpreter):
    """A native run that asks the rules about every operator whose values come from the inputs."""

    def __init__(self, graph: torch.fx.GraphModule, outer: _WatchedRun | None = None) -> None:
        super().__init__(graph)
        self.observations: list[Observation] = [] if outer is None else outer.observations
        self._ordinals: Counter[tuple[str, str | None]] = Counter() if outer is None else outer._ordinals
        self._from_inputs: set[torch.fx.Node] = set()
        self._constant: set[torch.fx.Node] = set()
        self._node: torch.fx.Node | None = None
        self._all_from_inputs = outer is not None
        self._live = _reaching_outputs(graph)
        self._writes = any(_is_mutable(node.target) for node in graph.graph.nodes)

    def watched(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        """Outputs on copies of the inputs."""
        with torch.no_grad():
            result = self.run(*(one.detach().clone() for one in inputs))
        return list(result) if isinstance(result, list | tuple) else [result]

    def run_node(self, n: torch.fx.Node) -> Any:
        """Follow what depends on the inputs' values, and remember which node runs."""
        self._node = n
        shape_only = n.op == "call_function" and base_name(n.target) in _OF_SHAPE_ONLY
        if n.op == "placeholder" or self._all_from_inputs:
            self._from_inputs.add(n)
        elif not shape_only and any(source in self._from_inputs for source in n.all_input_nodes):
            self._from_inputs.add(n)
            if _is_mutable(n.target):
                self._written(n)
        result = super().run_node(n)
        return result

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        """A parameter, buffer or constant; copied where the program may write into it."""
        value = super().get_attr(target, args, kwargs)
        if not isinstance(value, torch.Tensor):
            return value
        return value.detach().clone() if self._writes else value.detach()

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """One operator, in its own precision, and its rule."""
        node = self._node
        assert node is not None
        if isinstance(target, torch._ops.HigherOrderOperator):
            return self._higher_order(node, target, args, kwargs)
        name = base_name(target)
        rule = RULES.get(name) if isinstance(target, torch._ops.OpOverload) else None
        watched = node in self._from_inputs and node in self._live
        if rule is None or not watched:
            result = super().call_function(target, args, kwargs)
        else:
            given = _bound(target, args, kwargs, name)
            if _is_mutable(target):
                first = next(iter(given))
                given[first] = given[first].clone()
            result = super().call_function(target, args, kwargs)
            if not self._reported_by_its_users(node, name):
                place = self._place(node, name)
                self.observations.extend(Observation(place, node.name, seen) for seen in rule(given, result))
        if watched and isinstance(target, torch._ops.OpOverload):
            self._varied(node, target, name, result)
        return result

    def _place(self, node: torch.fx.Node, name: str) -> Place:
        line = source_line(node)
        self._ordinals[name, line] += 1
        return Place(name, line, self._ordinals[name, line] - 1)

    def _reported_by_its_users(self, node: torch.fx.Node, name: str) -> bool:
        if name in MASK_USERS or not node.users:
            return False
        meta = node.meta.get("val")
        if not isinstance(meta, torch.Tensor) or meta.dtype is not torch.bool:
            return False
        return all(base_name(user.target) in MASK_USERS for user in node.users)

    def _written(self, node: torch.fx.Node) -> None:
        """What an operator writes into holds values of the inputs from now on, through all views of it."""
        written = node.args[0] if node.args else None
        while isinstance(written, torch.fx.Node) and written not in self._from_inputs:
            self._from_inputs.add(written)
            written = written.args[0] if written.args else None

    def _varied(self, node: torch.fx.Node, target: torch._ops.OpOverload, name: str, result: Any) -> None:
        """Whether a computed value differs anywhere; only where a constant begins, not where it is handed on."""
        value = result[0] if isinstance(result, tuple | list) and result else result
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.numel() < 2:
            return
        sources = [one for one in node.all_input_nodes if one in self._from_inputs]
        handed_on = bool(sources) and any(one in self._constant for one in sources)
        if _is_view(target) or name in _KEEPS_CONSTANT:
            if handed_on:
                self._constant.add(node)
            return
        low, high = extremes(value)
        constant = not low < high
        if constant:
            self._constant.add(node)
        if handed_on and constant:
            return
        place = Place(f"{name} values", source_line(node), self._ordinals_of_values(node, name))
        self.observations.append(Observation(place, node.name, Seen("all its values are equal", not constant)))

    def _ordinals_of_values(self, node: torch.fx.Node, name: str) -> int:
        key = (f"{name} values", source_line(node))
        self._ordinals[key] += 1
        return self._ordinals[key] - 1

    def _higher_order(self, node: torch.fx.Node, target: Any, args: Any, kwargs: Any) -> Any:
        name = str(target.name())
        place = self._place(node, name)
        if name == "cond":
            predicate, when_true, when_false, operands = args
            taken = bool(predicate)
            for lacking, acted in (("its condition is never true", taken), ("its condition is never false", not taken)):
                self.observations.append(Observation(place, node.name, Seen(lacking, acted)))
            return self._nested(when_true if taken else when_false, operands)
        if name == "while_loop":
            condition, body, carried, *rest = args
            extra = tuple(rest[0]) if rest else ()
            state, trips = tuple(carried), 0
            while bool(self._nested(condition, (*state, *extra))):
                following = self._nested(body, (*state, *extra))
                state = tuple(following) if isinstance(following, list | tuple) else (following,)
                trips += 1
            for lacking, acted in (("it never runs twice", trips > 1), ("it never runs", trips > 0)):
                self.observations.append(Observation(place, node.name, Seen(lacking, acted)))
            self.observations.append(Observation(place, node.name, Seen("it always runs", trips == 0, edge=True)))
            return state
        return super().call_function(target, args, kwargs)

    def _nested(self, graph: torch.fx.GraphModule, operands: Any) -> Any:
        return _WatchedRun(graph, self).run(*operands)


def _reaching_outputs(graph: torch.fx.GraphModule) -> set[torch.fx.Node]:
    """Operators that an output or a written value hangs on; what only Python looked at is no part of the function."""
    live: set[torch.fx.Node] = set()
    for node in reversed(graph.graph.nodes):
        if node.op == "output" or _is_mutable(node.target) or node in live:
            live.update(node.all_input_nodes)
            live.add(node)
    return live


def _bound(target: torch._ops.OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Arguments by the names of the schema, defaults filled in, and the operator's own name as `operator`."""
    given: dict[str, Any] = {}
    for position, argument in enumerate(target._schema.arguments):
        if position < len(args):
            given[argument.name] = args[position]
        elif argument.name in kwargs:
            given[argument.name] = kwargs[argument.name]
        else:
            given[argument.name] = argument.default_value
    given["operator"] = name
    return given


def _is_mutable(target: Any) -> bool:
    return isinstance(target, torch._ops.OpOverload) and bool(target._schema.is_mutable)


def _is_view(target: torch._ops.OpOverload) -> bool:
    return any(value.alias_info is not None and not value.alias_info.is_write for value in target._schema.returns)
