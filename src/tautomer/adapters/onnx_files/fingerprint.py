"""A fingerprint of a tensor's elements that no transposition, reshape or permutation changes."""

from __future__ import annotations

from typing import Any

import numpy as np


def fingerprint(array: np.ndarray[Any, Any]) -> str:
    """Element type size, number of elements, and a sum over a mix of each element's bits (modulo 2**64)."""
    width = array.dtype.itemsize
    bits = np.ascontiguousarray(array).reshape(-1).view({1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}[width])
    total = np.uint64(0)
    step = 1 << 20
    with np.errstate(over="ignore"):
        for start in range(0, bits.size, step):
            mixed = bits[start : start + step].astype(np.uint64)
            mixed *= np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
            mixed *= np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(32)
            total += mixed.sum(dtype=np.uint64)
    return f"{width}:{bits.size}:{int(total):016x}"
