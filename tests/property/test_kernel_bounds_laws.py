"""Laws of the forward-error bounds: whatever the order and the numbers, a sound float32 kernel stays within them."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numerics.kernel_bounds.one_node import one_node

VALUES = st.floats(-(2.0**40), 2.0**40, width=32).filter(lambda x: x == 0 or abs(x) > 2.0**-40)
"""Products of these neither overflow nor become subnormal."""


def matrices(rows, columns):
    return arrays.arrays(np.float32, (rows, columns), elements=VALUES)


def in_order(terms, order):
    """The float32 sum along the first axis, in an order given by a permutation."""
    total = np.zeros(terms.shape[1:], np.float32)
    for index in order:
        total = total + terms[index]
    return total


def pairwise(terms):
    while len(terms) > 1:
        half = len(terms) // 2
        paired = terms[:half] + terms[half : 2 * half]
        terms = np.concatenate([paired, terms[2 * half :]])
    return terms[0]


@given(st.integers(1, 40).flatmap(lambda depth: st.tuples(matrices(2, depth), matrices(depth, 2))), st.data())
@settings(deadline=None, max_examples=50)
def test_an_inner_product_stays_within_its_bound_in_every_order_of_summation(pair, data):
    a, b = pair
    node = one_node("MatMul", a, b)
    terms = np.stack([np.multiply.outer(a[:, index], b[index]) for index in range(a.shape[1])])
    order = data.draw(st.permutations(range(a.shape[1])))
    assert node.ratio(in_order(terms, order)) <= 1
    assert node.ratio(pairwise(terms)) <= 1
    assert node.ratio(a @ b) <= 1
    # Fused multiply-adds round once where these round twice.
    fused = np.zeros((2, 2), np.float32)
    for index in order:
        product = np.multiply.outer(a[:, index].astype(np.float64), b[index].astype(np.float64))
        fused = (product + fused).astype(np.float32)
    assert node.ratio(fused) <= 1


@given(st.integers(2, 40).flatmap(lambda depth: st.tuples(matrices(1, depth), matrices(depth, 1))), st.data())
@settings(deadline=None, max_examples=50)
def test_an_inner_product_without_its_largest_term_exceeds_its_bound(pair, data):
    a, b = pair
    sizes = np.abs(a[0].astype(np.float64) * b[:, 0])
    if not sizes.any():
        return
    kept = np.arange(sizes.size) != int(np.argmax(sizes))
    node = one_node("MatMul", a, b)
    assert node.ratio(a[:, kept] @ b[kept]) > 1


@given(arrays.arrays(np.float32, (3, 17), elements=VALUES), st.data())
@settings(deadline=None, max_examples=50)
def test_sums_and_means_stay_within_their_bounds_in_every_order(x, data):
    order = data.draw(st.permutations(range(17)))
    total = in_order(x.T, order)
    assert one_node("ReduceSum", x, np.array([1]), keepdims=0).ratio(total) <= 1
    mean = one_node("ReduceMean", x, np.array([1]), keepdims=0)
    assert mean.ratio(total / np.float32(17)) <= 1
    assert mean.ratio(total * np.float32(1 / 17)) <= 1
    squares = in_order((x * x).T, order)
    assert one_node("ReduceSumSquare", x, np.array([1]), keepdims=0).ratio(squares) <= 1


@given(arrays.arrays(np.float32, (2, 9), elements=st.floats(-90, 90, width=32)), st.data())
@settings(deadline=None, max_examples=50)
def test_a_softmax_of_sound_exponentials_stays_within_its_bound(x, data):
    order = data.draw(st.permutations(range(9)))
    # Correctly rounded exponentials are within every measured table, which states at least one rounding.
    powers = np.exp((x - x.max(1, keepdims=True)).astype(np.float64)).astype(np.float32)
    total = in_order(powers.T, order)[:, None]
    node = one_node("Softmax", x)
    assert node.ratio(powers / total) <= 1
    assert node.ratio(powers * (np.float32(1) / total)) <= 1


@given(
    arrays.arrays(np.float32, (2, 12), elements=st.floats(-1000, 1000, width=32)),
    st.floats(-(2.0**20), 2.0**20, width=32),
    st.data(),
)
@settings(deadline=None, max_examples=50)
def test_a_layer_normalization_in_two_passes_stays_within_its_bound_at_every_mean(x, shift, data):
    x = x + np.float32(shift)
    scale = np.linspace(-2, 2, 12, dtype=np.float32)
    order = data.draw(st.permutations(range(12)))
    mean = (in_order(x.T, order) / np.float32(12))[:, None]
    centred = x - mean
    variance = (in_order((centred * centred).T, order) / np.float32(12))[:, None]
    root = np.sqrt(variance + np.float32(1e-5))
    node = one_node("LayerNormalization", x, scale)
    assert node.ratio(centred / root * scale) <= 1
    assert node.ratio(centred * (np.float32(1) / root) * scale) <= 1


@given(arrays.arrays(np.float32, 30, elements=VALUES), arrays.arrays(np.float32, 30, elements=VALUES))
@settings(deadline=None, max_examples=50)
def test_correctly_rounded_arithmetic_stays_within_its_bound_and_uses_it(a, b):
    with np.errstate(all="ignore"):
        assert one_node("Add", a, b).ratio(a + b) <= 1
        assert one_node("Sub", a, b).ratio(a - b) <= 1
        assert one_node("Mul", a, b).ratio(a * b) <= 1
        nonzero = np.where(b == 0, np.float32(1), b)
        assert one_node("Div", a, nonzero).ratio(a / nonzero) <= 1
        assert one_node("Sqrt", np.abs(a)).ratio(np.sqrt(np.abs(a))) <= 1


@given(
    arrays.arrays(np.float32, (1, 3, 6, 6), elements=VALUES),
    arrays.arrays(np.float32, (2, 3, 3, 3), elements=VALUES),
    st.data(),
)
@settings(deadline=None, max_examples=40)
def test_a_convolution_stays_within_its_bound_in_every_order(x, w, data):
    order = data.draw(st.permutations(range(27)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    columns = windows.transpose(1, 4, 5, 0, 2, 3).reshape(27, 1, 4, 4)
    terms = columns[:, :, None] * w.reshape(2, 27).T[:, None, :, None, None]
    assert one_node("Conv", x, w).ratio(in_order(terms, order)) <= 1


@given(st.integers(-126, 126), st.booleans())
def test_every_power_of_two_is_exact_for_a_product_with_one(exponent, negative):
    value = np.array([math.ldexp(-1.0 if negative else 1.0, exponent)], np.float32)
    assert one_node("Mul", value, np.ones(1, np.float32)).ratio(value) == 0
