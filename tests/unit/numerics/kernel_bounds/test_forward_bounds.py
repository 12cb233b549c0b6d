"""Bounds of single operators: float32 kernels stay within them, kernels with a mistake do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numerics.kernel_bounds.one_node import one_node, onnxruntime_table

from tautomer.numerics.kernel_bounds import Summation, is_bounded, summation_roundings
from tautomer.numerics.kernel_bounds.exact_operators import EXACT
from tautomer.numerics.kernel_bounds.forward_bounds import RULES
from tautomer.numerics.onnx_evaluator.kernels import KERNELS

U = 2.0**-24


def floats(*shape, seed=0, scale=1.0, mean=0.0):
    return (np.random.default_rng(seed).standard_normal(shape) * scale + mean).astype(np.float32)


def recurrent(gates, steps=7):
    return (
        floats(steps, 2, 5, seed=1),
        floats(1, gates * 4, 5, seed=2, scale=0.4),
        floats(1, gates * 4, 4, seed=3, scale=0.4),
        floats(1, 2 * gates * 4, seed=4, scale=0.4),
    )


@pytest.mark.parametrize(
    "node",
    [
        one_node("Softmax", floats(4, 30, scale=3.0)),
        one_node("Softmax", floats(2, 3, 4), opset=11, axis=1),
        one_node("LogSoftmax", floats(4, 30, scale=3.0), axis=0),
        one_node("ReduceLogSumExp", floats(4, 30), np.array([1]), keepdims=0),
        one_node("ReduceLogSumExp", floats(4, 30), np.array([0, 1]), keepdims=0),
        one_node("LayerNormalization", floats(4, 30, mean=3.0), floats(30), floats(30), outputs=3),
        one_node("RMSNormalization", floats(4, 30), floats(30), opset=23),
        one_node("InstanceNormalization", floats(2, 3, 40), floats(3), floats(3)),
        one_node("GroupNormalization", floats(2, 6, 5, 4), floats(6), floats(6), opset=21, num_groups=3),
        one_node("GroupNormalization", floats(2, 6, 5, 4), floats(3), floats(3), opset=18, num_groups=3),
        one_node("BatchNormalization", floats(2, 3, 4), floats(3), floats(3), floats(3), np.abs(floats(3, seed=9))),
        one_node("LpNormalization", floats(4, 30), p=1),
        one_node("LpNormalization", floats(4, 30), p=2),
        one_node("LSTM", *recurrent(4), outputs=3, hidden_size=4),
        one_node("LSTM", *recurrent(4), np.array([7, 3], np.int32), outputs=3, hidden_size=4, direction="reverse"),
        one_node("GRU", *recurrent(3), outputs=2, hidden_size=4),
        one_node("GRU", *recurrent(3), outputs=2, hidden_size=4, linear_before_reset=1),
        one_node("RNN", *recurrent(1), outputs=2, hidden_size=4),
        one_node("Attention", floats(2, 4, 6, 8), floats(2, 2, 6, 8, seed=1), floats(2, 2, 6, 8, seed=2), opset=23),
        one_node("Attention", *(floats(2, 6, 8, seed=one) for one in range(3)), opset=23, is_causal=1, q_num_heads=2,
                 kv_num_heads=2),
        one_node("LRN", floats(2, 6, 4), size=3, alpha=0.3, beta=0.6, bias=2.0),
        one_node("MeanVarianceNormalization", floats(2, 3, 4, 5)),
        one_node("HardSwish", floats(50, scale=4.0)),
        one_node("Softsign", floats(50, scale=4.0)),
        one_node("Swish", floats(50, scale=4.0), opset=24, alpha=1.5),
    ],
    ids=lambda node: node.call.node.op_type,
)  # fmt: skip
def test_a_rule_computes_the_same_exact_values_as_the_evaluator(node):
    compared = 0
    for given, exact in zip(node.by_rule(), node.exact, strict=False):
        if given is not None:
            np.testing.assert_allclose(given.value, exact, rtol=1e-11, atol=1e-12)
            compared += 1
    assert compared


def test_every_rule_is_of_an_operator_that_the_evaluator_computes():
    assert set(RULES) - set(KERNELS) == set()
    assert set(RULES) & EXACT == set()


@pytest.mark.parametrize("depth", [1, 7, 64, 768, 3000])
def test_a_matrix_product_with_a_dropped_term_exceeds_the_bound_and_a_sound_one_does_not(depth):
    a, b = floats(5, depth), floats(depth, 6, seed=1)
    node = one_node("MatMul", a, b)
    assert node.ratio(a @ b) <= 1
    sequential = np.zeros((5, 6), np.float32)
    for index in range(depth):
        sequential += np.multiply.outer(a[:, index], b[index])
    assert node.ratio(sequential) <= 1
    kept = np.ones(depth, dtype=bool)
    kept[depth // 2] = False
    assert node.ratio(a[:, kept] @ b[kept]) > 1


def test_a_layer_normalization_of_a_large_mean_may_not_take_the_difference_of_two_large_numbers():
    x, scale, bias = floats(8, 256, mean=1000.0), floats(256, seed=1), floats(256, seed=2)
    node = one_node("LayerNormalization", x, scale, bias)
    mean = x.mean(-1, keepdims=True, dtype=np.float32)
    two_passes = ((x - mean) ** 2).mean(-1, keepdims=True, dtype=np.float32)
    one_pass = (x * x).mean(-1, keepdims=True, dtype=np.float32) - mean * mean
    epsilon = np.float32(1e-5)

    def normalized(variance):
        return (x - mean) / np.sqrt(np.abs(variance) + epsilon) * scale + bias

    assert node.ratio(normalized(two_passes)) <= 1
    assert node.ratio(normalized(one_pass)) > 10


def test_another_epsilon_exceeds_the_bound_of_a_normalization():
    x, scale = floats(8, 64, scale=0.1), floats(64, seed=1)
    node = one_node("LayerNormalization", x, scale, epsilon=1e-5)
    other = one_node("LayerNormalization", x, scale, epsilon=1.01e-5).exact[0].astype(np.float32)
    assert node.ratio(node.exact[0].astype(np.float32)) <= 1
    assert node.ratio(other) > 1


def test_mask_values_at_the_end_of_the_range_leave_a_softmax_its_bound():
    x = floats(3, 16)
    x[:, 8:] = np.finfo(np.float32).min
    node = one_node("Softmax", x)
    [bound] = node.bounds()
    assert np.isfinite(bound).all()
    shifted = np.exp(x - x.max(-1, keepdims=True), dtype=np.float32)
    found = shifted / shifted.sum(-1, keepdims=True, dtype=np.float32)
    assert node.ratio(found) <= 1
    assert node.ratio(np.where(found == 0, np.float32(1e-6), found)) > 1


def test_two_units_in_the_last_place_are_too_many_for_an_addition():
    a, b = floats(100), floats(100, seed=1)
    node = one_node("Add", a, b)
    found = a + b
    assert node.ratio(found) <= 1
    for _ in range(2):
        found = np.nextafter(found, np.float32(np.inf))
    assert node.ratio(found) > 1


def test_a_decision_on_exact_inputs_has_no_room():
    x = np.maximum(floats(4, 20), 0)
    node = one_node("ArgMax", x, axis=1)
    assert node.ratio(node.exact[0]) == 0
    assert node.ratio(node.exact[0] + 1) == math.inf
    rounded = one_node("Round", np.array([0.5, 1.5, 2.4], np.float32))
    assert rounded.ratio(np.array([0.0, 2.0, 2.0])) == 0
    assert rounded.ratio(np.array([1.0, 2.0, 2.0])) == math.inf


def test_what_the_specification_leaves_open_on_nan_is_not_judged():
    x = np.array([[1.0, np.nan, 2.0]], np.float32)
    assert one_node("ArgMax", x, axis=1).bounds() == [None]
    [bound] = one_node("IsNaN", x).bounds()
    assert not bound.any()


@pytest.mark.parametrize("op_type", ["GridSample", "Det", "DFT", "NonMaxSuppression", "If"])
def test_an_operator_without_a_rule_is_not_bounded(op_type):
    assert not is_bounded(op_type)
    assert not is_bounded("MatMul", "com.example")


def test_float64_is_not_judged_by_float64():
    assert one_node("MatMul", np.ones((2, 2)), np.ones((2, 2))).bounds() == [None]


def test_a_function_that_was_not_measured_leaves_its_operator_without_a_bound():
    from dataclasses import replace

    table = onnxruntime_table()
    fewer = replace(table, functions={key: one for key, one in table.functions.items() if key[0] != "Softmax"})
    node = one_node("Softmax", floats(3, 4))
    assert node.bounds(fewer) == [None]
    assert node.bounds(table)[0] is not None


def test_integers_are_added_without_rounding():
    [bound] = one_node("Add", np.array([2**60 + 1]), np.array([1])).bounds()
    assert not bound.any()


def test_an_integer_off_by_one_above_2_53_is_seen():
    node = one_node("Add", np.array([2**60 + 1]), np.array([1]))
    assert node.ratio(np.array([2**60 + 2])) == 0
    assert node.ratio(np.array([2**60 + 3])) == math.inf


def test_elements_that_may_overflow_are_left_open_and_others_are_not():
    [squares] = one_node("ReduceL2", np.array([[3e19, 3e19], [3.0, 4.0]], np.float32), np.array([1])).bounds()
    assert squares[0, 0] == math.inf
    assert squares[1, 0] < 1e-5


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul", "Div"])
def test_a_result_that_may_overflow_is_infinite_or_right(op_type):
    smallest = np.finfo(np.float32).min
    one, other = {
        "Add": (smallest, np.float32(-3.0)),
        "Sub": (smallest, np.float32(3.0)),
        "Mul": (smallest, np.float32(1.0)),
        "Div": (smallest, np.float32(1.0)),
    }[op_type]
    node = one_node(op_type, np.array([one, 1.0], np.float32), np.array([other, 2.0], np.float32))
    right = node.exact[0].astype(np.float32)
    assert node.ratio(right) <= 1
    assert node.ratio(np.array([-np.inf, right[1]], np.float32)) <= 1
    for wrong in (np.inf, np.nan, -3.0, 0.0):
        assert node.ratio(np.array([wrong, right[1]], np.float32)) > 1
    assert node.ratio(np.array([right[0], np.inf], np.float32)) == math.inf


@pytest.mark.parametrize("op_type", ["Add", "Sub", "Mul"])
def test_an_operand_that_is_infinite_leaves_no_choice(op_type):
    node = one_node(op_type, np.array([-np.inf, np.nan], np.float32), np.array([3.0, 3.0], np.float32))
    assert node.ratio(np.array([-np.inf, np.nan], np.float32)) == 0
    assert node.ratio(np.array([3.0, np.nan], np.float32)) == math.inf
    assert node.ratio(np.array([-np.inf, 3.0], np.float32)) == math.inf


def test_a_divisor_below_the_normal_numbers_leaves_the_quotient_open():
    [bound] = one_node("Div", np.ones(2, np.float32), np.array([1e-40, 2.0], np.float32)).bounds()
    assert bound[0] == math.inf
    assert bound[1] < 1e-6


def test_casts_to_integers_are_exact_and_open_outside_the_range():
    x = np.array([3.99, -3.99, 1e20, np.nan], np.float32)
    [bound] = one_node("Cast", x, to=7).bounds()
    np.testing.assert_array_equal(bound, [0, 0, np.inf, np.inf])


def test_a_quantization_may_take_either_neighbour_only_at_a_tie():
    scale, zero = np.array(0.1, np.float32), np.array(10, np.uint8)
    x = np.array([0.05, 0.15, 0.11, 0.31], np.float32)
    [bound] = one_node("QuantizeLinear", x, scale, zero).bounds()
    np.testing.assert_array_equal(bound, [1, 1, 0, 0])


def test_nearest_neighbours_are_certain_for_powers_of_two_and_open_at_ties_of_other_scales():
    x = floats(1, 1, 6)
    double = one_node("Resize", x, None, np.array([1, 1, 2], np.float32), mode="nearest",
                      coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    assert not double.bounds()[0].any()
    triple = one_node("Resize", x, None, np.array([1, 1, 3], np.float32), mode="nearest",
                      coordinate_transformation_mode="asymmetric", nearest_mode="floor")  # fmt: skip
    np.testing.assert_array_equal(np.isinf(triple.bounds()[0][0, 0]), np.arange(18) % 3 == 0)


def test_scattered_sums_have_a_rounding_for_each_update_and_replaced_values_none():
    data, updates = floats(4), floats(3, seed=1)
    indices = np.array([1, 1, 3])
    [bound] = one_node("ScatterElements", data, indices, updates, reduction="add").bounds()
    assert bound[0] == 0
    assert bound[1] > bound[3] > 0
    [replaced] = one_node("ScatterElements", data, np.array([0, 1, 3]), updates).bounds()
    assert not replaced.any()


def test_a_16_bit_node_computed_in_float32_is_held_to_a_tighter_bound():
    a, b = floats(4, 64).astype(np.float16), floats(64, 4, seed=1).astype(np.float16)
    node = one_node("MatMul", a, b)
    [in_float16] = node.bounds()
    [in_float32] = node.bounds(computed_in="float32")
    assert (in_float32 < in_float16 / 4).all()
    found = (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float16)
    assert node.ratio(found, computed_in="float32") <= 1
    [unsure] = node.bounds(computed_in="float32", input_error_u=1.0)
    assert (unsure > in_float32).all()


def test_equal_terms_break_the_probabilistic_bound_which_is_why_it_is_not_the_default():
    x = np.full((1, 5000), 0.1, np.float32)
    node = one_node("CumSum", x, np.array(1))
    found = np.add.accumulate(x, axis=1, dtype=np.float32)
    assert node.ratio(found) <= 1
    assert node.ratio(found, summation=Summation.RANDOM_ROUNDINGS) > 1


def test_the_roundings_of_a_sum_are_those_of_the_literature():
    assert summation_roundings(1, Summation.ANY_ORDER, products=False) == 0
    assert summation_roundings(1, Summation.ANY_ORDER) == 1
    assert summation_roundings(100, Summation.ANY_ORDER, products=False) == 99
    assert summation_roundings(10_000, Summation.RANDOM_ROUNDINGS) == 700
    assert summation_roundings(9, Summation.RANDOM_ROUNDINGS) == 9


@pytest.mark.parametrize(
    "node",
    [
        one_node("ReduceMean", np.full((1, 4), 2e38, np.float32), np.array([1])),
        one_node("GlobalAveragePool", np.full((1, 1, 2, 2), 2e38, np.float32)),
        one_node("AveragePool", np.full((1, 1, 2, 2), 2e38, np.float32), kernel_shape=[2, 2]),
        one_node("LayerNormalization", np.array([[1e30, -1e30]], np.float32), np.ones(2, np.float32)),
        one_node("RotaryEmbedding", np.full((1, 1, 1, 2), 1e30, np.float32),
                 *[np.full((1, 1, 1), 1e30, np.float32)] * 2, opset=23),
    ],
    ids=lambda node: node.call.node.op_type,
)  # fmt: skip
def test_a_result_in_range_whose_parts_may_overflow_is_left_open(node):
    bound = node.bounds()[0]
    assert np.isinf(bound).all()


def test_a_recurrent_layer_is_held_to_the_accuracy_of_its_own_tanh():
    # ONNX Runtime's RNN computes tanh with an absolute error: it gives 0 where its Tanh operator gives 4e-34.
    x, w, r = np.full((1, 1, 1), 4e-34, np.float32), np.ones((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    assert one_node("RNN", x, w, r, hidden_size=1).ratio(np.zeros((1, 1, 1, 1))) <= 1
    assert one_node("Tanh", x).ratio(np.zeros((1, 1, 1))) > 1
