"""Make one more input set with other sizes wherever a model declares a dimension dynamic and no given set varies it.

A dimension can silently become static in a conversion; only a second size shows it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.torch_programs.trees import CallArguments


@dataclass(frozen=True, slots=True)
class DynamicDimension:
    """One dimension declared dynamic.

    Attributes:
        path: of the input tensor.
        axis: of the dimension.
        symbol: what groups dimensions that must have the same size: the name given to it, or its own place.
        size: in the set the model is converted with.
        low, high: the declared range.
    """

    path: str
    axis: int
    symbol: str
    size: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Declared:
    """What DYNAMIC_SHAPES declares.

    Attributes:
        dimensions: those declared dynamic.
        understood: whether they are all; not so where a declaration goes through `*args` or `**kwargs` of the model.
    """

    dimensions: list[DynamicDimension]
    understood: bool


def dynamic_dimensions(
    call: CallArguments, dynamic_shapes: Any, names: tuple[str, ...], forward: Callable[..., Any] | None = None
) -> Declared:
    """Every dimension that `dynamic_shapes` (as `torch.export` takes them) declares dynamic.

    Args:
        call: the set the model is converted with.
        dynamic_shapes: a dict by parameter name, or a tuple by position; dims by axis; `Dim`s, strings, `Dim.DYNAMIC`.
        names: parameter names of the positional arguments.
        forward: what has these parameters.

    Raises:
        ValueError: it names no input, an axis that an input does not have, or is of another kind.
    """
    if not dynamic_shapes and dynamic_shapes != 0:
        return Declared([], True)
    arguments = [*zip(names, call.args, strict=False), *call.kwargs.items()]
    understood = True
    if isinstance(dynamic_shapes, Mapping):
        known = dict(arguments)
        unknown = [name for name in dynamic_shapes if name not in known]
        if unknown:
            parameters = set(inspect.signature(forward).parameters) if forward is not None else set()
            if not set(unknown) <= parameters:
                raise ValueError(f"there is no input {unknown[0]!r}; the inputs are {', '.join(known)}")
            understood = False
        pairs = [(name, value, dynamic_shapes.get(name)) for name, value in arguments]
    elif isinstance(dynamic_shapes, tuple | list):
        pairs = [(name, value, given) for (name, value), given in zip(arguments, dynamic_shapes, strict=False)]
        understood = len(dynamic_shapes) == len(arguments)
    else:
        raise ValueError(f"it is {dynamic_shapes!r}, not a dict by input name or a tuple by position")
    return Declared([found for name, value, given in pairs for found in _of_value(name, value, given)], understood)


def program_dimensions(program: Any, paths: Sequence[str], values: Sequence[Any]) -> list[DynamicDimension]:
    """The dynamic dimensions of a captured program: those of its inputs that are plain symbols."""
    placeholders = {node.name: node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"}
    ranges = {str(symbol): limits for symbol, limits in program.range_constraints.items()}
    found: list[DynamicDimension] = []
    for name, path, value in zip(program.graph_signature.user_inputs, paths, values, strict=False):
        described = placeholders.get(name)
        if not isinstance(described, torch.Tensor) or not isinstance(value, torch.Tensor):
            continue
        for axis, size in enumerate(described.shape):
            symbol = str(size)
            if isinstance(size, torch.SymInt) and symbol.isidentifier():
                limits = ranges.get(symbol)
                low, high = _limit(limits, "lower", 1), _limit(limits, "upper", 2**31)
                found.append(DynamicDimension(path, axis, symbol, value.shape[axis], low, high))
    return found


def _limit(limits: Any, which: str, default: int) -> int:
    try:
        return int(getattr(limits, which))
    except (TypeError, ValueError, AttributeError, OverflowError):
        return default  # infinite, or none


def varied_dimensions(paths: Sequence[str], sets: Sequence[Sequence[Any]]) -> list[DynamicDimension]:
    """For sources that declare nothing (TorchScript): the dimensions in which their samples differ."""
    found = []
    for position, path in enumerate(paths):
        tensors = [values[position] for values in sets if len(values) > position]
        if not all(isinstance(one, torch.Tensor) and one.dim() == tensors[0].dim() for one in tensors):
            continue
        for axis, size in enumerate(tensors[0].shape):
            if any(one.shape[axis] != size for one in tensors):
                found.append(DynamicDimension(path, axis, f"{path}_{axis}".replace(".", "_"), size, 1, 2**31))
    return found


def _of_value(path: str, value: Any, given: Any) -> Iterator[DynamicDimension]:
    if given is None:
        return
    if isinstance(value, torch.Tensor):
        if not isinstance(given, Mapping | tuple | list):
            raise ValueError(f"input {path!r} has {given!r} where a dict by axis or a tuple of dimensions belongs")
        axes = given.items() if isinstance(given, Mapping) else enumerate(given)
        for axis, dimension in axes:
            if not isinstance(axis, int) or not -value.dim() <= axis < value.dim():
                raise ValueError(f"input {path!r} has {value.dim()} dimensions, so there is no axis {axis!r}")
            described = _describe(dimension, path, axis, value.shape[axis])
            if described is not None:
                yield described
    elif isinstance(value, Mapping) and isinstance(given, Mapping):
        for key, item in value.items():
            yield from _of_value(f"{path}.{key}", item, given.get(key))
    elif isinstance(value, list | tuple) and isinstance(given, list | tuple):
        for index, (item, inner) in enumerate(zip(value, given, strict=False)):
            yield from _of_value(f"{path}.{index}", item, inner)


def _describe(dimension: Any, path: str, axis: int, size: int) -> DynamicDimension | None:
    if dimension is None or isinstance(dimension, int):
        return None
    text = str(dimension)
    if "STATIC" in text.upper():
        return None
    low = getattr(dimension, "min", None)
    high = getattr(dimension, "max", None)
    if isinstance(dimension, str):
        symbol = dimension
    elif "DimHint" in type(dimension).__name__ or "DimHint" in text:
        symbol = f"size {size}"  # unnamed dimensions of one size usually belong together
    else:
        symbol = getattr(dimension, "__name__", text)
    return DynamicDimension(
        path,
        axis,
        symbol,
        size,
        low if isinstance(low, int) else 1,
        high if isinstance(high, int) else 2**31,
    )


def not_varied(dimensions: list[DynamicDimension], sizes: list[dict[str, tuple[int, ...]]]) -> list[DynamicDimension]:
    """The dynamic dimensions that have the same size in every set; `sizes` maps paths to shapes, one dict a set."""
    return [
        one
        for one in dimensions
        if all(len(shapes.get(one.path, ())) <= one.axis or shapes[one.path][one.axis] == one.size for shapes in sizes)
    ]


def resized(
    call: CallArguments, dimensions: list[DynamicDimension], *, double: bool, paths: tuple[str, ...]
) -> CallArguments | None:
    """`call` with each of `dimensions` one larger (or twice as large); its own elements, cycled, fill the rest.

    Returns None where a declared range leaves no other size.
    """
    wanted: dict[tuple[str, int], int] = {}
    for one in dimensions:
        size = next(
            (
                size
                for size in (one.size * 2 if double else one.size + 1, one.size - 1)
                if max(one.low, 1) <= size <= one.high and size != one.size
            ),
            None,
        )
        if size is None:
            return None
        wanted[one.path, one.axis] = size
    return with_sizes(call, wanted, paths=paths)


def with_sizes(call: CallArguments, sizes: Mapping[tuple[str, int], int], *, paths: tuple[str, ...]) -> CallArguments:
    """`call` with other sizes, by path and axis of an input; its own elements, cycled, fill what is added."""
    leaves, _ = pytree.tree_flatten((call.args, call.kwargs))
    changed: list[Any] = []
    for path, leaf in zip(paths, leaves, strict=True):
        tensor = leaf
        if isinstance(tensor, torch.Tensor):
            for (of, axis), size in sizes.items():
                if of == path:
                    tensor = tensor.index_select(axis, torch.arange(size) % max(tensor.shape[axis], 1))
        changed.append(tensor)
    return call.rebuilt(changed)
