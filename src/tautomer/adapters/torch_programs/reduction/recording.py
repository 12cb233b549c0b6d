"""A model as a graph of ATen operators, with every value it computes on every input set.

The model is captured as its converter captures it (`torch.export`), so that sizes stay expressions where dimensions are
dynamic. Where that is impossible, the operators are recorded from one real run, with the sizes of that run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.torch_programs.capture import capture, source_line
from tautomer.adapters.torch_programs.lift import is_view
from tautomer.adapters.torch_programs.operator_calls import origin_of
from tautomer.adapters.torch_programs.preparation import PreparedProgram
from tautomer.adapters.torch_programs.reduction.straightening import has_control_flow, straightened


@dataclass(frozen=True, slots=True, eq=False)
class CapturedModel:
    """A model as a graph of ATen operators, with what each node computed on every input set.

    Attributes:
        graph: the graph.
        values: one dict an input set, by node name.
        how: how it was captured.
        origins: for operators that only appear when the captured operators are decomposed, the nodes they come from.
        made: for nodes of the decomposed program, by name, those they come from.
    """

    graph: torch.fx.GraphModule
    values: tuple[Mapping[str, Any], ...]
    how: str
    origins: Mapping[str, tuple[str, ...]]
    made: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def named(self, names: Collection[str]) -> list[str]:
        """The nodes that nodes of the decomposed program come from, by the names that these have there."""
        calls = {node.name for node in self.graph.graph.nodes if node.op == "call_function"}
        found = [one for name in names for one in self.made.get(name, (name,)) if one in calls]
        return list(dict.fromkeys(found))

    def find(self, operators: Collection[str] = (), line: str | None = None) -> list[str]:
        """Names of the nodes of these operators, as `aten.atan2.default`, made by this source line.

        Where none has the operator, those it is decomposed from; where none has both, all that have the operator, then
        all that have the line.
        """
        calls = [node for node in self.graph.graph.nodes if node.op == "call_function"]
        named = [node.name for node in calls if str(node.target) in operators]
        if not named:
            named = [name for operator in operators for name in self.origins.get(operator, ())]
        on_line = {node.name for node in calls if line is not None and source_line(node) == line}
        both = [name for name in named if name in on_line]
        return list(dict.fromkeys(both or named or [node.name for node in calls if node.name in on_line]))

    def grown(self, names: Collection[str], steps: int) -> list[str]:
        """The nodes and their neighbours up to so many steps away; a negative number takes the whole graph."""
        calls = {node.name: node for node in self.graph.graph.nodes if node.op == "call_function"}
        if steps < 0:
            return list(calls)
        found = {name for name in names if name in calls}
        for _ in range(steps):
            near = {one.name for name in found for one in (*calls[name].all_input_nodes, *calls[name].users)}
            found |= near & calls.keys()
        return [name for name in calls if name in found]


def capture_model(prepared: PreparedProgram, *, origins: bool = True) -> CapturedModel:
    """Capture a model and record every value on every input set.

    Args:
        prepared: the model.
        origins: find out what the captured operators are decomposed into.

    Raises:
        Exception: whatever the model or PyTorch raises where the model can be captured in no way.
    """
    try:
        program = exported_program(prepared)
        graph = program.module(check_guards=False)
        out_of_place(graph)
        if any(mutates(node) for node in graph.graph.nodes):
            program = program.run_decompositions({})
            graph = program.module(check_guards=False)
        values = []
        for index in range(len(prepared.program.input_sets)):
            try:
                values.append(_recorded(graph, _flat_inputs(program, prepared, index)))
            except Exception:
                if index == 0:
                    raise
        found, made = _origins(program, graph) if origins else ({}, {})
        captured = CapturedModel(graph, tuple(values), "torch.export", found, made)
        return _straight(captured, _flat_inputs(program, prepared, 0)) if has_control_flow(graph) else captured
    except Exception:
        return _recorded_operators(prepared)


def _straight(model: CapturedModel, given: Sequence[Any]) -> CapturedModel:
    """The model without control flow, as it ran on these inputs; each node is known by what became of it."""
    graph, became = straightened(model.graph, given)

    def after(names: Collection[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one for name in names for one in became.get(name, ())))

    origins = {operator: after(names) for operator, names in model.origins.items()}
    for node in model.graph.graph.nodes:
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            operator = f"higher_order.{node.target.name()}"
            origins[operator] = (*origins.get(operator, ()), *after([node.name]))
    made = {**became, **{name: after(names) for name, names in model.made.items()}}
    values = _recorded(graph, [one for one in given if isinstance(one, torch.Tensor)])
    return CapturedModel(graph, (values,), f"{model.how}, control flow as it was taken", origins, made)


def exported_program(prepared: PreparedProgram) -> Any:
    """The model as the converter captures it, an ExportedProgram.

    Raises:
        Exception: what torch.export raises.
    """
    from torch.onnx._internal.exporter import _capture_strategies as strategies

    program = prepared.program
    if isinstance(program.model, torch.export.ExportedProgram):
        return program.model
    if isinstance(program.model, torch.jit.ScriptModule):
        raise TypeError("torch.export takes no ScriptModule")
    prepared.reset()
    call = program.input_sets[0].call.copied()
    failed: Exception | None = None
    try:
        for strategy in (strategies.TorchExportNonStrictStrategy, strategies.TorchExportStrictStrategy):
            # Without gradients nothing has to be said about them in the graph.
            with torch.no_grad():
                result = strategy()(program.model, call.args, call.kwargs or None, program.dynamic_shapes)
            if result.exported_program is not None:
                return result.exported_program
            failed = failed or result.exception
    finally:
        prepared.reset()
    raise failed or TypeError("torch.export gave nothing")


def _recorded_operators(prepared: PreparedProgram) -> CapturedModel:
    """The operators of one real run, sizes and decisions as they were in it."""
    prepared.reset()
    try:
        captured = capture(prepared.program.callable, prepared.program.input_sets[0].call)
    finally:
        prepared.reset()
    values = _recorded(captured.graph, prepared.tensors(0))
    return CapturedModel(captured.graph, (values,), "one recorded run", {})


def _flat_inputs(program: Any, prepared: PreparedProgram, index: int) -> list[Any]:
    call = prepared.program.input_sets[index].call
    keywords = dict(call.kwargs)
    spec = program.call_spec.in_spec
    names = spec.children()[1].context if spec is not None and keywords else None
    if isinstance(names, list | tuple) and set(names) == set(keywords):
        keywords = {name: keywords[name] for name in names}
    return list(pytree.tree_leaves((call.args, keywords)))


class _Recording(torch.fx.Interpreter):
    """Runs a graph and keeps a copy of every value as it is when it is made."""

    def __init__(self, graph: torch.fx.GraphModule) -> None:
        super().__init__(graph)
        self.values: dict[str, Any] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        if n.op == "call_module" and "guard" in str(n.target):
            return None
        result = super().run_node(n)
        self.values[n.name] = pytree.tree_map_only(torch.Tensor, lambda one: one.detach().clone(), result)
        return result


def _recorded(graph: torch.fx.GraphModule, flat: Sequence[Any]) -> dict[str, Any]:
    given = [one.detach().clone() if isinstance(one, torch.Tensor) else one for one in flat]
    run = _Recording(graph)
    torch.manual_seed(0)
    with torch.no_grad():
        run.run(*given, enable_io_processing=False)
    return run.values


def _origins(
    program: Any, graph: torch.fx.GraphModule
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """By operator, and by name, of the decomposed program: the nodes of the captured graph it comes from."""
    try:
        decomposed = program.run_decompositions()
    except Exception:  # what cannot be decomposed has no other operators
        return {}, {}
    captured: dict[str, list[str]] = {}
    for node in graph.graph.nodes:
        if node.op == "call_function":
            captured.setdefault(origin_of(node) or node.name, []).append(node.name)
    operators: dict[str, list[str]] = {}
    made: dict[str, tuple[str, ...]] = {}
    for node in decomposed.graph.nodes:
        names = captured.get(origin_of(node) or node.name, ())
        if node.op == "call_function" and names:
            operators.setdefault(str(node.target), []).extend(names)
            made[node.name] = tuple(names)
    return {operator: tuple(dict.fromkeys(names)) for operator, names in operators.items()}, made


def out_of_place(graph: torch.fx.GraphModule) -> None:
    """Put operators in the place of those that write into their first argument, where nothing else sees that memory."""
    nodes = list(graph.graph.nodes)
    position = {node: index for index, node in enumerate(nodes)}
    for node in nodes:
        functional = _functional(node.target) if mutates(node) else None
        if functional is None or not isinstance(node.args[0], torch.fx.Node):
            continue
        written = node.args[0]
        shared = _is_view(written) or any(
            _is_view(user) and any(position[later] > position[node] for later in user.users) for user in written.users
        )
        if shared:
            continue
        node.target = functional
        for user in list(written.users):
            if position[user] > position[node]:
                user.replace_input_with(written, node)
    graph.recompile()


def _functional(target: Any) -> Any:
    """The operator that gives what an in-place one writes, with the same arguments; None where there is none."""
    name = target._schema.name.rpartition("::")[2]
    packet = getattr(torch.ops.aten, name[:-1], None) if name.endswith("_") and not name.startswith("_") else None
    found = getattr(packet, target._overloadname, None) if packet is not None else None
    if found is None or found._schema.is_mutable:
        return None
    ours, theirs = ([one.name for one in each._schema.arguments] for each in (found, target))
    return found if ours == theirs else None


def _is_view(node: torch.fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and is_view(node.target)


def mutates(node: torch.fx.Node) -> bool:
    """Whether a node writes into one of its arguments."""
    return isinstance(node.target, torch._ops.OpOverload) and bool(node.target._schema.is_mutable)
