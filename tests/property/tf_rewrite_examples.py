"""What examples of the laws of TensorFlow's rewrites are made of: tensors with every kind of value, and arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

FLOATS = ("float32", "float64")
WHOLE = ("int32", "int64")
NARROW = ("int8", "uint8", "int16")

Arguments = dict[str, Any]


class Draw:
    """What one example draws: shapes, tensors and options, from one seed."""

    def __init__(self, seed: int, dtype: str) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = np.dtype(dtype)

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def among(self, *options: Any) -> Any:
        return options[self.number(0, len(options) - 1)]

    def shape(self, rank: int | None = None, low: int = 1, high: int = 5) -> tuple[int, ...]:
        return tuple(self.number(low, high) for _ in range(self.number(1, 3) if rank is None else rank))

    def special(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        """Numbers of every magnitude, with zeros of both signs, infinities, NaN and equal elements."""
        kind = np.dtype(dtype) if dtype is not None else self.dtype
        if kind.kind == "b":
            return self.rng.integers(0, 2, shape).astype(bool)
        if kind.kind in "iu":
            limits = np.iinfo(kind)
            near = self.rng.integers(max(-4, limits.min), 5, shape)
            far = self.rng.integers(limits.min + (kind.kind == "i"), limits.max, shape, dtype=kind)
            return np.where(self.rng.random(shape) < 0.7, near, far).astype(kind)
        limits = np.finfo(kind)
        wide = self.rng.standard_normal(shape) * 10.0 ** self.rng.uniform(-12, 6, shape)
        plain = np.where(self.rng.random(shape) < 0.6, self.rng.standard_normal(shape) * 3, wide)
        odd = self.rng.choice([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, np.nan, np.inf, -np.inf, limits.max, limits.min], shape)
        return np.where(self.rng.random(shape) < 0.8, plain, odd).astype(kind)

    def finite(self, shape: tuple[int, ...], dtype: str | None = None) -> Any:
        kind = np.dtype(dtype) if dtype is not None else self.dtype
        if kind.kind in "iub":
            return self.special(shape, kind.name)
        return np.round(self.rng.standard_normal(shape) * 8, self.among(0, 6)).astype(kind)

    def unit(self, shape: tuple[int, ...]) -> Any:
        """Numbers from 0 to 1, ends and what lies next to them among them."""
        plain = self.rng.random(shape)
        near = self.rng.choice([0.0, 1.0, 0.5, 1e-6, 1 - 1e-6, 0.25, 1e-20], shape)
        return np.where(self.rng.random(shape) < 0.7, plain, near).astype(self.dtype)


@dataclass(frozen=True)
class Law:
    """How an operator's arguments are made.

    Attributes:
        make: the arguments as `tf.raw_ops` takes them.
        dtypes: element types to try.
        scale: of the result and the arguments, what the bound is stated on; None for the result's own magnitude.
    """

    make: Callable[[Draw], Arguments]
    dtypes: tuple[str, ...] = FLOATS
    scale: Callable[..., Any] | None = None


def unary(name: str = "x", *, high: int = 5) -> Callable[[Draw], Arguments]:
    return lambda d: {name: d.special(d.shape(low=d.among(0, 1, 1), high=high))}


def binary(first: str = "x", second: str = "y") -> Callable[[Draw], Arguments]:
    def make(d: Draw) -> Arguments:
        shape = d.shape()
        return {first: d.special(shape), second: d.special(d.among(shape, shape[-1:], (1,)))}

    return make


def pair(d: Draw) -> Arguments:
    shape = d.shape()
    return {"x": d.special(shape), "y": d.special(shape)}


def divided(d: Draw) -> Arguments:
    shape = d.shape()
    divisor = d.special(shape)
    return {"x": d.special(shape), "y": np.where(divisor == 0, 3, divisor).astype(d.dtype)}


def shifted(d: Draw) -> Arguments:
    shape = d.shape()
    return {"x": d.special(shape), "y": d.rng.integers(0, 8 * d.dtype.itemsize, shape).astype(d.dtype)}


def along(d: Draw) -> Arguments:
    shape = d.shape()
    return {"input": d.special(shape), "dimension": np.int32(d.number(-len(shape), len(shape) - 1))}


def coded(d: Draw) -> Arguments:
    shape = d.shape(d.number(0, 3))
    return {
        "indices": d.rng.integers(-2, 7, shape).astype(d.among("int32", "int64")),
        "depth": np.int32(d.number(0, 5)),
        "on_value": d.special(()),
        "off_value": d.special(()),
        "axis": d.number(-1, len(shape)),
    }


def banded(d: Draw) -> Arguments:
    shape = d.shape(d.number(2, 4), low=d.among(0, 1))
    return {"input": d.special(shape), "num_lower": np.int64(d.number(-1, 0)), "num_upper": np.int64(d.number(-1, 0))}


def reduced(d: Draw) -> Arguments:
    shape = d.shape(low=d.among(0, 1))
    axes = [one for one in range(len(shape)) if d.number(0, 1)]
    return {"input": d.finite(shape), "axis": np.array(axes, "i4"), "keep_dims": bool(d.number(0, 1))}


def segmented(d: Draw, *, ordered: bool = False) -> Arguments:
    ids_shape = d.shape(1 if ordered else d.number(1, 2), low=d.among(0, 1))
    count = d.number(1, 5)
    ids = d.rng.integers(0 if ordered else -1, count, ids_shape).astype("int32")
    data = d.finite((*ids_shape, *d.shape(d.number(0, 2))))
    if d.dtype.kind == "f" and data.size:
        data.reshape(-1)[d.number(0, data.size - 1)] = d.among(np.inf, -np.inf, 1.0)
    return {"data": data, "segment_ids": np.sort(ids) if ordered else ids, "num_segments": np.int32(count)}


def in_order(d: Draw) -> Arguments:
    return segmented(d, ordered=True)


def scattered(d: Draw) -> Arguments:
    outer, inner = d.shape(d.number(1, 2), high=3), d.shape(d.number(0, 2), high=3)
    count = d.number(0, 6)
    indices = np.stack([d.rng.integers(0, size, count) for size in outer], -1).astype("int32")
    return {"indices": indices, "updates": d.finite((count, *inner)), "shape": np.array([*outer, *inner], "int32")}


def scattered_into(d: Draw) -> Arguments:
    made = scattered(d)
    shape = tuple(made.pop("shape"))
    return {"tensor": d.finite(shape), **made}


def counted(d: Draw, name: str = "arr", rank: int = 1) -> Arguments:
    shape, size = d.shape(rank), d.number(1, 6)
    weights = d.among(np.zeros((0,), d.dtype), d.finite(shape))
    return {name: d.rng.integers(0, size + 2, shape).astype("int32"), "size": np.int32(size), "weights": weights}


def counted_rows(d: Draw) -> Arguments:
    made = counted(d, "input", d.number(1, 2))
    return {**made, "binary_output": bool(d.number(0, 1)) and made["weights"].size == 0}


def binned(d: Draw) -> Arguments:
    low = d.dtype.type(d.number(-5, 0))
    ends = np.array([low, low + d.number(1, 9)], d.dtype)
    return {"values": d.finite(d.shape()), "value_range": ends, "nbins": np.int32(d.number(1, 7))}


def predicted(d: Draw, *, as_tensor: bool = True) -> Arguments:
    rows, classes = d.shape(2)
    targets = d.rng.integers(0, classes + 1, (rows,)).astype("int32")
    k = d.number(0, 4)
    return {
        "predictions": d.finite((rows, classes)) if d.number(0, 2) else d.special((rows, classes)),
        "targets": targets,
        "k": np.int32(k) if as_tensor else k,
    }


def ranked(d: Draw) -> Arguments:
    shape = d.shape(d.number(1, 3))
    return {"input": d.finite(shape), "n": np.int32(d.number(0, shape[-1] - 1)), "reverse": bool(d.number(0, 1))}


def searched(d: Draw) -> Arguments:
    rows = d.number(1, 3)
    ordered = np.sort(d.finite((rows, d.number(1, 5))), -1)
    return {"sorted_inputs": ordered, "values": d.special((rows, d.number(1, 4)))}


def bucketed(d: Draw) -> Arguments:
    return {"input": d.special(d.shape()), "boundaries": sorted(float(np.float32(one)) for one in d.rng.normal(size=3))}


def running(d: Draw) -> Arguments:
    shape = d.shape()
    axis = np.int32(d.number(-len(shape), len(shape) - 1))
    return {
        # TensorFlow's own kernel drops NaN, and gives NaN after an infinity.
        "x": np.nan_to_num(d.special(shape), nan=0.0, posinf=3.0, neginf=-np.inf),
        "axis": axis,
        "exclusive": bool(d.number(0, 1)),
        "reverse": bool(d.number(0, 1)),
    }


def transposed(d: Draw, axes: int = 2) -> Arguments:
    kernel, stride, dilation = d.shape(axes, high=4), d.shape(axes, high=4), (1,) * axes
    padding = d.among("SAME", "VALID")
    sizes = tuple(d.number(kernel[at], kernel[at] + 9) for at in range(axes))
    given = [
        -(-sizes[at] // stride[at]) if padding == "SAME" else (sizes[at] - kernel[at]) // stride[at] + 1
        for at in range(axes)
    ]
    batch, inside, outside = d.shape(3, high=3)
    return {
        "input_sizes": np.array([batch, *sizes, inside], "i4"),
        "filter": d.finite((*kernel, inside, outside)),
        "out_backprop": d.finite((batch, *given, outside)),
        "strides": [1, *stride, 1],
        "padding": padding,
        "dilations": [1, *dilation, 1],
    }


def transposed_3d(d: Draw) -> Arguments:
    return transposed(d, 3)


def dilated(d: Draw) -> Arguments:
    channels = d.number(1, 2)
    kernel, rates = d.shape(2, high=3), d.shape(2, high=2)
    size = [(kernel[at] - 1) * rates[at] + 1 + d.number(0, 4) for at in range(2)]
    return {
        "input": d.finite((d.number(1, 2), *size, channels)),
        "filter": d.finite((*kernel, channels)),
        "strides": [1, *d.shape(2, high=3), 1],
        "rates": [1, *rates, 1],
        "padding": d.among("SAME", "VALID"),
    }


def resized(d: Draw, *, centers: bool = True, wide: bool = False) -> Arguments:
    corners = bool(d.number(0, 1))
    shape = (2, *d.shape(2, low=1 if centers else 2, high=7), 2)
    made = {
        "images": d.special(shape) if wide else d.finite(shape),
        "size": np.array(d.shape(2, high=12), "i4"),
        "align_corners": corners,
    }
    return {**made, "half_pixel_centers": not corners and bool(d.number(0, 1))} if centers else made


def colours(d: Draw) -> Arguments:
    return {"images": np.where(d.rng.random((4, 3)) < 0.8, d.unit((4, 3)), d.unit((4, 1))).astype(d.dtype)}


def largest(result: Any, **arguments: Any) -> Any:
    """The sum of what was added has magnitudes up to this: the largest of the floating-point arguments, 64 times."""
    given = [np.asarray(one) for name, one in arguments.items() if name not in ("size", "input_sizes", "indices")]
    finite = [one[np.isfinite(one)].astype(np.float64) for one in given if one.dtype.kind in "fiu"]
    return 64 * max((float(np.abs(one).max()) for one in finite if one.size), default=0.0) + np.abs(result)


def products(result: Any, **arguments: Any) -> Any:
    """As `largest`, of products of two."""
    return largest(result, **arguments) ** 2


def or_one(result: Any, **_: Any) -> Any:
    """The result's magnitude, at least 1."""
    return np.maximum(np.abs(result), 1.0)


