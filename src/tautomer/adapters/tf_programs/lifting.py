"""Element types in float64's place, and the one rounding of an explicit cast."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import tensorflow as tf

from tautomer.numerics.formats import UNIT_ROUNDOFF

LIFTED = {
    tf.float16: tf.float64,
    tf.bfloat16: tf.float64,
    tf.float32: tf.float64,
    tf.complex64: tf.complex128,
}


def unit_of(dtype: tf.DType) -> float:
    """Unit roundoff of an element type; 0 for those that do not round."""
    return float(UNIT_ROUNDOFF.get(dtype.name, 0.0))


def lifted(tensor: Any) -> Any:
    """The tensor in float64 (complex128), or itself where it is neither floating nor narrower."""
    target = LIFTED.get(tensor.dtype)
    return tensor if target is None else tf.cast(tensor, target)


def declared_of(node: Any, inputs: list[Any]) -> list[Any]:
    """Lifted inputs rounded to the element types that a node declares."""
    return [
        tf.cast(one, dtype) if dtype in LIFTED else one for one, dtype in zip(inputs, node.input_dtypes, strict=True)
    ]


def rounded_cast(value: Any, source: tf.DType, to: tf.DType) -> Any:
    """A lifted value after an explicit cast: rounded once where the cast narrows, exact where it widens."""
    if to not in LIFTED:
        return tf.cast(value, to) if source != to else value
    if source not in LIFTED and source not in (tf.float64, tf.complex128):
        return lifted(tf.cast(value, to))  # integers above 2**24 are rounded on both sides
    if source in (tf.float64, to) or to in (tf.float32, tf.complex64):
        return tf.cast(value, LIFTED[to])  # float32's roundings are those that are lifted
    return tf.constant(_rounded_once(value.numpy(), to), LIFTED[to])


def _rounded_once(array: np.ndarray[Any, Any], to: tf.DType) -> np.ndarray[Any, Any]:
    """Float64 numbers in a format of at most 16 bits and back; through float32 rounded to odd, to round only once.

    Source: Boldo & Melquiond, IEEE Transactions on Computers 57(4), 2008 (doi 10.1109/TC.2007.70819).
    """
    narrow = np.float16 if to == tf.float16 else getattr(ml_dtypes, to.name)
    with np.errstate(all="ignore"):
        if narrow is np.float16:
            return np.asarray(array, np.float64).astype(np.float16).astype(np.float64)
        single = np.asarray(array, np.float32)
        away = np.where(array > single, np.float32(np.inf), np.float32(-np.inf))
        is_even = single.view(np.int32) & 1 == 0
        inexact = (single.astype(np.float64) != array) & ~np.isnan(array)
        odd = np.where(inexact & is_even & np.isfinite(single), np.nextafter(single, away), single)
        return odd.astype(np.float32).astype(narrow).astype(np.float64)
