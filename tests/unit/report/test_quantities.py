"""Numbers as people read them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautomer.report import quantities


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0"),
        (-0.0, "0"),
        (math.nan, "NaN"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (1.9e-5, "1.9e-05"),
        (0.3712, "0.371"),
        (262.04, "262"),
        (999.7, "1,000"),
        (2814.2, "2,814"),
        (7.8e5, "7.8e+05"),
        (-0.5, "-0.5"),
    ],
)
def test_a_number_has_about_three_digits(value: float | None, shown: str) -> None:
    assert quantities.number(value) == shown


def test_a_ratio_beside_one_is_never_shown_as_one() -> None:
    assert [quantities.ratio(value) for value in (0.99999, 1.0, 1.00001)] == ["<1", "1", ">1"]


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_the_tolerance_that_is_shown_would_pass_and_is_not_much_larger(value: float) -> None:
    shown = float(quantities.tolerance(value))
    assert value <= shown <= value * 1.0101


@pytest.mark.parametrize(("value", "shown"), [(0.8, "0.8"), (0.37121, "0.372"), (4.1e-8, "4.1e-08"), (None, "–")])
def test_a_tolerance_has_no_more_digits_than_it_needs(value: float | None, shown: str) -> None:
    assert quantities.tolerance(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0.0, "–"),
        (0.0004, "<1 ms"),
        (0.42, "420 ms"),
        (0.9999, "1.0 s"),
        (3.21, "3.2 s"),
        (9.96, "10 s"),
        (59.7, "1m 00s"),
        (125.2, "2m 05s"),
        (3599.9, "1h 00m"),
        (3725.0, "1h 02m"),
    ],
)
def test_a_duration_is_read_at_a_glance(seconds: float | None, shown: str) -> None:
    assert quantities.duration(seconds) == shown


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (None, "–"),
        (0, "–"),
        (512, "512 B"),
        (1_500, "1.5 kB"),
        (412_000_000, "412 MB"),
        (999_600_000, "1.0 GB"),
        (1_240_000_000, "1.2 GB"),
        (17_179_869_184, "17 GB"),
        (2_500_000_000_000, "2,500 GB"),
    ],
)
def test_a_size_is_read_at_a_glance(size_bytes: int | None, shown: str) -> None:
    assert quantities.size(size_bytes) == shown


def test_a_share_is_rounded_to_none_and_all_only_where_it_is() -> None:
    shown = [quantities.percentage(part, 1000) for part in (0, 1, 21, 975, 999, 1000)]
    assert shown == ["0 %", "<1 %", "2 %", "98 %", ">99 %", "100 %"]
    assert quantities.percentage(0, 0) == "–"
