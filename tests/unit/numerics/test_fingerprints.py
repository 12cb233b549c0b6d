"""Fingerprints and their index: what they tell apart, what they count apart, and what else decides."""

from __future__ import annotations

import numpy as np

from tautomer.numerics.alignment import Aligner, SourceValue
from tautomer.numerics.expected_values import structural_alignment
from tautomer.numerics.fingerprints import FingerprintIndex, fingerprint
from tautomer.numerics.layouts import find_layout

RANDOM = np.random.default_rng(7)


def source(name, exact, *parents, operator="Add"):
    return SourceValue(name, operator, None, parents, exact)


def test_mask_values_and_nan_are_counted_and_hide_nothing_else():
    value = RANDOM.standard_normal(64)
    value[:3] = [np.nan, np.finfo(np.float32).min, np.inf]
    other = value.copy()
    other[10] += 0.5
    one = fingerprint(value)
    assert one.apart == (1, 1, 1)
    assert one.admits(fingerprint(np.random.default_rng(1).permutation(value)), 1e-12)
    assert not one.admits(fingerprint(other), 1e-6)


def test_normalised_values_of_one_norm_are_told_apart_by_their_moments():
    values = RANDOM.standard_normal((40, 256))
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    index = FingerprintIndex({str(row): fingerprint(value) for row, value in enumerate(values)})
    for row, value in enumerate(values):
        assert index.near(fingerprint(value[::-1]), 1e-9) == [str(row)]


def test_numbers_at_the_ends_of_the_range_have_fingerprints():
    for scale in (1e-40, 1e-30, 1e28):
        value = RANDOM.standard_normal(32) * scale
        one = fingerprint(value)
        assert all(np.isfinite(one.moments))
        assert one.admits(fingerprint(value.reshape(4, 8).T), 1e-12)
        assert not one.admits(fingerprint(value * 1.01), 1e-6)


def test_tensors_of_zeros_and_empty_ones_have_fingerprints():
    assert fingerprint(np.zeros((3, 4))).admits(fingerprint(np.zeros(12)), 0.0)
    assert not fingerprint(np.zeros(12)).admits(fingerprint(np.full(12, 1e-9)), 1e-3)
    assert fingerprint(np.zeros((0, 2))).size == 0


def test_integers_and_narrow_floats_have_the_fingerprint_of_their_values():
    value = RANDOM.integers(-9, 9, (4, 5))
    assert fingerprint(value) == fingerprint(value.astype(np.float64)) == fingerprint(value.astype(np.float16))


def test_a_layout_is_found_although_its_first_elements_agree_with_another():
    value = np.zeros((6, 6))
    value[4, 1] = 1.0
    found = find_layout(value, value.T)
    assert found is not None
    assert np.array_equal(found.arranged(value, (6, 6)), value.T)


def test_equal_values_are_told_apart_by_what_they_were_computed_from():
    x, y = RANDOM.standard_normal(8), RANDOM.standard_normal(8)
    twice = np.ones(8)
    values = {
        one.name: one
        for one in (source("x", x), source("y", y), source("of_y", twice, "y"), source("of_x", twice, "x"))
    }
    aligner = Aligner(values)
    aligner.match("tx", x)
    aligner.match("ty", y)
    assert aligner.match("a", twice, ["tx"]).source == "of_x"
    assert aligner.match("b", twice, ["ty"]).source == "of_y"


def test_without_parents_equal_values_are_found_in_order():
    ones = np.ones(4)
    aligner = Aligner({one.name: one for one in (source("first", ones), source("second", ones))})
    assert [aligner.match(name, ones).source for name in ("a", "b", "c")] == ["first", "second", "first"]


def aligned(values, *steps):
    """By target value the source value it stands for; steps are (name, operator, parents, function of these)."""
    sources = {one.name: one for one in values}

    def run(aligner):
        computed = {}
        for name, operator, parents, function in steps:
            value = function(*(computed[one] for one in parents))
            found = aligner.match(name, operator, parents, value)
            computed[name] = value if found is None else found.layout.arranged(sources[found.source].exact, value.shape)

    return {name: match.source for name, match in structural_alignment(sources, run).items()}


def test_a_value_that_deviates_is_expected_where_the_source_computes_another_from_the_same():
    x = RANDOM.standard_normal((4, 6))
    values = [source("x", x), source("sum", x + 1, "x"), source("norm", x * 2, "x", operator="aten.layer_norm.default")]
    found = aligned(values, ("tx", "Add", [], lambda: x), ("t", "LayerNorm", ["tx"], lambda one: one.T * 5))
    assert found == {"tx": "x", "t": "norm"}


def test_what_follows_a_deviation_is_found_by_value_and_taken_for_no_deviation_of_its_own():
    x, weight = RANDOM.standard_normal((4, 6)), RANDOM.standard_normal((6, 6))
    bias, slope = 0.01 * RANDOM.standard_normal(6), np.where(x > 0, x, 0.01 * x)
    values = [
        source("x", x),
        source("leaky", slope, "x", operator="aten.leaky_relu.default"),
        source("linear", slope @ weight + bias, "leaky", operator="aten.linear.default"),
        source("tanh", np.tanh(slope @ weight + bias), "linear", operator="aten.tanh.default"),
    ]
    found = aligned(
        values,
        ("tx", "Add", [], lambda: x),
        ("a", "LeakyRelu", ["tx"], lambda one: np.where(one > 0, one, 0.02 * one)),
        ("b", "MatMul", ["a"], lambda one: one @ weight),
        ("c", "Add", ["b"], lambda one: one + bias),
        ("d", "Tanh", ["c"], np.tanh),
    )
    assert found == {"tx": "x", "a": "leaky", "c": "linear", "d": "tanh"}


def test_two_deviations_one_after_the_other_are_both_placed():
    x = RANDOM.standard_normal((4, 6))
    values = [
        source("x", x),
        source("exp", np.exp(x), "x", operator="aten.exp.default"),
        source("tanh", np.tanh(np.exp(x)), "exp", operator="aten.tanh.default"),
    ]
    found = aligned(
        values,
        ("tx", "Add", [], lambda: x),
        ("a", "Exp", ["tx"], lambda one: np.exp(2 * one)),
        ("b", "Tanh", ["a"], lambda one: -np.tanh(one)),
    )
    assert found == {"tx": "x", "a": "exp", "b": "tanh"}


def test_a_value_that_no_place_expects_stands_for_nothing():
    x, y = RANDOM.standard_normal(12), RANDOM.standard_normal(12)
    values = [source("x", x), source("y", y), source("of_y", y * 2, "y")]
    other = RANDOM.standard_normal(12)
    assert aligned(values, ("tx", "Add", [], lambda: x), ("t", "Mul", ["tx"], lambda _: other)) == {"tx": "x"}
