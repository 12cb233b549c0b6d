"""What is compared exactly: presence, element type, shape, non-finite positions, integers, booleans and strings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from tautomer.model import Scalar, Tensor
from tautomer.numerics.ties import TieKeys, open_by_ties


class Strictness(StrEnum):
    """Kinds of difference that no rounding explains."""

    MISSING = "missing"
    SURPLUS = "surplus"
    DTYPE = "dtype"
    SHAPE = "shape"
    RANGE = "range"
    """NaN or infinity where the source has a finite number, or another of them."""
    SOURCE_RANGE = "source_range"
    """A finite number where the source itself has NaN or infinity."""
    EXACT = "exact"
    """Integers, booleans or strings that differ."""


@dataclass(frozen=True, slots=True)
class StrictDifference:
    """One difference.

    Attributes:
        path: of the output.
        kind: what differs.
        message: with expected and actual values.
        share: of the elements, where it is about elements.
        undecided: elements that differ but where the source's own rounding can change the value, too.
    """

    path: str
    kind: Strictness
    message: str
    share: float = 1.0
    undecided: int = 0


def strict_differences(
    path: str,
    source: Tensor | Scalar,
    target: Tensor | Scalar | None,
    flips: np.ndarray[Any, Any] | None = None,
    ties: TieKeys | None = None,
) -> list[StrictDifference]:
    """Everything about `target` that must equal `source` and does not. Finite floating values are not looked at.

    Args:
        path: of the output.
        source: the source's value, in its declared type.
        target: the target's.
        flips: for an integer or boolean output, where the source's own rounding changed the value.
        ties: for an output of indices, what they were chosen by where the source leaves the order of equal values open.
    """
    if target is None:
        return [StrictDifference(path, Strictness.MISSING, f"output '{path}' is missing")]
    if not isinstance(source, Tensor) or not isinstance(target, Tensor):
        return _plain(path, source, target)
    found = []
    if source.dtype != target.dtype:
        found.append(
            StrictDifference(
                path, Strictness.DTYPE, f"output '{path}' is {target.dtype} where the source has {source.dtype}"
            )
        )
    if source.shape != target.shape:
        found.append(
            StrictDifference(
                path,
                Strictness.SHAPE,
                f"output '{path}' has shape {list(target.shape)} where the source has {list(source.shape)}",
            )
        )
        return found
    if source.is_floating and target.is_floating:
        return found + _non_finite(path, source, target)
    return found + _exact(path, source, target, flips, ties)


def _plain(path: str, source: Tensor | Scalar, target: Tensor | Scalar) -> list[StrictDifference]:
    def plain(value: Tensor | Scalar) -> Any:
        return value.array.reshape(-1)[0].item() if isinstance(value, Tensor) and value.array.size == 1 else value

    one, other = plain(source), plain(target)
    if isinstance(one, Tensor) or isinstance(other, Tensor) or type(one) is not type(other):
        return [
            StrictDifference(
                path, Strictness.DTYPE, f"output '{path}' is {_kind(target)} where the source has {_kind(source)}"
            )
        ]
    if one == other or (isinstance(one, float) and np.isnan(one) and np.isnan(other)):
        return []
    return [StrictDifference(path, Strictness.EXACT, f"output '{path}' is {other!r} where the source has {one!r}")]


def _kind(value: Tensor | Scalar) -> str:
    return (
        f"a {value.dtype} tensor of shape {list(value.shape)}"
        if isinstance(value, Tensor)
        else f"a Python {type(value).__name__}"
    )


def _non_finite(path: str, source: Tensor, target: Tensor) -> list[StrictDifference]:
    s, t = source.numpy(), target.numpy()
    if s.dtype.kind not in "fc":  # ml_dtypes' own types
        s, t = source.float64(), target.float64()
    with np.errstate(all="ignore"):
        same = (np.isfinite(s) & np.isfinite(t)) | (np.isnan(s) & np.isnan(t)) | (s == t)
    found = []
    for kind, where in (
        (Strictness.RANGE, ~same & ~np.isfinite(t)),
        (Strictness.SOURCE_RANGE, ~same & np.isfinite(t)),
    ):
        count = int(where.sum())
        if count:
            index = tuple(int(i) for i in np.argwhere(where)[0])
            found.append(
                StrictDifference(
                    path,
                    kind,
                    f"output '{path}' is {t[index]} at {list(index)} where the source has {s[index]}"
                    f" ({count} of {s.size} elements differ in NaN or infinity)",
                    count / max(s.size, 1),
                )
            )
    return found


def _exact(
    path: str, source: Tensor, target: Tensor, flips: np.ndarray[Any, Any] | None, ties: TieKeys | None
) -> list[StrictDifference]:
    s, t = source.numpy(), target.numpy()
    with np.errstate(all="ignore"):
        differs = np.asarray(s != t)
    if ties is not None and s.dtype.kind in "iu" and t.dtype.kind in "iu":
        differs = differs & ~open_by_ties(ties, s, t)
    count = int(differs.sum())
    if not count:
        return []
    undecided = int((differs & flips).sum()) if flips is not None and flips.shape == differs.shape else 0
    index = tuple(int(i) for i in np.argwhere(differs)[0])
    return [
        StrictDifference(
            path,
            Strictness.EXACT,
            f"output '{path}' is {t[index]} at {list(index)} where the source has {s[index]}"
            f" ({count} of {s.size} elements differ)",
            count / max(s.size, 1),
            undecided,
        )
    ]
