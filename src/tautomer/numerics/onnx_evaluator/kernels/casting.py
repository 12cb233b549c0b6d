"""Conversions between element types: which roundings are part of the function even when floats are lifted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import (
    FLOATS,
    Array,
    declared_dtype,
    element_of,
    narrow_format,
    round_to,
    storage_dtype,
)

_PRECISION_BITS = {"float16": 11, "bfloat16": 8, "float": 24, "double": 53}
_FLOAT8 = ("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz")


def _cast(call: Call) -> Array:
    return convert_elements(call, element_of(call.output_types[0]))


def convert_elements(call: Call, target: str) -> Array:
    """The first input as element type `target` (of the output), in the type kernels compute it in."""
    x = call.inputs[0]
    source = call.element(0)
    computed = call.output_dtype(0)
    if source == "string":
        return _parse(x, target, computed)
    if target == "string":
        return _print(x, source)
    if target in FLOATS:
        return _to_float(call, x, source, target).astype(computed)
    if target in _FLOAT8:
        return _to_float8(x, target, bool(call.get("saturate", 1)))
    if target == "float8e8m0":
        return _to_float8e8m0(x, bool(call.get("saturate", 1)), str(call.get("round_mode", "up")))
    if target == "bool":
        return np.asarray(x != 0)
    if target.startswith("float"):
        return round_to(x, target)
    if target.startswith("complex"):
        return np.asarray(x.astype(computed))
    return _to_integer(x, computed)


def _to_float(call: Call, x: Array, source: str, target: str) -> Array:
    if source not in FLOATS:
        # Integers above the precision of the target round on both sides of a comparison: it is the function.
        return round_to(x, target)
    narrower = _PRECISION_BITS[target] < _PRECISION_BITS[source]
    if not call.lift or target == "double":
        return x.astype(declared_dtype(target))
    if target in ("float16", "bfloat16"):
        # Between the two 16-bit formats a cast always rounds: neither holds the other's numbers.
        return round_to(x, target) if source != target else x
    if narrower and call.constant_inputs and call.constant_inputs[0]:
        return round_to(x, target)
    return x


def _to_integer(x: Array, dtype: np.dtype[Any]) -> Array:
    if dtype.kind == "V":
        # Types below a byte wrap in the specification's reference: truncate, then keep the low bits.
        name = dtype.name
        bits = int(name.lstrip("uint"))
        low = np.trunc(x.astype(np.float64)).astype(np.int64) & ((1 << bits) - 1)
        if not name.startswith("u"):
            low = np.where(low >= 1 << (bits - 1), low - (1 << bits), low)
        return np.asarray(low.astype(np.int8).astype(dtype))
    if x.dtype.kind == "V":
        x = x.astype(np.float32)
    return np.asarray(x.astype(dtype))


def _to_float8(x: Array, target: str, saturate: bool) -> Array:
    if not saturate:
        return round_to(x, target)
    _, _, limit = narrow_format(target)
    # Clipping leaves NaN as it is.
    return round_to(np.clip(x.astype(np.float64), -limit, limit), target)


def _to_float8e8m0(x: Array, saturate: bool, round_mode: str) -> Array:
    dtype = declared_dtype("float8e8m0")
    wide = np.asarray(x, dtype=np.float64)
    mantissa, exponent = np.frexp(np.abs(wide))
    # frexp gives mantissas in [0.5, 1): a power of two has 0.5 exactly.
    power = exponent.astype(np.int64) - 1
    fraction = mantissa * 2
    if round_mode == "up":
        power = power + (fraction > 1)
    elif round_mode == "nearest":
        power = power + (fraction >= 1.5)
    stored = power + 127
    invalid = ~np.isfinite(wide)
    stored = np.where(wide == 0, 0, stored)
    if saturate:
        stored = np.where(np.isinf(wide), 254, np.clip(stored, 0, 254))
        invalid = np.isnan(wide)
    else:
        invalid = invalid | (stored > 254)
        stored = np.clip(stored, 0, 254)
    return np.where(invalid, 255, stored).astype(np.uint8).view(dtype)


def _parse(x: Array, target: str, computed: np.dtype[Any]) -> Array:
    flat = [str(item) for item in x.reshape(-1).tolist()]
    if target in FLOATS:
        parsed = np.asarray([float(item) for item in flat], dtype=np.float64)
        # The text is a constant of the declared type, and is rounded to it.
        return round_to(parsed, target).astype(computed).reshape(x.shape)
    if target == "bool":
        return np.asarray([float(item) != 0 for item in flat], dtype=np.bool_).reshape(x.shape)
    values = [float(item) if any(mark in item for mark in ".eEnN") else int(item) for item in flat]
    return np.asarray([int(item) for item in values]).astype(computed).reshape(x.shape)


def _print(x: Array, source: str) -> Array:
    # The digits printed are those the declared type needs, whatever the value is held in.
    numbers = x.astype(np.float32) if x.dtype.kind in "fV" and source != "double" else x
    texts = np.empty(x.size, dtype=object)
    for index, item in enumerate(numbers.reshape(-1)):
        texts[index] = _text(item)
    return texts.reshape(x.shape)


def _text(item: Any) -> str:
    if isinstance(item, np.floating):
        if np.isnan(item):
            return "NaN"
        if np.isinf(item):
            return "INF" if item > 0 else "-INF"
    return str(item)


def _cast_like(call: Call) -> Array:
    return convert_elements(call, element_of(call.output_types[0]))


def _bit_cast(call: Call) -> Array:
    source, target = call.element(0), element_of(call.output_types[0])
    stored = call.inputs[0].astype(declared_dtype(source), order="C")
    return np.asarray(stored.view(declared_dtype(target)).astype(storage_dtype(target, lift=call.lift)))


KERNELS: Mapping[str, Kernel] = {"BitCast": _bit_cast, "Cast": _cast, "CastLike": _cast_like}
