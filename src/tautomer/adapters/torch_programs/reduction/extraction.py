"""Cut a part of a captured model out as a program, with the values that were recorded at the cut."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from tautomer.adapters.torch_programs.reduction.fixed_values import fixed_nodes
from tautomer.adapters.torch_programs.reduction.program import (
    Call,
    Constant,
    Input,
    Program,
    Recorded,
    Ref,
    address_of,
    map_leaves,
    pruned,
)
from tautomer.adapters.torch_programs.reduction.recording import CapturedModel

_COPIES = ("aten.lift_fresh_copy.default", "aten.lift_fresh.default", "aten.detach.default", "aten.alias.default")
CONSTANT = "constant"
"""What a value is called that the model has no name of its own for."""

_END = 2**63 - 1
"""Where a slice without an end ends."""

_CHECKS = ("_assert_", "_guards_fn", "sym_constrain_range", "_check")
"""What only checks: it computes nothing."""


class NotExpressible(Exception):
    """A part of the model is no straight-line code of operators; its text names what stands in the way."""


def extract(model: CapturedModel, names: Collection[str]) -> Program:
    """The part of a model that these nodes are, as a program.

    What the nodes use and is not among them becomes an input (an intermediate value), a constant (a parameter, or a
    value on which the model's inputs have no influence) or, for sizes and results of several, is computed in the
    program, too. What others use of it is its output.

    Raises:
        NotExpressible: a node is no operator.
    """
    graph = model.graph.graph
    included = _closure(graph, names)
    nodes = [node for node in graph.nodes if node.name in included]
    inside = set(nodes)
    boundary: dict[torch.fx.Node, None] = dict.fromkeys(
        source for node in nodes for source in node.all_input_nodes if source not in inside
    )
    fixed = fixed_nodes(graph)
    given = [node for node in boundary if isinstance(model.values[0].get(node.name), torch.Tensor)]
    if all(node.name in fixed for node in given):  # it would be all constant, and answer nothing
        fixed = {node.name for node in given if node.op == "get_attr"}
    constants = [_constant(model, node) for node in given if node.name in fixed]
    inputs = [_input(model, node) for node in given if node.name not in fixed]
    known = {one.name for one in inputs} | {one.name for one in constants} | {node.name for node in nodes}
    calls = tuple(_call(node, known, model.values[0]) for node in nodes)
    program = Program(tuple(inputs), tuple(constants), calls, _outputs(graph, nodes))
    own = {node.name for node in boundary if node.op in ("placeholder", "get_attr")}
    return _renamed(_without_copies(pruned(program)), own)


def _without_copies(program: Program) -> Program:
    """Without operators that give back what they are given, as tracing puts them around constants."""
    names: dict[str, str] = {}

    def same(leaf: Any) -> Any:
        return Ref(names.get(leaf.name, leaf.name)) if isinstance(leaf, Ref) else leaf

    calls = []
    for call in program.calls:
        if (call.operator in _COPIES or _takes_all(call)) and call.name not in program.outputs:
            names[call.name] = next(iter(call.with_arguments(same).refs()))
        else:
            calls.append(call.with_arguments(same))
    return replace(program, calls=tuple(calls)) if calls else program


def _closure(graph: torch.fx.Graph, names: Collection[str]) -> set[str]:
    """The named nodes, what picks one of their results, and what computes the sizes they use."""
    included = {node for node in graph.nodes if node.name in names and node.op == "call_function" and not _checks(node)}
    waiting = list(included)
    while waiting:
        node = waiting.pop()
        related = [source for source in node.all_input_nodes if _is_plain(source)]
        related += [user for user in node.users if _picks(user)]
        for one in related:
            if one not in included and one.op == "call_function":
                included.add(one)
                waiting.append(one)
    return {node.name for node in included}


def _is_plain(node: torch.fx.Node) -> bool:
    """Whether its value is no tensor: a size, a number, several results."""
    value = node.meta.get("val")
    return not isinstance(value, torch.Tensor) and node.op == "call_function"


def _picks(node: torch.fx.Node) -> bool:
    return getattr(node.target, "__name__", "") == "getitem"


def _checks(node: torch.fx.Node) -> bool:
    return any(said in str(node.target) for said in _CHECKS)


def _takes_all(call: Call) -> bool:
    """Whether it is a slice from the beginning to the end, as indexing puts one for each `:`."""
    return call.operator == "aten.slice.Tensor" and not call.kwargs and call.args[2:] in ((), (0, _END), (None, _END))


def _outputs(graph: torch.fx.Graph, nodes: Sequence[torch.fx.Node]) -> tuple[str, ...]:
    inside = set(nodes)
    found = [
        node.name
        for node in nodes
        if isinstance(node.meta.get("val"), torch.Tensor) and (not node.users or set(node.users) - inside)
    ]
    return tuple(found or [node.name for node in nodes if isinstance(node.meta.get("val"), torch.Tensor)][-1:])


def _constant(model: CapturedModel, node: torch.fx.Node) -> Constant:
    owner: Any = model.graph if node.op == "get_attr" else None
    for part in str(node.target).split(".") if owner is not None else ():
        owner = getattr(owner, part)
    trainable = isinstance(owner, torch.nn.Parameter)
    return Constant(node.name, Recorded(model.values[0][node.name]), trainable)


def _input(model: CapturedModel, node: torch.fx.Node) -> Input:
    described = node.meta.get("val")
    values = [one[node.name] for one in model.values]
    dynamic: list[int] = []
    if isinstance(described, torch.Tensor):
        dynamic = [axis for axis, size in enumerate(described.shape) if not isinstance(size, int)]
    # Some sizes are expressions that always come to the same; others vary although the capture takes them for fixed.
    varying = [axis for axis in range(values[0].dim()) if len({one.shape[axis] for one in values}) > 1]
    return Input(node.name, tuple(map(Recorded, values)), tuple(varying or dynamic))


def _call(node: torch.fx.Node, known: Collection[str], recorded: Mapping[str, Any]) -> Call:
    def plain(leaf: Any) -> Any:
        if isinstance(leaf, torch.fx.Node):
            if leaf.name in known:
                return Ref(leaf.name)
            value = recorded.get(leaf.name)
            if value is None or isinstance(value, int | float | bool | str):
                return value
            raise NotExpressible(f"{node.name} uses {leaf.name}, which is a {type(value).__name__}")
        return leaf

    if isinstance(node.target, torch._ops.HigherOrderOperator):
        raise NotExpressible(f"{node.target} holds other graphs")
    try:
        operator = address_of(node.target)
    except LookupError as error:
        raise NotExpressible(str(error)) from error
    args = tuple(map_leaves(_as_list(one), plain) for one in node.args)
    kwargs = tuple((key, map_leaves(_as_list(one), plain)) for key, one in node.kwargs.items())
    return Call(node.name, operator, args, kwargs)


def _as_list(value: Any) -> Any:
    """Nested arguments as ordinary lists and tuples instead of the graph's own immutable ones."""
    if isinstance(value, list):
        return [_as_list(one) for one in value]
    return tuple(_as_list(one) for one in value) if isinstance(value, tuple) else value


def _renamed(program: Program, given: Collection[str]) -> Program:
    """Short names: inputs x, y, z or as the user calls them, constants by their last name, results by operators.

    Args:
        given: names of the model's own inputs and constants.
    """
    taken: set[str] = {"self", "torch"}
    names: dict[str, str] = {}
    letters = _letters(len(program.inputs))
    for one in program.inputs:
        short = one.name in given and re.fullmatch(r"(?!arg\d)[A-Za-z]\w{0,14}", one.name)
        names[one.name] = _free(one.name if short else next(letters), taken)
    for constant in program.constants:
        last = re.sub(r"^(p|b|c|lifted_tensor)_", "", constant.name).rpartition("_")[2]
        # A buffer that is called as an operator's result is what torch 2.13 cannot export.
        named = last.isidentifier() and constant.name in given
        names[constant.name] = _free(last if named else CONSTANT, taken)
    for call in program.calls:
        names[call.name] = _free(_stem(call.operator), taken)
    return renamed(program, names)


def with_short_inputs(program: Program, known: Collection[str]) -> Program:
    """The program with short names for those of its inputs that are not among the known ones."""
    taken = {"self", "torch", *known, *(one.name for one in program.constants), *(call.name for call in program.calls)}
    letters = _letters(len(program.inputs))
    new = [one.name for one in program.inputs if one.name not in known]
    return renamed(program, {name: _free(next(letters), taken) for name in new})


def with_named_constants(program: Program, names: Collection[str]) -> Program:
    """The program with names of their own for these constants, which are still called as what computed them."""
    taken = {"self", "torch", *(one.name for one in program.inputs), *(one.name for one in program.constants)}
    taken |= {call.name for call in program.calls}
    return renamed(program, {name: _free(CONSTANT, taken) for name in names}) if names else program


def _stem(operator: str) -> str:
    """A name for a result: `size` for sizes, else the operator's own name."""
    if operator.startswith("aten.sym_size"):
        return "size"
    name = operator.rpartition(":")[2] if ":" in operator else operator.split(".")[1]
    name = {"getitem": "part", "_to_copy": "cast", "scaled_dot_product_attention": "attention"}.get(name, name)
    return name.strip("_") or "value"


def _letters(count: int) -> Iterator[str]:
    if count <= 3:
        yield from "xyz"
    number = 0
    while True:
        yield f"x{number}"
        number += 1


def _free(name: str, taken: set[str]) -> str:
    if keyword.iskeyword(name):
        name += "_"
    found, number = name, 1
    while found in taken:
        found, number = f"{name}{number}" if name[-1:].isalpha() else f"{name}_{number}", number + 1
    taken.add(found)
    return found


def renamed(program: Program, names: Mapping[str, str]) -> Program:
    """The same program with other names for its values."""

    def rename(leaf: Any) -> Any:
        return Ref(names.get(leaf.name, leaf.name)) if isinstance(leaf, Ref) else leaf

    return Program(
        tuple(Input(names.get(one.name, one.name), one.values, one.dynamic) for one in program.inputs),
        tuple(Constant(names.get(one.name, one.name), one.value, one.trainable) for one in program.constants),
        tuple(
            Call(
                names.get(one.name, one.name),
                one.operator,
                (*one.with_arguments(rename).args,),
                one.with_arguments(rename).kwargs,
            )
            for one in program.calls
        ),
        tuple(names.get(one, one) for one in program.outputs),
    )
