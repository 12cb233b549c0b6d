"""What examples of the laws of rewrites are made of: tensors with every kind of value, and arguments of operators."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

nan, inf = math.nan, math.inf
FLOATS = (torch.float32, torch.float64)
INTEGERS = (torch.int32, torch.int64)


class Draw:
    """What one example draws: shapes, tensors and options, from one seed."""

    def __init__(self, seed: int, dtype: torch.dtype) -> None:
        self._rng = np.random.default_rng(seed)
        self.dtype = dtype

    def number(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def among(self, *options: Any) -> Any:
        return options[self.number(0, len(options) - 1)]

    def shape(self, rank: int | None = None, low: int = 1, high: int = 5) -> list[int]:
        return [self.number(low, high) for _ in range(self.number(1, 3) if rank is None else rank)]

    def dim(self, shape: list[int]) -> int:
        return self.number(-len(shape), len(shape) - 1)

    def special(self, shape: list[int], dtype: torch.dtype | None = None) -> torch.Tensor:
        """Numbers of every magnitude, with zeros of both signs, subnormals, infinities, NaN and equal elements."""
        dtype = dtype or self.dtype
        if dtype == torch.bool:
            return torch.from_numpy(self._rng.integers(0, 2, shape).astype(bool))
        if not dtype.is_floating_point:
            near = self._rng.integers(-4, 5, shape)
            far = self._rng.integers(-(2**31) + 1, 2**31 - 1, shape)
            return torch.from_numpy(np.where(self._rng.random(shape) < 0.7, near, far)).to(dtype)
        limits = torch.finfo(dtype)
        wide = self._rng.standard_normal(shape) * 10.0 ** self._rng.uniform(-12, 6, shape)
        plain = np.where(self._rng.random(shape) < 0.6, self._rng.standard_normal(shape) * 3, wide)
        odd = self._rng.choice(
            [
                0.0,
                -0.0,
                1.0,
                -1.0,
                0.5,
                nan,
                inf,
                -inf,
                limits.max,
                limits.min,
                limits.tiny,
                -limits.smallest_normal / 4,
            ],
            shape,
        )
        return torch.from_numpy(np.where(self._rng.random(shape) < 0.25, odd, plain)).to(dtype)

    def finite(self, shape: list[int], dtype: torch.dtype | None = None, scale: float = 1.0) -> torch.Tensor:
        """Finite numbers of ordinary magnitude, some of them equal."""
        dtype = dtype or self.dtype
        if dtype == torch.bool:
            return self.special(shape, dtype)
        if not dtype.is_floating_point:
            return torch.from_numpy(self._rng.integers(-9, 10, shape)).to(dtype)
        numbers = self._rng.standard_normal(shape) * scale
        return torch.from_numpy(np.where(self._rng.random(shape) < 0.2, np.round(numbers), numbers)).to(dtype)

    def distinct(self, shape: list[int], dtype: torch.dtype | None = None) -> torch.Tensor:
        """No two elements equal."""
        count = math.prod(shape)
        return torch.from_numpy(self._rng.permutation(count) - count // 2).to(dtype or self.dtype).reshape(shape)

    def integers(self, shape: list[int], low: int, high: int) -> torch.Tensor:
        return torch.from_numpy(self._rng.integers(low, high, shape))

    def boolean(self, shape: list[int]) -> torch.Tensor:
        return self.special(shape, torch.bool)

    def share(self) -> float:
        return float(self._rng.random())


@dataclasses.dataclass(frozen=True)
class Law:
    """How arguments of an operator are made, and on what scale its rewrite's bound is stated.

    Attributes:
        make: the positional and keyword arguments of one example.
        scale: of the expected result and the arguments: what u is multiplied with; the result's magnitude where none.
        dtypes: what the operator is tried with.
        least: how far results may lie apart besides, in multiples of the smallest normal number.
    """

    make: Callable[[Draw], tuple[tuple[Any, ...], dict[str, Any]]]
    scale: Callable[..., torch.Tensor | float] | None = None
    dtypes: tuple[torch.dtype, ...] = FLOATS
    least: float = 0.0


def operator_of(name: str) -> Any:
    _, operator, overload = name.split(".")
    return getattr(getattr(torch.ops.aten, operator), overload)


def unary(high: int = 5, finite: bool = False, scale: float = 1.0) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        shape = draw.shape(low=draw.among(0, 1, 1, 1), high=high)
        return ((draw.finite(shape, scale=scale) if finite else draw.special(shape)),), {}

    return make


def binary(draw: Draw) -> Any:
    shape = draw.shape()
    first, second = draw.special(shape), draw.special(draw.among(shape, shape[-1:], [1]))
    return draw.among((first, second), (second, first)), {}


def divided(draw: Draw) -> Any:
    (first, second), _ = binary(draw)
    if not draw.dtype.is_floating_point:
        second = torch.where(second == 0, torch.full_like(second, 7), second)
    return (first, second), {}


def with_scalar(draw: Draw) -> Any:
    value = draw.among(3, -2, 5) if not draw.dtype.is_floating_point else draw.among(0.1, -2.5, 3.0, -0.5)
    return (draw.special(draw.shape()), value), {}


def scalar_first(draw: Draw) -> Any:
    (first, second), _ = with_scalar(draw)
    if not draw.dtype.is_floating_point:
        first = torch.where(first == 0, torch.full_like(first, 7), first)
    return (second, first), {}


def reduced(*, finite: bool = False, optional: bool = False, several: bool = False) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        shape = draw.shape()
        value = draw.finite(shape) if finite else draw.special(shape)
        dim: Any = draw.dim(shape)
        if several:
            dim = [dim] if draw.number(0, 2) else list(range(len(shape)))
        if optional and not draw.number(0, 3):
            dim = None
        return (value, dim, draw.among(False, True)), {}

    return make


def along(make_value: Callable[[Draw, list[int]], torch.Tensor]) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        shape = draw.shape()
        return (make_value(draw, shape), draw.dim(shape)), {}

    return make


def special_of(draw: Draw, shape: list[int]) -> torch.Tensor:
    return draw.special(shape)


def finite_of(draw: Draw, shape: list[int]) -> torch.Tensor:
    return draw.finite(shape)


def largest(*values: Any) -> Any:
    """The largest magnitude among broadcast values, and one."""
    result: Any = torch.tensor(1.0, dtype=torch.float64)
    for value in values:
        if isinstance(value, torch.Tensor) and value.dtype.is_floating_point:
            result = torch.maximum(result, torch.nan_to_num(value.double().abs(), nan=0.0, posinf=0.0))
    return result


def of_all(expected: torch.Tensor, *args: Any, **_: Any) -> torch.Tensor:
    """Every magnitude there is, times how many elements: an upper bound of any sum of products of two of them."""
    floats = [one for one in args if isinstance(one, torch.Tensor) and one.dtype.is_floating_point and one.numel()]
    most = max((float(torch.nan_to_num(one.double(), 0, 0, 0).abs().max()) for one in floats), default=1.0)
    count = max((one.numel() for one in floats), default=1)
    return torch.tensor(count * max(1.0, most) ** 2)


def of_products(expected: torch.Tensor, added: torch.Tensor, *factors: torch.Tensor, beta: float, alpha: float) -> Any:
    """Products of the factors, summed, and what is added to them unless beta is 0."""
    return 2 * of_all(expected, *factors) + (largest(added).max() if beta else 0.0)


def of_windows(name: str) -> Callable[..., torch.Tensor]:
    """What the operator makes of the magnitudes, times the most elements that a window of these tests has."""

    def scale(expected: torch.Tensor, value: torch.Tensor, *options: Any) -> torch.Tensor:
        magnitudes = torch.nan_to_num(value.double().abs(), nan=0.0)
        return operator_of(f"aten.{name}")(magnitudes, *options) * 27

    return scale


def or_one(expected: torch.Tensor, *args: Any, **_: Any) -> Any:
    return largest(expected)


def or_operands(expected: torch.Tensor, *args: Any, **_: Any) -> Any:
    """One, the result or the largest operand; of operands that were reduced, their largest element."""
    operands = [one for one in args if isinstance(one, torch.Tensor) and one.dtype.is_floating_point and one.numel()]
    fitting = []
    for one in operands:
        finite = torch.nan_to_num(one.double().abs(), nan=0.0, posinf=0.0)
        broadcast = all(
            size in (1, whole) for size, whole in zip(reversed(one.shape), reversed(expected.shape), strict=False)
        )
        fitting.append(finite if one.dim() <= expected.dim() and broadcast else finite.max())
    return largest(expected, *fitting)


def pooled(rank: int, *, divisor: bool) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        kernel = [draw.number(1, 3) for _ in range(rank)]
        pads = [draw.number(0, one // 2) for one in kernel]
        stride = draw.among([], [draw.number(1, 3) for _ in range(rank)])
        value = draw.special([draw.number(1, 2), draw.number(1, 2), *[draw.number(3, 7) for _ in range(rank)]])
        value = torch.where(torch.isinf(value) | (value.abs() > 1e9), torch.full_like(value, 2.0), value)
        more = (draw.among(None, 1, 5),) if divisor else ()
        return (value, kernel, stride, pads, draw.among(False, True), draw.among(False, True), *more), {}

    return make


def max_pooled(rank: int) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        kernel = [draw.number(1, 3) for _ in range(rank)]
        pads = [draw.number(0, one // 2) for one in kernel]
        stride = draw.among([], [draw.number(1, 3) for _ in range(rank)])
        value = draw.special([1, draw.number(1, 2), *[draw.number(5, 8) for _ in range(rank)]])
        return (value, kernel, stride, pads, draw.among(1, 2), draw.among(False, True)), {}

    return make


def adaptive(rank: int) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        value = draw.special([draw.number(1, 2), 2, *[draw.number(1, 7) for _ in range(rank)]])
        value = torch.where(value.abs() > 1e9, torch.full_like(value, -inf), value)
        return (value, [draw.number(1, 8) for _ in range(rank)]), {}

    return make


def adaptive_numbers(rank: int) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        (value, sizes), _ = adaptive(rank)(draw)
        return (torch.where(value.isinf(), torch.ones_like(value), value), sizes), {}

    return make


def resized(rank: int, *, corners: bool, by_factor: bool, narrowest: int = 1) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        value = draw.finite([1, 2, *[draw.number(max(narrowest + 1, 2), 7) for _ in range(rank)]])
        aligned = (draw.among(False, True),) if corners else ()
        if by_factor and draw.number(0, 1):
            factors = [draw.among(0.75, 1.5, 2.0, 2.3) for _ in range(rank)]
            return (value, None, *aligned, factors), {}
        sizes = [draw.number(narrowest, 9) for _ in range(rank)]
        return ((value, sizes, *aligned, None) if by_factor else (value, sizes, *aligned)), {}

    return make


def scattered(draw: Draw) -> Any:
    shape = draw.shape(low=2)
    source_shape = draw.shape(len(shape), low=1)
    dim = draw.dim(shape)
    index_shape = [
        draw.number(1, size) if axis == dim % len(shape) else draw.number(1, min(size, shape[axis]))
        for axis, size in enumerate(source_shape)
    ]
    index = draw.integers(index_shape, 0, shape[dim])
    reduce = draw.among("sum", "mean", "prod", "amax", "amin")
    value, source = draw.finite(shape), draw.finite(source_shape)
    return (value, dim, index, source, reduce), {"include_self": draw.among(False, True)}


def powers_of_all(expected: torch.Tensor, *args: Any, **_: Any) -> torch.Tensor:
    """As `of_all`, for products of up to five factors of magnitude below ten."""
    return torch.maximum(expected.double().abs(), of_all(expected, *args)) * 8


def indexed(*, reduce: bool, unique: bool = False) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        shape = draw.shape(low=2)
        dim = draw.dim(shape)
        count = draw.number(1, shape[dim]) if unique else draw.number(1, 6)
        index = draw.integers([count], 0, shape[dim])
        if unique:
            index = torch.randperm(shape[dim], generator=torch.Generator().manual_seed(count))[:count]
        source_shape = list(shape)
        source_shape[dim] = count
        args = (draw.finite(shape), dim, index, draw.finite(source_shape))
        if not reduce:
            return args, {}
        return (*args, draw.among("mean", "prod", "amax", "amin")), {"include_self": draw.among(False, True)}

    return make


def attended(draw: Draw) -> Any:
    batch, heads, queries, keys, width = (draw.number(1, 3) for _ in range(5))
    query = draw.finite([batch, heads, queries, width])
    key, value = draw.finite([batch, heads, keys, width]), draw.finite([batch, heads, keys, draw.number(1, 3)])
    which = draw.number(0, 3)
    mask = None
    if which == 1:
        mask = draw.boolean([queries, keys])
    elif which == 2:
        mask = torch.where(
            draw.boolean([batch, 1, queries, keys]), draw.finite([1]), torch.full([1], -inf).to(draw.dtype)
        )
    scale = draw.among(None, 0.3)
    return (query, key, value, mask, 0.0, which == 3), {"scale": scale}


def normalized(draw: Draw) -> Any:
    shape = draw.shape(3, low=2)
    over = shape[draw.among(1, 2) :]
    weight, bias = draw.among((None, None), (draw.finite(over), draw.finite(over)))
    return (draw.finite(shape), over, weight, bias, draw.among(1e-5, 1e-3)), {}


def sorted_by(finite: bool, distinct: bool = False) -> Callable[[Draw, list[int]], torch.Tensor]:
    def make(draw: Draw, shape: list[int]) -> torch.Tensor:
        if distinct:
            return draw.distinct(shape)
        return draw.finite(shape) if finite else draw.special(shape)

    return make


def kth(draw: Draw) -> Any:
    shape = draw.shape()
    dim = draw.dim(shape)
    return (draw.distinct(shape), draw.number(1, shape[dim]), dim, draw.among(False, True)), {}


def top(draw: Draw) -> Any:
    shape = draw.shape()
    dim = draw.dim(shape)
    return (draw.distinct(shape), draw.number(1, shape[dim]), dim, draw.among(False, True), True), {}


def matrices(*, batch: bool, vector: bool = False) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        count, rows, inner, columns = (draw.number(1, 4) for _ in range(4))
        beta = draw.among(0, 1, 0.5)
        start = [count, rows, columns] if batch else [rows] if vector else [rows, columns]
        added = draw.special(start) if beta == 0 else draw.finite(start)
        first = draw.finite([count, rows, inner] if batch else [rows, inner])
        second = draw.finite([count, inner, columns] if batch else [inner] if vector else [inner, columns])
        return (added, first, second), {"beta": beta, "alpha": draw.among(1, 2.0, -0.5)}

    return make


def addbmm_arguments(draw: Draw) -> Any:
    (added, first, second), scales = matrices(batch=True)(draw)
    return (added[0], first, second), scales


def addr_arguments(draw: Draw) -> Any:
    rows, columns = draw.number(1, 4), draw.number(1, 4)
    beta = draw.among(0, 1, 0.5)
    added = draw.special([rows, columns]) if beta == 0 else draw.finite([rows, columns])
    return (added, draw.finite([rows]), draw.finite([columns])), {"beta": beta, "alpha": draw.among(1, 2.0)}


def norm_arguments(draw: Draw) -> Any:
    (value, dim, keepdim), _ = reduced(finite=True, several=True)(draw)
    return (value, draw.among(0, 1, 2, 3, 0.5, inf, -inf), dim, keepdim), {}


def variance_arguments(draw: Draw) -> Any:
    (value, dim, keepdim), _ = reduced(finite=True, several=True, optional=True)(draw)
    return (value + draw.among(0, 100), dim), {"correction": draw.among(0, 1, None), "keepdim": keepdim}


def scalar_options(*options: tuple[Any, ...]) -> Callable[[Draw], Any]:
    def make(draw: Draw) -> Any:
        return (draw.special(draw.shape()), *draw.among(*options)), {}

    return make


def two_alike(draw: Draw) -> Any:
    shape = draw.shape()
    return (draw.special(shape), draw.special(shape)), {}


def loss_arguments(draw: Draw) -> Any:
    shape = draw.shape()
    return (draw.finite(shape), draw.finite(shape), draw.number(0, 2), draw.among(1.0, 0.5)), {}


def searched(draw: Draw) -> Any:
    boundaries = torch.sort(draw.finite([draw.number(1, 6)])).values
    return (draw.special(draw.shape()), boundaries), {
        "right": draw.among(False, True),
        "out_int32": draw.among(False, True),
    }


def searched_rows(draw: Draw) -> Any:
    rows = draw.number(1, 3)
    ordered = torch.sort(draw.finite([rows, draw.number(1, 6)]), -1).values
    return (ordered, draw.special([rows, draw.number(1, 4)])), {"right": draw.among(False, True)}


def boolean_pair(draw: Draw) -> Any:
    shape = draw.shape()
    return (draw.boolean(shape), draw.boolean(shape[-1:])), {}


def boolean_scalar(draw: Draw) -> Any:
    return (draw.boolean(draw.shape()), draw.among(False, True)), {}


def masked_source(draw: Draw) -> Any:
    shape = draw.shape()
    return (draw.special(shape), draw.boolean(draw.among(shape, shape[-1:])), draw.special([math.prod(shape) + 2])), {}


def lerped(draw: Draw) -> Any:
    shape = draw.shape()
    return (draw.finite(shape), draw.finite(shape), draw.finite(shape)), {}


def clamped(draw: Draw) -> Any:
    if draw.dtype.is_floating_point:
        return (draw.special(draw.shape()), draw.among(None, -1.5, 2.0), draw.among(0.5, 3.0)), {}
    return (draw.special(draw.shape()), draw.among(None, -1, 3), draw.among(0, 2)), {}


def clamped_by_tensors(draw: Draw) -> Any:
    shape = draw.shape()
    return (draw.special(shape), draw.among(None, draw.special(shape)), draw.special(shape[-1:])), {}


def diagonal_arguments(draw: Draw) -> Any:
    value, offset = draw.special(draw.shape(2, low=2)), draw.number(-1, 1)
    return (value, draw.special(list(value.diagonal(offset).shape)), offset), {}


def rms_arguments(draw: Draw) -> Any:
    (value, over, weight, _, _), _ = normalized(draw)
    return (value, over, weight, draw.among(None, 1e-3)), {}