def of_gamma(result: Any, x: Any) -> Any:
    """What the series adds up: numbers near 16; reflection is as exact as the distance from a pole."""
    return np.abs(result) + 16.0 + _near_poles(np.asarray(x, np.float64))


def _near_poles(wide: Any) -> Any:
    """How much the place relative to a pole, and with it the result, turns on the rounding of the argument."""
    with np.errstate(all="ignore"):
        apart = np.abs(wide - np.round(wide))
        turned = np.abs(wide) / np.maximum(apart, 1e-300)
        steep = np.minimum(turned, 1e30) * (1 + 1 / np.maximum(apart, 1e-30))
    return np.where((wide < 0.5) & np.isfinite(turned), steep, 0.0)


def gamma_argument(d: Draw) -> Arguments:
    plain = d.rng.uniform(-8, 30, 6)
    odd = d.rng.choice([0.5, 1.0, 1.5, 2.0, 1e-6, 1e4, 1e10, 8.0, np.inf, np.nan, 3.0], 6)
    return {"x": np.where(d.rng.random(6) < 0.7, plain, odd).astype(d.dtype)}


def signed_unit(d: Draw) -> Arguments:
    x = d.unit(d.shape()) * d.among(1, -1)
    odd = d.rng.choice([np.nan, 1.0, -1.0, 1.5, -2.0, 0.0], x.shape)
    return {"x": np.where(d.rng.random(x.shape) < 0.85, x, odd).astype(d.dtype)}


