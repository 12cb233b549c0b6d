"""Fourier transforms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel, axis_of
from tautomer.numerics.onnx_evaluator.element_types import Array


def _as_complex(x: Array) -> Array:
    if x.shape[-1] == 1:
        return x[..., 0] + 0j
    if x.shape[-1] == 2:
        return np.asarray(x[..., 0] + 1j * x[..., 1])
    raise ValueError(f"the last dimension is {x.shape[-1]} where 1 (real) or 2 (complex) is needed")


def _as_pairs(x: Array) -> Array:
    return np.stack([x.real, x.imag], axis=-1)


def _dft(call: Call) -> Array:
    x, given = call.inputs[0], call.input(1)
    if call.opset < 20:
        axis = call.get("axis", 1)
    else:
        axis = -2 if call.input(2) is None else int(np.asarray(call.input(2)).reshape(()))
    axis = axis_of(axis, x.ndim)
    if axis == x.ndim - 1:
        raise ValueError("the last dimension holds the parts of complex numbers and is no signal axis")
    one_sided, inverse = bool(call.get("onesided", 0)), bool(call.get("inverse", 0))
    length = None if given is None else int(np.asarray(given).reshape(()))
    if one_sided and inverse:
        result = np.fft.irfft(_as_complex(x), n=length, axis=axis)[..., None]
    elif inverse:
        result = _as_pairs(np.fft.ifft(_as_complex(x), n=length, axis=axis))
    elif one_sided:
        if x.shape[-1] != 1:
            raise ValueError("a one-sided transform needs a real signal")
        result = _as_pairs(np.fft.rfft(x[..., 0], n=length, axis=axis))
    else:
        result = _as_pairs(np.fft.fft(_as_complex(x), n=length, axis=axis))
    return result.astype(x.dtype)


def _stft(call: Call) -> Array:
    signal, step, window, frame_length = call.inputs[0], call.inputs[1], call.input(2), call.input(3)
    hop = int(np.asarray(step).reshape(()))
    if frame_length is not None:
        length = int(np.asarray(frame_length).reshape(()))
    else:
        length = signal.shape[1] if window is None else window.shape[0]
    if window is not None and window.shape != (length,):
        raise ValueError(f"the window has shape {window.shape} for frames of {length}")
    real = signal.ndim == 2 or signal.shape[-1] == 1
    samples = signal.reshape(signal.shape[:2]) if real else _as_complex(signal)
    frames = np.lib.stride_tricks.sliding_window_view(samples, length, axis=1)[:, ::hop]
    if window is not None:
        frames = frames * window
    one_sided = bool(call.get("onesided", 1)) and real
    spectrum = np.fft.rfft(frames, axis=-1) if one_sided else np.fft.fft(frames, axis=-1)
    return _as_pairs(spectrum).astype(signal.dtype)


def _mel_weight_matrix(call: Call) -> Array:
    """Triangles between mel-spaced bins. Source: ONNX operator schema MelWeightMatrix-17."""
    bins, length, rate, low, high = (np.asarray(item).reshape(()).item() for item in call.inputs)
    spectrum = length // 2 + 1
    first, last = 2595 * np.log10(1 + low / 700), 2595 * np.log10(1 + high / 700)
    mel = first + np.arange(bins + 2) * (last - first) / (bins + 2)
    places = np.floor((length + 1) * (700 * (10 ** (mel / 2595) - 1)) / rate).astype(np.int64)
    matrix = np.zeros((spectrum, bins))
    for index in range(bins):
        lower, centre, upper = places[index : index + 3]
        if centre == lower:
            matrix[centre, index] = 1
        else:
            rising = np.arange(lower, centre + 1)
            matrix[rising, index] = (rising - lower) / (centre - lower)
        if upper > centre:
            falling = np.arange(centre, upper)
            matrix[falling, index] = (upper - falling) / (upper - centre)
    return matrix.astype(call.output_dtype())


KERNELS: Mapping[str, Kernel] = {"DFT": _dft, "MelWeightMatrix": _mel_weight_matrix, "STFT": _stft}
