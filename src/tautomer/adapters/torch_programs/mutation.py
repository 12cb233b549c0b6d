"""Real PyTorch programs changed a little while they stay valid: operators put in, taken out, exchanged, set otherwise.

A captured program is run node by node with changes applied on the way, and that run is captured again: what comes out
is a program like any other.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.torch_programs.kernels import DTYPES, NAMES, TorchKernels, compiled
from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.synthesis import DrawnTensor, DtypeName, Reference, TensorType, values_of
from tautomer.synthesis.health import extent
from tautomer.synthesis.mutation import Change, Place, Placed, Source, followed
from tautomer.synthesis.specification import Origin, Value


class MutantModule(torch.nn.Module):
    """A captured program with changes.

    Args:
        graph: the program, without operators that write into their operands.
        changes: at different nodes.
        inputs: names of the placeholders, whose sizes come with the call.

    Attributes:
        changes: by node; those of sizes are `sized`, where they are not of inputs.
        tensors: what the changes bring along: names of buffers, by what the changes call them.
        resized: weights of another size: names of buffers, by node.
    """

    def __init__(self, graph: torch.fx.GraphModule, changes: Sequence[Change], inputs: Sequence[str]) -> None:
        super().__init__()
        self.graph_module = copy.copy(graph)
        self.changes = {change.place: change for change in changes if change.kind != "shape"}
        self.sized = [change for change in changes if change.shapes.keys() - set(inputs)]
        self.tensors: dict[str, str] = {}
        shapes = {name: shape for change in changes for name, shape in change.shapes.items() if name not in inputs}
        self.resized = dict.fromkeys(shapes, "")
        with torch.no_grad():
            weights = {node.name: node for node in graph.graph.nodes if node.op == "get_attr"}
            for name, shape in shapes.items():
                self._hold(self.resized, name, with_shape(_attribute(graph, str(weights[name].target)), shape))
        for change in self.changes.values():
            for drawn in change.placed.tensors if change.placed is not None else ():
                self._hold(self.tensors, drawn.name, _drawn(drawn))

    def _hold(self, names: dict[str, str], name: str, tensor: torch.Tensor) -> None:
        names[name] = f"{name}_{len(self.tensors) + len(self.resized)}".replace(".", "_")
        self.register_buffer(names[name], tensor.detach().clone())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program, the changes applied."""
        flat, _ = pytree.tree_flatten((args, kwargs))
        run = _Applying(self)
        made = run.run(*flat, enable_io_processing=False)
        return self.graph_module.graph.process_outputs(made)