def unit_argument(d: Draw) -> Arguments:
    x = d.unit(d.shape())
    return {"x": np.where(d.rng.random(x.shape) < 0.9, x, d.rng.choice([np.nan, -0.5, 1.5], x.shape)).astype(d.dtype)}


def erfc_argument(d: Draw) -> Arguments:
    x = d.rng.uniform(-7, 9 if d.dtype == np.float32 else 26, d.shape())
    return {"x": np.where(d.rng.random(x.shape) < 0.8, x, d.special(x.shape)).astype(d.dtype)}


def of_square(result: Any, x: Any) -> Any:
    """The kernel takes the exponential of a rounded square."""
    wide = np.asarray(x, np.float64)
    return np.abs(result) * (1.0 + np.where(np.isfinite(wide), np.minimum(wide, 30.0) ** 2, 0.0))


def of_quantile(result: Any, x: Any) -> Any:
    """The kernel rounds (1 + x) / 2 first, which the inverse's slope then multiplies."""
    return 1.0 + np.exp(np.minimum(np.nan_to_num(result, nan=0.0, posinf=0.0, neginf=0.0) ** 2, 600.0))


def stepped(d: Draw) -> Arguments:
    start, stop = d.finite(()), d.finite(())
    return {"start": start, "stop": stop, "num": np.int32(d.number(1, 9))}


