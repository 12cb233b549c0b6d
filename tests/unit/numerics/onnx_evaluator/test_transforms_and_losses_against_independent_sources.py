"""Fourier transforms, windows, mel filters and losses in float64 against mpmath and torch."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import onnx
import pytest
import torch
from evaluated_node import evaluate, random

_RTOL, _ATOL = 1e-12, 1e-13


def _t(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _same(found: np.ndarray, expected: Any) -> None:
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=_RTOL, atol=_ATOL)


# --- transforms


def _transform(signal: list[complex], length: int, *, inverse: bool) -> list[complex]:
    padded = [*signal[:length], *[0j] * (length - len(signal))]
    sign = 1 if inverse else -1
    with mpmath.workdps(30):
        turns = [mpmath.expjpi(mpmath.mpf(2 * sign * n) / length) for n in range(length)]
        sums = [mpmath.fsum(v * turns[n * k % length] for n, v in enumerate(padded)) for k in range(length)]
        return [complex(total / length if inverse else total) for total in sums]


@pytest.mark.parametrize("length", [None, 4, 9])
@pytest.mark.parametrize(("inverse", "parts", "onesided"), [(0, 1, 0), (0, 1, 1), (0, 2, 0), (1, 2, 0), (1, 1, 0)])
def test_fourier_transforms_are_their_sums(length: int | None, inverse: int, parts: int, onesided: int) -> None:
    x = random(2, 6, 3, parts)
    size = length or 6
    given = None if length is None else np.array(length)
    found = evaluate("DFT", x, given, np.array(1), opset=20, inverse=inverse, onesided=onesided)
    signal = x[..., 0] + (1j * x[..., 1] if parts == 2 else 0)
    expected = np.array([
        [_transform(signal[n, :, k].tolist(), size, inverse=bool(inverse)) for k in range(3)] for n in range(2)
    ]).swapaxes(1, 2)  # fmt: skip
    expected = expected[:, : size // 2 + 1] if onesided else expected
    _same(found, np.stack([expected.real, expected.imag], -1))
    _same(evaluate("DFT", x, given, opset=17, axis=1, inverse=inverse, onesided=onesided), found)


@pytest.mark.parametrize("length", [6, 7])
def test_the_one_sided_inverse_transform_returns_the_real_signal(length: int) -> None:
    x = random(2, length, 1)
    spectrum = evaluate("DFT", x, None, np.array(1), opset=20, onesided=1)
    _same(evaluate("DFT", spectrum, np.array(length), np.array(1), opset=20, onesided=1, inverse=1), x)


@pytest.mark.parametrize("onesided", [0, 1])
def test_short_time_transforms_are_torchs(onesided: int) -> None:
    x, window = random(2, 20), random(6, seed=1)
    expected = torch.stft(
        _t(x), 6, 3, 6, _t(window), center=False, onesided=bool(onesided), return_complex=True
    ).transpose(1, 2)  # fmt: skip
    found = evaluate("STFT", x[..., None], np.array(3), window, opset=17, onesided=onesided)
    _same(found, torch.view_as_real(expected))
    bare = torch.stft(_t(x), 5, 4, 5, torch.ones(5), center=False, onesided=True, return_complex=True).transpose(1, 2)
    _same(evaluate("STFT", x[..., None], np.array(4), None, np.array(5), opset=17), torch.view_as_real(bare))


@pytest.mark.parametrize("periodic", [0, 1])
def test_windows_are_their_cosine_sums(periodic: int) -> None:
    size = 11
    coefficients = {
        "HannWindow": ["1/2", "1/2"],
        "HammingWindow": ["25/46", "21/46"],
        "BlackmanWindow": ["0.42", "0.5", "0.08"],
    }
    for op_type, weights in coefficients.items():
        exact = [mpmath.mpf(mpmath.mpmathify(w)) for w in weights]
        points = [
            mpmath.fsum(
                (-1) ** order * a * mpmath.cospi(mpmath.mpf(2 * order * n) / (size if periodic else size - 1))
                for order, a in enumerate(exact)
            )
            for n in range(size)
        ]
        found = evaluate(op_type, np.array(size), opset=17, periodic=periodic, output_datatype=onnx.TensorProto.DOUBLE)
        _same(found, [float(point) for point in points])
    hann = torch.hann_window(size, periodic=bool(periodic), dtype=torch.float64)
    _same(
        evaluate("HannWindow", np.array(size), opset=17, periodic=periodic, output_datatype=onnx.TensorProto.DOUBLE),
        hann,
    )


@pytest.mark.parametrize("op_type", ["HannWindow", "HammingWindow", "BlackmanWindow"])
def test_windows_of_no_and_of_one_element(op_type: str) -> None:
    assert evaluate(op_type, np.array(0), opset=17).shape == (0,)
    # Symmetric, its formula divides zero by zero.
    assert np.isnan(evaluate(op_type, np.array(1), opset=17, periodic=0)).all()
    assert abs(evaluate(op_type, np.array(1), opset=17)[0]) < 0.1


def test_mel_filters_are_triangles_between_mel_spaced_bins() -> None:
    bins, length, rate, low, high = 6, 64, 8000, 100.0, 3500.0
    given = [np.array(bins), np.array(length), np.array(rate), np.array(low), np.array(high)]
    found = evaluate("MelWeightMatrix", *given, opset=17, output_datatype=onnx.TensorProto.DOUBLE)
    with mpmath.workdps(30):
        first, last = (2595 * mpmath.log10(1 + mpmath.mpf(f) / 700) for f in (low, high))
        mels = [first + n * (last - first) / (bins + 2) for n in range(bins + 2)]
        places = [int(mpmath.floor((length + 1) * 700 * (10 ** (mel / 2595) - 1) / rate)) for mel in mels]
    expected = np.zeros((length // 2 + 1, bins))
    for column, (left, peak, right) in enumerate(zip(places, places[1:], places[2:], strict=False)):
        expected[peak, column] = 1
        for row in range(left, right):
            expected[row, column] = (row - left) / (peak - left) if row < peak else (right - row) / (right - peak)
    _same(found, expected)


# --- losses


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ignored", [None, 1, -7])
@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 2, 3)])
def test_losses_are_torchs(reduction: str, weighted: bool, ignored: int | None, shape: tuple[int, ...]) -> None:
    scores = random(*shape) * 5
    target = np.random.default_rng(1).integers(0, shape[1], (shape[0], *shape[2:]))
    if ignored is not None and ignored < 0:
        target.reshape(-1)[::3] = ignored
    weights = np.abs(random(shape[1], seed=2)) if weighted else None
    settings: dict[str, Any] = {"reduction": reduction, **({} if ignored is None else {"ignore_index": ignored})}
    functional = torch.nn.functional
    options: dict[str, Any] = {
        "weight": None if weights is None else _t(weights),
        "ignore_index": -100 if ignored is None else ignored,
        "reduction": reduction,
    }
    logs = torch.log_softmax(_t(scores), 1)
    expected = functional.nll_loss(logs, _t(target), **options)
    _same(evaluate("NegativeLogLikelihoodLoss", logs.numpy(), target, weights, opset=22, **settings), expected)
    found = evaluate("SoftmaxCrossEntropyLoss", scores, target, weights, opset=13, outputs=2, **settings)
    _same(found[0], functional.cross_entropy(_t(scores), _t(target), **options))
    _same(found[1], logs)
