"""Real PyTorch programs changed a little while they stay valid: operators put in, taken out, exchanged, set otherwise.

A captured program is run node by node with changes applied on the way, and that run is captured again: what comes out
is a program like any other. Which operator fits at a value is said by the rules that also grow models, so a change is
valid by construction where it keeps the value's type; one that does not is kept only if all that follows still runs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.torch_programs.kernels import DTYPES, NAMES, TorchKernels, compiled
from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.synthesis import Domain, Draw, Fresh, Operand, Specification, TensorType, Value, values_of
from tautomer.synthesis.growth import all_operands
from tautomer.synthesis.health import extent
from tautomer.synthesis.program import DrawnTensor
from tautomer.synthesis.specification import Origin
from tautomer.synthesis.tensor_types import ANYTHING, FLOATS, MAXIMUM_RANK, DtypeName

KINDS = ("insert", "swap", "remove", "attribute", "dtype")
LARGEST_FRESH = 1 << 16
"""Elements of a tensor that a change may bring along."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change, at one node.

    Attributes:
        kind: one of `KINDS`.
        node: the node's name in the captured program.
        description: what a person reads.
        apply: what the node's value is instead, from the run, the node and its arguments.
        tensors: what it brings along, by name.
    """

    kind: str
    node: str
    description: str
    apply: Callable[[_Applying, torch.fx.Node, Any, Any], Any]
    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)


class Mutant(torch.nn.Module):
    """A captured program with changes."""

    def __init__(self, graph: torch.fx.GraphModule, changes: Sequence[Change]) -> None:
        super().__init__()
        self.graph_module = graph
        self.changes = {change.node: change for change in changes}
        for number, change in enumerate(changes):
            for name, tensor in change.tensors.items():
                self.register_buffer(f"{change.node}_{number}_{name}", tensor)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program, the changes applied."""
        flat, _ = pytree.tree_flatten((args, kwargs))
        run = _Applying(self.graph_module, self.changes)
        made = run.run(*flat, enable_io_processing=False)
        return self.graph_module.graph.process_outputs(made)


