"""What the formats can hold, against numpy's and ml_dtypes' own conversions."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest

from tautomer.numerics.formats import (
    LARGEST,
    SMALLEST_NORMAL,
    UNIT_ROUNDOFF,
    RangeUse,
    overflows_from,
    range_use,
    smallest_subnormal,
)

TYPES = {
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "bfloat16": ml_dtypes.bfloat16,
    "float16": np.float16,
    "float32": np.float32,
    "float64": np.float64,
}


@pytest.mark.parametrize("name", TYPES)
def test_the_numbers_of_each_format_are_those_of_its_implementation(name):
    info = ml_dtypes.finfo(TYPES[name])
    assert LARGEST[name] == float(info.max)
    assert SMALLEST_NORMAL[name] == float(info.smallest_normal)
    assert smallest_subnormal(name) == float(info.smallest_subnormal)
    assert UNIT_ROUNDOFF[name] == float(info.eps) / 2


@pytest.mark.parametrize("name", ["float8_e5m2", "float8_e4m3fn", "bfloat16", "float16"])
def test_a_number_leaves_a_format_exactly_where_its_conversion_does(name):
    border = overflows_from(name)
    # A little more and less than a float32: ml_dtypes rounds a float64 to that first.
    values = np.array([border * (1 - 1e-5), border, border * (1 + 1e-5), -border, LARGEST[name]])
    with np.errstate(over="ignore"):
        left = ~np.isfinite(values.astype(TYPES[name]).astype(np.float64))
    assert [range_use(values[[index]], name).overflowing == 1 for index in range(values.size)] == left.tolist()


@pytest.mark.parametrize("name", ["float8_e5m2", "float8_e4m3fn", "bfloat16", "float16"])
def test_a_number_vanishes_or_is_subnormal_exactly_where_its_conversion_is(name):
    smallest, normal = smallest_subnormal(name), SMALLEST_NORMAL[name]
    values = np.array([0.4, 0.5, 0.6, 1.0]) * smallest
    values = np.concatenate([values, [-0.5 * smallest, 0.75 * normal, normal, 0.0]])
    stored = values.astype(TYPES[name]).astype(np.float64)
    use = range_use(values, name)
    assert use.vanishing == ((stored == 0) & (values != 0)).sum()
    assert use.subnormal == ((stored != 0) & (np.abs(stored) < normal)).sum()
    assert use.count == values.size


def test_headroom_counts_powers_of_two_up_to_the_largest_number():
    assert range_use(np.array([65504.0 / 4, -3.0]), "float16").headroom_bits("float16") == 2.0
    assert range_use(np.array([65504.0 * 8]), "float16").headroom_bits("float16") == pytest.approx(-3.0)
    assert range_use(np.zeros(3), "float16").headroom_bits("float16") == math.inf


def test_what_is_not_finite_is_left_out():
    use = range_use(np.array([math.inf, math.nan, -math.inf, 1.0]), "float16")
    assert use == RangeUse(count=1, largest=1.0)
    assert range_use(np.array([math.nan]), "float16") == RangeUse()
    assert range_use(np.zeros((0, 3)), "float16") == RangeUse()


def test_two_tensors_are_merged_into_their_counts_and_greatest_magnitude():
    one, other = np.array([1e5, 1e-9]), np.array([-2e5, 1e-5, 3.0])
    both = range_use(np.concatenate([one, other]), "float16")
    assert range_use(one, "float16").merged(range_use(other, "float16")) == both
    assert (both.overflowing, both.vanishing, both.subnormal) == (2, 1, 1)
