"""Capture what a PyTorch program computes on one set of inputs as a graph of ATen operators.

The capture runs the real program on the real inputs in its own precision, so every decision that Python takes (shapes,
trip counts, values read with `.item()`) is the one the declared precision takes, and compound operators (Softmax, LSTM,
attention) stay whole. It is the graph that is lifted to float64, never the user's module.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.jit._fuser import optimized_execution
from torch.utils import _pytree as pytree

from tautomer.adapters.onnx_files.fingerprint import fingerprint
from tautomer.adapters.stack_traces import users_line
from tautomer.adapters.torch_programs.lift import FACTORIES_IN_DOUBLE, base_name
from tautomer.adapters.torch_programs.trees import CallArguments, leaves_of


@dataclass(frozen=True, slots=True)
class Capture:
    """One captured call.

    Attributes:
        graph: a GraphModule from the tensor leaves of the call to the tensor leaves of its result.
        output_paths: paths of the tensor leaves of the result.
    """

    graph: torch.fx.GraphModule
    output_paths: tuple[str, ...]


def capture(function: Callable[..., Any], call: CallArguments) -> Capture:
    """Run `function` once on `call` and record its operators.

    Raises:
        Exception: whatever the program or the tracer raises; the caller reports the capture as impossible.
    """
    leaves = pytree.tree_leaves((call.args, call.kwargs))
    positions = [index for index, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    paths: list[str] = []

    def on_tensors(*tensors: torch.Tensor) -> list[torch.Tensor]:
        filled: list[Any] = list(leaves)
        for position, tensor in zip(positions, tensors, strict=True):
            filled[position] = tensor
        rebuilt = call.rebuilt(filled)
        result = leaves_of(function(*rebuilt.args, **rebuilt.kwargs))
        kept = [
            (path, value)
            for path, value in zip(result.paths, result.values, strict=True)
            if isinstance(value, torch.Tensor)
        ]
        paths[:] = [path for path, _ in kept]
        return [value for _, value in kept]

    tensors = [leaves[position].detach().clone() for position in positions]
    graph = trace_operators(on_tensors, tensors, keep_compound=True)
    if any("autocast" in str(node.target) for node in graph.graph.nodes):
        # Autocast decides its casts below the level at which compound operators are whole; only there they show.
        graph = trace_operators(on_tensors, tensors, keep_compound=False)
    return Capture(graph, tuple(paths))


def trace_operators(
    function: Callable[..., Any], tensors: Sequence[torch.Tensor], *, keep_compound: bool = True
) -> torch.fx.GraphModule:
    """The operators that one real run of a function goes through.

    Args:
        function: takes and gives tensors.
        tensors: what it is given.
        keep_compound: whether operators that are made of others (Softmax, LSTM) stay whole.

    Raises:
        Exception: whatever the function or the tracer raises.
    """
    tracer = make_fx(
        function,
        tracing_mode="real",
        pre_dispatch=keep_compound,
        record_stack_traces=True,
        _error_on_data_dependent_ops=False,
    )
    # TorchScript's executor rewrites a function after its first runs: captures of one program would differ.
    with optimized_execution(False):
        graph = tracer(*tensors)
    if not isinstance(graph, torch.fx.GraphModule):
        raise TypeError(f"capture returned {type(graph).__name__}")
    return graph


def scalars_of(graph: torch.fx.GraphModule) -> set[float]:
    """Every Python number that appears as an argument in the graph, as float32 holds it."""
    found: set[float] = set()
    for node in graph.graph.nodes:
        for argument in pytree.tree_leaves((node.args, node.kwargs)):
            if isinstance(argument, int | float) and not isinstance(argument, bool):
                found.add(float(torch.tensor(float(argument), dtype=torch.float32)))
    return found


def factory_scalars_of(graph: torch.fx.GraphModule) -> set[float]:
    """Every Python float that an operator takes in double precision, unrounded."""
    return {
        argument
        for node in graph.graph.nodes
        if base_name(node.target) in FACTORIES_IN_DOUBLE
        for argument in pytree.tree_leaves((node.args, node.kwargs))
        if isinstance(argument, float)
    }


def constants_of(graph: torch.fx.GraphModule) -> set[str]:
    """Fingerprints of the floating tensors the graph uses: parameters, buffers and constants."""
    found = set()
    for node in graph.graph.nodes:
        value = getattr(graph, str(node.target), None) if node.op == "get_attr" else None
        if isinstance(value, torch.Tensor) and value.is_floating_point() and value.layout is torch.strided:
            found.add(fingerprint(value.detach().to(torch.float32).contiguous().numpy()))
    return found


def training_operators(graph: torch.fx.GraphModule) -> list[str]:
    """Operators that act as in training, with source lines: active dropout, a batch norm that uses batch statistics."""
    found = []
    for node in graph.graph.nodes:
        target = node.target
        if node.op != "call_function" or not isinstance(target, torch._ops.OpOverload):
            continue
        for argument, value in zip(target._schema.arguments, node.args, strict=False):
            if argument.name in ("train", "training") and value is True and not _inert(target, node.args):
                found.append(f"{target} ({source_line(node) or 'unknown line'})")
    return found


def _inert(target: Any, args: Sequence[Any]) -> bool:
    return "dropout" in str(target) and len(args) > 1 and args[1] == 0.0


def source_line(node: torch.fx.Node) -> str | None:
    """`file.py:12` of the innermost frame outside PyTorch that made the node."""
    return users_line(node.meta.get("stack_trace") or "")
