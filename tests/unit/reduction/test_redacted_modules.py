"""Names and values that an author chose do not show in a redacted module."""

from __future__ import annotations

import numpy as np
import pytest

from tautomer.reduction.redacted_arrays import stored_types
from tautomer.reduction.redacted_module import renamed_module, resampled_module, texts_of
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

TENSORFLOW = '''"""The secret sauce of our ranking."""

from pathlib import Path

import numpy as np
import tensorflow as tf

TENSORS = np.load(Path(__file__).with_name("model.npz"))


def model(customer, mean):
    def customer_step(count):
        return tf.raw_ops.CheckNumerics(tensor=customer * tf.constant([0.5, -1.25]), message="customer is wrong")

    kept = tf.raw_ops.Mean(input=mean, axis=tf.constant([1, 0]), keep_dims=tf.constant(0.125))
    table = tf.constant(TENSORS["customer_table"].view(tf.bfloat16.as_numpy_dtype))
    texts = tf.constant(["customer one", "customer two"])
    half = tf.constant(np.array([[7.5], [8.5]], np.float16))
    padded = tf.raw_ops.MirrorPad(input=table, paddings=[[1, 1]], mode="mean")
    return customer_step(kept), padded, texts, half


def inputs():
    return (
        np.array([1069547520, 2143289345], np.uint32).view(np.float32).reshape((2,)),
        np.full((3, 3), 2.75, np.float32),
        np.zeros((2, 3), np.int64),
        np.array([b"customer text"], object),
    )
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


def test_an_argument_of_an_operator_that_is_a_name_elsewhere_stays():
    text = renamed_module(TENSORFLOW, hashed)
    assert "mode='mean'" in text
    assert f"input={hashed('mean')}" in text


def test_names_and_labels_of_a_tensorflow_module_do_not_show():
    text = renamed_module(
        resampled_module(
            TENSORFLOW, weights=Resampling.DRAWN, inputs=Resampling.DRAWN, generator=np.random.default_rng(0)
        ),
        hashed,
    )
    for secret in ("customer", "secret", "1.25", "2.75", "7.5", "2143289345"):
        assert secret not in text
    assert f"TENSORS['{hashed('customer_table')}']" in text
    assert "mean" in texts_of(text)


def test_what_a_tensorflow_graph_needs_to_be_the_same_graph_stays():
    text = resampled_module(
        TENSORFLOW, weights=Resampling.DRAWN, inputs=Resampling.DRAWN, generator=np.random.default_rng(0)
    )
    for kept in ("tf.constant([1, 0])", "tf.constant(0.125)", "np.zeros((2, 3), np.int64)"):
        assert kept in text


def test_redrawn_tensorflow_inputs_have_the_types_and_shapes_that_they_had():
    text = resampled_module(
        TENSORFLOW, weights=Resampling.KEPT, inputs=Resampling.SPECIAL, generator=np.random.default_rng(0)
    )
    assert "tf.constant([0.5, -1.25])" in text

    def inputs_of(module):
        scope = {"np": np}
        exec(module[module.index("def inputs") :], scope)
        return scope["inputs"]()

    before, after = inputs_of(TENSORFLOW), inputs_of(text)
    assert [(one.dtype, one.shape) for one in after] == [(one.dtype, one.shape) for one in before]
    assert after[0][0] != before[0][0]
    assert np.isnan(after[0][1])


def test_tensors_kept_as_bits_are_known_by_their_type():
    assert {name: one.name for name, one in stored_types(TENSORFLOW).items()} == {"customer_table": "bfloat16"}
