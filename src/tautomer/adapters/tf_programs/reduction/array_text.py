"""Arrays as Python text that evaluates to the very same bits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

from tautomer.adapters.tf_programs.reduction.program import Array, same_bits

LARGEST_LITERAL = 64
"""Elements up to which an array is written out; a person still reads that many."""


def type_text(name: str) -> str:
    """An element type as numpy, or TensorFlow where numpy has none, names it."""
    if name in ("bfloat16",) or name.startswith("float8"):
        return f"tf.{name}.as_numpy_dtype"
    return {"bool": "bool", "str": "object", "object": "object"}.get(name, f"np.{name}")


def array_text(array: Array) -> str | None:
    """Python that evaluates to exactly this array with `np` and `tf` in scope; None where it would be too long."""
    return next((text for text in _spellings(array) if _evaluates_to(text, array)), None)


def element_text(value: Any, dtype: Any) -> str:
    """The shortest text of a number that its type rounds to it."""
    if isinstance(value, bytes | str):
        return repr(value)
    if isinstance(value, complex):
        return f"complex({element_text(value.real, float)}, {element_text(value.imag, float)})"
    if isinstance(value, float) and math.isnan(value):
        return "-np.nan" if math.copysign(1.0, value) < 0 else "np.nan"
    if isinstance(value, float) and math.isinf(value):
        return "np.inf" if value > 0 else "-np.inf"
    if isinstance(value, float) and np.dtype(dtype) == np.float32:
        short = repr(float(str(np.float32(value))))
        return short if np.float32(float(short)) == np.float32(value) else repr(value)
    if isinstance(value, float) and np.dtype(dtype).itemsize == 2:
        for digits in range(1, 8):
            short = repr(float(f"{value:.{digits}g}"))
            if float(np.asarray(float(short)).astype(dtype)) == value:
                return short
    return repr(value)


def nested_text(array: Array) -> str:
    """Nested lists of an array's elements."""
    has_own_numbers = (array.dtype.kind in "OSbiufc" and array.dtype.name in np.sctypeDict) or array.dtype.kind == "O"
    plain = array if has_own_numbers else array.astype(np.float64)
    return _nested(plain.tolist(), array.dtype)


def _nested(value: Any, dtype: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_nested(one, dtype) for one in value) + "]"
    return element_text(value, dtype)


def _spellings(array: Array) -> Iterator[str]:
    dtype = type_text(array.dtype.name)
    shape = tuple(array.shape)
    if not array.size:
        yield f"np.zeros({shape}, {dtype})"
        return
    if array.dtype.kind != "O" and array.size > 1:
        first = array.reshape(-1)[0]
        if same_bits(np.full(shape, first, array.dtype), array):
            if first == 0:
                yield f"np.zeros({shape}, {dtype})"
            if first == 1:
                yield f"np.ones({shape}, {dtype})"
            yield f"np.full({shape}, {nested_text(np.asarray(first))}, {dtype})"
        if array.size > 3 and array.dtype.kind in "iuf":
            reshaped = f".reshape{shape}" if array.ndim > 1 else ""
            start = element_text(first.item() if array.dtype.kind in "iu" else float(first), array.dtype)
            start = str(int(float(start))) if float(start).is_integer() else start
            yield f"np.arange({array.size}, dtype={dtype}){reshaped}"
            if start.lstrip("-").isdigit():
                yield f"np.arange({start}, {int(start) + array.size}, dtype={dtype}){reshaped}"
    if array.size > LARGEST_LITERAL:
        return
    if not array.ndim:
        yield (
            f"np.{array.dtype.name}({nested_text(array)})"
            if dtype.startswith("np.")
            else f"np.array({nested_text(array)}, {dtype})"
        )
    if array.dtype in (np.bool_, np.int64):
        yield f"np.array({nested_text(array)})"
    yield f"np.array({nested_text(array)}, {dtype})"
    if array.dtype.kind in "fc":
        bits = (
            np.ascontiguousarray(array)
            .reshape(-1)
            .view(f"u{array.dtype.itemsize}" if array.dtype.kind == "f" else "u8")
        )
        yield f"np.array({bits.tolist()}, np.{bits.dtype.name}).view({dtype}).reshape({shape})"


class _TensorFlowTypes:
    """Stands for `tf` where only its element types are asked for."""

    def __getattr__(self, name: str) -> Any:
        return type(name, (), {"as_numpy_dtype": getattr(ml_dtypes, name)})


def evaluated(text: str) -> Any:
    """What a text gives that this project has written: of arrays, numbers and element types, without TensorFlow.

    Raises:
        NameError, TypeError, ValueError, OverflowError, AttributeError: it needs more than these.
    """
    known = {"np": np, "tf": _TensorFlowTypes(), "bool": bool, "object": object, "complex": complex}
    return eval(text, {"__builtins__": {}, **known})


def _evaluates_to(text: str, array: Array) -> bool:
    try:
        found = evaluated(text)
    except (TypeError, ValueError, OverflowError, AttributeError):
        return False
    return same_bits(np.asarray(found), array)
