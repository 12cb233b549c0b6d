"""Attention and rotary embeddings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import Array

_CAPPED, _WITH_BIAS, _PROBABILITIES = 1, 2, 3


def _split_heads(x: Array, heads: int | None) -> Array:
    if x.ndim == 4:
        return x
    if not heads or x.shape[2] % heads:
        raise ValueError(f"an input of shape {x.shape} does not split into {heads} heads")
    return x.reshape(x.shape[0], x.shape[1], heads, x.shape[2] // heads).transpose(0, 2, 1, 3)


def _padded_mask(mask: Array, total: int) -> Array:
    missing = total - mask.shape[-1]
    if missing <= 0:
        return mask
    fill = False if mask.dtype == np.bool_ else -np.inf
    return np.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, missing)], constant_values=fill)


def _bias(call: Call, queries: int, total: int, past: int, dtype: np.dtype[Any]) -> Array:
    """What is added to the scores: 0 where a query attends a key, -inf where not. Source: ONNX schema Attention-25."""
    mask, valid = call.input(3), call.input(6)
    bias = np.zeros((1, 1, queries, total), dtype=dtype)
    if mask is not None:
        mask = _padded_mask(mask, total)
        bias = bias + (np.where(mask, 0, -np.inf).astype(dtype) if mask.dtype == np.bool_ else mask)
    if valid is not None and not past:
        offset = valid.reshape(-1, 1, 1, 1).astype(np.int64) - queries
    else:
        offset = np.full((1, 1, 1, 1), past, dtype=np.int64)
    row = np.arange(queries).reshape(1, 1, -1, 1) + offset
    column = np.arange(total).reshape(1, 1, 1, -1)
    hidden = np.zeros(np.broadcast_shapes(row.shape, column.shape), dtype=np.bool_)
    if call.get("is_causal", 0):
        hidden |= column > row
    left, right = call.get("left_window_size", -1), call.get("right_window_size", -1)
    if left >= 0:
        hidden |= column < row - left
    if right >= 0:
        hidden |= column > row + right
    if valid is not None:
        hidden = hidden | (column >= valid.reshape(-1, 1, 1, 1))
    return np.where(hidden, dtype.type(-np.inf), bias)


def _masked_softmax(scores: Array, bias: Array) -> Array:
    """Probabilities along the last axis; all zero for a query that may attend no key."""
    blind = np.isneginf(np.max(bias, axis=-1, keepdims=True, initial=-np.inf))
    peak = np.max(scores, axis=-1, keepdims=True, initial=-np.inf)
    powers = np.exp(scores - np.where(np.isneginf(peak), 0, peak))
    total = powers.sum(axis=-1, keepdims=True)
    return np.asarray(np.where(blind, scores.dtype.type(0), powers / total))


def _attention(call: Call) -> tuple[Array, Array, Array, Array]:
    q = _split_heads(call.inputs[0], call.get("q_num_heads"))
    k = _split_heads(call.inputs[1], call.get("kv_num_heads"))
    v = _split_heads(call.inputs[2], call.get("kv_num_heads"))
    past_key, past_value = call.input(4), call.input(5)
    past = 0
    if past_key is not None:
        past = past_key.shape[2]
        k = np.concatenate([past_key, k], axis=2)
    if past_value is not None:
        v = np.concatenate([past_value, v], axis=2)
    present_key, present_value = k, v
    if q.shape[1] % k.shape[1] or q.shape[1] % v.shape[1]:
        raise ValueError(f"{q.shape[1]} query heads do not share {k.shape[1]} key and {v.shape[1]} value heads")
    k = np.repeat(k, q.shape[1] // k.shape[1], axis=1)
    v = np.repeat(v, q.shape[1] // v.shape[1], axis=1)
    scale = call.get("scale")
    root = math.sqrt(1 / math.sqrt(q.shape[3]) if scale is None else scale)
    factor = q.dtype.type(root)
    scores = np.matmul(q * factor, k.transpose(0, 1, 3, 2) * factor)
    bias = _bias(call, q.shape[2], k.shape[2], past, scores.dtype)
    exposed = scores
    softcap = call.get("softcap", 0.0)
    if softcap > 0:
        cap = scores.dtype.type(softcap)
        scores = cap * np.tanh(scores / cap)
    mode = call.get("qk_matmul_output_mode", 0)
    if mode == _CAPPED:
        exposed = scores
    biased = scores + bias
    if mode == _WITH_BIAS:
        exposed = biased
    probabilities = _masked_softmax(biased, bias)
    if mode == _PROBABILITIES:
        exposed = probabilities
    y = np.matmul(probabilities, v)
    if call.inputs[0].ndim == 3:
        y = y.transpose(0, 2, 1, 3).reshape(y.shape[0], y.shape[2], y.shape[1] * y.shape[3])
    return y, present_key, present_value, exposed


def _rotary_embedding(call: Call) -> Array:
    x, cosines, sines, positions = call.inputs[0], call.inputs[1], call.inputs[2], call.input(3)
    heads_first = _split_heads(x, call.get("num_heads"))
    size = heads_first.shape[3]
    rotated = call.get("rotary_embedding_dim", 0) or size
    if positions is not None:
        cosines, sines = cosines[positions], sines[positions]
    if cosines.shape[-1] != rotated // 2 or sines.shape[-1] != rotated // 2:
        raise ValueError(f"caches of width {cosines.shape[-1]} and {sines.shape[-1]} for a rotation of {rotated}")
    cosines, sines = cosines[:, None], sines[:, None]
    part, rest = heads_first[..., :rotated], heads_first[..., rotated:]
    if call.get("interleaved", 0):
        real, imaginary = part[..., 0::2], part[..., 1::2]
    else:
        real, imaginary = part[..., : rotated // 2], part[..., rotated // 2 :]
    turned = (cosines * real - sines * imaginary, sines * real + cosines * imaginary)
    if call.get("interleaved", 0):
        joined = np.stack(turned, axis=-1).reshape(part.shape)
    else:
        joined = np.concatenate(turned, axis=-1)
    result = np.concatenate([joined, rest], axis=-1)
    if x.ndim == 3:
        return np.asarray(result.transpose(0, 2, 1, 3).reshape(x.shape))
    return np.asarray(result)


KERNELS: Mapping[str, Kernel] = {"Attention": _attention, "RotaryEmbedding": _rotary_embedding}
