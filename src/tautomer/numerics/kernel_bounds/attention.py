"""Bounds of Attention (without a cache's fused precision) and RotaryEmbedding."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from tautomer.numerics.kernel_bounds.rule import Node, Rule
from tautomer.numerics.kernel_bounds.running_error import Running
from tautomer.numerics.kernel_bounds.softmax import softmax
from tautomer.numerics.onnx_evaluator.kernels.attention import _bias, _split_heads


def _attention(node: Node) -> Sequence[Running | None]:
    call, arithmetic = node.call, node.arithmetic
    nothing: list[Running | None] = [None] * len(call.output_types)
    if call.get("softcap", 0.0) or call.input(4) is not None or call.input(5) is not None:
        return nothing
    heads = [call.get("q_num_heads"), call.get("kv_num_heads"), call.get("kv_num_heads")]
    q, k, v = (node.given(index).map(partial(_split_heads, heads=count)) for index, count in enumerate(heads))
    k, v = (part.map(lambda one: np.repeat(one, q.value.shape[1] // one.shape[1], axis=1)) for part in (k, v))
    scale = call.get("scale")
    root = arithmetic.constant(math.sqrt(1 / math.sqrt(q.value.shape[3]) if scale is None else scale))
    left, right = arithmetic.multiply(q, root), arithmetic.multiply(k, root)
    scores = arithmetic.products(left, right.map(lambda one: one.transpose(0, 1, 3, 2)))
    bias = _bias(call, q.value.shape[2], k.value.shape[2], 0, scores.value.dtype)
    with np.errstate(all="ignore"):
        value = scores.value + bias
        error = scores.error + arithmetic.u * (np.abs(value) + np.abs(scores.value))
    hidden = np.broadcast_to(np.isneginf(bias), value.shape)
    biased = Running(value, np.where(hidden, 0.0, error))
    probabilities = softmax(arithmetic, biased, (3,))
    blind = np.broadcast_to(hidden.all(axis=-1, keepdims=True), value.shape)
    # A query that may attend no key has zeros by the specification.
    probabilities = Running(
        np.where(blind, 0.0, probabilities.value), np.where(blind | hidden, 0.0, probabilities.error)
    )
    y = arithmetic.products(probabilities, v)
    if call.inputs[0].ndim == 3:
        y = y.map(lambda one: one.transpose(0, 2, 1, 3).reshape(one.shape[0], one.shape[2], -1))
    return [y, *nothing[1:]]


def _rotary_embedding(node: Node) -> Running:
    """Two products and one sum of a pair; of magnitudes the operator is no bound, since one product is subtracted."""
    arithmetic = node.arithmetic
    value = np.asarray(node.exact[0])
    x, cosines, sines = (np.abs(one) for one in node.call.inputs[:3])
    largest = np.maximum(np.max(cosines, initial=0.0), np.max(sines, initial=0.0))
    # A pair's partner lies somewhere in its own head: the row's largest element is at least as large.
    size = 2 * largest * np.max(x, axis=-1, keepdims=True)
    roundings = 2.0 + 2.0 * arithmetic.input_error_u
    with np.errstate(all="ignore"):
        error = np.where(size <= arithmetic.largest, roundings * arithmetic.u * size + 3 * arithmetic.smallest, np.inf)
    return Running(value, np.broadcast_to(error, value.shape))


RULES: Mapping[str, Rule] = {"Attention": _attention, "RotaryEmbedding": _rotary_embedding}
"""Rules by operator."""
