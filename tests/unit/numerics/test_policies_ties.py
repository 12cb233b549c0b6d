"""Indices that differ and stand for equal values."""

from __future__ import annotations

import numpy as np
import pytest

from tautomer.model import Tensor
from tautomer.numerics.strict import Strictness, strict_differences
from tautomer.numerics.ties import TieKeys, open_by_ties

KEYS = np.array([[3.0, 0.0, 0.0, 1.0, 0.0, np.nan, np.nan]], dtype=np.float32)
ORDER = TieKeys(KEYS, 1, distinct=True)


def indices(*values):
    return np.array([values])


def test_another_index_of_an_equal_value_is_open():
    assert open_by_ties(ORDER, indices(0, 3, 1, 2), indices(0, 3, 4, 1)).tolist() == [[False, False, True, True]]


def test_an_index_of_another_value_is_not():
    assert not open_by_ties(ORDER, indices(0, 3, 1), indices(3, 0, 1)).any()


def test_values_that_are_no_numbers_are_ties_of_each_other():
    assert open_by_ties(ORDER, indices(5, 6), indices(6, 5)).all()


def test_an_order_that_names_one_of_the_equal_values_twice_is_not_open():
    assert not open_by_ties(ORDER, indices(0, 1, 2), indices(0, 4, 4)).any()
    assert open_by_ties(TieKeys(KEYS, 1, distinct=False), indices(0, 1, 2), indices(0, 4, 4)).tolist() == [
        [False, True, True]
    ]


@pytest.mark.parametrize("index", [-1, 7, 2**40])
def test_an_index_outside_of_the_values_is_not_open(index):
    assert not open_by_ties(ORDER, indices(1), indices(index)).any()


def test_a_single_choice_has_lost_its_axis():
    keys = np.array([[1, 1, 2], [4, 3, 3]]).T
    choice = TieKeys(keys, 0, distinct=False)
    assert open_by_ties(choice, np.array([0, 1]), np.array([1, 0])).tolist() == [True, False]


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 1, 3)])
def test_indices_that_do_not_fit_the_values_are_not_open(shape):
    assert not open_by_ties(ORDER, np.zeros(shape, np.int64), np.ones(shape, np.int64)).any()


def test_the_strict_comparison_counts_what_ties_do_not_explain():
    source, target = (Tensor.of(one) for one in (indices(0, 3, 1, 2), indices(3, 0, 4, 1)))
    [found] = strict_differences("i", source, target, ties=ORDER)
    assert (found.kind, found.share) == (Strictness.EXACT, 0.5)
    tied = Tensor.of(indices(0, 3, 4, 1))
    assert strict_differences("i", source, tied, ties=ORDER) == []
    assert [one.kind for one in strict_differences("i", source, tied)] == [Strictness.EXACT]
