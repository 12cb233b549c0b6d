"""Values that are of no use are told by what is wrong with them."""

import numpy as np
import pytest

from tautomer.synthesis.health import Observed, ailment, extent

WRITTEN = np.array([1.0, -2.0, 0.5], np.float32)
OTHER = np.array([0.3, 1.5, -0.7], np.float32)


def seen(written, perturbed, other):
    return Observed(written, perturbed, other, [extent(one) for one in (written, perturbed, other)])


def test_a_value_that_moves_with_the_inputs_is_healthy():
    assert ailment(seen(WRITTEN, WRITTEN * (1 + 2**-13), OTHER), "float32") is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("run", range(3))
def test_a_value_that_is_not_finite_in_any_run_is_refused(bad, run):
    values = [WRITTEN.copy(), WRITTEN.copy(), OTHER.copy()]
    values[run][1] = bad
    assert ailment(seen(*values), "float32") == "not finite"


def test_a_value_too_large_for_half_precision_is_refused_there():
    assert ailment(seen(WRITTEN * 600, WRITTEN * 600, OTHER), "float32") is None
    assert ailment(seen(WRITTEN * 600, WRITTEN * 600, OTHER), "float16") == "too large"


def test_a_value_that_does_not_move_is_vacuous():
    assert ailment(seen(WRITTEN, WRITTEN, WRITTEN), "float32") == "vacuous"
    assert ailment(seen(WRITTEN, WRITTEN, WRITTEN * (1 + 1e-5)), "float32") == "vacuous"


def test_one_element_of_many_is_no_movement():
    many = np.ones(100, np.float32)
    other = many.copy()
    other[3] = 0
    assert ailment(seen(many, many, other), "float32") == "vacuous"


def test_a_jump_under_a_small_perturbation_is_refused_unless_ties_are_asked_for():
    jumped = seen(WRITTEN, WRITTEN + np.float32(1), OTHER)
    assert ailment(jumped, "float32") == "amplifies"
    assert ailment(jumped, "float32", ties=True) is None


def test_an_integer_that_changes_under_a_small_perturbation_is_near_a_tie():
    whole = np.array([1, 2, 3], np.int64)
    nudged = np.array([1, 2, 4], np.int64)
    assert ailment(seen(whole, nudged, whole[::-1].copy()), "int64") == "near a tie"
    assert ailment(seen(whole, whole, whole[::-1].copy()), "int64") is None


def test_booleans_that_never_change_are_vacuous():
    yes = np.array([True, False])
    assert ailment(seen(yes, yes, yes), "bool") == "vacuous"
    assert ailment(seen(yes, yes, ~yes), "bool") is None


def test_an_empty_value_has_nothing_wrong_with_it():
    empty = np.zeros((0, 3), np.float32)
    assert ailment(seen(empty, empty, empty), "float32") is None
