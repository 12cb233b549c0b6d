"""A dimension at two sizes, so that the formulas of shapes work on dynamic dimensions as they stand.

A model with dynamic dimensions is generated at one size and must be valid at another. A `Dim` is an integer that
carries its value at the second size along: arithmetic on it computes both, so a rule that says `(size + 2 * pad -
kernel) // stride + 1` is right for both without knowing. Comparisons look at the first size, since they guard an
attribute's choice; what they let through is run at the second size as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


class Dim(int):
    """A dimension whose size differs from run to run: the first size as an integer, `second` beside it."""

    second: int

    def __new__(cls, first: int, second: int) -> Dim:
        """Make one; use `sized` where the two sizes may be the same."""
        made = super().__new__(cls, first)
        made.second = second
        return made

    def __eq__(self, other: object) -> bool:
        """Equal at both sizes."""
        return isinstance(other, int) and int(self) == int(other) and self.second == second_size(other)

    def __ne__(self, other: object) -> bool:
        """Different at one size at least."""
        return not self == other

    def __hash__(self) -> int:
        """That of both sizes."""
        return hash((int(self), self.second))

    def __repr__(self) -> str:
        """Both sizes."""
        return f"Dim({int(self)}, {self.second})"

    def __add__(self, other: int) -> int:
        """Sum at both sizes."""
        return _both(int.__add__, self, other)

    def __radd__(self, other: int) -> int:
        """Sum at both sizes."""
        return _both(int.__add__, other, self)

    def __sub__(self, other: int) -> int:
        """Difference at both sizes."""
        return _both(int.__sub__, self, other)

    def __rsub__(self, other: int) -> int:
        """Difference at both sizes."""
        return _both(int.__sub__, other, self)

    def __mul__(self, other: int) -> int:
        """Product at both sizes."""
        return _both(int.__mul__, self, other)

    def __rmul__(self, other: int) -> int:
        """Product at both sizes."""
        return _both(int.__mul__, other, self)

    def __floordiv__(self, other: int) -> int:
        """Quotient at both sizes."""
        return _both(int.__floordiv__, self, other)

    def __rfloordiv__(self, other: int) -> int:
        """Quotient at both sizes."""
        return _both(int.__floordiv__, other, self)

    def __mod__(self, other: int) -> int:
        """Remainder at both sizes."""
        return _both(int.__mod__, self, other)

    def __neg__(self) -> int:
        """Negative at both sizes."""
        return sized(-int(self), -self.second)


def sized(first: int, second: int) -> int:
    """A dimension of these sizes: a plain integer where they are the same."""
    return int(first) if int(first) == int(second) else Dim(int(first), int(second))


def second_size(dimension: int) -> int:
    """Its value at the second size."""
    return dimension.second if isinstance(dimension, Dim) else int(dimension)


def is_dynamic(dimension: int) -> bool:
    """Whether it differs between the sizes."""
    return isinstance(dimension, Dim)


def any_dynamic(shape: Sequence[int]) -> bool:
    """Whether one of the dimensions differs between the sizes."""
    return any(isinstance(dimension, Dim) for dimension in shape)


def product(shape: Sequence[int]) -> int:
    """The number of elements of a shape, at both sizes."""
    total = 1
    for dimension in shape:
        total = total * dimension
    return total


def larger(a: int, b: int) -> int:
    """The larger at each size."""
    return sized(max(int(a), int(b)), max(second_size(a), second_size(b)))


def smaller(a: int, b: int) -> int:
    """The smaller at each size."""
    return sized(min(int(a), int(b)), min(second_size(a), second_size(b)))


def _both(operation: Callable[[int, int], int], a: int, b: int) -> int:
    if not isinstance(a, int) or not isinstance(b, int):
        return NotImplemented
    return sized(operation(int(a), int(b)), operation(second_size(a), second_size(b)))
