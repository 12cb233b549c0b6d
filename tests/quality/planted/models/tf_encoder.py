"""One layer of a transformer encoder in TensorFlow: attention, a residual, normalization, an approximate GELU."""

import numpy as np
import tensorflow as tf


class Encoder(tf.Module):
    def __init__(self):
        super().__init__()
        generator = np.random.default_rng(1)
        self.query, self.key = (
            tf.Variable(generator.standard_normal((16, 16)).astype(np.float32) / 4) for _ in range(2)
        )

    def __call__(self, x):
        scores = tf.matmul(tf.matmul(x, self.query), tf.matmul(x, self.key), transpose_b=True)
        residual = x - tf.matmul(tf.nn.softmax(scores * 0.251), x)
        # One difference only: where operands of two are swapped, the signs may cancel.
        mean_square = tf.reduce_mean(tf.square(residual), axis=-1, keepdims=True)
        return tf.nn.gelu(residual * tf.math.rsqrt(mean_square + 1e-5) * 1.001, approximate=True)


def model():
    return Encoder()


def inputs():
    return (np.random.default_rng(2).standard_normal((2, 5, 16)).astype(np.float32),)
