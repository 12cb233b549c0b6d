"""TensorFlow as the generator uses it: one operator at a time, eagerly."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.synthesis import DtypeName, Specification
from tautomer.synthesis.health import Array
from tautomer.synthesis.tensor_types import ALL

DTYPES = {name: tf.as_dtype(name) for name in ALL}


class TensorFlowKernels:
    """Operators run by TensorFlow, outside any graph."""

    refusals: tuple[type[BaseException], ...] = (
        tf.errors.OpError,
        ValueError,
        TypeError,
        IndexError,
        AttributeError,
        NotImplementedError,
    )

    def tensor(self, array: Array, dtype: str) -> tf.Tensor:
        """An array as a tensor of a dtype."""
        return tf.cast(tf.constant(array), DTYPES[dtype])

    def array(self, tensor: tf.Tensor) -> Array:
        """A tensor as an array; bfloat16 as float32."""
        return np.asarray((tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor).numpy())

    def dtype(self, tensor: tf.Tensor) -> str:
        """The name of a tensor's dtype."""
        return str(tensor.dtype.name)

    def evaluate(self, specification: Specification, bound: Mapping[str, Any]) -> tuple[Any, ...]:
        """The results of an operator on tensors and attributes."""
        names = {name: DTYPES[value] if isinstance(value, DtypeName) else value for name, value in bound.items()}
        # One scope, since the bodies of functions (loops have them) do not see the local names of an evaluation.
        made = eval(compiled(specification.expression), {**_GLOBALS, **names})
        return tuple(made) if isinstance(made, tuple | list) else (made,)


@functools.cache
def compiled(expression: str) -> Any:
    """An expression's code."""
    return compile(expression, f"<{expression}>", "eval")


_GLOBALS = {"tf": tf}
