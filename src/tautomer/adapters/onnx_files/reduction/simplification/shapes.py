"""Makes tensors smaller: axes of equal size shrink together, and the sizes that a graph states with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from tautomer.adapters.onnx_files.reduction.case import Array, Case
from tautomer.adapters.onnx_files.reduction.simplification.step import Fails
from tautomer.adapters.onnx_files.reduction.simplification.tensors import tensors, with_tensors
from tautomer.minimization import one_minimal_subset

_STATES_SIZES = 16
"""Integer tensors of one dimension up to this many elements may state sizes."""

_MOST_PARTS = 16
"""Parts that an axis is at most divided into: an axis of 768 that must stay costs 32 tests, not 1536."""


class _Multiples(StrEnum):
    """What happens to axes whose size is a multiple of the one that shrinks."""

    NONE = "none"
    OUTER = "outer"
    """The axis is the shrinking one with another inside it: whole blocks go."""
    INNER = "inner"
    """The axis is another one with the shrinking one inside it: elements of every block go."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Axes that shrink together.

    Attributes:
        size: of the axes.
        axes: tensor and axis, and what the axis is a multiple of.
        states: whether integer tensors that state the size follow.
        multiples: what happens to multiples.
    """

    size: int
    axes: tuple[tuple[str, int], ...]
    states: bool
    multiples: _Multiples = _Multiples.NONE


def with_smaller_tensors(case: Case, fails: Fails) -> Case:
    """The case whose tensors have as few elements as the failure needs.

    Raises:
        BudgetSpent: the test has no more tests to give.
    """
    current = case
    done: set[_Group] = set()
    while True:
        group = next((one for one in _groups(current) if one not in done), None)
        if group is None:
            return current
        done.add(group)
        current = _shrunk(current, group, fails)


def _groups(case: Case) -> Iterator[_Group]:
    table = tensors(case)
    # What states sizes is as long as it is by the number of axes, whatever their sizes are.
    stating = {name for name, array in table.items() if _may_state(array)}
    axes = [
        (name, axis, size)
        for name, array in table.items()
        for axis, size in enumerate(array.shape)
        if size > 1 and name not in stating
    ]
    # A stated size need not be that of an axis: a Reshape may split one.
    stated = {one for name in stating for one in table[name].tolist() if one > 1}
    for size in sorted({size for *_, size in axes} | stated, reverse=True):
        equal = tuple((name, axis) for name, axis, found in axes if found == size)
        if equal:
            yield _Group(size, equal, states=True)
        multiples = tuple((name, axis) for name, axis, found in axes if found % size == 0)
        if multiples and (multiples != equal or any(one > size and one % size == 0 for one in stated)):
            yield _Group(size, multiples, states=True, multiples=_Multiples.OUTER)
            yield _Group(size, multiples, states=True, multiples=_Multiples.INNER)
        fed = tuple(one for one in equal if one[0] in case.inputs)
        if fed != equal and fed:
            yield _Group(size, fed, states=False)
        if len(equal) > 1:
            yield from (_Group(size, (one,), states=False) for one in equal)
        # Axes of one tensor that meet axes of another at the same place: a batch that only some inputs have.
        for place in sorted({axis for _, axis in equal}):
            together = tuple(one for one in equal if one[1] == place)
            if 1 < len(together) < len(equal):
                yield _Group(size, together, states=True)
    yield from (
        _Group(table[name].size, ((name, 0),), states=False) for name in sorted(stating) if table[name].size > 1
    )


def _may_state(array: Array) -> bool:
    return array.dtype == np.int64 and array.ndim == 1 and array.size <= _STATES_SIZES


def _shrunk(case: Case, group: _Group, fails: Fails) -> Case:
    kept = one_minimal_subset(
        range(group.size),
        lambda indices: bool(indices) and fails(_with_indices(case, group, indices)),
        most_parts=_MOST_PARTS,
    )
    return case if len(kept) == group.size else _with_indices(case, group, kept)


def _with_indices(case: Case, group: _Group, indices: Sequence[int]) -> Case:
    table = tensors(case)
    changed: dict[str, Array] = {}
    for name, axis in group.axes:
        array = changed.get(name, table[name])
        changed[name] = np.ascontiguousarray(np.take(array, _taken(array.shape[axis], group, indices), axis=axis))
    if group.states:
        for name, array in table.items():
            if _may_state(array) and name not in changed:
                stated = np.asarray([_restated(one, group, len(indices)) for one in array.tolist()], dtype=np.int64)
                if not np.array_equal(stated, array):
                    changed[name] = stated
    return with_tensors(case, changed)


def _taken(size: int, group: _Group, indices: Sequence[int]) -> Array:
    """Positions that stay on an axis."""
    kept = np.asarray(indices, dtype=np.int64)
    blocks = size // group.size
    if group.multiples is _Multiples.OUTER:
        return np.asarray((kept[:, None] * blocks + np.arange(blocks)).reshape(-1))
    return np.asarray((np.arange(blocks)[:, None] * group.size + kept).reshape(-1))


def _restated(number: int, group: _Group, kept: int) -> int:
    if number == group.size:
        return kept
    if group.multiples is not _Multiples.NONE and number > 0 and number % group.size == 0:
        return number // group.size * kept
    return number
