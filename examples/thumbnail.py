"""tf2onnx has no averaging resize, and writes a nearest-neighbour one: tautomer check examples/thumbnail.py."""

import numpy as np
import tensorflow as tf

SIGNATURE = [tf.TensorSpec([None, 32, 48, 3], tf.float32, name="image")]


def model(image):
    small = tf.image.resize(image / 255.0, (8, 12), method="area")
    return tf.reduce_mean(small, axis=[1, 2]), small


def inputs():
    return (np.random.default_rng(0).uniform(0, 255, (2, 32, 48, 3)).astype(np.float32),)
