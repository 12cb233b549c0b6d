"""Is a mutant active on these inputs: does it compute another function, or err more, at the model's outputs?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.mutants.resumption import Passage
from tautomer.model import Tensor
from tautomer.numerics.judge import Reference, judge_exact

Array = np.ndarray[Any, Any]

SAME_FLOAT64_ROUNDINGS = 16.0
"""Two float64 values this close, in roundings of float64 of each element's scale, are the same: the judge's own limit
for float64 models (`SEMANTIC_LIMIT_FLOAT64_ROUNDINGS`)."""

UNSTABLE_FACTOR = 10.0
"""A form is unstable here if it errs this many times as much as the original does (design, rule 4)."""


@dataclass(frozen=True, slots=True, eq=False)
class InputSet:
    """One input set: the source's word on it, and the original's evaluations.

    Attributes:
        index: of the set.
        references: by graph output.
        exact: the original in float64.
        declared: the original in the declared types.
        constants_variance: by graph output, as `judge_exact` takes it.
    """

    index: int
    references: Mapping[str, Reference]
    exact: Passage
    declared: Passage
    constants_variance: Mapping[str, Any]

    def variance(self, name: str) -> Array | None:
        """Of an output under perturbed constants."""
        found = self.constants_variance.get(name)
        return found.array if isinstance(found, Tensor) else None


def differing(one: InputSet, outputs: Mapping[str, Any]) -> str | None:
    """How float64 outputs differ from the original's beyond float64's own rounding; None where they do not."""
    for name, reference in one.references.items():
        original, other = array(one.exact.outputs.get(name)), array(outputs.get(name))
        if original is None or other is None or original.shape != other.shape or original.dtype != other.dtype:
            if original is not None or other is not None:
                return f"output '{reference.path}' has another type or shape"
            continue
        if original.dtype.kind not in "fc" or reference.exact is None:
            if not equal(original, other):
                return f"output '{reference.path}' has other values"
            continue
        plain, other_plain = np.isfinite(original), np.isfinite(other)
        if not np.array_equal(plain, other_plain) or not equal(original[~plain], other[~plain]):
            return f"output '{reference.path}' is not finite elsewhere"
        roundings = _scaled(reference, original, other) * reference.u / 2.0**-53
        if roundings > SAME_FLOAT64_ROUNDINGS:
            return f"output '{reference.path}' differs by {roundings:.3g} roundings of float64"
    return None


def beyond_own_rounding(one: InputSet, outputs: Mapping[str, Any]) -> bool:
    """Whether the difference of two functions in float64 is one that the judge itself would not put down to float64."""
    for name, reference in one.references.items():
        original, other = array(one.exact.outputs.get(name)), array(outputs.get(name))
        if original is None or other is None or original.shape != other.shape or reference.exact is None:
            continue
        if not np.array_equal(np.isfinite(original), np.isfinite(other)):
            return True
        if judge_exact(replace(reference, exact=original), other, local=True).semantic_fault:
            return True
    return False


def _scaled(reference: Reference, original: Array, other: Array) -> float:
    """Largest difference of two values of an output, in u of each element's own scale, which is the judge's."""
    judgement = judge_exact(replace(reference, exact=original), other, local=True)
    return judgement.semantic_residual_u or 0.0


def errs_more(one: InputSet, declared: Mapping[str, Any]) -> bool:
    """Whether the mutant's declared outputs are further from the exact ones than the original's, by the factor."""
    for name, reference in one.references.items():
        exact = array(one.exact.outputs.get(name))
        original, other = array(one.declared.outputs.get(name)), array(declared.get(name))
        if exact is None or original is None or other is None:
            continue
        if original.shape != other.shape or reference.exact is None or exact.dtype.kind not in "fc":
            if not equal(original, other):
                return True
            continue
        before, after = original.astype(exact.dtype), other.astype(exact.dtype)
        if not np.array_equal(np.isfinite(before), np.isfinite(after)):
            return True
        if _scaled(reference, exact, after) > UNSTABLE_FACTOR * max(_scaled(reference, exact, before), 1.0):
            return True
        finite = np.isfinite(exact) & np.isfinite(after)
        with np.errstate(over="ignore"):
            floor = reference.u * _rms(exact[finite])
            if _rms((after - exact)[finite]) > UNSTABLE_FACTOR * max(_rms((before - exact)[finite]), floor):
                return True
    return False


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(np.abs(values))))) if values.size else 0.0


def equal(one: Any, other: Any) -> bool:
    """Whether two arrays hold the same numbers at the same places, NaN being NaN."""
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray) or one.shape != other.shape:
        return False
    return bool(np.array_equal(one, other, equal_nan=one.dtype.kind in "fc" and other.dtype.kind in "fc"))


def array(value: Any) -> Array | None:
    """An output that is an array; None where it is absent or a sequence."""
    return value if isinstance(value, np.ndarray) else None
