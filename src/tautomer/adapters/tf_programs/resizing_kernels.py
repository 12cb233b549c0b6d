"""TensorFlow's resizing kernels, which compute in float32 only, in float64: each is a matrix for each image axis.

Source: TensorFlow 2.21's kernels image_resizer_state.h, resize_bilinear_op.cc, resize_bicubic_op.cc, resize_area_op.cc,
scale_and_translate_op.cc and sampling_kernels.h, for which pixels are taken and with which weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Rounded = Callable[[Any], Any]
Sampling = Callable[[Array, Array], Array]

TABLE_SIZE = 1024
"""ResizeBicubic takes its weights from a table with this many steps a pixel: they are its function."""

_SMALLEST_SUM = 1000.0 * float(np.finfo(np.float32).tiny)


def resize_bilinear(inputs: Sequence[Array], attributes: Mapping[str, Any], rounded: Rounded) -> list[Array]:
    """ResizeBilinear. Shapes: images (N, H, W, C), size (2,) -> (N, h, w, C)."""
    return _resized(inputs, attributes, lambda size, out: _bilinear(size, out, attributes, rounded))


def resize_bicubic(inputs: Sequence[Array], attributes: Mapping[str, Any], _: Rounded) -> list[Array]:
    """ResizeBicubic. Shapes: images (N, H, W, C), size (2,) -> (N, h, w, C)."""
    return _resized(inputs, attributes, lambda size, out: _bicubic(size, out, attributes))


def resize_area(inputs: Sequence[Array], attributes: Mapping[str, Any], rounded: Rounded) -> list[Array]:
    """ResizeArea. Shapes: images (N, H, W, C), size (2,) -> (N, h, w, C)."""
    return _resized(inputs, attributes, lambda size, out: _area(size, out, attributes, rounded))


def scale_and_translate(inputs: Sequence[Array], attributes: Mapping[str, Any], rounded: Rounded) -> list[Array]:
    """ScaleAndTranslate. Shapes: images (N, H, W, C), size (2,), scale (2,), translation (2,) -> (N, h, w, C)."""
    images, size, scale, translation = inputs
    kernel, radius = _SAMPLING[attributes["kernel_type"].decode()]
    antialias = bool(attributes["antialias"])
    matrices = [
        _spans(
            images.shape[1 + axis],
            int(size[axis]),
            (float(scale[axis]), float(translation[axis])),
            kernel,
            radius,
            antialias=antialias,
            rounded=rounded,
        )
        for axis in range(2)
    ]
    return [_applied(images, *matrices)]


def crop_and_resize(inputs: Sequence[Array], attributes: Mapping[str, Any], rounded: Rounded) -> list[Array]:
    """CropAndResize. Shapes: image (N, H, W, C), boxes (B, 4), box_ind (B,), crop_size (2,) -> (B, h, w, C)."""
    image, boxes, owners, size = inputs
    nearest = attributes["method"] == b"nearest"
    outside = float(attributes["extrapolation_value"])
    crops = np.full((len(boxes), int(size[0]), int(size[1]), image.shape[3]), outside, np.float64)
    for at, (box, owner) in enumerate(zip(boxes, owners, strict=True)):
        if not 0 <= owner < len(image):
            continue
        places = [
            _crop_places(float(box[axis]), float(box[axis + 2]), image.shape[1 + axis], int(size[axis]), rounded)
            for axis in range(2)
        ]
        kept = [(place >= 0) & (place <= image.shape[1 + axis] - 1) for axis, place in enumerate(places)]
        matrices = [
            (_nearest_places if nearest else _between)(np.where(keep, place, 0.0), image.shape[1 + axis])
            for axis, (place, keep) in enumerate(zip(places, kept, strict=True))
        ]
        inside = kept[0][:, None, None] & kept[1][None, :, None]
        crop = _applied(image[owner : owner + 1].astype(np.float64), *matrices)[0]
        crops[at] = np.where(inside, crop, outside)
    return [crops]


def _crop_places(start: float, end: float, size: int, out: int, rounded: Rounded) -> Array:
    if out > 1:
        return np.asarray(rounded(start * (size - 1) + np.arange(out) * ((end - start) * (size - 1) / (out - 1))))
    return np.asarray(rounded(np.array([0.5 * (start + end) * (size - 1)])))


def _resized(
    inputs: Sequence[Array], attributes: Mapping[str, Any], matrix: Callable[[int, int], Array]
) -> list[Array]:
    images, size = inputs
    # Kernels convert other element types to float32 first; of 64-bit integers that rounds.
    plain = images if images.dtype.kind == "f" else images.astype(np.float32).astype(np.float64)
    return [_applied(plain, matrix(images.shape[1], int(size[0])), matrix(images.shape[2], int(size[1])))]


def _applied(images: Array, rows: Array, columns: Array) -> Array:
    """Each pixel as the weighted sum of those it is made of; what has no weight is not touched, were it infinite."""
    return _along(_along(images, rows, 1), columns, 2)


def _along(images: Array, matrix: Array, axis: int) -> Array:
    moved = np.moveaxis(images, axis, -1)
    result = np.zeros((*moved.shape[:-1], len(matrix)), np.float64)
    for place, weights in enumerate(matrix):
        taken = np.nonzero(weights)[0]
        result[..., place] = moved[..., taken] @ weights[taken]
    return np.moveaxis(result, -1, axis)


def _scale(size: int, out: int, attributes: Mapping[str, Any]) -> float:
    return (size - 1) / (out - 1) if attributes["align_corners"] and out > 1 else size / out


def _places(size: int, out: int, attributes: Mapping[str, Any]) -> Array:
    """Where each pixel lies in the image it is taken from."""
    scale = _scale(size, out, attributes)
    half = 0.5 if attributes.get("half_pixel_centers") else 0.0
    return (np.arange(out) + half) * scale - half


def _bilinear(size: int, out: int, attributes: Mapping[str, Any], rounded: Rounded) -> Array:
    return _between(np.asarray(rounded(_places(size, out, attributes))), size)


def _between(places: Array, size: int) -> Array:
    """Weights of the two pixels that each place lies between."""
    below = np.floor(places)
    upper = np.clip(np.ceil(places), 0, size - 1).astype(int)
    lower = np.minimum(np.maximum(below, 0).astype(int), upper)
    share = places - below
    matrix = np.zeros((len(places), size))
    rows = np.arange(len(places))
    np.add.at(matrix, (rows, lower), 1.0 - share)
    np.add.at(matrix, (rows, upper), share)
    return matrix


def _nearest_places(places: Array, size: int) -> Array:
    matrix = np.zeros((len(places), size))
    nearest = np.trunc(places + np.copysign(0.5, places)).astype(int)
    matrix[np.arange(len(places)), np.clip(nearest, 0, size - 1)] = 1.0
    return matrix


def _cubic_table(a: float) -> Array:
    """Weights by distance in steps of a pixel's 1024th: of the near and of the far pixel; stored as float32."""
    near = (np.arange(TABLE_SIZE + 1) / TABLE_SIZE).astype(np.float32)
    far = near + np.float32(1.0)
    x, y = near.astype(np.float64), far.astype(np.float64)
    table = np.stack([((a + 2) * x - (a + 3)) * x * x + 1, ((a * y - 5 * a) * y + 8 * a) * y - 4 * a])
    return table.astype(np.float32).astype(np.float64)


