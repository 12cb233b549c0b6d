"""Rules for operators that compute: at which arguments their formula changes, or a careless one fails."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from tautomer.adapters.torch_programs.obligations import Arguments, Rule, Seen, extremes, numbers

SATURATION = 20.0
"""|x| beyond which 1 + exp(-|x|) is 1 in float32 (exp(-20) = 2e-9 < u): log(sigmoid(x)) loses x there."""
BEND = 3.0
"""|x| below which gelu and silu differ from x or 0 by more than 0.13% and 4.7% of x."""
LARGE_MEAN = 100.0
"""|mean| over standard deviation beyond which E[x^2] - E[x]^2 loses four of seven digits (Higham 2002, section 1.9)."""
SMALL_ARGUMENT = 1e-3
"""|x| below which log(1 + x) and exp(x) - 1, taken literally, lose at least three digits."""
EXP_OVERFLOWS = 89.0
"""exp of this is above the largest float32, 3.4e38 = exp(88.7): a form that does not subtract the maximum shows."""
_SIGNS = ("negative", "-0", "+0", "positive")


def _regions(x: torch.Tensor, points: Sequence[float]) -> Iterator[Seen]:
    """Every interval between the points where a piecewise function changes its formula."""
    low, high = extremes(x)
    yield Seen(f"no value lies below {points[0]:g}", low < points[0])
    for left, right in itertools.pairwise(points):
        inside = low <= high and (left < low < right or left < high < right or bool(((x > left) & (x < right)).any()))
        yield Seen(f"no value lies between {left:g} and {right:g}", inside)
    yield Seen(f"no value lies above {points[-1]:g}", high > points[-1])


def breaks_at(*points: float) -> Rule:
    """A piecewise function of its first argument: values on every side of every fixed point."""

    def rule(given: Arguments, _: Any) -> Iterator[Seen]:
        x = numbers(next(iter(given.values())))
        if x is not None:
            yield from _regions(x, points)

    return rule


def breaks_at_arguments(*names: str) -> Rule:
    """The points are the operator's own arguments: numbers, or None where there is no bound."""

    def rule(given: Arguments, _: Any) -> Iterator[Seen]:
        x = numbers(given["self"])
        if x is None:
            return
        bounds = [given.get(name) for name in names]
        points = sorted({float(one) for one in bounds if isinstance(one, int | float)})
        if points:
            yield from _regions(x, points)
        tensors = {name: one for name, one in zip(names, bounds, strict=True) if isinstance(one, torch.Tensor)}
        for name, bound in tensors.items():
            outside = x < bound if name == "min" else x > bound
            yield Seen(f"no value lies beyond '{name}'", bool(outside.any()))

    return rule


def shrink(given: Arguments, _: Any) -> Iterator[Seen]:
    """Values that are zeroed, and values beyond the bound on either side."""
    x = numbers(given["self"])
    if x is not None:
        bound = abs(float(given["lambd"]))
        yield from _regions(x, (-bound, bound) if bound else (0.0,))


def bends(given: Arguments, _: Any) -> Iterator[Seen]:
    """A smooth gate: values where it is neither zero nor the identity, and negative ones."""
    x = numbers(given["self"])
    if x is not None:
        low, high = extremes(x)
        within = low <= high and (-BEND < low < BEND or -BEND < high < BEND or bool((x.abs() < BEND).any()))
        yield Seen(f"no value lies between -{BEND:g} and {BEND:g}, where it bends", within)
        yield Seen("no value lies below 0", low < 0)


def saturates(given: Arguments, result: Any) -> Iterator[Seen]:
    """Results that are not at the ends of the range."""
    y = numbers(result)
    if y is not None:
        yield Seen("every value is saturated", not bool(((y == 0) | (y.abs() == 1)).all()))


def large(name: str) -> Rule:
    """Arguments so large that a form through exp loses everything."""

    def rule(given: Arguments, _: Any) -> Iterator[Seen]:
        x = numbers(given[name])
        if x is not None:
            low, high = extremes(x)
            yield Seen(f"no value lies below -{SATURATION:g}", low < -SATURATION, edge=True)
            yield Seen(f"no value lies above {SATURATION:g}", high > SATURATION, edge=True)

    return rule


def log_of_sum(given: Arguments, result: Any) -> Iterator[Seen]:
    """Results beyond what exp can hold."""
    y = numbers(result)
    if y is not None:
        low, high = extremes(y)
        yield Seen(f"no result lies above {EXP_OVERFLOWS:g}, where exp overflows", high > EXP_OVERFLOWS, edge=True)
        yield Seen(f"no result lies below -{EXP_OVERFLOWS:g}, where exp is tiny", low < -EXP_OVERFLOWS, edge=True)


def small(given: Arguments, _: Any) -> Iterator[Seen]:
    """Arguments so small that 1 + x loses them."""
    x = numbers(given["self"])
    if x is not None:
        near = bool(((x != 0) & (x.abs() < SMALL_ARGUMENT)).any())
        yield Seen(f"no value is nearer to 0 than {SMALL_ARGUMENT:g}", near, edge=True)


def divides(given: Arguments, result: Any) -> Iterator[Seen]:
    """Division with a rounded quotient, and the remainder of one."""
    if "rounding_mode" in given and given["rounding_mode"] is None:
        return
    x, other = given["self"], given["other"]
    if not isinstance(result, torch.Tensor) or not result.numel():
        return
    x, other = torch.as_tensor(x), torch.as_tensor(other)
    quotient = x.double() / other.double()
    inexact = torch.fmod(x.double(), other.double()) != 0
    yield Seen("every quotient is a whole number", bool(inexact.any()))
    yield Seen("no quotient is negative", bool((quotient < 0).any()))
    if result.is_floating_point():
        rounded = (x.to(result.dtype) / other.to(result.dtype)).double()
        whole = (rounded == rounded.round()) & inexact & rounded.isfinite()
        yield Seen("no quotient rounds to a whole number that it is not", bool(whole.any()), edge=True)
    else:
        wrong = (x.float() / other.float()).floor().double() != quotient.floor()
        yield Seen("no quotient goes wrong in float32", bool(wrong.any()), edge=True)


