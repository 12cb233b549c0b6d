"""Scalars that a call leaves to an operator's defaults, written out as the declared precision has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch


def _epsilon(dtype: torch.dtype) -> float:
    """Narrower formats are normalised in float32."""
    return torch.finfo(torch.float64 if dtype == torch.float64 else torch.float32).eps


def _largest(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).max


def _lowest(dtype: torch.dtype) -> float:
    return torch.finfo(dtype).min


_OF_FORMAT: Mapping[str, Mapping[str, Callable[[torch.dtype], float]]] = {
    "aten::rms_norm": {"eps": _epsilon},
    "aten::_fused_rms_norm": {"eps": _epsilon},
    "aten::nan_to_num": {"posinf": _largest, "neginf": _lowest},
    "aten::nan_to_num_": {"posinf": _largest, "neginf": _lowest},
}
"""Arguments for which None means a number of the input's own format, which in float64 would be another number."""


def with_default_scalars(
    target: torch._ops.OpOverload, args: Any, kwargs: Any, inputs: Sequence[torch.dtype | None]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """A call's arguments with default scalars (an epsilon) among them, so that they are rounded like given ones.

    Args:
        target: the operator.
        args, kwargs: what it is called with.
        inputs: declared types of the tensors it is called with.
    """
    of_format = _OF_FORMAT.get(target._schema.name, {})
    declared = next((dtype for dtype in inputs if dtype is not None and dtype.is_floating_point), torch.float32)
    positional, named = list(args), dict(kwargs)
    for place, argument in enumerate(target._schema.arguments):
        given = positional[place] if place < len(positional) else named.get(argument.name)
        if argument.name in of_format and given is None:
            value = of_format[argument.name](declared)
        elif place >= len(positional) and argument.name not in named and isinstance(argument.default_value, float):
            value = argument.default_value
        else:
            continue
        if place < len(positional):
            positional[place] = value
        else:
            named[argument.name] = value
    return tuple(positional), named
