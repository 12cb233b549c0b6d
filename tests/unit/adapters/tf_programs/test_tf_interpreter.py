"""GraphDefs run node by node: in their own precision, lifted, and with perturbed rounding."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tautomer.adapters.tf_programs.graph_plan import planned
from tautomer.adapters.tf_programs.interpreter import GraphDefRun, NotLiftable
from tautomer.numerics.branches import Branches

pytestmark = pytest.mark.needs("tensorflow")


def frozen(function, *arrays):
    concrete = tf.function(function).get_concrete_function(
        *(tf.TensorSpec(a.shape, tf.as_dtype(a.dtype)) for a in map(np.asarray, arrays))
    )
    return (
        concrete.graph.as_graph_def(),
        dict(zip((one.name for one in concrete.inputs), arrays, strict=True)),
        [one.name for one in concrete.outputs],
    )


def run(function, *arrays, **options):
    graph, feeds, fetches = frozen(function, *arrays)
    return [one.numpy() for one in GraphDefRun(graph, **options).run(feeds, fetches)]


def lifted(function, *arrays):
    [value] = run(function, *arrays, lift=True)
    return value


X = np.random.default_rng(3).standard_normal((4, 6)).astype(np.float32)
POSITIVE = np.abs(X) + np.float32(0.1)
SQUARE = X[:, :4] @ X[:, :4].T + 4 * np.eye(4, dtype=np.float32)
IMAGE = np.random.default_rng(4).standard_normal((2, 6, 5, 4)).astype(np.float32)
KERNEL = np.random.default_rng(5).standard_normal((3, 2, 4, 4)).astype(np.float32)

WITH_DOUBLE_KERNELS = {
    "arithmetic": (lambda x, y: (x + y) * x - x / y + tf.math.squared_difference(x, y), X, POSITIVE),
    "exponentials": (lambda x: tf.exp(x) + tf.math.expm1(x) + tf.tanh(x) + tf.sigmoid(x) + tf.nn.softplus(x), X),
    "logarithms": (lambda x: tf.math.log(x) + tf.math.log1p(x) + tf.sqrt(x) + tf.math.rsqrt(x), POSITIVE),
    "special functions": (
        lambda x: tf.math.lgamma(x) + tf.math.digamma(x) + tf.math.erf(x) + tf.math.erfc(x),
        POSITIVE,
    ),
    "powers": (lambda x, y: tf.pow(x, y) + tf.math.atan2(x, y) + tf.math.floormod(x, y), POSITIVE, POSITIVE[::-1]),
    "activations": (lambda x: tf.nn.elu(x) + tf.nn.selu(x) + tf.nn.relu6(x) + tf.nn.leaky_relu(x, 0.25), X),
    "reductions": (lambda x: tf.reduce_sum(x, 0) + tf.reduce_mean(x, 0) + tf.reduce_prod(x, 0) + tf.norm(x, axis=0), X),
    "scans": (lambda x: tf.cumsum(x, 1, exclusive=True, reverse=True) + tf.math.cumprod(x, 1), X),
    "softmax": (lambda x: tf.nn.softmax(x) + tf.nn.log_softmax(x) + tf.reduce_logsumexp(x, 1, True), X),
    "products": (lambda x, y: tf.matmul(x, y, transpose_b=True) + tf.einsum("ij,kj->ik", x, y), X, X[::-1]),
    "convolutions": (lambda x, k: tf.nn.conv2d(x, k, [1, 2, 1, 1], "SAME", dilations=1), IMAGE, KERNEL),
    "depthwise convolutions": (lambda x, k: tf.nn.depthwise_conv2d(x, k, [1, 1, 1, 1], "VALID"), IMAGE, KERNEL),
    "transposed convolutions": (lambda x, k: tf.nn.conv2d_transpose(x, k, (2, 12, 10, 4), 2, "SAME"), IMAGE, KERNEL),
    "pooling": (lambda x: tf.nn.max_pool2d(x, 2, 2, "SAME") + tf.nn.avg_pool2d(x, 3, 2, "SAME"), IMAGE),
    "linear algebra": (lambda a: tf.linalg.inv(a) + tf.linalg.cholesky(a) + tf.linalg.det(a), SQUARE),
    "segments": (lambda x: tf.math.unsorted_segment_sum(x, [0, 2, 0, 1], 3) + tf.math.segment_mean(x, [0, 0, 1, 2]), X),
    "scattering": (lambda x: tf.tensor_scatter_nd_add(x, [[0], [0], [3]], x[:3]), X),
    "lists": (lambda x: tf.scan(lambda a, r: tf.tanh(a * 0.5 + r), x), X),
}


@pytest.mark.parametrize("name", WITH_DOUBLE_KERNELS)
def test_where_a_double_kernel_exists_lifting_equals_running_in_double(name):
    function, *arrays = WITH_DOUBLE_KERNELS[name]
    exact = lifted(function, *arrays)
    doubles = function(*(tf.constant(one, tf.float64) for one in arrays)).numpy()
    assert exact.dtype == np.float64
    np.testing.assert_allclose(exact, doubles, rtol=1e-13, atol=1e-14)


@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=8))
@settings(max_examples=25, deadline=None)
def test_lifting_equals_running_in_double_on_any_numbers(numbers):
    array = np.array(numbers, np.float32)

    def function(x):
        return tf.sinh(x / 16) * tf.nn.softsign(x) - tf.square(x) + tf.reduce_max(x)

    np.testing.assert_allclose(lifted(function, array), function(tf.constant(array, tf.float64)).numpy(), rtol=1e-14)


def test_a_run_in_its_own_precision_gives_what_the_function_gives():
    [value] = run(lambda x: tf.nn.softmax(tf.matmul(x, x, transpose_b=True)), X, lift=False)
    expected = tf.nn.softmax(tf.matmul(X, X, transpose_b=True)).numpy()
    assert value.dtype == np.float32
    np.testing.assert_allclose(value, expected, rtol=4 * 2.0**-24)


def test_a_number_is_rounded_as_the_constant_that_the_graph_stores():
    assert lifted(lambda x: x * 0.1 + 1.1, np.ones(1, np.float32))[0] == float(np.float32(0.1)) + float(np.float32(1.1))


def test_an_explicit_cast_to_a_narrower_format_stays_part_of_the_function():
    x = np.array([1.0 + 2.0**-20], np.float32)
    assert lifted(lambda t: tf.cast(tf.cast(t, tf.float16), tf.float32), x)[0] == 1.0
    assert lifted(lambda t: tf.cast(tf.cast(t, tf.bfloat16), tf.float32), x)[0] == 1.0
    assert lifted(lambda t: tf.cast(tf.cast(t, tf.float64), tf.float32), x)[0] == float(x[0])


def test_a_cast_to_bfloat16_is_rounded_once():
    # Halfway between two bfloat16 numbers but for 2**-40: rounding to float32 first would lose that and go to even.
    x = np.array([2.0**-40], np.float32)
    value = lifted(lambda t: tf.cast(tf.cast(t + (1.0 + 2.0**-8), tf.bfloat16), tf.float32), x)
    assert value[0] == 1.0 + 2.0**-7


def test_a_large_integer_cast_to_float32_is_rounded():
    assert lifted(lambda t: tf.cast(t, tf.float32), np.array([2**24 + 1], np.int32))[0] == 2.0**24


def test_half_precision_graphs_are_lifted_without_their_roundings():
    x = np.array([1.0, 2.0**-11], np.float16)
    assert lifted(tf.reduce_sum, x) == 1.0 + 2.0**-11


def test_a_size_computed_in_floats_is_that_of_the_declared_precision():
    def halves(x):
        length = tf.cast(tf.shape(x)[0], tf.float32)
        return tf.zeros([tf.cast(length * 0.1 * 10.0 - 0.0000001, tf.int32)]) + tf.reduce_sum(x)

    x = np.ones(3, np.float32)
    assert lifted(halves, x).shape == run(halves, x, lift=False)[0].shape == halves(tf.constant(x)).shape


def test_a_range_of_floats_has_the_length_of_the_declared_precision():
    x = np.ones(1, np.float32)
    single = tf.range(0.0, 1.0, 0.1)
    exact = lifted(lambda t: tf.range(0.0, 1.0, 0.1) + t, x)
    assert exact.shape == single.shape
    assert exact[3] == 1.0 + 3 * float(np.float32(0.1))


def test_an_empty_segment_holds_the_declared_types_lowest_number():
    value = lifted(lambda x: tf.math.unsorted_segment_max(x, [0, 2, 0, 2], 3), X)
    assert set(value[1]) == {float(np.finfo(np.float32).min)}


@pytest.mark.parametrize("index", [0, 1, 2, 7, -1])
def test_every_branch_of_a_case_is_taken_for_its_index(index):
    def function(x, at):
        return tf.switch_case(at, [lambda: x, lambda: x * 2, lambda: x * 3])

    factor = {0: 1, 1: 2}.get(index, 3)
    assert np.array_equal(lifted(function, X, np.int32(index)), X.astype(np.float64) * factor)


def test_conditions_and_loops_take_the_branches_of_the_declared_run():
    def function(x):
        _, value = tf.while_loop(
            lambda i, a: tf.reduce_max(a) < 100.0,
            lambda i, a: (i + 1, tf.cond(tf.reduce_sum(a) > 0, lambda: a * 3.0, lambda: a - 1.0)),
            [0, x],
        )
        return value

    graph, feeds, fetches = frozen(function, POSITIVE)
    branches = Branches()
    GraphDefRun(graph, lift=False, branches=branches).run(feeds, fetches)
    other = {name: value * np.float32(50) for name, value in feeds.items()}
    [value] = GraphDefRun(graph, lift=True, branches=branches.again()).run(other, fetches)
    loops = sum(branches.met) // 2
    assert loops > 1
    np.testing.assert_allclose(value.numpy(), POSITIVE.astype(np.float64) * 50 * 3.0**loops, rtol=1e-7)


def test_lowered_control_flow_is_run_as_its_functions_are():
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    def function(x, at):
        picked = tf.switch_case(at, [lambda: x + 1.0, lambda: x * 2])
        return tf.cond(tf.reduce_sum(x) > 1e9, lambda: picked, lambda: picked * 3)

    concrete = tf.function(function).get_concrete_function(tf.TensorSpec((4, 6)), tf.TensorSpec((), tf.int32))
    lowered = convert_variables_to_constants_v2(concrete, lower_control_flow=True)
    graph = lowered.graph.as_graph_def()
    assert {"Merge"} <= {node.op for node in graph.node}
    feeds = dict(zip((one.name for one in lowered.inputs), (X, np.int32(1)), strict=True))
    [value] = GraphDefRun(graph, lift=True).run(feeds, [lowered.outputs[0].name])
    assert np.array_equal(value.numpy(), X.astype(np.float64) * 6)


def test_decisions_stand_in_the_place_of_what_a_node_computes():
    graph, feeds, fetches = frozen(lambda x: tf.round(x) * 2, X)
    name = next(node.name for node in graph.node if node.op == "Round")
    taken = {name: [tf.ones(X.shape, tf.float64)]}
    [value] = GraphDefRun(graph, lift=True, decisions=taken).run(feeds, fetches)
    assert (value.numpy() == 2.0).all()


def test_perturbed_runs_differ_by_some_roundings_and_not_where_nothing_is_rounded():
    def function(x):
        return tf.nn.relu(tf.transpose(x)), tf.exp(x)

    exact, rounded = run(function, X, lift=True)
    moved, noisy = run(function, X, lift=True, perturbation=np.random.default_rng(0))
    assert np.array_equal(exact, moved)
    off = np.abs(noisy / rounded - 1)
    assert 0 < off.max() <= 4 * 2.0**-24


def test_boxes_are_chosen_in_float32_and_their_values_are_exact():
    generator = np.random.default_rng(9)
    corner = generator.uniform(0, 0.5, (1, 12, 1, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + 0.4], -1)
    scores = generator.uniform(0, 1, (1, 12, 2)).astype(np.float32)

    def function(b, s):
        found = tf.image.combined_non_max_suppression(b * 0.9, s * 0.7, 4, 6)
        return found.nmsed_boxes, found.nmsed_scores, found.nmsed_classes, found.valid_detections

    exact = run(function, boxes, scores, lift=True)
    own = [one.numpy() for one in function(tf.constant(boxes), tf.constant(scores))]
    assert np.array_equal(exact[3], own[3])
    for one, other in zip(exact[:3], own[:3], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    assert np.isin(exact[1], np.append(scores.astype(np.float64) * float(np.float32(0.7)), 0.0)).all()


def test_what_cannot_be_lifted_is_named():
    with pytest.raises(NotLiftable, match="Bitcast"):
        lifted(lambda x: tf.bitcast(x, tf.int32), X)
    with pytest.raises(NotLiftable, match="RandomUniform draws"):
        lifted(lambda x: x + tf.random.uniform(x.shape), X)


def test_a_loop_of_tensorflow_1_is_named_and_not_run():
    with tf.Graph().as_default() as graph:
        v1 = tf.compat.v1
        enabled = v1.control_flow_v2_enabled()
        v1.disable_control_flow_v2()
        try:
            x = v1.placeholder(tf.float32, (), name="x")
            tf.identity(v1.while_loop(lambda a: a < 10.0, lambda a: a * 2.0, [x]), name="y")
        finally:
            if enabled:
                v1.enable_control_flow_v2()
        definition = graph.as_graph_def()
    with pytest.raises(NotLiftable, match="loop of TensorFlow 1"):
        GraphDefRun(definition, lift=True).run({"x:0": np.float32(1)}, ["y:0"])


def test_nothing_is_lifted_that_is_integer_text_or_double_already():
    assert lifted(lambda x: x // 2, np.array([-3, 3], np.int32)).tolist() == [-2, 1]
    assert lifted(tf.strings.length, np.array([b"ab", b"c"])).tolist() == [2, 1]
    assert lifted(lambda x: x * 0.1, np.array([1.0]))[0] == 0.1


def test_a_graph_is_planned_once_for_many_runs():
    graph, feeds, fetches = frozen(lambda x: x * 2, X)
    plan = planned(graph)
    for lift in (False, True):
        [value] = GraphDefRun(plan, lift=lift).run(feeds, fetches)
        assert np.array_equal(value.numpy(), X * 2)
