"""Kernels that TensorFlow has in float32 only: against their documented formulas, and against TensorFlow's own."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import tensorflow as tf

from tautomer.adapters.tf_programs.interpreter import GraphDefRun

pytestmark = pytest.mark.needs("tensorflow")

U = 2.0**-24
RNG = np.random.default_rng(7)
IMAGE = RNG.standard_normal((2, 5, 7, 3)).astype(np.float32)


def both(function, *arrays):
    """What TensorFlow's own kernel gives in float32, and what the lifted graph gives."""
    concrete = tf.function(function).get_concrete_function(*(tf.TensorSpec(a.shape, a.dtype) for a in arrays))
    feeds = dict(zip((one.name for one in concrete.inputs), arrays, strict=True))
    [exact] = GraphDefRun(concrete.graph.as_graph_def(), lift=True).run(feeds, [concrete.outputs[0].name])
    assert exact.dtype == tf.float64
    return function(*arrays).numpy(), exact.numpy()


def close(single, exact, *, u):
    """Whether float32 rounding explains the difference: `u` roundings of the largest element."""
    assert single.shape == exact.shape
    assert np.abs(single - exact).max() <= u * U * max(1.0, np.abs(exact).max())
    return True


def pixels(image, rows, columns, taken):
    """Each pixel of an image from two functions of its place: (pixel, weight) pairs of each axis."""
    size = image.shape[1:3]
    result = np.zeros((image.shape[0], rows, columns, image.shape[3]))
    for y in range(rows):
        for x in range(columns):
            for row, weight in taken(y, size[0], rows):
                for column, share in taken(x, size[1], columns):
                    result[:, y, x] += weight * share * image[:, row, column].astype(np.float64)
    return result


def linear_at(place, size):
    below = int(np.floor(place))
    return [(min(max(below, 0), size - 1), 1 - (place - below)), (min(max(below + 1, 0), size - 1), place - below)]


@pytest.mark.parametrize(("rows", "columns"), [(9, 4), (3, 14), (5, 7), (1, 1)])
@pytest.mark.parametrize("mode", ["half", "corners", "plain"])
def test_bilinear_resizing_lies_between_the_two_nearest_pixels(rows, columns, mode):
    def place(at, size, out):
        if mode == "half":
            return linear_at((at + 0.5) * size / out - 0.5, size)
        return linear_at(at * (size - 1) / (out - 1) if mode == "corners" and out > 1 else at * size / out, size)

    single, exact = both(
        lambda x: tf.raw_ops.ResizeBilinear(
            images=x, size=(rows, columns), align_corners=mode == "corners", half_pixel_centers=mode == "half"
        ),
        IMAGE,
    )
    np.testing.assert_allclose(exact, pixels(IMAGE, rows, columns, place), atol=1e-12)
    assert close(single, exact, u=64)


def test_bilinear_resizing_of_integers_gives_floats():
    image = RNG.integers(0, 255, (1, 5, 7, 3)).astype(np.int32)
    single, exact = both(lambda x: tf.image.resize(x, (9, 9)), image)
    assert close(single, exact, u=64)
    assert np.any(exact != np.round(exact))


@pytest.mark.parametrize(("rows", "columns"), [(11, 13), (3, 4)])
@pytest.mark.parametrize("mode", ["half", "corners", "plain"])
def test_bicubic_resizing_takes_its_weights_from_a_table_of_1024_steps(rows, columns, mode):
    a = -0.5 if mode == "half" else -0.75

    def weight(distance):
        x = np.float64(np.float32(abs(distance)))
        value = ((a + 2) * x - (a + 3)) * x * x + 1 if x <= 1 else ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return float(np.float32(value))

    def place(at, size, out):
        if mode == "half":
            where = (at + 0.5) * size / out - 0.5
        else:
            where = at * (size - 1) / (out - 1) if mode == "corners" else at * size / out
        below = int(np.floor(where))
        step = np.round((where - below) * 1024) / 1024
        weights = [(below + d, weight(step - d)) for d in (-1, 0, 1, 2)]
        if mode == "half":
            weights = [(pixel, w) for pixel, w in weights if 0 <= pixel < size]
            total = sum(w for _, w in weights)
            return [(pixel, w / total) for pixel, w in weights]
        return [(min(max(pixel, 0), size - 1), w) for pixel, w in weights]

    single, exact = both(
        lambda x: tf.raw_ops.ResizeBicubic(
            images=x, size=(rows, columns), align_corners=mode == "corners", half_pixel_centers=mode == "half"
        ),
        IMAGE,
    )
    np.testing.assert_allclose(exact, pixels(IMAGE, rows, columns, place), atol=1e-6)
    assert close(single, exact, u=32)


