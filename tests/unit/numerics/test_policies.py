"""Differences that are no findings: zeros of the other sign, and denormal numbers flushed to zero."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tautomer.model import Tensor
from tautomer.numerics.policies import (
    flushed_denormals,
    policy_notes,
    without_flushing,
    without_underflow,
    zeros_of_other_sign,
)

LEAST_NORMAL = np.float32(2.0**-126)


def single(*values):
    return Tensor.of(np.array(values, dtype=np.float32))


def test_a_denormal_against_zero_is_flushed_on_whichever_side():
    source = single(1e-40, 0.0, -1e-42, 0.0, 1.0)
    target = single(0.0, 1e-40, -0.0, 0.0, 1.0)
    assert flushed_denormals(source, target).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("source", "target"),
    [(1e-40, 2e-40), (LEAST_NORMAL, 0.0), (0.0, LEAST_NORMAL), (1e-40, 1.0), (np.nan, 0.0), (1e-40, np.nan)],
    ids=["two denormals", "normal to zero", "zero to normal", "denormal to normal", "from NaN", "to NaN"],
)
def test_nothing_else_is_taken_for_flushed(source, target):
    assert not flushed_denormals(single(source), single(target)).any()


def test_the_denormals_of_float16_are_not_small_enough_to_be_flushed():
    source, target = (Tensor.of(np.array([value], dtype=np.float16)) for value in (3e-5, 0.0))
    assert not flushed_denormals(source, target).any()


def test_bfloat16_is_looked_at_as_numbers_and_not_as_bits():
    source, target = (Tensor.of(np.array([value, 1.0], dtype=ml_dtypes.bfloat16)) for value in (1e-39, 0.0))
    assert flushed_denormals(source, target).tolist() == [True, False]
    assert without_flushing(source, target).float64().tolist() == source.float64().tolist()


def test_the_value_without_flushing_keeps_every_other_difference():
    mended = without_flushing(single(1e-40, 1.0, 2.0), single(0.0, 1.5, np.inf))
    assert mended.array.tolist() == [np.float32(1e-40), 1.5, np.inf]


def test_a_value_where_nothing_was_flushed_is_given_back_as_it_is():
    target = single(1.0, 2.0)
    assert without_flushing(single(1.0, 3.0), target) is target


def test_zeros_of_other_signs_are_told_apart_and_nothing_else():
    source, target = single(0.0, -0.0, 0.0, 1.0, -0.0), single(-0.0, 0.0, 0.0, -1.0, -0.0)
    assert zeros_of_other_sign(source, target).tolist() == [True, True, False, False, False]


def test_both_parts_of_a_complex_zero_have_a_sign():
    source = Tensor.of(np.array([complex(0.0, 0.0), complex(0.0, 0.0)], dtype=np.complex64))
    target = Tensor.of(np.array([complex(0.0, -0.0), complex(0.0, 0.0)], dtype=np.complex64))
    assert zeros_of_other_sign(source, target).tolist() == [True, False]


def test_integers_have_one_zero_and_nothing_to_flush():
    zeros = Tensor.of(np.zeros(3, dtype=np.int32))
    assert not zeros_of_other_sign(zeros, zeros).any()
    assert not flushed_denormals(zeros, zeros).any()


@pytest.mark.parametrize("other", [np.zeros(3, np.float64), np.zeros((3, 1), np.float32)], ids=["type", "shape"])
def test_values_of_another_type_or_shape_are_not_compared(other):
    source = single(1e-40, -0.0, 1.0)
    assert policy_notes("y", source, Tensor.of(other)) == {}
    assert policy_notes("y", source, None) == {}


def test_a_note_says_what_differs_and_in_how_many_elements():
    notes = policy_notes("past.0.key", single(0.0, 1e-40, 1.0), single(-0.0, 0.0, 1.0))
    assert list(notes) == ["sign of zero", "denormals"]
    assert notes["sign of zero"].startswith("output 'past.0.key' differs in the sign of zero in 1 of 3 elements")
    assert notes["denormals"].startswith("output 'past.0.key' has 1 of 3 denormal numbers flushed")


def test_equal_values_need_no_note():
    assert policy_notes("y", single(0.0, 1e-40), single(0.0, 1e-40)) == {}


def test_an_error_of_the_smallest_normal_number_is_what_flushing_costs():
    errors = np.array([LEAST_NORMAL, -1.5 * LEAST_NORMAL, 3.0 * LEAST_NORMAL, np.inf, np.nan])
    assert np.array_equal(without_underflow(errors, "float32"), [0.0, 0.0, *errors[2:]], equal_nan=True)


def test_float16_has_no_allowance_for_flushing():
    assert without_underflow(np.array([2.0**-15]), "float16").tolist() == [2.0**-15]
