"""Nested PyTorch values as leaves with paths, and torch tensors as `tautomer.model.Tensor`s and back."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from tautomer.model import BIT_STORED, Scalar, Tensor


def to_tensor(value: torch.Tensor) -> Tensor:
    """A torch tensor as a `Tensor`, sharing memory where the layout allows."""
    plain = value.detach().cpu()
    if plain.is_sparse or plain.is_quantized or plain.layout is not torch.strided:
        plain = plain.to_dense() if not plain.is_quantized else plain.dequantize()
    plain = plain.resolve_conj().resolve_neg().contiguous()
    name = str(plain.dtype).removeprefix("torch.")
    if name in BIT_STORED:
        return Tensor(name, plain.view(getattr(torch, BIT_STORED[name])).numpy())
    return Tensor(name, plain.numpy())


def from_tensor(value: Tensor) -> torch.Tensor:
    """A tensor of PyTorch with the same bits; it shares memory with the array where that can be written to."""
    stored = torch.from_numpy(value.array if value.array.flags.writeable else value.array.copy())
    return stored.view(getattr(torch, value.dtype)) if value.dtype in BIT_STORED else stored


def key_text(key: Any) -> str:
    """One step of a pytree path as text: a mapping key, an index or an attribute."""
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


@dataclass(frozen=True, slots=True)
class Leaves:
    """A nested value taken apart.

    Attributes:
        paths: one a leaf, `past.0.key`.
        values: torch tensors, Python scalars and None, in the same order.
    """

    paths: tuple[str, ...]
    values: tuple[Any, ...]

    def tensors(self) -> dict[str, Tensor | Scalar]:
        """Leaves by path, torch tensors converted; None dropped."""
        return {
            path: to_tensor(value) if isinstance(value, torch.Tensor) else _scalar(path, value)
            for path, value in zip(self.paths, self.values, strict=True)
            if value is not None
        }


def _scalar(path: str, value: Any) -> Tensor | Scalar:
    if isinstance(value, np.ndarray):
        return Tensor.of(value)
    if isinstance(value, np.generic):
        return value.item()  # type: ignore[no-any-return]
    if isinstance(value, bool | int | float | complex | str):
        return value
    if isinstance(value, torch.SymInt | torch.SymFloat | torch.SymBool):
        return value.node.pytype(value)  # type: ignore[no-any-return]
    return f"<{type(value).__name__} at {path or 'output'}>"


def leaves_of(value: Any) -> Leaves:
    """Flatten any pytree: dicts, lists, tuples, dataclasses and whatever a library has registered.

    A single tensor has the path `output`.
    """
    flat, _ = pytree.tree_flatten_with_path(value)
    paths = tuple(".".join(key_text(key) for key in keys) or "output" for keys, _ in flat)
    return Leaves(paths, tuple(leaf for _, leaf in flat))


@dataclass(frozen=True, slots=True)
class CallArguments:
    """The arguments of one call of a model: `model(*args, **kwargs)`."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @classmethod
    def of(cls, value: Any) -> CallArguments:
        """What `inputs()` returned: a tuple or list is positional, a dict is keywords, all else is the one argument."""
        if isinstance(value, dict):
            return cls((), dict(value))
        if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
            return cls(tuple(value), {})
        return cls((value,), {})

    def copied(self) -> CallArguments:
        """The same call on copies of its tensors, for models that write into their inputs."""

        def copy(leaf: Any) -> Any:
            return leaf.clone() if isinstance(leaf, torch.Tensor) else leaf

        return CallArguments(pytree.tree_map(copy, self.args), pytree.tree_map(copy, self.kwargs))

    def leaves(self, names: Sequence[str]) -> Leaves:
        """Flattened in the order `torch.export` uses: positional arguments first, then keywords as given.

        Args:
            names: of the positional arguments.
        """
        paths: list[str] = []
        values: list[Any] = []
        for name, argument in [*zip(names, self.args, strict=True), *self.kwargs.items()]:
            flat, _ = pytree.tree_flatten_with_path(argument)
            for keys, leaf in flat:
                paths.append(".".join([name, *(key_text(key) for key in keys)]))
                values.append(leaf)
        return Leaves(tuple(paths), tuple(values))

    def rebuilt(self, leaves: Sequence[Any]) -> CallArguments:
        """The same structure around other leaves, in the order of `leaves()`."""
        _, spec = pytree.tree_flatten((self.args, self.kwargs))
        args, kwargs = pytree.tree_unflatten(list(leaves), spec)
        return CallArguments(args, kwargs)


def parameter_names(forward: Callable[..., Any], count: int) -> list[str]:
    """Names for `count` positional arguments of `forward`; `name0`, `name1`... for `*name`, `argN` where unknown."""
    try:
        parameters = list(inspect.signature(forward).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for parameter in parameters:
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append(parameter.name)
        elif parameter.kind is parameter.VAR_POSITIONAL:
            names.extend(f"{parameter.name}{index}" for index in range(count))
    names = names[:count]
    return names + [f"arg{index}" for index in range(len(names), count)]
