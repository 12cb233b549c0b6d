"""Resizing of images as products with constant matrices, and as choices of places."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.rewrites.rule import Table, static

TABLE = Table()

_KNOWN = "where the sizes of images are constants; infinities and NaN spread along rows and columns"


def scale_of(size: int, out: int, align_corners: bool) -> Any:
    """The step between places, in float32 as TensorFlow's kernels have it."""
    if align_corners and out > 1:
        return np.float32(size - 1) / np.float32(out - 1)
    return np.float32(size) / np.float32(out)


def places_of(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> Any:
    """Where each pixel lies in the image that it is taken from, in float32."""
    steps, scale, half = np.arange(out, dtype=np.float32), scale_of(size, out, align_corners), np.float32(0.5)
    return (steps + half) * scale - half if half_pixel_centers else steps * scale


def bilinear_matrix(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> Any:
    """Weights of the two pixels that each place lies between. Shapes: `-> (out, size)`."""
    places = places_of(size, out, align_corners, half_pixel_centers)
    below = np.floor(places)
    upper = np.minimum(np.ceil(places), size - 1).astype(int).clip(0)
    lower = np.minimum(np.maximum(below, 0).astype(int), upper)
    matrix = np.zeros((out, size))
    np.add.at(matrix, (np.arange(out), lower), 1.0 - (places - below))
    np.add.at(matrix, (np.arange(out), upper), places - below)
    return matrix


def bicubic_matrix(size: int, out: int, align_corners: bool, half_pixel_centers: bool) -> Any:
    """Weights of the four pixels around each place, out of TensorFlow's table. Shapes: `-> (out, size)`."""
    a = -0.5 if half_pixel_centers else -0.75
    near = (np.arange(1025) / 1024).astype(np.float32).astype(np.float64)
    far = near + 1
    nearer = (((a + 2) * near - (a + 3)) * near * near + 1).astype(np.float32).astype(np.float64)
    farther = (((a * far - 5 * a) * far + 8 * a) * far - 4 * a).astype(np.float32).astype(np.float64)
    places = places_of(size, out, align_corners, half_pixel_centers)
    below = np.floor(places).astype(int)
    offset = np.rint((places - below.astype(np.float32)) * np.float32(1024)).astype(int)
    weights = np.stack([farther[offset], nearer[offset], nearer[1024 - offset], farther[1024 - offset]])
    pixels = np.stack([below - 1, below, below + 1, below + 2])
    bound = np.clip(pixels, 0, size - 1)
    if half_pixel_centers:
        weights = np.where(bound == pixels, weights, 0.0)
        total = weights.sum(axis=0)
        weights = np.where(np.abs(total) >= 1000 * np.finfo(np.float32).tiny, weights / total, weights)
    matrix = np.zeros((out, size))
    for pixel, weight in zip(bound, weights, strict=True):
        np.add.at(matrix, (np.arange(out), pixel), weight)
    return matrix


def area_matrix(size: int, out: int, align_corners: bool) -> Any:
    """The share that each pixel has in the area of another. Shapes: `-> (out, size)`."""
    scale = float(scale_of(size, out, align_corners))
    matrix = np.zeros((out, size))
    for place in range(out):
        start, end = place * scale, (place + 1) * scale
        for pixel in range(int(np.floor(start)), int(np.ceil(end))):
            share = min(pixel + 1.0, end) - max(float(pixel), start)
            matrix[place, min(max(pixel, 0), size - 1)] += share / scale
    return matrix


def resampled(images: Any, rows: Any, columns: Any) -> Any:
    """Images with each new pixel a weighted sum.

    Shapes: `images (N, H, W, C), rows (h, H), columns (w, W) -> (N, h, w, C)`
    """
    plain = tf.cast(images, tf.float32) if images.dtype != tf.float64 else images
    along = tf.transpose(plain, [0, 3, 1, 2])
    along = tf.matmul(tf.matmul(tf.constant(rows, plain.dtype), along), tf.constant(columns.T, plain.dtype))
    return tf.cast(tf.transpose(along, [0, 2, 3, 1]), tf.float32)


def known_sizes(images: Any, size: Any) -> Any:
    """Height and width before and after; None where they are not constants or not positive."""
    after = tf.get_static_value(size)
    before = static(images.shape[1:3]) if images.shape.rank == 4 else None
    return None if after is None or before is None else [*before, int(after[0]), int(after[1])]


@TABLE.rewrite(
    "ResizeBilinear",
    bound_u=8,
    source="TensorFlow, core/kernels/image/resize_bilinear_op.cc: two pixels an axis",
    note=_KNOWN,
)
def resize_bilinear(images: Any, size: Any, *, align_corners: bool = False, half_pixel_centers: bool = False) -> Any:
    """A product with a matrix for each axis."""
    sizes = known_sizes(images, size)
    if sizes is None:
        return NotImplemented
    rows = bilinear_matrix(sizes[0], sizes[2], align_corners, half_pixel_centers)
    return resampled(images, rows, bilinear_matrix(sizes[1], sizes[3], align_corners, half_pixel_centers))


@TABLE.rewrite(
    "ResizeBicubic",
    bound_u=16,
    source="TensorFlow, core/kernels/image/resize_bicubic_op.cc: four pixels an axis, weights out of a table",
    note=_KNOWN,
)
def resize_bicubic(images: Any, size: Any, *, align_corners: bool = False, half_pixel_centers: bool = False) -> Any:
    """A product with a matrix for each axis."""
    sizes = known_sizes(images, size)
    if sizes is None:
        return NotImplemented
    rows = bicubic_matrix(sizes[0], sizes[2], align_corners, half_pixel_centers)
    return resampled(images, rows, bicubic_matrix(sizes[1], sizes[3], align_corners, half_pixel_centers))


@TABLE.rewrite(
    "ResizeArea",
    bound_u=16,
    source="TensorFlow, core/kernels/image/resize_area_op.cc: pixels by their share of the area",
    note=_KNOWN,
)
def resize_area(images: Any, size: Any, *, align_corners: bool = False) -> Any:
    """A product with a matrix for each axis."""
    sizes = known_sizes(images, size)
    if sizes is None or (align_corners and any(sizes[at] == 1 < sizes[2 + at] for at in range(2))):
        return NotImplemented
    rows = area_matrix(sizes[0], sizes[2], align_corners)
    return resampled(images, rows, area_matrix(sizes[1], sizes[3], align_corners))


@TABLE.rewrite(
    "ResizeNearestNeighbor",
    bound_u=0,
    source="TensorFlow, core/kernels/image/resize_nearest_neighbor_op.cc",
    note="where the sizes of images are constants",
)
def resize_nearest(images: Any, size: Any, *, align_corners: bool = False, half_pixel_centers: bool = False) -> Any:
    """A choice of rows and of columns."""
    sizes = known_sizes(images, size)
    if sizes is None:
        return NotImplemented
    for axis in range(2):
        before, after = sizes[axis], sizes[2 + axis]
        steps, scale = np.arange(after, dtype=np.float32), scale_of(before, after, align_corners)
        places = (steps + np.float32(0.5)) * scale if half_pixel_centers else steps * scale
        nearest = np.floor(places + np.float32(0.5)) if align_corners else np.floor(places)
        images = tf.gather(images, np.clip(nearest.astype(int), 0, before - 1), axis=1 + axis)
    return images
