"""Values on which a program's inputs have no influence: what an exporter folds into the constants of its graph.

A part that is cut out has to keep them as constants. As inputs they would be no stored operands any more, and a fault
of folding, of a pass or of a rule that asks for a stored operand would not show.
"""

from __future__ import annotations

from typing import Any

import torch

from tautomer.adapters.torch_programs.reduction.program import Call, Program, Ref

_NEW = ("aten::new_ones", "aten::new_zeros", "aten::new_full")
_LIKE = ("aten::ones_like", "aten::zeros_like", "aten::full_like")


def fixed_nodes(graph: torch.fx.Graph) -> set[str]:
    """Names of the nodes whose values are the same whatever the graph is given; parameters and buffers among them."""
    static = not any(_has_symbols(node) for node in graph.nodes if node.op == "placeholder")
    fixed: set[str] = set()
    for node in graph.nodes:
        if node.op == "get_attr":
            fixed.add(node.name)
        elif node.op == "call_function" and _is_function(node.target):
            sizes_of = node.args[0] if _takes_sizes_only(node.target, static=static) and node.args else None
            if all(one.name in fixed for one in node.all_input_nodes if one is not sizes_of):
                fixed.add(node.name)
    return fixed


def fixed_calls(program: Program) -> set[str]:
    """Names of the calls whose results are the same whatever the program is given."""
    static = not any(one.dynamic for one in program.inputs)
    fixed = {one.name for one in program.constants}
    found: set[str] = set()
    for call in program.calls:
        target = call.target
        sizes_only = _takes_sizes_only(target, static=static) and call.args and isinstance(call.args[0], Ref)
        used = Call(call.name, call.operator, call.args[1:], call.kwargs) if sizes_only else call
        if _is_function(target) and fixed.issuperset(used.refs()):
            fixed.add(call.name)
            found.add(call.name)
    return found


def _is_function(target: Any) -> bool:
    """Whether the same arguments always give the same result."""
    if isinstance(target, torch._ops.OpOverload):
        return torch.Tag.nondeterministic_seeded not in target.tags and not target._schema.is_mutable
    return not isinstance(target, torch._ops.HigherOrderOperator)


def _takes_sizes_only(target: Any, *, static: bool) -> bool:
    """Whether only the type, or the sizes, of the first argument matter, and these never change."""
    name = target._schema.name if isinstance(target, torch._ops.OpOverload) else ""
    return name in _NEW or (static and name in _LIKE)


def _has_symbols(node: torch.fx.Node) -> bool:
    described = node.meta.get("val")
    return isinstance(described, torch.Tensor) and any(not isinstance(size, int) for size in described.shape)