@pytest.mark.parametrize(("rows", "columns"), [(3, 4), (9, 10), (5, 3)])
def test_area_resizing_is_the_mean_over_the_area_a_pixel_covers(rows, columns):
    def place(at, size, out):
        start, end = at * size / out, (at + 1) * size / out
        shares = [(pixel, max(0.0, min(pixel + 1, end) - max(pixel, start))) for pixel in range(size)]
        return [(pixel, share * out / size) for pixel, share in shares]

    single, exact = both(lambda x: tf.image.resize(x, (rows, columns), method="area"), IMAGE)
    np.testing.assert_allclose(exact, pixels(IMAGE, rows, columns, place), atol=1e-12)
    assert close(single, exact, u=64)


@pytest.mark.parametrize("method", ["bilinear", "lanczos3", "lanczos5", "gaussian", "mitchellcubic", "bicubic"])
@pytest.mark.parametrize("size", [(3, 4), (9, 11)])
def test_resizing_with_and_without_antialiasing_is_tensorflows_function(method, size):
    for antialias in (True, False):
        single, exact = both(lambda x, on=antialias: tf.image.resize(x, size, method=method, antialias=on), IMAGE)
        assert close(single, exact, u=256)


def test_scaling_with_antialiasing_weighs_by_a_triangle_as_wide_as_a_pixel_covers():
    def place(at, size, out):
        wide = max(size / out, 1.0)
        sample = (at + 0.5) * size / out
        weights = [(pixel, max(0.0, 1 - abs(pixel + 0.5 - sample) / wide)) for pixel in range(size)]
        total = sum(weight for _, weight in weights)
        return [(pixel, weight / total) for pixel, weight in weights]

    _, exact = both(lambda x: tf.image.resize(x, (2, 3), antialias=True), IMAGE)
    np.testing.assert_allclose(exact, pixels(IMAGE, 2, 3, place), atol=1e-7)


@pytest.mark.parametrize("method", ["bilinear", "nearest"])
def test_crops_are_resized_boxes_and_what_lies_outside_is_filled(method):
    boxes = np.array([[0.1, 0.2, 0.8, 0.9], [-0.5, 0.0, 0.5, 1.3], [0.6, 0.6, 0.1, 0.1]], np.float32)
    owners = np.array([0, 1, 1], np.int32)
    single, exact = both(
        lambda x, b: tf.image.crop_and_resize(x, b, owners, (4, 3), method=method, extrapolation_value=-2.5),
        IMAGE,
        boxes,
    )
    assert close(single, exact, u=256)
    assert (exact == -2.5).any()
    if method == "bilinear":
        box = boxes[0].astype(np.float64)
        row = box[0] * 4 + 2 * (box[2] - box[0]) * 4 / 3
        column = 0.5 * 0 + box[1] * 6 + 1 * (box[3] - box[1]) * 6 / 2
        expected = sum(
            a * b * IMAGE[0, y, x].astype(np.float64) for y, a in linear_at(row, 5) for x, b in linear_at(column, 7)
        )
        np.testing.assert_allclose(exact[0, 2, 1], expected, atol=1e-12)


def test_batch_norm_in_inference_normalises_with_the_given_statistics():
    scale, offset, mean = (RNG.standard_normal(3).astype(np.float32) for _ in range(3))
    variance = RNG.uniform(0.1, 2, 3).astype(np.float32)
    single, exact = both(
        lambda x: (
            tf.raw_ops.FusedBatchNormV3(
                x=x, scale=scale, offset=offset, mean=mean, variance=variance, epsilon=1e-3, is_training=False
            ).y
        ),
        IMAGE,
    )
    x, s, o, m, v = (one.astype(np.float64) for one in (IMAGE, scale, offset, mean, variance))
    np.testing.assert_allclose(exact, s * (x - m) / np.sqrt(v + float(np.float32(1e-3))) + o, atol=1e-13)
    assert close(single, exact, u=16)


