"""Keras layers and applications: what float32 gives lies within the envelope around what float64 gives."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tautomer.adapters.tf_programs.graph_plan import planned
from tautomer.adapters.tf_programs.interpreter import GraphDefRun
from tautomer.adapters.tf_programs.loading import InputSet, TfProgram
from tautomer.adapters.tf_programs.nested import CallArguments
from tautomer.adapters.tf_programs.preparation import PreparedFunction
from tautomer.adapters.tf_programs.sampling import Envelope
from tautomer.adapters.tf_programs.tracing import Call
from tautomer.numerics.branches import Branches

pytestmark = pytest.mark.needs("tensorflow")

SAMPLES = 8


def randomised(model, seed=1):
    """A model whose weights and statistics are such that its outputs vary."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        if variable.name in ("moving_variance", "gamma"):
            value = generator.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            is_depthwise = len(shape) == 4 and shape[3] == 1
            value = generator.standard_normal(shape) * np.sqrt(2.0 / np.prod(shape[: 2 if is_depthwise else -1]))
        else:
            value = generator.standard_normal(shape) * 0.1
        if np.issubdtype(variable.dtype if variable.dtype != "uint32" else "int32", np.floating):
            variable.assign(value.astype(np.float32))
    return model


def answers(model, *arrays):
    """The model's own answer, what it is in float64, and the standard deviation of its envelope."""
    call = CallArguments(tuple(arrays), {})
    prepared = PreparedFunction(TfProgram(model, (InputSet("inputs()", "inputs()", call),), None, Path("m.py")), 0)
    own = prepared.run(0)
    frozen = prepared.frozen()
    feeds = {frozen.inputs[path]: array for path, array in prepared.values(0).items()}
    run = Call(planned(frozen.graph_def), feeds, frozen.outputs, {})
    branches = Branches()
    run.run(GraphDefRun(run.plan, lift=False, branches=branches))
    exact = run.run(GraphDefRun(run.plan, lift=True, branches=branches.again()))
    envelope = Envelope(run, exact, seed=0, samples=SAMPLES, branches=branches)
    return own["output"].array, exact["output"].numpy(), envelope.variance["output"].array


def within_envelope(own, exact, variance):
    """Rule 5: the variance is shrunk towards the tensor's mean; RMS(e/s) at most 2, and no element beyond 16."""
    shrunk = (SAMPLES * variance + 4 * variance.mean()) / (SAMPLES + 4)
    ratio = np.abs(own - exact) / np.sqrt(shrunk)
    assert np.sqrt(np.mean(np.square(ratio))) <= 2.0
    assert ratio.max() <= 16.0
    assert variance.mean() > 0
    return True


def image(*shape):
    return np.random.default_rng(2).standard_normal(shape).astype(np.float32)


L = keras.layers
BLOCKS = {
    "Dense": ((6,), lambda: [L.Dense(5, activation="gelu"), L.Dense(4, activation="softmax")]),
    "Conv1D": ((9, 3), lambda: [L.Conv1D(4, 3, padding="causal", dilation_rate=2, activation="relu")]),
    "Conv2D": ((8, 7, 3), lambda: [L.Conv2D(4, 3, strides=2, padding="same"), L.ReLU(6.0)]),
    "Conv3D": ((5, 6, 4, 2), lambda: [L.Conv3D(3, 2), L.MaxPooling3D(2), L.AveragePooling3D(2, padding="same")]),
    "DepthwiseConv2D": ((8, 7, 3), lambda: [L.DepthwiseConv2D(3, depth_multiplier=2), L.LeakyReLU(0.1)]),
    "SeparableConv2D": ((8, 7, 3), lambda: [L.SeparableConv2D(4, 3, activation="silu")]),
    "BatchNormalization": ((8, 7, 3), lambda: [L.Conv2D(4, 3), L.BatchNormalization(), L.Activation("hard_silu")]),
    "LayerNormalization": ((7, 6), lambda: [L.LayerNormalization(), L.PReLU()]),
    "GroupNormalization": ((6, 5, 8), lambda: [L.GroupNormalization(4)]),
    "LSTM": ((7, 3), lambda: [L.Bidirectional(L.LSTM(5, return_sequences=True))]),
    "GRU": ((7, 3), lambda: [L.GRU(5)]),
    "pooling": ((9, 8, 3), lambda: [L.MaxPooling2D(2), L.AveragePooling2D(2, padding="same"), L.GlobalMaxPooling2D()]),
    "UpSampling2D": (
        (4, 5, 3),
        lambda: [L.UpSampling2D(3, interpolation="bilinear"), L.Conv2DTranspose(2, 3, strides=2)],
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_keras_block_errs_within_its_envelope(name):
    shape, layers = BLOCKS[name]
    model = randomised(keras.Sequential([keras.Input(shape), *layers()]))
    assert within_envelope(*answers(model, image(2, *shape)))


def test_attention_over_embedded_tokens_errs_within_its_envelope():
    tokens = keras.Input((6,), dtype="int32")
    embedded = L.Embedding(11, 8)(tokens)
    attended = L.MultiHeadAttention(2, 4)(embedded, embedded, use_causal_mask=True)
    model = randomised(keras.Model(tokens, L.LayerNormalization()(attended + embedded)))
    assert within_envelope(*answers(model, np.arange(12, dtype=np.int32).reshape(2, 6) % 11))


def calibrated(model, array):
    """A model whose batch norms hold the statistics of what they normalise: its outputs vary with its inputs."""
    norms = [layer for layer in model.layers if isinstance(layer, L.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    model(array, training=True)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0"])
def test_a_keras_application_with_random_weights_errs_within_its_envelope(name):
    options = {"alpha": 0.35} if name == "MobileNetV2" else {}
    application = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=10, **options)
    model = calibrated(randomised(application), image(8, 64, 64, 3))
    own, exact, variance = answers(model, image(2, 64, 64, 3))
    assert np.std(own, axis=0).max() > 1e-3, "the outputs do not vary with the inputs"
    assert within_envelope(own, exact, variance)
