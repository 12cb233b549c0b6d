"""Make every input set a call of the same shape as the first, and say where one cannot be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch

from tautomer.adapters.torch_programs.loading import InputSet
from tautomer.adapters.torch_programs.second_size import DynamicDimension
from tautomer.adapters.torch_programs.trees import CallArguments, parameter_names
from tautomer.errors import InputsError


def argument_names(model: Any, count: int) -> tuple[str, ...]:
    """Names of the first `count` positional arguments of a module, a function, an ExportedProgram or a ScriptModule."""
    if isinstance(model, torch.export.ExportedProgram):
        information = getattr(model.module(check_guards=False).graph._codegen, "pytree_info", None)
        names = [name for name in getattr(information, "orig_args", ()) if name != "self"]
        return tuple([*names, *(f"arg{index}" for index in range(len(names), count))][:count])
    if isinstance(model, torch.jit.ScriptModule):
        names = [one.name for one in model.forward.schema.arguments if one.name != "self"]  # type: ignore[attr-defined]
        return tuple([*names, *(f"arg{index}" for index in range(len(names), count))][:count])
    forward = forward_of(model)
    return tuple(parameter_names(forward, count))


def forward_of(model: Any) -> Callable[..., Any]:
    """The function whose signature names a model's arguments."""
    inner = getattr(model, "_function", None)
    forward: Callable[..., Any] = inner if callable(inner) else getattr(model, "forward", model)
    return forward


def in_the_form_of(model: Any, sets: Sequence[InputSet]) -> tuple[InputSet, ...]:
    """The sets with keyword arguments made positional where the first set, or a trace, has them so."""
    first = sets[0].call
    positional = isinstance(model, torch.jit.ScriptModule) or (bool(first.args) and not first.kwargs)
    if not positional:
        return tuple(sets)
    return tuple(replace(one, call=_positional(model, one.call)) for one in sets)


def _positional(model: Any, call: CallArguments) -> CallArguments:
    if call.args or not call.kwargs:
        return call
    names = argument_names(model, len(call.kwargs))
    if set(names) != set(call.kwargs):
        return call
    return CallArguments(tuple(call.kwargs[name] for name in names), {})


def verify_fit(
    sets: Sequence[InputSet],
    leaves: Sequence[tuple[tuple[str, ...], tuple[Any, ...]]],
    dimensions: Sequence[DynamicDimension],
    *,
    sizes_known: bool,
) -> None:
    """Compare every set with the first: a graph has one structure and one element type an input.

    Args:
        sets: for their names.
        leaves: paths and values of each set.
        dimensions: those declared dynamic.
        sizes_known: whether `dimensions` is all that is declared, so that any other size is a mistake.

    Raises:
        InputsError: with the set, the input, and what was expected and found.
    """
    paths, values = leaves[0]
    for path, value in zip(paths, values, strict=True):
        if isinstance(value, torch.Tensor) and value.is_meta:
            raise InputsError("TA138", f"input '{path}' of {sets[0].name} is on the meta device and has no values.")
    dynamic = {(one.path, one.axis) for one in dimensions}
    for one, (other_paths, other_values) in zip(sets[1:], leaves[1:], strict=True):
        if other_paths != paths:
            raise InputsError(
                "TA139",
                f"{one.name} has the inputs {', '.join(other_paths)} where {sets[0].name} has {', '.join(paths)}.",
            )
        for path, value, other in zip(paths, values, other_values, strict=True):
            said = (sets[0].name, one.name)
            _verify_leaf(path, value, other, said=said, dynamic=dynamic if sizes_known else None)


def _verify_leaf(
    path: str, value: Any, other: Any, *, said: tuple[str, str], dynamic: set[tuple[str, int]] | None
) -> None:
    first, name = said
    if not isinstance(value, torch.Tensor) or not isinstance(other, torch.Tensor):
        same = type(value) is type(other) and (isinstance(value, torch.Tensor) or value == other)
        if not same:
            raise InputsError(
                "TA139",
                f"input '{path}' of {name} is {_short(other)} where {first} has {_short(value)}.",
                "Python values become constants of a converted model; only tensors can change.",
            )
        return
    if value.dtype != other.dtype or value.dim() != other.dim():
        raise InputsError("TA139", f"input '{path}' of {name} is {_short(other)} where {first} has {_short(value)}.")
    for axis, (size, other_size) in enumerate(zip(value.shape, other.shape, strict=True)):
        if dynamic is not None and size != other_size and (path, axis) not in dynamic:
            raise InputsError(
                "TA139",
                f"input '{path}' of {name} has size {other_size} in dimension {axis} where {first} has {size}, and "
                "that dimension is not declared dynamic.",
                "Declare it in DYNAMIC_SHAPES, or give inputs of one size.",
            )


def _short(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a {str(value.dtype).removeprefix('torch.')} tensor of {value.dim()} dimensions"
    return f"{value!r}"