def rounds(given: Arguments, _: Any) -> Iterator[Seen]:
    """Values that rounding changes, of both signs, and halves for round."""
    x = numbers(given["self"])
    if x is None or not x.is_floating_point():
        return
    fraction = x - x.floor()
    yield Seen("every value is a whole number", bool(((fraction > 0) & x.isfinite()).any()))
    yield Seen("no value is negative", extremes(x)[0] < 0)
    if given["operator"] == "round":
        yield Seen("no value lies halfway between two whole numbers", bool((fraction == 0.5).any()), edge=True)


def casts(given: Arguments, result: Any) -> Iterator[Seen]:
    """Values that a cast from floating to integer numbers changes."""
    x = numbers(given["self"])
    if x is None or not isinstance(result, torch.Tensor) or not x.is_floating_point():
        return
    if not (result.is_floating_point() or result.is_complex() or result.dtype is torch.bool):
        fraction = (x != x.trunc()) & x.isfinite()
        yield Seen("every value is a whole number before the cast to integers", bool(fraction.any()))
        yield Seen("no value is negative before the cast to integers", extremes(x)[0] < 0, edge=True)


def normalises(given: Arguments, _: Any) -> Iterator[Seen]:
    """Rows whose mean is large against their deviation, where a one-pass variance cancels."""
    name = str(given["operator"])
    x = numbers(given["input"])
    if x is None or not x.is_floating_point():
        return
    if name == "layer_norm":
        rows = x.reshape(-1, max(1, _product(given["normalized_shape"])))
    elif name == "group_norm":
        rows = x.reshape(x.shape[0] * int(given["num_groups"]), -1)
    else:
        rows = x.reshape(x.shape[0] * x.shape[1], -1)
    if rows.shape[-1] < 2:
        yield Seen("it normalises one element", False)
        return
    spread, mean = torch.std_mean(rows, -1)
    far = (mean.abs() > LARGE_MEAN * spread) & (spread > 0)
    yield Seen("no mean is large against its deviation", bool(far.any()), edge=True)


def varies(given: Arguments, result: Any) -> Iterator[Seen]:
    """Of var and std: the mean against the deviation, over the whole tensor."""
    x = numbers(given["self"])
    if x is not None and x.numel() > 1 and x.is_floating_point():
        spread, mean = torch.std_mean(x)
        yield Seen(
            "no mean is large against its deviation", bool((mean.abs() > LARGE_MEAN * spread) & (spread > 0)), edge=True
        )


def _product(sizes: Sequence[int]) -> int:
    total = 1
    for size in sizes:
        total *= int(size)
    return total


def powers(given: Arguments, _: Any) -> Iterator[Seen]:
    """Bases below and at zero, where the exponent is not a positive whole number."""
    x, exponent = numbers(given["self"]), given.get("exponent")
    whole = isinstance(exponent, int | float) and float(exponent).is_integer() and exponent > 0
    if x is not None and not whole:
        low, _ = extremes(x)
        yield Seen("no base is negative", low < 0, edge=True)
        yield Seen("no base is 0", bool((x == 0).any()), edge=True)


def _sign_class(x: torch.Tensor) -> torch.Tensor:
    zero = (x == 0).long()
    below = (torch.signbit(x)).long()
    return torch.where(zero.bool(), 2 - below, torch.where(below.bool(), 0, 3))


def signs(given: Arguments, _: Any) -> Iterator[Seen]:
    """Operators that look at zeros and their signs."""
    x = numbers(given.get("other", given["self"]) if given["operator"] == "copysign" else given["self"])
    if x is not None:
        seen = set(_sign_class(x).unique().tolist())
        for position, name in enumerate(_SIGNS):
            yield Seen(f"no value is {name}", position in seen, edge=name in ("-0", "+0"))


def quadrants(given: Arguments, _: Any) -> Iterator[Seen]:
    """Every combination of signs, signed zeros included, of the two arguments of atan2."""
    x, y = numbers(given["other"]), numbers(given["self"])
    if x is not None and y is not None:
        pairs = (4 * _sign_class(y) + _sign_class(x)).unique()
        seen = set(pairs.tolist())
        for row, of_y in enumerate(_SIGNS):
            for column, of_x in enumerate(_SIGNS):
                edge = "0" in of_y or "0" in of_x
                yield Seen(f"no value has y {of_y} and x {of_x}", 4 * row + column in seen, edge=edge)


def zero_times(given: Arguments, _: Any) -> Iterator[Seen]:
    """Zeros in the factor, and zeros in both arguments."""
    x, other = given["self"], given["other"]
    if isinstance(x, torch.Tensor) and isinstance(other, torch.Tensor):
        yield Seen("no value is 0", bool((x == 0).any()), edge=True)
        yield Seen("no value is 0 where the other is 0", bool(((x == 0) & (other == 0)).any()), edge=True)


def replaces(given: Arguments, _: Any) -> Iterator[Seen]:
    """Values that are not finite, which the operator replaces."""
    x = numbers(given["self"])
    if x is not None and x.is_floating_point():
        yield Seen("no value is NaN or infinite", not bool(x.isfinite().all()))
