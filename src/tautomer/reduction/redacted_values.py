"""Other values in the place of recorded ones: same shapes and types, drawn from a seeded generator."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np

from tautomer.model import Tensor


class Resampling(StrEnum):
    """How much of a value stays."""

    DRAWN = "drawn anew"
    """Nothing: reals are standard normal, integers lie between the smallest and the largest of the tensor."""

    SPECIAL = "drawn anew except signs, zeros, infinities and NaN"
    ROUNDED = "rounded to two digits"
    KEPT = "as recorded"


def is_of_graph(array: Any) -> bool:
    """Whether a constant of a graph may state sizes, axes, indices or a single number, rather than be a weight."""
    if array.dtype.kind in "OUS":
        return False
    return array.size <= 1 or array.dtype.kind == "b" or (array.dtype.kind in "iu" and array.dtype.itemsize >= 4)


def resampled(array: Any, how: Resampling, generator: np.random.Generator) -> Any:
    """Another array of the same shape and type; texts become `text0`, `text1`, ... Shapes: `(...)` -> `(...)`."""
    kind = array.dtype.kind
    if how is Resampling.KEPT or not array.size:
        return array
    if kind in "OUS":
        known = {text: f"text{index}" for index, text in enumerate(dict.fromkeys(array.ravel().tolist()))}
        return np.array([known[text] for text in array.ravel().tolist()], dtype=object).reshape(array.shape)
    if kind not in "fciub":  # formats that numpy does not have
        wide = array.astype(np.float32)
        other = resampled(wide, how, generator)
        return np.where(np.isfinite(wide), other, wide).astype(array.dtype)
    if kind == "b":
        return generator.integers(0, 2, array.shape).astype(bool) if how is Resampling.DRAWN else array
    if kind in "iu":
        if how is not Resampling.DRAWN:
            return array
        low, high = int(array.min()), int(array.max())
        return generator.integers(low, high, array.shape, dtype=array.dtype, endpoint=True)
    with np.errstate(all="ignore"):
        if how is Resampling.ROUNDED:
            exponents = np.floor(
                np.log10(np.abs(array), where=(array != 0) & np.isfinite(array), out=np.zeros_like(array))
            )
            scale = 10.0 ** (exponents - 1)
            return np.where(np.isfinite(array), np.round(array / scale) * scale, array).astype(array.dtype)
        drawn = np.round(generator.standard_normal(array.shape), 3)
        if kind == "c":
            drawn = drawn + 1j * np.round(generator.standard_normal(array.shape), 3)
        if how is Resampling.SPECIAL:
            ordinary = np.isfinite(array) & (array != 0)
            signed = np.abs(drawn) * np.sign(array) if kind == "f" else drawn
            return np.where(ordinary, signed, array).astype(array.dtype)
    return drawn.astype(array.dtype)


def resampled_tensor(tensor: Tensor, how: Resampling, generator: np.random.Generator) -> Tensor:
    """Another tensor of the same shape and type."""
    return Tensor.of(resampled(tensor.numpy(), how, generator))
