"""Tensors and nested values, without any framework.

A `Tensor` carries a logical element type apart from numpy's, because numpy knows neither bfloat16 nor the float8
formats: those are stored as their bit patterns in unsigned integers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

BIT_STORED: dict[str, str] = {
    "bfloat16": "uint16",
    "float8_e4m3fn": "uint8",
    "float8_e4m3fnuz": "uint8",
    "float8_e5m2": "uint8",
    "float8_e5m2fnuz": "uint8",
}
"""Logical element types kept as bit patterns, and the numpy type that holds them."""

FLOATING = frozenset({"float16", "float32", "float64", "complex64", "complex128", *BIT_STORED})


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor.

    Attributes:
        dtype: logical element type, spelled as numpy or PyTorch spell it (`float32`, `bfloat16`, `int64`, `bool`,
            `string`, `complex64`).
        array: the storage. Bit patterns for the types in `BIT_STORED`; an object array of str for `string`.
    """

    dtype: str
    array: np.ndarray[Any, Any]

    @classmethod
    def of(cls, array: np.ndarray[Any, Any]) -> Tensor:
        """Wrap a numpy array (ml_dtypes' bfloat16 and float8 arrays too) without copying."""
        name = array.dtype.name
        if name in BIT_STORED:
            return cls(name, array.view(BIT_STORED[name]))
        if array.dtype.kind in "OUST":
            return cls("string", array.astype(object))
        return cls(name, array)

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions of the tensor."""
        return tuple(self.array.shape)

    @property
    def is_floating(self) -> bool:
        """Whether elements are floating-point or complex numbers."""
        return self.dtype in FLOATING

    def numpy(self) -> np.ndarray[Any, Any]:
        """A numpy array whose values can be computed with: bit-stored formats through ml_dtypes (which onnx brings)."""
        if self.dtype not in BIT_STORED:
            return self.array
        import ml_dtypes

        return self.array.view(getattr(ml_dtypes, self.dtype))

    def float64(self) -> np.ndarray[Any, Any]:
        """The values, exactly, in float64 (complex128 for complex numbers)."""
        values = self.numpy()
        return values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)


Scalar = bool | int | float | complex | str | None
Value = Tensor | Scalar | Sequence[Any] | Mapping[str, Any]
"""A nested value: dicts, lists and tuples of tensors and Python scalars. None stands for an absent value."""


def flatten(value: Value, path: str = "") -> Iterator[tuple[str, Tensor | Scalar]]:
    """The leaves of a nested value with their paths (`past.0.key`), in order. None leaves are kept."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flatten(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from flatten(item, f"{path}.{index}" if path else str(index))
    else:
        yield path, value  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What an interface declares of one input or output.

    Attributes:
        name: the name in the graph, or the path in a nested structure.
        dtype: logical element type, or None where the graph does not say.
        shape: one entry a dimension: a size, a symbolic name, or None for unknown. None where the rank is unknown.
    """

    name: str
    dtype: str | None
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Named values of one execution.

    Attributes:
        values: by name, in the order of the interface; Python scalars where the source returned one.
        precision: the arithmetic they were computed in.
    """

    values: Mapping[str, Tensor | Scalar | Sequence[Any]]
    precision: str
