"""Alignment: equal values are found in any layout, and only those; what merely comes near is surveyed first."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tautomer.numerics.alignment import Aligner, Match, SourceValue, undisputed
from tautomer.numerics.layouts import Layout, distance, layouts, same

RANDOM = np.random.default_rng(0)


def source(name: str, exact: np.ndarray, *parents: str) -> SourceValue:
    return SourceValue(name, f"aten.{name}", None, parents, exact)


def aligner(*values: SourceValue, **options) -> Aligner:
    return Aligner({one.name: one for one in values}, **options)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.randoms())
def test_a_value_is_found_in_every_permutation_of_its_axes(shape, random):
    exact = np.random.default_rng(random.randrange(2**32)).standard_normal(shape)
    axes = list(range(len(shape)))
    random.shuffle(axes)
    value = exact.transpose(axes)
    found = aligner(source("a", exact)).match("t", value)
    assert found is not None
    assert found.confirmed
    assert np.array_equal(found.layout.arranged(exact, value.shape), value)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_every_layout_holds_all_elements(shape):
    exact = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    for layout in layouts(shape, shape[::-1]):
        arranged = layout.arranged(exact, shape[::-1])
        assert arranged.shape == tuple(shape[::-1])
        assert sorted(arranged.ravel()) == sorted(exact.ravel())


def test_heads_that_were_merged_into_one_axis_are_found():
    exact = RANDOM.standard_normal((2, 4, 5, 3))
    value = exact.transpose(0, 2, 1, 3).reshape(2, 5, 12)
    found = aligner(source("attention", exact)).match("t", value)
    assert found is not None
    assert np.array_equal(found.layout.arranged(exact, value.shape), value)


def test_a_product_and_its_sum_with_a_tiny_bias_are_two_values():
    product = RANDOM.standard_normal((8, 16))
    with_bias = product + 1e-9
    one = aligner(source("linear", with_bias))
    assert one.match("product", product) is None
    assert one.match("sum", with_bias) == Match("linear", Layout(), confirmed=True)


def test_large_elements_do_not_speak_for_small_ones():
    x = np.linspace(-4.0, 30.0, 512)
    assert distance(np.exp(x), np.expm1(x)) < 1e-12
    assert not same(np.exp(x), np.expm1(x))


def test_a_mask_value_does_not_hide_that_the_rest_differs():
    one = RANDOM.standard_normal(32)
    one[0] = np.finfo(np.float32).min
    other = one.copy()
    other[5] += 0.1
    assert distance(one, other) > 1e-3
    assert distance(one, one) == 0


def test_values_that_are_not_finite_at_other_places_are_others():
    one, other = np.array([np.nan, 1.0, 2.0]), np.array([1.0, np.nan, 2.0])
    assert distance(one, other) == math.inf
    assert distance(one, one) == 0


def test_names_propose_and_values_decide():
    a, b = RANDOM.standard_normal((3, 4)), RANDOM.standard_normal((3, 4))
    one = aligner(source("a", a), source("b", b))
    assert one.match("a", b).source == "b"


def test_a_deviating_value_is_accepted_only_by_hint_and_only_in_a_second_pass():
    a = RANDOM.standard_normal((3, 4))
    deviating = a * 1.5
    assert aligner(source("a", a)).match("a", deviating) is None
    found = aligner(source("a", a), missing=frozenset({"a"})).match("a", deviating)
    assert found == Match("a", Layout(), confirmed=False)


@pytest.mark.parametrize("named", [False, True])
def test_a_survey_takes_the_sum_and_not_the_product_before_it(named):
    exact = RANDOM.standard_normal((8, 16))
    upstream = 1e-6 * RANDOM.standard_normal((8, 16))
    one = aligner(source("linear", exact), missing=frozenset({"linear"}), survey=True)
    one.match("product", exact + upstream - 1e-8)
    one.match("linear" if named else "sum", exact + upstream)
    assert list(one.nearest()) == ["linear" if named else "sum"]


@pytest.mark.parametrize("shape", [(2, 4, 4, 3), (2, 4, 4, 4)])
def test_a_hint_does_not_say_in_which_layout_a_deviating_value_lies(shape):
    exact = RANDOM.standard_normal(shape)
    value = exact.transpose(0, 3, 1, 2) * (1 + 1e-7 * RANDOM.standard_normal((shape[0], shape[3], *shape[1:3])))
    found = aligner(source("conv", exact), missing=frozenset({"conv"})).match("conv", value)
    assert found == Match("conv", Layout((0, 3, 1, 2)), confirmed=False)


def test_a_survey_leaves_out_what_is_found_after_all_and_what_is_constant():
    exact = RANDOM.standard_normal((8, 16))
    nearly_one = 1 + 1e-6 * RANDOM.standard_normal((8, 16))
    missing = frozenset({"linear", "scale"})
    one = aligner(source("linear", exact), source("scale", nearly_one), missing=missing, survey=True)
    one.match("product", exact * (1 + 1e-5))
    one.match("sum", exact)
    one.match("mask", np.ones((8, 16)))
    assert one.nearest() == {}


def test_a_name_alone_does_not_stand_for_a_value_that_another_target_value_equals():
    exact = np.abs(RANDOM.standard_normal((4, 5))) + 0.1
    one = aligner(source("rsqrt", 1 / np.sqrt(exact)), missing=frozenset())
    assert one.match("rsqrt", np.sqrt(exact)) is None  # what a converter puts first keeps the operator's name
    assert one.match("reciprocal", 1 / np.sqrt(exact)) == Match("rsqrt", Layout(), confirmed=True)


def test_a_name_alone_does_not_stand_for_a_value_that_another_target_value_comes_near():
    exact = np.abs(RANDOM.standard_normal((4, 5))) + 0.1
    values, missing = source("rsqrt", 1 / np.sqrt(exact)), frozenset({"rsqrt"})
    deviating = exact * (1 + 1e-3 * RANDOM.standard_normal((4, 5)))
    survey = aligner(values, missing=missing, survey=True)
    survey.match("rsqrt", np.sqrt(deviating))
    survey.match("reciprocal", 1 / np.sqrt(deviating))
    one = aligner(values, missing=missing, hints=survey.nearest())
    assert one.match("rsqrt", np.sqrt(deviating)) is None
    assert one.match("reciprocal", 1 / np.sqrt(deviating)) == Match("rsqrt", Layout(), confirmed=False)


def test_a_value_that_deviates_is_compared_in_the_layout_in_which_it_comes_nearest():
    generator = np.random.default_rng(0)
    exact = generator.standard_normal((1, 3, 4, 4))
    source = {"pooled": SourceValue("pooled", "Pool", None, (), exact)}
    deviating = (exact + 0.3 * generator.standard_normal(exact.shape)).transpose(0, 3, 1, 2)
    match = Aligner(source, missing=frozenset(["pooled"])).match("pooled", deviating)
    assert match is not None
    assert (match.layout.axes, match.confirmed) == ((0, 3, 1, 2), False)
    unlike = generator.standard_normal((1, 3, 4, 4))
    other = Aligner(source, missing=frozenset(["pooled"])).match("pooled", unlike)
    assert other is not None
    assert other.layout == Layout()


def test_of_values_that_were_equal_on_another_input_set_the_one_that_is_near_here_is_meant():
    hints = {name: Match("atan2", Layout(), confirmed=True) for name in ("atan", "atan2")}
    near = {"atan2": Match("atan2", Layout(), confirmed=False)}
    assert list(undisputed(hints, near)) == ["atan2"]
    assert undisputed(hints, {}) == hints  # where none is near, all may have gone wrong
    assert undisputed({"atan": hints["atan"]}, near) == {"atan": hints["atan"]}  # nearness alone outdoes no hint


@pytest.mark.parametrize("forgotten", [True, False])
def test_an_operand_under_the_name_of_a_result_is_the_result_gone_wrong(forgotten):
    operand, other = RANDOM.standard_normal((3, 4)), RANDOM.standard_normal((3, 4))
    values = source("src", operand), source("mean", (operand + other) / 2, "src"), source("exp", np.exp(other), "other")
    one = aligner(*values, missing=frozenset({"mean", "exp"}))
    assert one.match("src", operand).source == "src"
    found = one.match("mean" if forgotten else "exp", operand)
    assert found.source == ("mean" if forgotten else "src")