def _bicubic(size: int, out: int, attributes: Mapping[str, Any]) -> Array:
    """Which entries of the table are taken depends on shapes only, and is decided in float32 as the kernel does."""
    half = bool(attributes.get("half_pixel_centers"))
    table = _cubic_table(-0.5 if half else -0.75)
    scale = np.float32(_scale32(size, out, attributes))
    steps = np.arange(out, dtype=np.float32)
    shift = np.float32(0.5)
    places = (steps + shift) * scale - shift if half else steps * scale
    below = np.floor(places).astype(int)
    offset = np.rint((places - below.astype(np.float32)) * np.float32(TABLE_SIZE)).astype(int)
    near, far = table
    weights = np.stack([far[offset], near[offset], near[TABLE_SIZE - offset], far[TABLE_SIZE - offset]])
    pixels = np.stack([below - 1, below, below + 1, below + 2])
    bound = np.clip(pixels, 0, size - 1)
    if half:
        weights = np.where(bound == pixels, weights, 0.0)
        total = weights.sum(axis=0)
        weights = np.where(np.abs(total) >= _SMALLEST_SUM, weights / total, weights)
    matrix = np.zeros((out, size))
    for pixel, weight in zip(bound, weights, strict=True):
        np.add.at(matrix, (np.arange(out), pixel), weight)
    return matrix


