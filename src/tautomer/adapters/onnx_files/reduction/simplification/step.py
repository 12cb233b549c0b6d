"""One step of a simplification: make as many of its changes as the failure survives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tautomer.adapters.onnx_files.reduction.case import Case
from tautomer.minimization import one_minimal_subset

T = TypeVar("T")
Fails = Callable[[Case], bool]


def with_most_changes(
    case: Case, changes: Sequence[T], apply: Callable[[Case, Sequence[T]], Case | None], fails: Fails
) -> Case:
    """The case with so many changes made that not one more can be.

    Args:
        case: it fails.
        changes: that can be made, in any combination.
        apply: makes some; None where that gives no model.
        fails: the test.
    """
    if not changes:
        return case
    order = list(range(len(changes)))

    def changed(unchanged: Sequence[int]) -> Case | None:
        left = set(unchanged)
        made = [changes[index] for index in order if index not in left]
        return apply(case, made) if made else case

    def still_fails(unchanged: list[int]) -> bool:
        candidate = changed(unchanged)
        return candidate is not None and fails(candidate)

    return changed(one_minimal_subset(order, still_fails)) or case
