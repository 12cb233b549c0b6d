"""The benchmark's fixed tolerances say what the comparisons they stand for say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "judge"))

from fixed_tolerances import FAMILIES, IN_USE, FixedTolerance, best_member, smallest_parameters

from tautomer.model import Tensor


def pair(seed: int, error: float) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    source = (generator.standard_normal(50) * 10.0 ** generator.integers(-6, 3, 50)).astype(np.float32)
    return source, (source + error * generator.standard_normal(50) * (1e-2 + np.abs(source))).astype(np.float32)


def smallest(source: np.ndarray, target: np.ndarray) -> dict[str, float | None]:
    return smallest_parameters([(Tensor.of(source), Tensor.of(target))])


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize(
    ("family", "atol_share", "rtol_share"),
    [
        ("|d| <= t", 1.0, 0.0),
        ("|d| <= t |s|", 0.0, 1.0),
        ("|d| <= t + t |s|", 1.0, 1.0),
        ("|d| <= t/10 + t |s|", 0.1, 1.0),
        ("|d| <= t/100 + t |s|", 0.01, 1.0),
    ],
)
def test_a_tolerance_accepts_what_allclose_accepts(seed, family, atol_share, rtol_share):
    source, target = pair(seed, 10.0 ** -(seed % 7))
    for exponent in range(-8, 2):
        t = 10.0**exponent
        expected = np.allclose(target.astype(float), source.astype(float), atol=atol_share * t, rtol=rtol_share * t)
        assert FixedTolerance("", family, t).accepts(smallest(source, target)) == expected


@pytest.mark.parametrize("seed", range(40))
def test_polygraphys_rule_fails_an_element_only_where_both_differences_are_too_large(seed):
    source, target = pair(seed, 10.0 ** -(3 + seed % 4))
    d = np.abs(target.astype(float) - source)
    expected = not np.any((d > 1e-5) & (d / np.abs(source) > 1e-5))
    assert IN_USE[3].accepts(smallest(source, target)) == expected


@pytest.mark.parametrize("target", [np.array([1.0, np.nan]), np.array([np.inf, 2.0]), np.array([1.0])])
def test_no_tolerance_accepts_other_shapes_or_other_places_of_non_finite_values(target):
    found = smallest(np.array([1.0, 2.0], np.float32), target.astype(np.float32))
    assert set(found.values()) == {None}
    assert not any(FixedTolerance("", family, 1e30).accepts(found) for family in FAMILIES)


def test_the_best_member_separates_clean_from_faulty_where_one_does():
    clean, faulty = [{"f": 1e-6}, {"f": 2e-6}], [{"f": 1e-3}, {"f": None}]
    best = best_member(clean, faulty, "f")
    assert (best.tolerance.t, best.false_alarms, best.missed) == (2e-6, 0, 0)
