"""Names and values that an author chose do not show in a redacted module."""

from __future__ import annotations

import numpy as np
import pytest

from tautomer.reduction.redacted_module import renamed_module, resampled_module
from tautomer.reduction.redacted_values import Resampling, resampled
from tautomer.reduction.redaction import names_hashed_with

MODULE = '''"""The secret sauce of our ranking."""

import torch


class Model(torch.nn.Module):
    """Ranks customers."""

    def __init__(self):
        super().__init__()
        self.register_buffer("customer_bias", torch.tensor([0.5, -1.25, torch.nan]))

    def forward(self, customer, mask):
        ranking = torch.where(mask, customer, self.customer_bias)  # our trick
        return {"ranking": ranking}


def inputs():
    return {"customer": torch.tensor([1.5, 2.5, 3.5]), "mask": torch.tensor([True, False, True])}
'''

hashed = names_hashed_with(b"key")


def test_no_name_comment_or_docstring_of_the_author_is_left():
    text = renamed_module(MODULE, hashed)
    for secret in ("customer", "ranking", "mask", "secret", "trick", "Ranks"):
        assert secret not in text


def test_the_names_a_model_module_must_have_stay():
    text = renamed_module(MODULE, hashed)
    for name in ("class Model(torch.nn.Module)", "def forward(self", "def inputs()", "torch.where("):
        assert name in text


def test_an_argument_and_the_key_that_feeds_it_get_the_same_name():
    assert renamed_module(MODULE, hashed).count(hashed("mask")) == MODULE.count("mask")


def test_hashes_depend_on_the_key():
    assert names_hashed_with(b"one")("customer") != names_hashed_with(b"other")("customer")


@pytest.mark.parametrize("secret", ["1.5", "2.5", "3.5"])
def test_inputs_are_drawn_anew_and_weights_can_stay(secret):
    generator = np.random.default_rng(0)
    text = resampled_module(MODULE, weights=Resampling.KEPT, inputs=Resampling.DRAWN, generator=generator)
    assert secret not in text
    assert "-1.25" in text


def test_special_values_stay_where_they_are_asked_to():
    array = np.array([np.nan, -np.inf, 0.0, -0.0, 7.25, -3.0], np.float32)
    drawn = resampled(array, Resampling.SPECIAL, np.random.default_rng(1))
    assert drawn.dtype == array.dtype
    np.testing.assert_array_equal(np.sign(drawn), np.sign(array))
    np.testing.assert_array_equal(np.signbit(drawn), np.signbit(array))
    np.testing.assert_array_equal(np.isfinite(drawn), np.isfinite(array))
    assert drawn[4] != 7.25


def test_integers_are_drawn_within_the_range_of_the_tensor():
    array = np.array([3, 9, 4, 4, 8], np.int64)
    drawn = resampled(array, Resampling.DRAWN, np.random.default_rng(2))
    assert drawn.dtype == array.dtype
    assert drawn.min() >= 3
    assert drawn.max() <= 9


def test_rounding_keeps_two_digits():
    array = np.array([123.4, -0.0456, np.inf, 0.0])
    np.testing.assert_allclose(resampled(array, Resampling.ROUNDED, np.random.default_rng(0)), [120, -0.046, np.inf, 0])
