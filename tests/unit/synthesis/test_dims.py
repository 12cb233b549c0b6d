"""Arithmetic on dimensions of two sizes is arithmetic on each of them."""

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautomer.synthesis.dims import Dim, is_dynamic, larger, product, second_size, sized, smaller

SIZES = st.tuples(st.integers(-20, 40), st.integers(-20, 40))


@given(SIZES, SIZES, st.sampled_from([operator.add, operator.sub, operator.mul]))
def test_sums_differences_and_products_are_those_of_each_size(a, b, operation):
    made = operation(sized(*a), sized(*b))
    assert (int(made), second_size(made)) == (operation(a[0], b[0]), operation(a[1], b[1]))


@given(SIZES, st.integers(1, 9), st.sampled_from([operator.floordiv, operator.mod]))
def test_quotients_and_remainders_are_those_of_each_size(a, b, operation):
    made = operation(sized(*a), b)
    assert (int(made), second_size(made)) == (operation(a[0], b), operation(a[1], b))


@given(st.integers(-9, 9), SIZES)
def test_a_plain_number_may_stand_on_the_left(a, b):
    made = a - sized(*b)
    assert (int(made), second_size(made)) == (a - b[0], a - b[1])


@given(SIZES, SIZES)
def test_the_larger_and_the_smaller_are_taken_at_each_size(a, b):
    assert second_size(larger(sized(*a), sized(*b))) == max(a[1], b[1])
    assert int(smaller(sized(*a), sized(*b))) == min(a[0], b[0])


def test_sizes_that_are_the_same_make_a_plain_number():
    assert type(Dim(3, 5) - Dim(1, 3)) is int
    assert not is_dynamic(sized(4, 4))


def test_a_dimension_equals_only_what_has_both_its_sizes():
    assert Dim(3, 5) == Dim(3, 5)
    assert Dim(3, 5) != 3
    assert Dim(3, 5) != Dim(3, 6)
    assert len({Dim(3, 5), Dim(3, 5), Dim(3, 6)}) == 2


def test_the_product_of_a_shape_keeps_both_sizes():
    assert product((2, Dim(3, 5), 4)) == Dim(24, 40)


def test_the_window_formula_holds_at_both_sizes():
    from tautomer.synthesis.rules.windows import windows

    made = windows(Dim(7, 11), 3, 2, 2)
    assert (int(made), second_size(made)) == (4, 6)


@pytest.mark.parametrize("size", [0, 1, 7])
def test_the_product_of_nothing_is_one(size):
    assert product((size,)) == size
    assert product(()) == 1