class _Applying(torch.fx.Interpreter):
    def __init__(self, graph: torch.fx.GraphModule, changes: Mapping[str, Change]) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.changes = changes

    def run_node(self, n: torch.fx.Node) -> Any:
        change = self.changes.get(n.name)
        if change is None:
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return change.apply(self, n, args, kwargs)

    def plain(self, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
        """What the node computes of these arguments, unchanged."""
        return getattr(self, n.op)(n.target, args, kwargs)

    def value(self, name: str) -> Any:
        """What an earlier node computed."""
        return next(value for node, value in self.env.items() if node.name == name)


class _Watching(torch.fx.Interpreter):
    """Records the type and the extent of every tensor."""

    def __init__(self, graph: torch.fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.values: dict[str, Value] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        made = super().run_node(n)
        if isinstance(made, torch.Tensor) and made.dtype in NAMES and n.op != "output":
            found = extent(made.detach().float().numpy() if made.dtype is torch.bfloat16 else made.detach().numpy())
            type_ = TensorType(NAMES[made.dtype], tuple(int(size) for size in made.shape))
            origin = Origin.WEIGHT if n.op == "get_attr" else Origin.NODE
            self.values[n.name] = Value(n.name, type_, origin, found.least, found.largest)
        return made


@dataclass(slots=True)
class _AtNode:
    """What a rule sees at one node: the values before it, or only the node's own other operands."""

    draw: Draw
    specification: Specification
    values: Sequence[Value]

    def find(self, name: str, wanted: Callable[[TensorType], bool]) -> Value | None:
        """A value before the node whose type is wanted."""
        domain = self.specification.domain(name)
        fitting = [one for one in self.values if wanted(one.type) and _holds(domain, one)]
        return self.draw.pick(fitting) if fitting else None

    def fresh(self, name: str, wanted: TensorType, *, domain: Domain | None = None, fixed: bool = False) -> Fresh:
        """A tensor that the change brings along."""
        return Fresh(wanted, domain or self.specification.domain(name), fixed=True)

    def operand(self, name: str, wanted: TensorType, *, domain: Domain | None = None) -> Operand:
        """A value before the node of this type, or a tensor that the change brings along."""
        within = domain or self.specification.domain(name)
        fitting = [one for one in self.values if one.type == wanted and _holds(within, one)]
        return self.draw.pick(fitting) if fitting else Fresh(wanted, within, fixed=True)


class Mutator:
    """Makes mutants of one captured program.

    Args:
        graph: the program, without operators that write into their operands.
        call: inputs to watch it on.
        table: the operators that may be put in.
    """

    def __init__(self, graph: torch.fx.GraphModule, call: CallArguments, table: Sequence[Specification]) -> None:
        self._graph = graph
        self._table = table
        self._kernels = TorchKernels()
        watching = _Watching(graph)
        with torch.no_grad():
            watching.run(*pytree.tree_leaves((call.args, call.kwargs)), enable_io_processing=False)
        self._values = watching.values
        self._nodes = [node for node in graph.graph.nodes if node.op == "call_function" and node.name in self._values]
        self._before: dict[str, list[Value]] = {}
        seen: list[Value] = []
        for node in graph.graph.nodes:
            self._before[node.name] = list(seen)
            if node.name in self._values and self._values[node.name].origin is Origin.NODE:
                seen.append(self._values[node.name])

    def change(self, draw: Draw, kinds: Sequence[str] = KINDS) -> Change | None:
        """One change somewhere; None where what was drawn does not fit."""
        if not self._nodes:
            return None
        node, kind = draw.pick(self._nodes), draw.pick(kinds)
        made: Change | None = getattr(self, f"_{kind}")(draw, node)
        return made

    def mutant(self, changes: Sequence[Change]) -> Mutant:
        """The program with changes."""
        return Mutant(copy.copy(self._graph), changes)

    def _insert(self, draw: Draw, node: torch.fx.Node) -> Change | None:
        value = self._values[node.name]
        found = self._application(draw, value, self._before[node.name])
        if found is None:
            return None
        specification, evaluated, tensors = found

        def apply(run: _Applying, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
            return evaluated(run, run.plain(n, args, kwargs))

        return Change("insert", node.name, f"{specification.name} was put in after {node.name}", apply, tensors)

    def _swap(self, draw: Draw, node: torch.fx.Node) -> Change | None:
        operands = [self._values[one.name] for one in node.all_input_nodes if one.name in self._values]
        if not operands:
            return None
        found = self._application(draw, operands[0], operands[1:], result=self._values[node.name].type)
        if found is None:
            return None
        specification, evaluated, tensors = found
        first = operands[0].name

        def apply(run: _Applying, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
            return evaluated(run, run.value(first))

        return Change("swap", node.name, f"{node.name} became {specification.name}", apply, tensors)

    def _remove(self, draw: Draw, node: torch.fx.Node) -> Change | None:
        wanted = self._values[node.name].type
        same = [
            one.name
            for one in node.all_input_nodes
            if one.name in self._values and self._values[one.name].type == wanted
        ]
        if not same:
            return None
        stays = draw.pick(same)

        def apply(run: _Applying, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
            return run.value(stays)

        return Change("remove", node.name, f"{node.name} was taken out, {stays} stands for it", apply)

    def _attribute(self, draw: Draw, node: torch.fx.Node) -> Change | None:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            return None  # dropout would be switched on
        places = [(index, value) for index, value in enumerate(node.args) if _other(draw, value) is not None]
        named = [(name, value) for name, value in node.kwargs.items() if _other(draw, value) is not None]
        if not places and not named:
            return None
        place, value = draw.pick([*places, *named])
        instead = _other(draw, value)

        def apply(run: _Applying, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
            if isinstance(place, int):
                args = (*args[:place], instead, *args[place + 1 :])
            else:
                kwargs = {**kwargs, place: instead}
            return run.plain(n, args, kwargs)

        where = f"argument {place}" if isinstance(place, int) else str(place)
        return Change("attribute", node.name, f"{where} of {node.name} was {value}, became {instead}", apply)

    def _dtype(self, draw: Draw, node: torch.fx.Node) -> Change | None:
        own = self._values[node.name].type.dtype
        if own not in FLOATS:
            return None
        dtype = draw.pick([one for one in FLOATS if one != own])

        def cast(value: Any) -> Any:
            is_own = isinstance(value, torch.Tensor) and value.dtype == DTYPES[own]
            return value.to(DTYPES[dtype]) if is_own else value

        def apply(run: _Applying, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
            made = run.plain(n, pytree.tree_map(cast, args), pytree.tree_map(cast, kwargs))
            return made.to(DTYPES[own])

        return Change("dtype", node.name, f"{node.name} was computed in {dtype}", apply)

    def _application(
        self, draw: Draw, first: Value, others: Sequence[Value], *, result: TensorType | None = None
    ) -> tuple[Specification, Callable[[_Applying, Any], Any], dict[str, torch.Tensor]] | None:
        """An operator of the table on a value that gives the type of that value, or another one."""
        fitting = [
            one
            for one in self._table
            if first.type.dtype in one.dtypes
            and first.type.rank in one.rule.ranks
            and _holds(one.domain(one.rule.anchor), first)
        ]
        if not fitting or first.type.rank > MAXIMUM_RANK:
            return None
        specification = draw.pick(fitting)
        application = specification.rule.apply(_AtNode(draw, specification, others), first)
        if application is None or application.results != (result or first.type,):
            return None
        tensors: dict[str, torch.Tensor] = {}
        if any(isinstance(one, Fresh) and int(one.type.size) > LARGEST_FRESH for one in all_operands(application)):
            return None

        def bound(operand: Operand) -> str:
            if isinstance(operand, Value):
                return operand.name
            low, high = operand.domain.drawn_from(operand.type.dtype)
            name = f"w{len(tensors)}"
            drawn = DrawnTensor(name, operand.type, low, high, draw.seed())
            tensors[name] = self._kernels.tensor(values_of(drawn, drawn.seed, drawn.type.shape), drawn.type.dtype)
            return name

        names = {
            name: [bound(one) for one in operand] if isinstance(operand, tuple) else bound(operand)
            for name, operand in application.operands.items()
        }
        attributes = {
            name: DTYPES[value] if isinstance(value, DtypeName) else value
            for name, value in application.attributes.items()
        }

        def evaluated(run: _Applying, value: Any) -> Any:
            def looked_up(name: str) -> Any:
                if name in tensors:
                    return tensors[name]
                return value if name == first.name else run.value(name)

            given = {
                name: [looked_up(part) for part in one] if isinstance(one, list) else looked_up(one)
                for name, one in names.items()
            }
            scope = {"torch": torch, "F": torch.nn.functional, **given, **attributes}
            return eval(compiled(specification.expression), scope)

        return specification, evaluated, tensors


def _other(draw: Draw, value: Any) -> Any:
    """Another value of an attribute's kind; None where there is no natural one."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + draw.pick((-1, 1))
    if isinstance(value, float):
        return value * draw.pick((0.5, 2.0)) if value else 0.5
    if isinstance(value, list | tuple) and value and all(type(one) is int for one in value):
        place = draw.between(0, len(value) - 1)
        return [one + draw.pick((-1, 1)) if index == place else one for index, one in enumerate(value)]
    return None


def _holds(domain: Domain, value: Value) -> bool:
    if domain is ANYTHING:
        return True
    away = domain.away_from_zero
    outside = away <= 0.0 or value.least >= away or value.largest <= -away
    return outside and domain.low <= value.least and value.largest <= domain.high
