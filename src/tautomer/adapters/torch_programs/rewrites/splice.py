"""Put other operations in the place of single nodes of a captured program."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch._guards import detect_fake_mode
from torch.export.graph_signature import InputKind, InputSpec, OutputKind, TensorArgument
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from tautomer.adapters.rewrite_rules import RewriteFunction


@dataclasses.dataclass(frozen=True, slots=True)
class Replaced:
    """One node that was replaced.

    Attributes:
        name: its name in the captured program.
        operator: `aten.name.overload`.
        operations: how many operations stand in its place.
    """

    name: str
    operator: str
    operations: int


Choice = Callable[[Any], RewriteFunction | None]
"""Says of a node of a captured program what replaces it; None keeps it."""


def spliced(program: Any, choose: Choice) -> tuple[Any, list[Replaced]]:
    """A copy of an exported program with the chosen nodes replaced by what their rewrites trace to.

    Names of all other nodes stay; the new ones begin with the name of the node they replace. A node whose rewrite
    answers NotImplemented, or cannot be traced, stays as it is.

    Returns:
        The new program and what was replaced; the program itself where nothing was.
    """
    graph = copy.deepcopy(program.graph)
    constants: dict[str, torch.Tensor] = {}
    replaced = []
    # A copied graph may give its nodes other names, where one is a name of Python's own.
    renamed = {old.name: new.name for old, new in zip(program.graph.nodes, graph.nodes, strict=True)}
    original = {new: old for old, new in renamed.items()}
    for node in list(graph.nodes):
        function = choose(node) if node.op == "call_function" else None
        if function is None:
            continue
        traced = _traced(function, node)
        if traced is None:
            continue
        outputs, count = _copied(graph, node, traced, constants)
        if not _same_interface(node, outputs):
            continue
        replaced.append(Replaced(original[node.name], str(node.target), count))
        _connect(node, outputs, renamed, original)
    if not replaced:
        return program, []
    graph.eliminate_dead_code()
    return _program_of(program, graph, constants, renamed), replaced


def _traced(function: RewriteFunction, node: Any) -> Any:
    """The operations of a rewrite on the node's own arguments; None where it does not apply."""
    leaves, spec = pytree.tree_flatten((node.args, dict(node.kwargs)))
    given = [leaf for leaf in leaves if isinstance(leaf, torch.fx.Node)]
    distinct = list(dict.fromkeys(given))
    values = [one.meta.get("val") for one in distinct]
    refused = []

    def call(*arguments: Any) -> Any:
        found = dict(zip(distinct, arguments, strict=True))
        args, kwargs = pytree.tree_unflatten(
            [found[leaf] if isinstance(leaf, torch.fx.Node) else leaf for leaf in leaves], spec
        )
        result = function(*args, **kwargs)
        if result is NotImplemented:
            refused.append(node)
            return ()
        return result

    mode = detect_fake_mode([*values, node.meta.get("val")])
    if mode is None:
        return None
    with mode, torch.no_grad():
        module = make_fx(call, tracing_mode="symbolic", _allow_non_fake_inputs=True)(*values)
    if refused:
        return None
    return module, distinct


def _copied(graph: Any, node: Any, traced: Any, constants: dict[str, torch.Tensor]) -> tuple[Any, int]:
    """Copy traced operations before the node; their result in terms of the graph, and how many they are."""
    module, distinct = traced
    placeholders = [one for one in module.graph.nodes if one.op == "placeholder"]
    found = dict(zip(placeholders, distinct, strict=True))
    outputs: Any = None
    count = 0
    first = next(one for one in graph.nodes if one.op != "placeholder")
    with graph.inserting_before(node):
        for one in module.graph.nodes:
            if one.op == "placeholder":
                continue
            if one.op == "output":
                outputs = torch.fx.map_arg(one.args[0], lambda argument: found[argument])
                break
            if one.op == "get_attr":
                name = f"{node.name}_constant_{len(constants)}"
                constants[name] = getattr(module, one.target).detach()
                with graph.inserting_before(first):
                    new = graph.placeholder(name)
                new._rename(name)
            else:
                new = graph.node_copy(one, lambda argument: found[argument])
                new._rename(f"{node.name}_{one.name}")
                count += 1
            new.meta = {**node.meta, **one.meta}
            for key in ("stack_trace", "nn_module_stack", "source_fn_stack"):
                if key in node.meta:
                    new.meta[key] = node.meta[key]
            if "tensor_meta" in new.meta and "tensor_meta" not in one.meta:
                del new.meta["tensor_meta"]
            found[one] = new
    return outputs, count


def _same_interface(node: Any, outputs: Any) -> bool:
    """Whether what stands in for a node has the types and ranks of what the node gave."""

    def facts(value: Any) -> Any:
        return (value.dtype, value.dim()) if isinstance(value, torch.Tensor) else type(value)

    expected = [facts(value) for value in pytree.tree_leaves(node.meta.get("val"))]
    given = [
        facts(one.meta.get("val")) if isinstance(one, torch.fx.Node) else one for one in pytree.tree_leaves(outputs)
    ]
    return expected == given


def _connect(node: Any, outputs: Any, renamed: dict[str, str], original: dict[str, str]) -> None:
    """Hand the users of a node what stands in its place; operators with several results are read by getitem."""
    if isinstance(outputs, torch.fx.Node):
        renamed[original[node.name]] = outputs.name
        node.replace_all_uses_with(outputs)
    else:
        for user in list(node.users):
            chosen = outputs[user.args[1]]
            renamed[original[user.name]] = chosen.name
            user.replace_all_uses_with(chosen)
            user.graph.erase_node(user)
    node.graph.erase_node(node)


def _program_of(program: Any, graph: Any, constants: dict[str, torch.Tensor], renamed: dict[str, str]) -> Any:
    """An exported program around a graph whose outputs may be other nodes and which takes more constants."""
    from torch.export import ExportedProgram

    signature = copy.deepcopy(program.graph_signature)
    for one in [*signature.input_specs, *signature.output_specs]:
        name = getattr(one.arg, "name", None)
        if name in renamed:
            one.arg = dataclasses.replace(one.arg, name=renamed[name])
        if getattr(one, "kind", None) is OutputKind.USER_INPUT_MUTATION:
            one.target = renamed.get(one.target, one.target)
    added = [
        InputSpec(kind=InputKind.CONSTANT_TENSOR, arg=TensorArgument(name=name), target=name, persistent=False)
        for name in constants
    ]
    own = {one.arg.name: one for one in [*signature.input_specs, *added]}
    # Constants come before the user's inputs, in the graph as in the signature.
    placed = [node for node in graph.nodes if node.op == "placeholder"]
    first_user = next((one for one in placed if own[one.name].kind is InputKind.USER_INPUT), None)
    if first_user is not None:
        for node in placed:
            if node.name in constants:
                first_user.prepend(node)
    order = [node.name for node in graph.nodes if node.op == "placeholder"]
    signature.input_specs = [own[name] for name in order]
    module = torch.fx.GraphModule(program.graph_module, graph)
    module.meta.update(program.graph_module.meta)
    return ExportedProgram(
        root=module,
        graph=graph,
        graph_signature=signature,
        state_dict=program.state_dict,
        range_constraints=copy.copy(program.range_constraints),
        module_call_graph=copy.deepcopy(program.module_call_graph),
        example_inputs=program.example_inputs,
        constants={**program.constants, **constants},
        verifiers=program.verifiers,
    )
