"""Differences that are no findings and are still said: the sign of a zero, and denormal numbers flushed to zero.

docs/explanation/policies.md argues each and quotes what the specifications say.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tautomer.model import Scalar, Tensor
from tautomer.numerics.formats import SMALLEST_NORMAL

Array = np.ndarray[Any, Any]

FLUSHED_FORMATS = frozenset({"bfloat16", "float32", "float64"})
"""Formats whose denormal numbers may be flushed. Those of float16 reach up to 6e-5: nobody would call them zero."""

UNDERFLOWS = 2.0
"""Operations of one result that may each flush an intermediate to zero: a softmax has exp and a division."""


def flushed_denormals(source: Tensor, target: Tensor) -> Array:
    """Where one side has a denormal number and the other a zero.

    What such an element may become downstream is judged there: this says nothing of values that were computed from it.
    It does not cover a denormal against another denormal, nor against a normal number.

    Returns:
        A boolean array of the common shape; all False for formats that are not flushed and for other shapes.

    Source: IEEE 754-2019, section 7.5 (underflow); J. Demmel, Underflow and the Reliability of Numerical
    Software, SIAM J. Sci. Stat. Comput. 5 (1984), for what flushing costs.
    """
    if source.dtype != target.dtype or source.dtype not in FLUSHED_FORMATS or source.shape != target.shape:
        return np.zeros(source.shape, dtype=bool)
    s, t = np.abs(source.float64()), np.abs(target.float64())
    least = SMALLEST_NORMAL[source.dtype]
    return np.asarray(((s == 0) & (t > 0) & (t < least)) | ((t == 0) & (s > 0) & (s < least)))


def zeros_of_other_sign(source: Tensor, target: Tensor) -> Array:
    """Where both sides have a zero, of opposite signs.

    Returns:
        A boolean array of the common shape; all False where types or shapes differ or have no signed zero.
    """
    if source.dtype != target.dtype or not source.is_floating or source.shape != target.shape:
        return np.zeros(source.shape, dtype=bool)
    s, t = source.float64(), target.float64()
    if s.dtype.kind == "c":
        return np.asarray(_other_sign(s.real, t.real) | _other_sign(s.imag, t.imag))
    return _other_sign(s, t)


def _other_sign(s: Array, t: Array) -> Array:
    return np.asarray((s == 0) & (t == 0) & (np.signbit(s) != np.signbit(t)))


def without_flushing(source: Tensor, target: Tensor) -> Tensor:
    """The target's value, with the source's own element wherever one of the two was flushed to zero."""
    flushed = flushed_denormals(source, target)
    return Tensor(target.dtype, np.where(flushed, source.array, target.array)) if flushed.any() else target


def without_underflow(errors: Array, dtype: str) -> Array:
    """Errors without the part that flushing intermediates to zero explains.

    Where the smallest normal number is flushed, an operation errs by up to that number however small its result:
    fl(a op b) = (a op b)(1 + d) + e with |e| at most that (Demmel 1984, section 3). A softmax in a runtime that flushes
    loses results a little above it.

    Args:
        errors: of a result, real or complex.
        dtype: the result's format.
    """
    if dtype not in FLUSHED_FORMATS:
        return errors
    with np.errstate(all="ignore"):
        size = np.abs(errors)
        return np.asarray(np.where(size <= UNDERFLOWS * SMALLEST_NORMAL[dtype], 0.0, errors))


def policy_notes(path: str, source: Tensor | Scalar, target: Tensor | Scalar | None) -> dict[str, str]:
    """What a person should know of an output although it is no finding: a sentence by policy.

    Args:
        path: of the output.
        source, target: its values in the declared precision.
    """
    if not isinstance(source, Tensor) or not isinstance(target, Tensor):
        return {}
    notes = {}
    zeros = int(zeros_of_other_sign(source, target).sum())
    if zeros:
        notes["sign of zero"] = (
            f"output '{path}' differs in the sign of zero in {zeros} of {source.array.size} elements: equal numbers,"
            " told apart only by what divides by them or asks for the sign"
        )
    flushed = int(flushed_denormals(source, target).sum())
    if flushed:
        notes["denormals"] = (
            f"output '{path}' has {flushed} of {source.array.size} denormal numbers flushed to zero on one side"
            f" (below {SMALLEST_NORMAL[source.dtype]:.3g})"
        )
    return notes
