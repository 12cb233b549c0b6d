"""Read a PyTorch program as an architecture: the operators that torch.export captures, before any is decomposed."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.preparation import PreparedProgram, prepare
from tautomer.adapters.torch_programs.reduction.recording import exported_program, mutates, out_of_place
from tautomer.adapters.user_modules import first_line
from tautomer.adapters.worker_api import Channel
from tautomer.errors import UserCodeError
from tautomer.model.architecture import Architecture, Operand, OperatorNode, Origin, Plain, ValueType, to_plain

_PLACES = frozenset({"device", "pin_memory", "layout", "generator"})
"""Arguments that say where a result lies, not what it is."""

_FUNCTIONAL = "it writes into values that others see; these are the operators that give the same without writing"

_CHECKS = ("_assert", "_guards_fn", "sym_constrain_range", "_check")


def architecture(channel: Channel, *, spec: dict[str, Any]) -> dict[str, Any]:
    """The architecture of a program, as JSON values.

    Raises:
        MisuseError: the program cannot be loaded, or captured in any way.
    """
    return to_plain(architecture_of(prepare(spec)))


def architecture_of(prepared: PreparedProgram) -> Architecture:
    """The architecture of a program: as torch.export captures it, else of one run that is recorded.

    Raises:
        UserCodeError: TA126 neither is possible.
    """
    name = prepared.program.path.stem
    try:
        program = exported_program(prepared)
        graph = program.module(check_guards=False)
        out_of_place(graph)
        if not any(mutates(node) for node in graph.graph.nodes):
            return _read(graph, name, ())
        # Who reads what was written through a view shows only once nothing is written any more.
        return _read(program.run_decompositions({}).module(check_guards=False), name, (_FUNCTIONAL,))
    except Exception as error:  # whatever stands in the way of torch.export, a run has operators
        notes = (f"torch.export cannot capture it ({first_line(error)}); these are the operators of one run",)
    prepared.reset()
    try:
        return _read(capture(prepared.program.callable, prepared.program.input_sets[0].call).graph, name, notes)
    except Exception as error:
        raise UserCodeError("TA126", f"{name} cannot be captured: {first_line(error)}.") from error
    finally:
        prepared.reset()


@dataclass(frozen=True, slots=True)
class _Value:
    """One tensor: what makes it."""

    origin: Origin
    index: int = -1
    port: int = 0
    type: ValueType = field(default_factory=ValueType)


def _read(graph: torch.fx.GraphModule, name: str, notes: tuple[str, ...]) -> Architecture:
    reading = _Reading()
    inputs: list[ValueType] = []
    given: list[Any] = []
    for node in graph.graph.nodes:
        if node.op == "placeholder":
            kind = _type(_example(node))
            given.append(_Value(Origin.INPUT, len(inputs), 0, kind) if kind is not None else None)
            if kind is not None:
                inputs.append(kind)
    results = reading.read(graph, given, ())
    ends = [one for one in pytree.tree_leaves(results) if isinstance(one, _Value) and one.origin is Origin.NODE]
    outputs = tuple((one.index, one.port) for one in ends)
    return Architecture(name, "torch", tuple(inputs), tuple(reading.nodes), outputs, notes)


@dataclass(slots=True)
class _Reading:
    """One pass over a captured program."""

    nodes: list[OperatorNode] = field(default_factory=list)

    def read(self, graph: torch.fx.GraphModule, given: Sequence[Any], within: tuple[str, ...]) -> Any:
        """Read a graph whose placeholders stand for these values; returns what it results in."""
        values: dict[torch.fx.Node, Any] = {}
        arguments = iter(given)
        result: Any = None
        for node in graph.graph.nodes:
            if node.op == "placeholder":
                values[node] = next(arguments, None)
            elif node.op == "get_attr":
                values[node] = _stored(graph, str(node.target))
            elif node.op == "output":
                result = pytree.tree_map_only(torch.fx.Node, values.get, node.args[0])
            elif node.op == "call_function" and not any(part in str(node.target) for part in _CHECKS):
                values[node] = self._call(node, values, within)
        return result

    def _call(self, node: torch.fx.Node, values: dict[torch.fx.Node, Any], within: tuple[str, ...]) -> Any:
        target: Any = node.target
        if target is operator.getitem:
            made, index = values.get(node.args[0]), node.args[1]  # type: ignore[arg-type]
            return made[index] if isinstance(made, list | tuple) and isinstance(index, int) else None
        if isinstance(target, torch._ops.HigherOrderOperator):
            return self._higher_order(node, values, within)
        if not isinstance(target, torch._ops.OpOverload) or not _tensors(_example(node)):
            return None  # arithmetic on sizes
        operands: list[Operand] = []
        attributes: dict[str, Plain] = {}
        for port, (declared, value) in enumerate(_bound(node)):
            found = list(_operands(value, values, port))
            operands.extend(found)
            if not found and declared.name not in _PLACES:
                attributes[declared.name] = _plain(value)
        pointwise = torch.Tag.pointwise in target.tags
        return self._add(node, str(target.overloadpacket), operands, attributes, within, broadcasts=pointwise)

    def _higher_order(self, node: torch.fx.Node, values: dict[torch.fx.Node, Any], within: tuple[str, ...]) -> Any:
        """A branch, a loop, or a part that runs under another setting; the latter is read as if it stood there."""
        target: Any = node.target
        name = target.name()
        resolved = _resolved(node, values)
        bodies = [(place, one) for place, one in enumerate(resolved) if isinstance(one, torch.fx.GraphModule)]
        # What bodies are given stands after the last of them.
        given = pytree.tree_leaves(resolved[bodies[-1][0] + 1 :]) if bodies else []
        if name.startswith("wrap") and len(bodies) == 1:
            return self.read(bodies[0][1], given, within)
        operands = [
            _operand(one, port)
            for port, value in enumerate(resolved)
            for one in pytree.tree_leaves(value)
            if isinstance(one, _Value)
        ]
        for place, body in bodies:
            results = self.read(body, given, (*within, f"{name}.{place}"))
            operands.extend(
                _operand(one, len(resolved) + place) for one in pytree.tree_leaves(results) if isinstance(one, _Value)
            )
        return self._add(node, f"higher_order.{name}", operands, {}, within)

    def _add(
        self,
        node: torch.fx.Node,
        name: str,
        operands: Sequence[Operand],
        attributes: dict[str, Plain],
        within: tuple[str, ...],
        *,
        broadcasts: bool = False,
    ) -> Any:
        example = _example(node)
        types = tuple(_type(one) or ValueType() for one in _tensors(example))
        self.nodes.append(OperatorNode(name, tuple(operands), types, attributes, broadcasts, within, node.name))
        index = len(self.nodes) - 1
        if isinstance(example, list | tuple):
            # A list is one result of the operator; the members of a tuple are a result each.
            several = isinstance(example, tuple)
            return [
                _Value(Origin.NODE, index, port if several else 0, _type(one) or ValueType())
                for port, one in enumerate(example)
            ]
        return _Value(Origin.NODE, index, 0, _type(example) or ValueType())


def _resolved(node: torch.fx.Node, values: dict[torch.fx.Node, Any]) -> list[Any]:
    """The arguments of a node with what is known of them."""
    return [pytree.tree_map_only(torch.fx.Node, values.get, value) for value in (*node.args, *node.kwargs.values())]


def _bound(node: torch.fx.Node) -> Iterator[tuple[Any, Any]]:
    """The formal parameters of an operator with what they are given, defaults included."""
    target: Any = node.target
    for position, declared in enumerate(target._schema.arguments):
        if position < len(node.args):
            yield declared, node.args[position]
        elif declared.name in node.kwargs:
            yield declared, node.kwargs[declared.name]
        else:
            yield declared, declared.default_value if declared.has_default_value() else None


def _operands(value: Any, values: dict[torch.fx.Node, Any], port: int) -> Iterator[Operand]:
    for leaf in pytree.tree_leaves(value):
        found = values.get(leaf) if isinstance(leaf, torch.fx.Node) else None
        for one in found if isinstance(found, list) else [found]:
            if isinstance(one, _Value):
                yield _operand(one, port)


def _operand(value: _Value, port: int) -> Operand:
    return Operand(port, value.origin, value.index, value.port, value.type)


def _stored(graph: torch.fx.GraphModule, path: str) -> Any:
    """A parameter, a buffer or a constant; a graph, where it is one."""
    found: Any = graph
    for part in path.split("."):
        found = getattr(found, part, None)
    return _Value(Origin.CONSTANT, type=_type(found) or ValueType()) if isinstance(found, torch.Tensor) else found


def _example(node: torch.fx.Node) -> Any:
    return node.meta.get("val")


def _tensors(example: Any) -> list[torch.Tensor]:
    found = example if isinstance(example, list | tuple) else [example]
    return [one for one in found if isinstance(one, torch.Tensor)]


def _type(example: Any) -> ValueType | None:
    if not isinstance(example, torch.Tensor):
        return None
    shape = tuple(size if isinstance(size, int) else str(size) for size in example.shape)
    return ValueType(str(example.dtype).removeprefix("torch."), shape)


def _plain(value: Any) -> Plain:
    """An argument that is no tensor; a size that is computed is `symbol`."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.fx.Node | torch.SymInt | torch.SymFloat | torch.SymBool):
        return "symbol"
    return str(value).removeprefix("torch.")
