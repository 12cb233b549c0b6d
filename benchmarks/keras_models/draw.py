"""Draw weights with which every layer of a Keras model acts, and its outputs vary with its inputs.

    python benchmarks/keras_models/draw.py MODULE WEIGHTS [MODULE WEIGHTS ...]

MODULE defines `untrained()`, a Keras model, and `examples()`, an array or a list of them. WEIGHTS is written, for
`load_weights`. Untrained weights will not do: biases are 0, scales are 1, and where statistics of batch normalization
are not those of what it normalizes, activations explode or vanish until a softmax answers the same whatever it is
given.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

SPREAD = 0.5
"""Scales are drawn from 1 +- this, shifts from 0 +- this."""


def drawn(model: Any, examples: Any, seed: int = 1) -> Any:
    """The model with every trainable weight drawn anew and with the statistics of its own activations.

    Kernels keep the variance of what they are given: normal, variance 2 / fan-in. Scales and shifts of normalizations
    and biases are uniform around 1 and 0. Then one forward pass, as in training, leaves in each batch normalization the
    mean and the variance of what reaches it, layer by layer: with momentum 0 moving statistics are those of the batch.

    Source: K. He et al., "Delving deep into rectifiers", ICCV 2015, equation 10 (the variance of kernels).
    """
    generator = np.random.default_rng(seed)
    for layer in _layers(model):
        others = {id(weight) for one in layer._flatten_layers(include_self=False) for weight in one.trainable_weights}
        for weight in layer.trainable_weights:
            if id(weight) not in others:
                weight.assign(_draw(generator, layer, weight).astype(weight.dtype))
    for layer in _layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
        elif hasattr(layer, "rate"):
            layer.rate = 0.0  # what dropout leaves out would be missing in the statistics
    model(examples, training=True)
    return model


def _layers(model: Any) -> list[Any]:
    """Every layer, those inside of layers included."""
    return list(model._flatten_layers(include_self=False))


def _draw(generator: np.random.Generator, layer: Any, weight: Any) -> np.ndarray[Any, Any]:
    shape = tuple(weight.shape)
    if weight.name == "gamma" or (weight.name == "scale" and len(shape) == 1):
        return generator.uniform(1 - SPREAD, 1 + SPREAD, shape)
    if len(shape) < 2:
        return generator.uniform(-SPREAD, SPREAD, shape)
    return generator.standard_normal(shape) * np.sqrt(2 / _fan_in(layer, weight))


def _fan_in(layer: Any, weight: Any) -> float:
    """How many products of inputs and elements of a kernel are summed for one output."""
    shape = tuple(weight.shape)
    if isinstance(layer, keras.layers.Embedding):
        return 2.0  # a row is looked up, not summed over
    depthwise = isinstance(layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D)
    if depthwise or weight.name == "depthwise_kernel":
        return float(np.prod(shape[:-2]))
    return float(np.prod(shape[:-1]))


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    for path, weights in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        module = _module(Path(path))
        drawn(module.untrained(), module.examples()).save_weights(weights)
