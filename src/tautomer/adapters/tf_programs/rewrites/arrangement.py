"""Diagonals, cross products, shapes and colours."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: A002

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.rewrites.choosing import chosen
from tautomer.adapters.tf_programs.rewrites.rule import Table, static

TABLE = Table()

_DEFINED = "the operator's definition"
_DIAGONAL = "the operator's definition: what is beside the diagonal takes no part"


@TABLE.rewrite("Cross", bound_u=4, source=_DEFINED, note="floating-point numbers")
def cross(a: Any, b: Any) -> Any:
    """The cross product, component by component."""
    if not a.dtype.is_floating:
        return NotImplemented
    a0, a1, a2 = a[..., 0], a[..., 1], a[..., 2]
    b0, b1, b2 = b[..., 0], b[..., 1], b[..., 2]
    return tf.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], -1)


@TABLE.rewrite("MatrixDiag", bound_u=0, source=_DIAGONAL, note="where the length is a constant")
def matrix_diag(diagonal: Any) -> Any:
    """The diagonal, and zeros beside it."""
    size = diagonal.shape[-1]
    if size is None or not (diagonal.dtype.is_floating or diagonal.dtype.is_integer):
        return NotImplemented
    return chosen(np.eye(size, dtype=bool), tf.expand_dims(diagonal, -1), tf.zeros([], diagonal.dtype))


@TABLE.rewrite("Diag", bound_u=0, source=_DIAGONAL, note="numbers, where the shape is constant")
def diag(diagonal: Any) -> Any:
    """The diagonal of a tensor of twice the rank."""
    shape = static(diagonal.shape)
    if not shape or not (diagonal.dtype.is_floating or diagonal.dtype.is_integer):
        return NotImplemented
    flat = tf.reshape(diagonal, [-1, 1])
    eye = np.eye(int(np.prod(shape)), dtype=bool)
    return tf.reshape(chosen(eye, flat, tf.zeros([], diagonal.dtype)), [*shape, *shape])


@TABLE.rewrite("DiagPart", bound_u=0, source=_DEFINED, note="where the shape is constant")
def diag_part(input: Any) -> Any:
    """What lies on the diagonal of a tensor of even rank."""
    shape = static(input.shape)
    if not shape:
        return NotImplemented
    half = shape[: len(shape) // 2]
    count = int(np.prod(half))
    places = np.arange(count) * (count + 1)
    return tf.reshape(tf.gather(tf.reshape(input, [-1]), places), half)


@TABLE.rewrite("MatrixDiagPart", bound_u=0, source=_DEFINED, note="where the shape of the matrices is constant")
def matrix_diag_part(input: Any) -> Any:
    """What lies on the diagonals of matrices."""
    rows, columns = input.shape[-2:].as_list()
    if rows is None or columns is None:
        return NotImplemented
    flat = tf.reshape(input, tf.concat([tf.shape(input)[:-2], [rows * columns]], 0))
    return tf.gather(flat, np.arange(min(rows, columns)) * (columns + 1), axis=-1)


@TABLE.rewrite(
    "MatrixSetDiag",
    bound_u=0,
    source=_DIAGONAL,
    note="floating-point numbers, where the shape of the matrices is constant; a zero loses its sign",
)
def matrix_set_diag(input: Any, diagonal: Any) -> Any:
    """Matrices with another diagonal."""
    rows, columns = input.shape[-2:].as_list()
    if rows is None or columns is None or not input.dtype.is_floating:
        return NotImplemented
    eye = np.eye(rows, columns, dtype=bool)
    along = tf.expand_dims(diagonal, -1) if rows <= columns else tf.expand_dims(diagonal, -2)
    on = chosen(eye, along, tf.zeros([], input.dtype))
    beside = chosen(~eye, input, tf.zeros([], input.dtype))
    return on + beside


@TABLE.rewrite(
    "LinSpace", bound_u=8, source="TensorFlow, core/kernels/sequence_ops.cc", note="where the number is a constant"
)
def linspace(start: Any, stop: Any, num: Any) -> Any:
    """Steps from the start, and the stop itself at the end."""
    count = tf.get_static_value(num)
    if count is None or start.dtype not in (tf.float32, tf.float64):
        return NotImplemented
    if int(count) == 1:
        return tf.reshape(start, [1])
    step = (stop - start) / tf.constant(float(count) - 1, start.dtype)
    inner = start + step * np.arange(int(count) - 1).astype(start.dtype.as_numpy_dtype)
    return tf.concat([inner, tf.reshape(stop, [1])], 0)


@TABLE.rewrite("BroadcastArgs", bound_u=0, source="the rule of broadcasting", note="where both ranks are known")
def broadcast_args(s0: Any, s1: Any) -> Any:
    """The shape that two shapes come to."""
    first, second = s0.shape[0], s1.shape[0]
    if first is None or second is None:
        return NotImplemented
    rank = max(first, second)
    a = tf.concat([tf.ones([rank - first], s0.dtype), s0], 0)
    b = tf.concat([tf.ones([rank - second], s1.dtype), s1], 0)
    return tf.where(tf.equal(a, 1), b, a)


@TABLE.rewrite("Rank", bound_u=0, source=_DEFINED)
def rank(input: Any) -> Any:
    """How many sizes the shape has."""
    return tf.size(tf.shape(input)) if input.shape.rank is None else tf.constant(input.shape.rank, tf.int32)


@TABLE.rewrite("ShapeN", bound_u=0, source=_DEFINED)
def shape_n(input: Any, *, out_type: Any = tf.int32) -> Any:
    """The shape of each tensor."""
    return [tf.shape(one, out_type) for one in input]


@TABLE.rewrite("Snapshot", "PreventGradient", bound_u=0, source=_DEFINED)
def same(input: Any, *, message: str = "") -> Any:
    """The tensor itself."""
    return tf.identity(input)


@TABLE.rewrite("DeepCopy", bound_u=0, source=_DEFINED)
def same_numbers(x: Any) -> Any:
    """The tensor itself."""
    return tf.identity(x)


_COLOURS = "TensorFlow, core/kernels/image/colorspace_op.h"


@TABLE.rewrite("RGBToHSV", bound_u=16, source=_COLOURS, note="float32 and float64")
def rgb_to_hsv(images: Any) -> Any:
    """Hue, saturation and value of red, green and blue."""
    if images.dtype not in (tf.float32, tf.float64):
        return NotImplemented
    red, green, blue = images[..., 0], images[..., 1], images[..., 2]
    value = tf.reduce_max(images, -1)
    span = value - tf.reduce_min(images, -1)
    one, zero = tf.ones([], images.dtype), tf.zeros([], images.dtype)
    saturation = chosen(value > 0, span / chosen(value > 0, value, one), zero)
    norm = 1 / (6 * chosen(span > 0, span, one))
    by_blue = norm * (red - green) + 4 / 6
    by_green = chosen(tf.equal(green, value), norm * (blue - red) + 2 / 6, by_blue)
    hue = chosen(tf.equal(red, value), norm * (green - blue), by_green)
    hue = chosen(span > 0, hue, zero)
    return tf.stack([chosen(hue < 0, hue + 1, hue), saturation, value], -1)


@TABLE.rewrite("HSVToRGB", bound_u=16, source=_COLOURS, note="float32 and float64")
def hsv_to_rgb(images: Any) -> Any:
    """Red, green and blue of hue, saturation and value."""
    if images.dtype not in (tf.float32, tf.float64):
        return NotImplemented
    hue, saturation, value = images[..., 0] * 6, images[..., 1], images[..., 2]
    one, zero = tf.ones([], images.dtype), tf.zeros([], images.dtype)
    shares = [
        tf.minimum(tf.maximum(share, zero), one)
        for share in (tf.abs(hue - 3) - 1, 2 - tf.abs(hue - 2), 2 - tf.abs(hue - 4))
    ]
    return tf.stack([((1 - saturation) + saturation * share) * value for share in shares], -1)