class _Applying(torch.fx.Interpreter):
    """One run with the changes applied."""

    def __init__(self, mutant: MutantModule) -> None:
        super().__init__(mutant.graph_module, garbage_collect_values=False)
        self._mutant = mutant
        self._named: dict[str, Any] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        made = self._made(n)
        self._named[n.name] = made
        return made

    def _made(self, n: torch.fx.Node) -> Any:
        if n.name in self._mutant.resized:
            return getattr(self._mutant, self._mutant.resized[n.name])
        change = self._mutant.changes.get(n.name)
        if change is None and (not self._mutant.sized or n.op != "call_function"):
            return super().run_node(n)
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        args = tuple(self._followed(one) for one in args)
        if change is None:
            return self._plain(n, args, kwargs)
        made: Any = getattr(self, f"_{change.kind}")(change, n, args, kwargs)
        return made

    def _followed(self, value: Any) -> Any:
        """An argument; sizes in a list of them as they are now."""
        is_list = self._mutant.sized and isinstance(value, list | tuple) and all(type(one) is int for one in value)
        return followed(self._mutant.sized, value) if is_list else value

    def _insert(self, change: Change, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
        assert change.placed is not None
        return self._evaluated(change.placed, {n.name: self._plain(n, args, kwargs)})

    def _swap(self, change: Change, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
        assert change.placed is not None
        return self._evaluated(change.placed, {})

    def _remove(self, change: Change, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
        return self._named[str(change.stays)]

    def _attribute(self, change: Change, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
        assert change.setting is not None
        place, instead = change.setting
        if isinstance(place, int):
            args = (*args[:place], instead, *args[place + 1 :])
        else:
            kwargs = {**kwargs, place: instead}
        return self._plain(n, args, kwargs)

    def _dtype(self, change: Change, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
        wanted, own = DTYPES[str(change.dtype)], n.meta["val"].dtype

        def cast(value: Any) -> Any:
            return value.to(wanted) if isinstance(value, torch.Tensor) and value.dtype == own else value

        return self._plain(n, pytree.tree_map(cast, args), pytree.tree_map(cast, kwargs)).to(own)

    def _plain(self, n: torch.fx.Node, args: Any, kwargs: Any) -> Any:
        """What the node computes of these arguments, unchanged."""
        return getattr(self, n.op)(n.target, args, kwargs)

    def _evaluated(self, placed: Placed, own: Mapping[str, Any]) -> Any:
        """The result of an operator that was put in."""

        def looked_up(value: Any) -> Any:
            if isinstance(value, tuple) and value and isinstance(value[0], Reference):
                return [looked_up(one) for one in value]
            if isinstance(value, Reference):
                if value.name in own:
                    return own[value.name]
                held = self._mutant.tensors.get(value.name)
                return self._named[value.name] if held is None else getattr(self._mutant, held)
            return DTYPES[value] if isinstance(value, DtypeName) else value

        names = {name: looked_up(value) for name, value in placed.bindings.items()}
        return eval(compiled(placed.specification.expression), {"torch": torch, "F": torch.nn.functional, **names})


class _Watching(torch.fx.Interpreter):
    """Records the type and the extent of every tensor."""

    def __init__(self, graph: torch.fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.values: dict[str, Value] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        made = super().run_node(n)
        if isinstance(made, torch.Tensor) and made.dtype in NAMES and n.op != "output":
            found = extent(TorchKernels().array(made.detach()))
            type_ = TensorType(NAMES[made.dtype], tuple(int(size) for size in made.shape))
            origin = {"get_attr": Origin.WEIGHT, "placeholder": Origin.INPUT}.get(n.op, Origin.NODE)
            self.values[n.name] = Value(n.name, type_, origin, found.least, found.largest)
        return made


def places_and_sources(graph: torch.fx.GraphModule, call: CallArguments) -> tuple[list[Place], list[Source]]:
    """Where a program can be changed, as seen on a call of it."""
    watching = _Watching(graph)
    with torch.no_grad():
        watching.run(*pytree.tree_leaves((call.args, call.kwargs)), enable_io_processing=False)
    values = watching.values
    places: list[Place] = []
    seen: list[Value] = []
    for node in graph.graph.nodes:
        value = values.get(node.name)
        if node.op == "call_function" and value is not None:
            operands = [values[one.name] for one in node.all_input_nodes if one.name in values]
            attributes = [*enumerate(node.args), *node.kwargs.items()]
            if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
                attributes = []  # dropout would be switched on
            places.append(Place(node.name, node.name, value, operands, list(seen), attributes))
        if value is not None and value.origin is not Origin.WEIGHT:
            seen.append(value)
    sources = [
        Source(name, one.type, one.origin is Origin.INPUT, tuple(one.type.shape))
        for name, one in values.items()
        if one.origin is not Origin.NODE
    ]
    return places, sources


def with_shape(tensor: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """A tensor of another shape of the same rank: its own elements, cycled where there are to be more."""
    for axis, size in enumerate(shape):
        if size != tensor.shape[axis]:
            tensor = tensor.index_select(axis, torch.arange(size) % max(tensor.shape[axis], 1))
    return tensor


def _attribute(graph: torch.fx.GraphModule, target: str) -> torch.Tensor:
    held: Any = graph
    for part in target.split("."):
        held = getattr(held, part)
    tensor: torch.Tensor = held
    return tensor


def _drawn(drawn: DrawnTensor) -> torch.Tensor:
    return TorchKernels().tensor(values_of(drawn, drawn.seed, drawn.type.shape), drawn.type.dtype)