def test_batch_norm_in_training_normalises_with_the_batch_and_returns_the_unbiased_variance():
    def normalised(x, which):
        return tf.raw_ops.FusedBatchNormV3(
            x=x, scale=tf.ones(3), offset=tf.zeros(3), mean=[], variance=[], epsilon=1e-3, is_training=True
        )[which]

    flat = IMAGE.reshape(-1, 3).astype(np.float64)
    single, exact = both(lambda x: normalised(x, 0), IMAGE)
    expected = (flat - flat.mean(0)) / np.sqrt(flat.var(0) + float(np.float32(1e-3)))
    np.testing.assert_allclose(exact.reshape(-1, 3), expected, atol=1e-12)
    assert close(single, exact, u=64)
    single, exact = both(lambda x: normalised(x, 2), IMAGE)
    np.testing.assert_allclose(exact, flat.var(0, ddof=1), atol=1e-13)
    assert close(single, exact, u=16)


def test_local_response_normalization_divides_by_the_squares_of_its_neighbours():
    x = RNG.standard_normal((1, 2, 2, 6)).astype(np.float32)
    single, exact = both(lambda t: tf.nn.local_response_normalization(t, 2, 1.5, 0.3, 0.7), x)
    wide = x.astype(np.float64)
    total = np.stack([np.square(wide[..., max(c - 2, 0) : c + 3]).sum(-1) for c in range(6)], -1)
    alpha, beta = float(np.float32(0.3)), float(np.float32(0.7))
    np.testing.assert_allclose(exact, wide / (1.5 + alpha * total) ** beta, atol=1e-14)
    assert close(single, exact, u=64)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("pool", ["max", "average"])
def test_pooling_of_volumes_takes_no_account_of_padding(padding, pool):
    x = RNG.standard_normal((1, 5, 6, 4, 2)).astype(np.float32)
    function = tf.nn.max_pool3d if pool == "max" else tf.nn.avg_pool3d
    single, exact = both(lambda t: function(t, (2, 3, 2), (2, 2, 1), padding), x)
    assert close(single, exact, u=8)
    corner = x[0, :2, :3, :2].astype(np.float64) if padding == "VALID" else x[0, :2, :2, :2].astype(np.float64)
    if padding == "VALID":
        expected = corner.max((0, 1, 2)) if pool == "max" else corner.mean((0, 1, 2))
        np.testing.assert_allclose(exact[0, 0, 0, 0], expected, atol=1e-15)


def test_contrast_is_about_the_mean_of_each_channel():
    single, exact = both(lambda x: tf.image.adjust_contrast(x, 1.7), IMAGE)
    wide = IMAGE.astype(np.float64)
    mean = wide.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(exact, (wide - mean) * float(np.float32(1.7)) + mean, atol=1e-14)
    assert close(single, exact, u=32)


def test_hue_and_saturation_are_those_of_the_hexagonal_model():
    colours = RNG.uniform(0, 1, (1, 4, 5, 3)).astype(np.float32)
    for function, change in (
        (lambda x: tf.image.adjust_hue(x, 0.3), lambda h, s, v: ((h + float(np.float32(0.3))) % 1.0, s, v)),
        (lambda x: tf.image.adjust_saturation(x, 0.4), lambda h, s, v: (h, s * float(np.float32(0.4)), v)),
        (lambda x: tf.image.adjust_saturation(x, 2.5), lambda h, s, v: (h, min(1.0, s * 2.5), v)),
    ):
        single, exact = both(function, colours)
        expected = [
            colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*map(float, one)))) for one in colours.reshape(-1, 3)
        ]
        np.testing.assert_allclose(exact.reshape(-1, 3), expected, atol=1e-12)
        assert close(single, exact, u=64)


@pytest.mark.parametrize(
    ("low", "high", "narrow"), [(-1.0, 1.5, False), (0.2, 2.0, False), (-3.0, -0.5, True), (0.0, 0.0, False)]
)
def test_fake_quantization_rounds_to_steps_of_a_range_that_holds_zero(low, high, narrow):
    x = RNG.uniform(-2, 2, 50).astype(np.float32)
    single, exact = both(
        lambda t: tf.quantization.fake_quant_with_min_max_vars(t, low, high, num_bits=4, narrow_range=narrow), x
    )
    assert close(single, exact, u=16)
    single, exact = both(
        lambda t: tf.quantization.fake_quant_with_min_max_vars_per_channel(
            tf.reshape(t, (10, 5)), [low] * 5, [high] * 5, num_bits=4, narrow_range=narrow
        ),
        x,
    )
    assert close(single, exact, u=16)
    if high > low:
        least = 1 if narrow else 0
        step = (float(np.float32(high)) - float(np.float32(low))) / (15 - least)
        whole = exact / step
        np.testing.assert_allclose(whole, np.round(whole), atol=1e-12)
        assert len(np.unique(np.round(whole))) <= 16 - least
