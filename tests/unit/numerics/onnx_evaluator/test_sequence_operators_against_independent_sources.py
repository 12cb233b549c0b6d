"""Attention, rotary embeddings and recurrent layers in float64 against torch and loops over single numbers."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from evaluated_node import evaluate, float32, random

_RTOL, _ATOL = 1e-12, 1e-13
_FLOAT = int(onnx.TensorProto.FLOAT)


def _t(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _same(found: np.ndarray, expected: Any) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=_RTOL, atol=_ATOL)


# --- attention, one query at a time


def _attended(
    query: np.ndarray, keys: np.ndarray, values: np.ndarray, bias: list[float], scale: float, softcap: float
) -> tuple[np.ndarray, list[list[float]]]:
    """One query's answer, and its scores: raw, capped, with the bias, and as probabilities."""
    raw = [math.fsum(query * key) * scale for key in keys]
    capped = [softcap * math.tanh(score / softcap) for score in raw] if softcap else raw
    biased = [score + extra for score, extra in zip(capped, bias, strict=True)]
    peak = max(biased)
    powers = [0.0 if extra == -math.inf else math.exp(score - peak) for score, extra in zip(biased, bias, strict=True)]
    total = math.fsum(powers)
    weights = [power / total if total else 0.0 for power in powers]
    return np.array([math.fsum(w * v for w, v in zip(weights, column, strict=True)) for column in values.T]), [
        raw, capped, biased, weights,
    ]  # fmt: skip


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("causal", "mask", "softcap", "past", "scale"),
    [
        (0, None, 0.0, 0, None),
        (1, None, 0.0, 3, 0.3),
        (1, "bool", 2.0, 0, None),
        (0, "float", 0.5, 2, None),
        (0, "empty", 0.0, 0, None),
        (1, "float", 0.0, 0, 0.7),
    ],
)
def test_attention_is_a_loop_over_queries(
    causal: int, mask: str | None, softcap: float, past: int, scale: float | None, mode: int
) -> None:
    q, k, v = random(2, 4, 3, 6), random(2, 2, 5, 6, seed=1), random(2, 2, 5, 4, seed=2)
    old_k, old_v = random(2, 2, past, 6, seed=3), random(2, 2, past, 4, seed=4)
    total = past + 5
    masks: dict[str | None, Any] = {
        None: None,
        "bool": random(3, total, seed=5) > -0.5,
        "float": np.where(random(2, 1, 3, total, seed=6) > 1, -np.inf, random(2, 1, 3, total, seed=7)),
        "empty": np.zeros((1, 1, 3, total), np.bool_),
    }
    given = masks[mask]
    settings: dict[str, Any] = {"is_causal": causal, "softcap": softcap, "qk_matmul_output_mode": mode}
    if scale is not None:
        settings["scale"] = scale
    state = (old_k, old_v) if past else (None, None)
    found = evaluate("Attention", q, k, v, given, *state, opset=23, outputs=4, **settings)
    keys, values = np.concatenate([old_k, k], 2), np.concatenate([old_v, v], 2)
    factor = 1 / math.sqrt(6) if scale is None else float32(scale)
    additive = np.zeros((2, 4, 3, total))
    if given is not None:
        additive = additive + (np.where(given, 0.0, -np.inf) if given.dtype == np.bool_ else given)
    if causal:
        row, column = np.indices((3, total))
        additive = np.where(column > row + past, -np.inf, additive)
    expected, scores = np.empty((2, 4, 3, 4)), np.empty((2, 4, 3, total))
    for n, h, i in np.ndindex(2, 4, 3):
        answer, exposed = _attended(
            q[n, h, i], keys[n, h // 2], values[n, h // 2], additive[n, h, i].tolist(), factor, float32(softcap)
        )
        expected[n, h, i], scores[n, h, i] = answer, exposed[mode]
    _same(found[0], expected)
    assert np.array_equal(found[1], keys)
    assert np.array_equal(found[2], values)
    _same(found[3], scores)


def test_attention_of_packed_heads_is_that_of_split_ones() -> None:
    q, k, v = random(2, 3, 4 * 6), random(2, 5, 2 * 6, seed=1), random(2, 5, 2 * 7, seed=2)
    heads = {"q_num_heads": 4, "kv_num_heads": 2}

    def split(x: np.ndarray, count: int) -> np.ndarray:
        return np.stack(np.split(x, count, axis=-1), axis=1)

    whole = evaluate("Attention", split(q, 4), split(k, 2), split(v, 2), opset=23)
    _same(evaluate("Attention", q, k, v, opset=23, **heads), np.concatenate(list(whole.transpose(1, 0, 2, 3)), axis=-1))
    assert evaluate("Attention", q[:0], k[:0], v[:0], opset=23, **heads).shape == (0, 3, 28)


@pytest.mark.parametrize("causal", [0, 1])
def test_attention_to_an_external_cache_ends_at_its_valid_keys(causal: int) -> None:
    q, k, v = random(3, 1, 3, 4), random(3, 1, 6, 4, seed=1), random(3, 1, 6, 5, seed=2)
    valid = np.array([6, 3, 2])
    found = evaluate("Attention", q, k, v, None, None, None, valid, opset=24, is_causal=causal)
    for n, i in np.ndindex(3, 3):
        seen = int(valid[n]) if not causal else i + int(valid[n]) - 3 + 1
        bias = [0.0 if j < min(seen, int(valid[n])) else -math.inf for j in range(6)]
        answer, _ = _attended(q[n, 0, i], k[n, 0], v[n, 0], bias, 0.5, 0.0)
        _same(found[n, 0, i], answer)


@pytest.mark.parametrize(("left", "right", "causal"), [(1, -1, 0), (-1, 0, 0), (2, 1, 0), (1, 3, 1), (0, 0, 0)])
def test_a_sliding_window_bounds_what_a_query_sees_on_either_side(left: int, right: int, causal: int) -> None:
    q, k, v = random(1, 1, 3, 4), random(1, 1, 4, 4, seed=1), random(1, 1, 4, 2, seed=2)
    old_k, old_v = random(1, 1, 2, 4, seed=3), random(1, 1, 2, 2, seed=4)
    settings = {"left_window_size": left, "right_window_size": right, "is_causal": causal}
    found = evaluate("Attention", q, k, v, None, old_k, old_v, opset=25, outputs=3, **settings)[0]
    keys, values = np.concatenate([old_k, k], 2)[0, 0], np.concatenate([old_v, v], 2)[0, 0]
    for i in range(3):
        place = i + 2
        seen = [
            (left < 0 or j >= place - left) and (right < 0 or j <= place + right) and (not causal or j <= place)
            for j in range(6)
        ]
        answer, _ = _attended(q[0, 0, i], keys, values, [0.0 if one else -math.inf for one in seen], 0.5, 0.0)
        _same(found[0, 0, i], answer)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize(("size", "partial"), [(8, 0), (8, 4)])
@pytest.mark.parametrize("packed", [False, True])
def test_rotary_embeddings_multiply_complex_numbers(interleaved: int, size: int, partial: int, packed: bool) -> None:
    x, rotated = random(2, 3, 5, size), partial or size
    angles = random(9, rotated // 2, seed=1) * 3
    positions = np.random.default_rng(2).integers(0, 9, (2, 5))
    expected = x.copy()
    for n, h, s, pair in np.ndindex(2, 3, 5, rotated // 2):
        places = (2 * pair, 2 * pair + 1) if interleaved else (pair, pair + rotated // 2)
        turned = complex(*x[n, h, s, list(places)]) * cmath.exp(1j * angles[positions[n, s], pair])
        expected[n, h, s, places[0]], expected[n, h, s, places[1]] = turned.real, turned.imag
    settings: dict[str, Any] = {"declared": _FLOAT, "interleaved": interleaved, "rotary_embedding_dim": partial}
    if packed:
        settings["num_heads"] = 3
        x = x.transpose(0, 2, 1, 3).reshape(2, 5, -1)
        expected = expected.transpose(0, 2, 1, 3).reshape(2, 5, -1)
    _same(evaluate("RotaryEmbedding", x, np.cos(angles), np.sin(angles), positions, opset=23, **settings), expected)
    cosines, sines = np.cos(angles)[positions], np.sin(angles)[positions]
    _same(evaluate("RotaryEmbedding", x, cosines, sines, opset=23, **settings), expected)


# --- recurrent layers, one number at a time


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


_ACTIVATIONS: dict[str, tuple[Callable[[float, float, float], float], float, float]] = {
    "Affine": (lambda x, a, b: a * x + b, 0.6, 0.1),
    "Elu": (lambda x, a, b: x if x >= 0 else a * (math.exp(x) - 1), 0.7, 0.0),
    "HardSigmoid": (lambda x, a, b: max(0.0, min(1.0, a * x + b)), 0.3, 0.4),
    "LeakyRelu": (lambda x, a, b: x if x >= 0 else a * x, 0.2, 0.0),
    "Relu": (lambda x, a, b: max(x, 0.0), 0.0, 0.0),
    "ScaledTanh": (lambda x, a, b: a * math.tanh(b * x), 0.8, 1.3),
    "Sigmoid": (lambda x, a, b: _logistic(x), 0.0, 0.0),
    "Softplus": (lambda x, a, b: math.log(1 + math.exp(x)), 0.0, 0.0),
    "Softsign": (lambda x, a, b: x / (1 + abs(x)), 0.0, 0.0),
    "Tanh": (lambda x, a, b: math.tanh(x), 0.0, 0.0),
    "ThresholdedRelu": (lambda x, a, b: x if x >= a else 0.0, 0.3, 0.0),
}
_WITH_ALPHA = ("Affine", "Elu", "HardSigmoid", "LeakyRelu", "ScaledTanh", "ThresholdedRelu")
_WITH_BETA = ("Affine", "HardSigmoid", "ScaledTanh")


def _function(name: str) -> Callable[[float], float]:
    function, alpha, beta = _ACTIVATIONS[name]
    return lambda x: function(x, float32(alpha), float32(beta))


def _affine(w: np.ndarray, x: list[float], r: np.ndarray, h: list[float], unit: int) -> float:
    return math.fsum(w[unit] * x) + math.fsum(r[unit] * h)


def _step(
    kind: str,
    x: list[float],
    h: list[float],
    c: list[float],
    parts: dict[str, np.ndarray],
    f: list[Any],
    options: dict[str, Any],
) -> tuple[list[float], list[float]]:
    """One step of one sequence as the equations of the operator's schema have it."""
    size = len(h)
    w, r = (np.split(parts[name], len(parts[name]) // size) for name in ("w", "r"))
    wb, rb = np.split(parts["b"].reshape(2, -1), parts["b"].size // 2 // size, axis=1), None
    wb, rb = [part[0] for part in wb], [part[1] for part in wb]
    peep = np.split(parts["p"], 3)
    limit = options.get("clip")

    def cut(value: float) -> float:
        return value if limit is None else max(-float32(limit), min(float32(limit), value))

    units = range(size)
    if kind == "RNN":
        return [f[0](cut(_affine(w[0], x, r[0], h, j) + wb[0][j] + rb[0][j])) for j in units], c
    if kind == "GRU":
        z, reset = ([f[0](cut(_affine(w[g], x, r[g], h, j) + wb[g][j] + rb[g][j])) for j in units] for g in (0, 1))
        new = []
        for j in units:
            if options.get("linear_before_reset"):
                inner = reset[j] * (math.fsum(r[2][j] * h) + rb[2][j]) + wb[2][j]
            else:
                inner = math.fsum(r[2][j] * (np.array(reset) * h)) + rb[2][j] + wb[2][j]
            candidate = f[1](cut(math.fsum(w[2][j] * x) + inner))
            new.append((1 - z[j]) * candidate + z[j] * h[j])
        return new, c
    hidden, cell = [], []
    for j in units:
        i, o, forget, g = (_affine(w[gate], x, r[gate], h, j) + wb[gate][j] + rb[gate][j] for gate in range(4))
        i_gate = f[0](cut(i + peep[0][j] * c[j]))
        f_gate = 1 - i_gate if options.get("input_forget") else f[0](cut(forget + peep[2][j] * c[j]))
        cell.append(f_gate * c[j] + i_gate * f[1](cut(g)))
        hidden.append(f[0](cut(o + peep[1][j] * cell[-1])) * f[2](cell[-1]))
    return hidden, cell


_LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("GRU", {"linear_before_reset": 0}),
    ("GRU", {"linear_before_reset": 1, "clip": 0.4}),
    ("GRU", {"activations": ["HardSigmoid", "ScaledTanh"] * 2}),
    ("LSTM", {}),
    ("LSTM", {"clip": 0.4, "layout": 1}),
    ("LSTM", {"input_forget": 1}),
    ("LSTM", {"activations": ["Sigmoid", "Softsign", "Affine"] * 2}),
    ("RNN", {"clip": 0.5}),
    *(("RNN", {"activations": [name] * 2}) for name in sorted(_ACTIVATIONS)),
]


@pytest.mark.parametrize(("kind", "options"), _LAYERS)
def test_recurrent_layers_are_their_equations_with_states_lengths_and_peepholes(
    kind: str, options: dict[str, Any]
) -> None:
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[kind]
    steps, batch, inputs, size = 4, 3, 2, 3
    x, w, r = (
        random(steps, batch, inputs),
        random(2, gates * size, inputs, seed=1),
        random(2, gates * size, size, seed=2),
    )
    b, h0, c0 = random(2, 2 * gates * size, seed=3), random(2, batch, size, seed=4), random(2, batch, size, seed=5)
    p, lengths = random(2, 3 * size, seed=6), np.array([4, 2, 1], np.int32)
    names = options.get(
        "activations", {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}[kind] * 2
    )
    settings: dict[str, Any] = {"hidden_size": size, "direction": "bidirectional", "activations": names, **options}
    alphas = [_ACTIVATIONS[name][1] for name in names if name in _WITH_ALPHA]
    betas = [_ACTIVATIONS[name][2] for name in names if name in _WITH_BETA]
    settings.update({"activation_alpha": alphas} if alphas else {}, **({"activation_beta": betas} if betas else {}))
    by_batch = bool(options.get("layout"))
    swap = (lambda array: array.swapaxes(0, 1)) if by_batch else (lambda array: array)
    given = [swap(x), w, r, b, lengths, swap(h0), *((swap(c0), p) if kind == "LSTM" else ())]
    found = evaluate(kind, *given, opset=14, outputs=3 if kind == "LSTM" else 2, **settings)
    y, last_h, last_c = np.zeros((steps, 2, batch, size)), np.empty((2, batch, size)), np.empty((2, batch, size))
    for way, n in np.ndindex(2, batch):
        parts = {"w": w[way], "r": r[way], "b": b[way], "p": p[way]}
        h, c = h0[way, n].tolist(), c0[way, n].tolist()
        f = [_function(name) for name in names[way * len(names) // 2 :]]
        order = range(int(lengths[n]))
        for t in reversed(order) if way else order:
            h, c = _step(kind, x[t, n].tolist(), h, c, parts, f, options)
            y[t, way, n] = h
        last_h[way, n], last_c[way, n] = h, c
    _same(found[0], y.transpose(2, 0, 1, 3) if by_batch else y)
    for state, expected in zip(found[1:], (last_h, last_c), strict=False):
        _same(state, swap(expected))


# --- operators of opset 27


@pytest.mark.parametrize("activation", ["none", "silu"])
@pytest.mark.parametrize("stateful", [False, True])
def test_causal_convolutions_see_the_past_and_hand_it_on(activation: str, stateful: bool) -> None:
    x, w, b = random(2, 3, 5), random(3, 1, 4, seed=1), random(3, seed=2)
    past = random(2, 3, 3, seed=3) if stateful else np.zeros((2, 3, 3))
    whole = np.concatenate([past, x], axis=2)
    expected = torch.nn.functional.conv1d(_t(whole), _t(w), _t(b), groups=3)
    expected = torch.nn.functional.silu(expected) if activation == "silu" else expected
    given = (x, w, b, past) if stateful else (x, w, b)
    found = evaluate("CausalConvWithState", *given, opset=27, outputs=2, declared=_FLOAT, activation=activation)
    _same(found[0], expected)
    _same(found[1], whole[:, :, -3:])


@pytest.mark.parametrize("rule", ["linear", "gated", "delta", "gated_delta"])
def test_linear_attention_is_its_recurrence(rule: str) -> None:
    batch, steps, heads, shared, keys, values = 2, 4, 4, 2, 3, 5
    q, k = random(batch, steps, heads * keys), random(batch, steps, shared * keys, seed=1)
    v, state = random(batch, steps, shared * values, seed=2), random(batch, shared, keys, values, seed=3)
    decay, beta = -np.abs(random(batch, steps, shared, seed=4)), np.abs(random(batch, steps, shared, seed=5))
    gates = decay if "gated" in rule else None
    rates = beta if "delta" in rule else None
    settings: dict[str, Any] = {"q_num_heads": heads, "kv_num_heads": shared, "update_rule": rule, "scale": 0.5}
    found = evaluate("LinearAttention", q, k, v, state, gates, rates, opset=27, outputs=2, declared=_FLOAT, **settings)
    expected, memory = np.empty((batch, steps, heads * values)), state.copy()
    for n, t in np.ndindex(batch, steps):
        for g in range(shared):
            key, value = k[n, t, g * keys : (g + 1) * keys], v[n, t, g * values : (g + 1) * values]
            kept = memory[n, g] * (math.exp(decay[n, t, g]) if gates is not None else 1.0)
            change = beta[n, t, g] * (value - kept.T @ key) if rates is not None else value
            memory[n, g] = kept + key[:, None] * change[None]
            for h in range(g * heads // shared, (g + 1) * heads // shared):
                expected[n, t, h * values : (h + 1) * values] = 0.5 * (
                    q[n, t, h * keys : (h + 1) * keys] @ memory[n, g]
                )
    _same(found[0], expected)
    _same(found[1], memory)
