"""Nested TensorFlow values as leaves with paths, and TensorFlow's tensors as `tautomer.model.Tensor`s and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import tensorflow as tf

from tautomer.model import BIT_STORED, Tensor


def to_tensor(value: Any) -> Tensor:
    """An eager tensor, a variable or a numpy value as a `Tensor`."""
    array = np.asarray(value.numpy() if hasattr(value, "numpy") else value)
    if array.dtype.kind in "OSU":
        decoded = [_text(one) for one in array.reshape(-1).tolist()]
        flat = np.empty(len(decoded), dtype=object)
        flat[:] = decoded
        return Tensor("string", flat.reshape(array.shape))
    return Tensor.of(array)


def _text(value: Any) -> Any:
    """Bytes as text where they are text."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def to_array(value: Tensor) -> np.ndarray[Any, Any]:
    """What TensorFlow takes for a `Tensor`: a numpy array, with ml_dtypes' formats where numpy has none."""
    return value.array.view(getattr(ml_dtypes, value.dtype)) if value.dtype in BIT_STORED else value.array


def is_tensor(leaf: Any) -> bool:
    """Whether a leaf is a tensor for TensorFlow: its own, a variable's or numpy's; Python's numbers are constants."""
    return isinstance(leaf, np.ndarray | np.generic) or bool(tf.is_tensor(leaf))


def leaves_of(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves with their paths (`past.0.key`), mappings by sorted key as `tf.nest` orders them; None is dropped.

    Ragged, sparse and indexed values are taken apart into their components.
    """
    if value is None:
        return
    steps: list[tuple[Any, Any]]
    if isinstance(value, Mapping):
        steps = [(key, value[key]) for key in _sorted_keys(value)]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        steps = list(zip(value._fields, value, strict=True))
    elif isinstance(value, list | tuple):
        steps = list(enumerate(value))
    elif isinstance(value, tf.RaggedTensor | tf.SparseTensor | tf.IndexedSlices):
        steps = list(enumerate(tf.nest.flatten(value, expand_composites=True)))
    else:
        yield path, value
        return
    for key, item in steps:
        yield from leaves_of(item, f"{path}.{key}" if path else str(key))


def _sorted_keys(value: Mapping[Any, Any]) -> list[Any]:
    try:
        return sorted(value)
    except TypeError:
        return list(value)


def rebuilt(value: Any, leaves: Iterator[Any]) -> Any:
    """The same structure around other leaves, in the order of `leaves_of`."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        new = {key: rebuilt(value[key], leaves) for key in _sorted_keys(value)}
        return {key: new[key] for key in value}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(rebuilt(item, leaves) for item in value))
    if isinstance(value, list | tuple):
        return type(value)(rebuilt(item, leaves) for item in value)
    if isinstance(value, tf.RaggedTensor | tf.SparseTensor | tf.IndexedSlices):
        count = len(tf.nest.flatten(value, expand_composites=True))
        return tf.nest.pack_sequence_as(value, [next(leaves) for _ in range(count)], expand_composites=True)
    return next(leaves)


@dataclass(frozen=True, slots=True)
class CallArguments:
    """The arguments of one call of a model: `model(*args, **kwargs)`; tensors in it are numpy arrays.

    Attributes:
        names: of the positional arguments.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: Any) -> CallArguments:
        """What `inputs()` returned: a tuple or list is positional, a dict is keywords, all else is the one argument."""
        plain = arrays_in(value)
        if isinstance(plain, Mapping):
            return cls((), {str(key): item for key, item in plain.items()})
        if isinstance(plain, tuple | list) and not hasattr(plain, "_fields"):
            return cls(tuple(plain), {})
        return cls((plain,), {})

    def leaves(self) -> list[tuple[str, Any]]:
        """Every leaf with its path, positional arguments first, then keywords as given."""
        names = [*self.names, *(f"arg{index}" for index in range(len(self.names), len(self.args)))]
        pairs = [*zip(names, self.args, strict=False), *self.kwargs.items()]
        return [leaf for name, argument in pairs for leaf in leaves_of(argument, name)]

    def tensors(self) -> dict[str, np.ndarray[Any, Any]]:
        """The tensors among the leaves, by path."""
        return {path: np.asarray(leaf) for path, leaf in self.leaves() if is_tensor(leaf)}

    def with_tensors(self, tensors: Sequence[Any]) -> CallArguments:
        """The same structure around other tensors, in the order of `tensors()`; other leaves stay."""
        given = iter(tensors)
        leaves = iter([next(given) if is_tensor(leaf) else leaf for _, leaf in self.leaves()])
        args = tuple(rebuilt(argument, leaves) for argument in self.args)
        return CallArguments(args, {key: rebuilt(item, leaves) for key, item in self.kwargs.items()}, self.names)


def arrays_in(value: Any) -> Any:
    """A nested value with every tensor of TensorFlow's as a numpy array."""
    return mapped(value, lambda leaf: leaf.numpy() if tf.is_tensor(leaf) else leaf)


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """A nested value with each leaf changed."""
    return rebuilt(value, iter([change(leaf) for _, leaf in leaves_of(value)]))