def _scale32(size: int, out: int, attributes: Mapping[str, Any]) -> np.float32:
    if attributes["align_corners"] and out > 1:
        return np.float32(size - 1) / np.float32(out - 1)
    return np.float32(size) / np.float32(out)


def _area(size: int, out: int, attributes: Mapping[str, Any], rounded: Rounded) -> Array:
    scale = _scale(size, out, attributes)
    edges = np.asarray(rounded(np.arange(out + 1) * scale))
    matrix = np.zeros((out, size))
    for place in range(out):
        start, end = edges[place], edges[place + 1]
        for pixel in range(int(np.floor(start)), int(np.ceil(end))):
            share = min(pixel + 1.0, end) - max(float(pixel), start)
            matrix[place, min(max(pixel, 0), size - 1)] += share / scale
    return matrix


def _spans(
    size: int,
    out: int,
    moved: tuple[float, float],
    kernel: Sampling,
    radius: float,
    *,
    antialias: bool,
    rounded: Rounded,
) -> Array:
    scale, translation = moved
    inverse = 1.0 / scale
    wide = max(inverse, 1.0) if antialias else 1.0
    samples = np.asarray(rounded((np.arange(out) + 0.5) * inverse - inverse * translation))
    # Which pixels take part is decided on shapes, as the kernel does in float32: some weights jump at the edge.
    inverse32 = np.float32(1.0) / np.float32(scale)
    wide32 = np.float32(max(inverse32, np.float32(1.0)) if antialias else 1.0)
    samples32 = (np.arange(out, dtype=np.float32) + np.float32(0.5)) * inverse32 - inverse32 * np.float32(translation)
    half, reach = np.float32(0.5), np.float32(radius) * wide32
    matrix = np.zeros((out, size))
    for place, (sample, sample32) in enumerate(zip(samples, samples32, strict=True)):
        if not 0 <= sample32 <= size:
            continue
        first = min(max(int(np.ceil(sample32 - reach - half)), 0), size - 1)
        last = min(max(int(np.floor(sample32 + reach - half)), 0), size - 1)
        pixels = np.arange(first, last + 1)
        decided = np.abs((pixels.astype(np.float32) + half - sample32) * (np.float32(1.0) / wide32))
        weights = kernel(np.abs((pixels + 0.5 - sample) / wide), decided)
        total = weights.sum()
        if abs(total) >= _SMALLEST_SUM:
            matrix[place, pixels] = weights / total
    return matrix


def _lanczos(radius: float) -> tuple[Sampling, float]:
    def kernel(x: Array, _: Array) -> Array:
        value = np.pi * np.where(x <= 1e-3, 1.0, x)
        inner = radius * np.sin(value) * np.sin(value / radius) / (value * value)
        return np.where(x > radius, 0.0, np.where(x <= 1e-3, 1.0, inner))

    return kernel, radius


def _keys(x: Array, _: Array) -> Array:
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x >= 2.0, 0.0, np.where(x >= 1.0, far, (1.5 * x - 2.5) * x * x + 1.0))


def _mitchell(x: Array, _: Array) -> Array:
    far = (((-7.0 / 18.0) * x + 2.0) * x - 10.0 / 3.0) * x + 16.0 / 9.0
    return np.where(x >= 2.0, 0.0, np.where(x >= 1.0, far, ((7.0 / 6.0) * x - 2.0) * x * x + 8.0 / 9.0))


_SAMPLING: dict[str, tuple[Sampling, float]] = {
    "lanczos1": _lanczos(1.0),
    "lanczos3": _lanczos(3.0),
    "lanczos5": _lanczos(5.0),
    "gaussian": (lambda x, decided: np.where(decided >= 1.5, 0.0, np.exp(-x * x / (2.0 * 0.5 * 0.5))), 1.5),
    "box": (lambda _, decided: np.where(decided < 0.5, 1.0, np.where(decided == 0.5, 0.5, 0.0)), 1.0),
    "triangle": (lambda x, _: np.maximum(1.0 - x, 0.0), 1.0),
    "keyscubic": (_keys, 2.0),
    "mitchellcubic": (_mitchell, 2.0),
}
"""By name, the weight at a distance in pixels (exact, and as float32 has it), and the distance beyond which it is 0."""
