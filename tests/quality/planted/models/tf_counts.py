"""Integers of TensorFlow that are cast before they meet floating-point numbers."""

import numpy as np
import tensorflow as tf


def model(counts, weights):
    return tf.cast(counts + 1, tf.float32) * weights


def inputs():
    return np.array([1, 2, 3], np.int32), np.random.default_rng(6).standard_normal(3).astype(np.float32)