def shapes(d: Draw) -> Arguments:
    wide = d.shape(d.number(1, 4))
    narrow = tuple(one if d.number(0, 1) else 1 for one in wide)[d.number(0, len(wide) - 1) :]
    pair = d.among((wide, narrow), (narrow, wide))
    return {"s0": np.array(pair[0], d.dtype), "s1": np.array(pair[1], d.dtype)}


def vectors(d: Draw) -> Arguments:
    shape = (*d.shape(d.number(0, 2)), 3)
    return {"a": d.finite(shape), "b": d.finite(shape)}


def square(name: str = "input", *, of: str = "matrices") -> Callable[[Draw], Arguments]:
    def make(d: Draw) -> Arguments:
        half = d.shape(d.number(1, 2), high=3)
        return {name: d.special((*half, *half) if of == "tensors" else d.shape(d.number(2, 3)))}

    return make


def with_diagonal(d: Draw) -> Arguments:
    shape = d.shape(d.number(2, 3))
    return {"input": d.special(shape), "diagonal": d.special((*shape[:-2], min(shape[-2:])))}


def several(d: Draw) -> Arguments:
    shape = d.shape()
    return {"inputs": [d.special(shape) for _ in range(d.number(1, 3))], "shape": list(shape)}


nan, inf = math.nan, math.inf
