"""Find a TensorFlow source that differs from itself: on repeat, when called again, or with another seed."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.tf_programs.preparation import PreparedFunction
from tautomer.adapters.variation import Variation, Varies, differing, first_difference


def variations(prepared: PreparedFunction, *, index: int = 0) -> list[Variation]:
    """Every way in which a source differs from itself on one input set; empty for a sound one, which costs two runs.

    Raises:
        UserCodeError: the model raised.
    """
    first = prepared.run(index)
    suspicious = prepared.run(index, restore=False, seed=prepared.seed + 1)
    if first_difference(first, suspicious) is None:
        return []
    again = prepared.run(index)
    if first_difference(first, again) is not None:
        return [_variation(Varies.ON_REPEAT, first, again)]
    found = []
    kept = prepared.run(index, restore=False)
    if first_difference(first, kept) is not None:
        found.append(_variation(Varies.WITH_STATE, first, kept))
    seeded = prepared.run(index, seed=prepared.seed + 1)
    if first_difference(first, seeded) is not None:
        found.append(_variation(Varies.WITH_SEED, first, seeded))
    return found


def _variation(varies: Varies, first: Any, other: Any) -> Variation:
    shown = first_difference(first, other)
    detail = f"output '{shown.name}' is {shown.detail}" if shown is not None else "the outputs differ"
    return Variation(varies, differing(first, other), None, None, detail)
