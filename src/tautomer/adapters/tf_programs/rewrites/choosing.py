"""A choice between two values that stays one when it is converted."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf


def chosen(condition: Any, x: Any, y: Any) -> Any:
    """As tf.where; what is not chosen takes no part, were it NaN or infinite.

    tf2onnx computes `condition * x + (1 - condition) * y` in its place unless a constant holds an infinity or the
    condition asks for one; both of which are arranged for here.
    """
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    if not x.dtype.is_floating:
        return tf.where(condition, x, y)
    known, instead = tf.get_static_value(condition), tf.get_static_value(y)
    if known is None:
        marked = tf.where(condition, tf.constant(np.inf), tf.constant(0.0))
        return tf.where(tf.math.is_inf(marked), x, y)
    if not np.any(known):
        x = tf.zeros_like(x)  # a product with the condition is then finite
    elif instead is not None:
        y = tf.constant(np.where(known, np.inf, instead), x.dtype)  # where x is chosen, anything may stand here
    return tf.where(condition, x, y)
