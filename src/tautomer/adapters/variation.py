"""What it means that a source differs from itself: what had to change for that, and where two of its runs part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from tautomer.model import Scalar, Tensor


class Varies(StrEnum):
    """What has to change for the answer to change."""

    ON_REPEAT = "nondeterministic"
    WITH_MEMORY = "uninitialised memory"
    WITH_STATE = "state"
    WITH_SEED = "seed"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two runs differ.

    Attributes:
        name: of the value, or the operator.
        position: of the value among those compared.
        detail: how it differs, as a clause.
    """

    name: str
    position: int
    detail: str


@dataclass(frozen=True, slots=True)
class Variation:
    """One way in which a source differs from itself.

    Attributes:
        varies: what has to change for the answer to change.
        outputs: paths of the outputs that change.
        operator: the first operator whose result changes while its arguments do not, or the first whose arguments
            change where no operator made them; None where no operator shows it.
        line: of the user's code that runs it, `model.py:12`.
        detail: how it differs.
    """

    varies: Varies
    outputs: tuple[str, ...]
    operator: str | None
    line: str | None
    detail: str

    def __str__(self) -> str:
        where = ", ".join(f"'{path}'" for path in self.outputs[:3]) + (" and others" if len(self.outputs) > 3 else "")
        reason = {
            Varies.ON_REPEAT: "the source is nondeterministic: with the same seed, state and inputs it gives another",
            Varies.WITH_MEMORY: "the source reads memory that nothing has written: what lies there changes its",
            Varies.WITH_STATE: "the source keeps state: called a second time it gives another",
            Varies.WITH_SEED: "the source gives, with another seed of the random generators, another",
        }[self.varies]
        at = f"; the first operator that differs is {self.operator}" if self.operator else ""
        line = f" ({self.line})" if self.line else ""
        return f"{reason} {where or 'answer'}{at}{line}: {self.detail}"

    def fields(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "varies": str(self.varies),
            "outputs": list(self.outputs),
            "operator": self.operator,
            "line": self.line,
            "detail": self.detail,
            "message": str(self),
        }


Values = Mapping[str, Tensor | Scalar | None]


def first_difference(values_a: Values, values_b: Values) -> Difference | None:
    """The first value, in the order of `values_a`, in which two runs of one program differ bit for bit.

    NaN equals NaN, whatever its payload; +0 and -0 differ. Names that only one run has differ too.
    """
    for position, (name, one) in enumerate(values_a.items()):
        if name not in values_b:
            return Difference(name, position, "only one of the runs has it")
        detail = _detail(one, values_b[name])
        if detail is not None:
            return Difference(name, position, detail)
    missing = [name for name in values_b if name not in values_a]
    if missing:
        return Difference(missing[0], len(values_a), "only one of the runs has it")
    return None


def differing(values_a: Values, values_b: Values) -> tuple[str, ...]:
    """Names of all values in which two runs differ."""
    names = dict.fromkeys([*values_a, *values_b])
    return tuple(
        name
        for name in names
        if name not in values_a or name not in values_b or _detail(values_a[name], values_b[name]) is not None
    )


def _detail(one: Tensor | Scalar | None, other: Tensor | Scalar | None) -> str | None:
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        equal = type(one) is type(other) and (one == other or (one != one and other != other))  # noqa: PLR0124  NaN
        return None if equal else f"{_shown(one)} against {_shown(other)}"
    if one.dtype != other.dtype or one.shape != other.shape:
        return f"{one.dtype} of shape {list(one.shape)} against {other.dtype} of shape {list(other.shape)}"
    a, b = one.array, other.array
    if a.dtype.kind in "fc":
        same = (a == b) & (np.signbit(a.real) == np.signbit(b.real)) | (np.isnan(a) & np.isnan(b))
    else:
        same = np.asarray(a == b)
    if same.all():
        return None
    at = tuple(int(axis[0]) for axis in np.nonzero(~np.atleast_1d(same)))
    left, right = np.atleast_1d(a)[at], np.atleast_1d(b)[at]
    return f"{left!s} against {right!s} at {list(at)}, {int((~same).sum())} of {same.size} elements differ"


def _shown(value: Any) -> str:
    return f"a {value.dtype} tensor" if isinstance(value, Tensor) else repr(value)
