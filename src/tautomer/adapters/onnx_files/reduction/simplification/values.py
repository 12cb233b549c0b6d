"""Makes numbers simpler: zeros, ones, small integers, few digits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tautomer.adapters.onnx_files.reduction.case import Array, Case
from tautomer.adapters.onnx_files.reduction.simplification.step import Fails, with_most_changes
from tautomer.adapters.onnx_files.reduction.simplification.tensors import tensors, with_tensors

_ONE_BY_ONE = 32
"""Elements of a tensor up to which each is looked at by itself."""


def with_simpler_values(case: Case, fails: Fails) -> Case:
    """The case in which tensors hold the simplest numbers that still fail, one tensor after another."""
    current = case
    for name in sorted(tensors(case), key=lambda name: (-tensors(case)[name].size, name)):
        array = tensors(current)[name]
        if array.dtype.kind in "OUSc" or not array.size:
            continue
        simplest = next((one for one in _simpler(array) if fails(with_tensors(current, {name: one}))), None)
        if simplest is not None:
            current = with_tensors(current, {name: simplest})
        current = _element_by_element(current, name, fails)
    return current


def _simpler(array: Array) -> Iterator[Array]:
    """Tensors of the same type and shape, the simplest first, none of them the same as the given one."""
    seen = {array.tobytes()}
    for one in _ladder(array):
        if one.tobytes() not in seen:
            seen.add(one.tobytes())
            yield one


def _ladder(array: Array) -> Iterator[Array]:
    yield np.zeros_like(array)
    yield np.ones_like(array)
    if array.dtype.kind in "iub":
        return
    # bfloat16 and float8 have no rounding of their own in numpy; in float64 they are exact.
    exact = array.astype(np.float64)
    with np.errstate(all="ignore"):
        yield np.sign(exact).astype(array.dtype)
        yield np.rint(exact).astype(array.dtype)
        for digits in (1, 2, 3):
            yield _significant(exact, digits).astype(array.dtype)


def _significant(exact: Array, digits: int) -> Array:
    text = [f"{number:.{digits - 1}e}" for number in exact.ravel().tolist()]
    return np.asarray([float(one) for one in text], dtype=np.float64).reshape(exact.shape)


def _element_by_element(case: Case, name: str, fails: Fails) -> Case:
    array = tensors(case)[name]
    if not 1 < array.size <= _ONE_BY_ONE:
        return case
    current = case
    for simple in (0, 1):
        flat = tensors(current)[name].ravel()
        places = [index for index in range(flat.size) if flat[index] not in (0, 1)]

        def with_simple(before: Case, chosen: Sequence[int], value: int = simple) -> Case:
            changed = tensors(before)[name].copy()
            changed.reshape(-1)[list(chosen)] = value
            return with_tensors(before, {name: changed})

        current = with_most_changes(current, places, with_simple, fails)
    return current
