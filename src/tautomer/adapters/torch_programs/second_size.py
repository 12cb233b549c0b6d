"""Make one more input set with other sizes wherever a model declares a dimension dynamic and no given set varies it.

A dimension can silently become static in a conversion; only a second size shows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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


def dynamic_dimensions(call: CallArguments, dynamic_shapes: Any, names: tuple[str, ...]) -> list[DynamicDimension]:
    """Every dimension that `dynamic_shapes` (as `torch.export` takes them) declares dynamic.

    Args:
        call: the set the model is converted with.
        dynamic_shapes: a dict by parameter name or a tuple by position; by axis a `Dim`, a string or `Dim.DYNAMIC`.
        names: parameter names of the positional arguments.
    """
    if not dynamic_shapes:
        return []
    arguments = [*zip(names, call.args, strict=False), *call.kwargs.items()]
    if isinstance(dynamic_shapes, Mapping):
        pairs = [(name, value, dynamic_shapes.get(name)) for name, value in arguments]
    else:
        pairs = [(name, value, given) for (name, value), given in zip(arguments, dynamic_shapes, strict=False)]
    return [found for name, value, given in pairs for found in _of_value(name, value, given)]


def _of_value(path: str, value: Any, given: Any) -> Iterator[DynamicDimension]:
    if given is None:
        return
    if isinstance(value, torch.Tensor):
        axes = given.items() if isinstance(given, Mapping) else enumerate(given)
        for axis, dimension in axes:
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
    wanted: dict[str, dict[int, int]] = {}
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
        wanted.setdefault(one.path, {})[one.axis] = size
    leaves, _ = pytree.tree_flatten((call.args, call.kwargs))
    changed: list[Any] = []
    for path, leaf in zip(paths, leaves, strict=True):
        tensor = leaf
        if isinstance(tensor, torch.Tensor):
            for axis, size in wanted.get(path, {}).items():
                tensor = tensor.index_select(axis, torch.arange(size) % max(tensor.shape[axis], 1))
        changed.append(tensor)
    return call.rebuilt(changed)
