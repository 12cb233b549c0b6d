"""The judge on single cases that a tolerance gets wrong."""

from __future__ import annotations

import numpy as np
import pytest

from tautomer.model import Tensor
from tautomer.numerics.judge import Reference, judge_declared, judge_exact

U = 2.0**-24


def of(values, exact=None, spread_u=2.0, flips=None):
    array = np.asarray(values)
    lifted = np.asarray(array if exact is None else exact, dtype=np.float64)
    floating = array.dtype.kind == "f"
    return Reference(
        "y",
        Tensor.of(array),
        lifted if floating else None,
        np.square(spread_u * U * np.abs(lifted)) if floating else None,
        flips,
    )


def test_one_mask_value_does_not_hide_a_fault_beside_it():
    source = np.array([[1.0, 2.0, -3.4e38], [0.5, 0.25, -3.4e38]], dtype=np.float32)
    target = source.astype(np.float64)
    target[1, 1] += 1e-6
    assert judge_exact(of(source), target).semantic_fault
    wrong = source.copy()
    wrong[1, 1] += np.float32(1e-4)
    assert judge_declared(of(source), Tensor.of(wrong)).rounding_fault


def test_a_padded_row_that_the_source_itself_gets_wrong_excuses_only_itself():
    exact = np.ones((2, 8))
    variance = np.square(np.stack([np.full(8, 2 * U), np.full(8, 300 * U)]))
    one = Reference("y", Tensor.of(exact.astype(np.float32)), exact, variance)
    lost = exact.astype(np.float32)
    lost[1] += np.float32(400 * U)
    assert not judge_declared(one, Tensor.of(lost)).faulty
    lost[0, 0] += np.float32(1e4 * U)
    assert judge_declared(one, Tensor.of(lost)).rounding_fault


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        (np.zeros((2, 3), np.float64), "dtype"),
        (np.zeros((3, 2), np.float32), "shape"),
        (np.array([[0, 0, np.nan], [0, 0, 0]], np.float32), "range"),
        (None, "missing"),
    ],
)
def test_what_no_rounding_explains_is_named(target, kind):
    judged = judge_declared(of(np.zeros((2, 3), np.float32)), None if target is None else Tensor.of(target))
    assert [one.kind for one in judged.strict] == [kind]


def test_a_finite_target_where_the_source_overflows_is_not_equivalent():
    judged = judge_declared(of(np.array([np.inf, 1.0], np.float32)), Tensor.of(np.array([3e38, 1.0], np.float32)))
    assert judged.strict[0].kind == "source_range"


def test_without_a_float64_reference_an_equal_value_passes_and_another_is_not_judged():
    one = Reference("y", Tensor.of(np.ones(3, np.float32)))
    assert judge_declared(one, Tensor.of(np.ones(3, np.float32))).reason is None
    judged = judge_declared(one, Tensor.of(np.full(3, 1 + 2 * U, np.float32)))
    assert not judged.faulty
    assert "no float64 reference" in judged.reason


def test_an_integer_that_hangs_on_the_sources_rounding_is_undecided_not_wrong():
    source, flips = np.arange(200), np.zeros(200, bool)
    flips[7] = True
    target = source.copy()
    target[7] += 1
    judged = judge_declared(of(source, flips=flips), Tensor.of(target))
    assert not judged.faulty
    assert judged.undecided == 1
    assert judged.reason is None
    target[8] += 1
    assert judge_declared(of(source, flips=flips), Tensor.of(target)).faulty


def test_more_than_one_percent_undecided_is_inconclusive():
    source, flips = np.arange(50), np.zeros(50, bool)
    flips[7] = True
    target = source.copy()
    target[7] += 1
    judged = judge_declared(of(source, flips=flips), Tensor.of(target))
    assert "hang on the source's own rounding" in judged.reason


def test_a_residual_that_folded_constants_explain_is_no_fault_and_a_larger_one_is():
    source = np.ones(64, np.float32)
    target = 1 + 2 * U * np.cos(np.arange(64))
    variance = np.full(64, (2 * U) ** 2)
    assert judge_exact(of(source), target).semantic_fault
    assert not judge_exact(of(source), target, variance).semantic_fault
    assert judge_exact(of(source), 1 + 40 * U * np.cos(np.arange(64)), variance).semantic_fault


def test_an_empty_tensor_is_equal_to_an_empty_tensor():
    empty = np.zeros((0, 4), np.float32)
    assert not judge_declared(of(empty), Tensor.of(empty)).faulty
    assert judge_exact(of(empty), empty.astype(np.float64)).semantic_residual_u == 0.0
