"""Random perturbations of one TensorFlow operator that stand for its rounding in the declared precision.

Source: D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002 (1997).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.lifting import unit_of
from tautomer.adapters.tf_programs.operators import BELOW_MAXIMUM, OF_UNIT_RANGE, POINTWISE, SUMS

PERTURBATION_U = 4.0
"""Half-width of the uniform relative perturbation, in units of u: a few roundings, as a blocked kernel makes."""

Array = np.ndarray[Any, Any]


class NodeNoise:
    """Perturbs what one node takes and gives.

    Args:
        node: the node.
        plan: of the graph it stands in: inputs that do not vary with the graph's are weights.
        generator: of the perturbations.
    """

    def __init__(self, node: Any, plan: Any, generator: np.random.Generator) -> None:
        self._node = node
        self._generator = generator
        self._weights = [source not in plan.varying for source, _ in node.inputs]
        units = [unit for dtype in node.input_dtypes if (unit := unit_of(dtype))]
        self._smallest_u = min(units, default=0.0)

    def inputs(self, inputs: Sequence[Any]) -> list[Any]:
        """The inputs of an operator that does more than work on each element: a backward error of its sums.

        Such an error can be put on either factor: on the values, which are fewer than weights.
        """
        op = self._node.op
        if op in POINTWISE or not self._smallest_u:
            return list(inputs)
        if op in BELOW_MAXIMUM:
            return [tf.constant(self._below_maximum(inputs[0].numpy())), *inputs[1:]]
        every = all(self._weights)
        return [
            self._changed(one, self._smallest_u) if every or not weight else one
            for one, weight in zip(inputs, self._weights, strict=True)
        ]

    def results(self, inputs: Sequence[Any], results: Sequence[Any]) -> list[Any]:
        """The results with the operator's last roundings."""
        node = self._node
        most = _smaller(inputs, results[0], node.attributes) if node.op in SUMS else None
        changed = []
        for result, dtype in zip(results, node.output_dtypes, strict=True):
            u = unit_of(dtype)
            noisy = self._changed(result, u, most) if u else result
            if u and node.op in OF_UNIT_RANGE:
                noisy = tf.constant(noisy.numpy() + self._uniform(noisy.shape) * u)
            changed.append(noisy)
        return changed

    def internal(self, array: Any) -> Any:
        """What a kernel computes on its way in float32 (coordinates), with the rounding of that."""
        values = np.asarray(array, np.float64)
        return values * (1.0 + self._uniform(values.shape) * 2.0**-24)

    def shifted(self, inputs: Sequence[Any], amounts: Sequence[Any]) -> list[Any]:
        """The inputs with every element moved by its amount, up or down at random."""
        moved = []
        for one, amount in zip(inputs, amounts, strict=True):
            if isinstance(amount, np.ndarray) and tuple(one.shape) == amount.shape:
                signs = 2.0 * self._generator.integers(0, 2, amount.shape) - 1.0
                moved.append(tf.constant(one.numpy() + signs * amount))
            else:
                moved.append(one)
        return moved

    def _uniform(self, shape: Any) -> Array:
        return self._generator.uniform(-PERTURBATION_U, PERTURBATION_U, tuple(shape))

    def _changed(self, tensor: Any, u: float, most: Array | None = None) -> Any:
        if not (tensor.dtype.is_floating or tensor.dtype.is_complex):
            return tensor
        array = tensor.numpy()
        noise = self._uniform(array.shape) * u
        with np.errstate(all="ignore"):
            if most is None or most.shape != array.shape or array.dtype.kind == "c":
                return tf.constant(array * (1.0 + noise), tensor.dtype)
            moved = np.clip(array * noise, -most, most)
            return tf.constant(np.where(np.isfinite(array), array + moved, array), tensor.dtype)

    def _below_maximum(self, array: Array) -> Array:
        if not array.size or not array.ndim:
            return array
        top = array.max(axis=-1, keepdims=True)
        with np.errstate(all="ignore"):
            below = array - top
            return np.where(
                np.isfinite(below), top + below * (1.0 + self._uniform(array.shape) * self._smallest_u), array
            )


def _smaller(inputs: Sequence[Any], result: Any, attributes: Any) -> Array | None:
    """The smaller of two summands, element by element: either is itself a candidate for the result."""
    one, other = (value.numpy() for value in inputs[:2])
    if one.dtype.kind != "f" or other.dtype.kind != "f":
        return None
    if attributes.get("data_format") == b"NCHW" and one.ndim > 2:
        other = other.reshape(-1, *(1,) * (one.ndim - 2))
    with np.errstate(all="ignore"):
        return np.asarray(np.minimum(*np.broadcast_arrays(np.abs(one), np.abs(other))))
