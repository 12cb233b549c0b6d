"""Tensors as Python text that evaluates to the very same bits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.weak import WeakIdKeyDictionary

from tautomer.adapters.torch_programs.reduction.program import same_bits

LARGEST_LITERAL = 64
"""Elements up to which a tensor is written out; a person still reads that many."""

_SAME_SIZE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_KNOWN: Any = WeakIdKeyDictionary()


def literal(tensor: torch.Tensor) -> str | None:
    """Python that evaluates to exactly `tensor` with `torch` in scope, or None where it would be too long to read.

    It is remembered: the recorded tensors of a program never change, and most are those of the program before.
    """
    if tensor not in _KNOWN:
        _KNOWN[tensor] = _literal(tensor)
    text: str | None = _KNOWN[tensor]
    return text


def _literal(tensor: torch.Tensor) -> str | None:
    if tensor.layout is not torch.strided or tensor.is_quantized:
        return None
    for text in _spellings(tensor):
        if _evaluates_to(text, tensor):
            return text
    return None


def number(value: Any) -> str:
    """A Python number, with NaN and infinities as `torch` names them."""
    if isinstance(value, complex):
        return f"complex({number(value.real)}, {number(value.imag)})"
    if isinstance(value, float) and math.isnan(value):
        return "-torch.nan" if math.copysign(1.0, value) < 0 else "torch.nan"
    if isinstance(value, float) and math.isinf(value):
        return "torch.inf" if value > 0 else "-torch.inf"
    return repr(value)


def _spellings(tensor: torch.Tensor) -> Iterator[str]:
    plain = tensor.detach().cpu()
    shape, dtype = list(plain.shape), _dtype_argument(plain.dtype)
    size = ", ".join(map(str, shape)) or "()"
    if not plain.numel():
        yield f"torch.zeros({size}{dtype})"
        return
    first = plain.reshape(-1)[0]
    if plain.numel() > 1 and same_bits(plain.contiguous(), first.expand(shape).contiguous()):
        element = first.item() if _has_numbers(plain.dtype) else None
        if element is not None and element == 0:
            yield f"torch.zeros({size}{dtype})"
        if element is not None and element == 1:
            yield f"torch.ones({size}{dtype})"
        if element is not None:
            yield f"torch.full(({size},), {_element(element, plain.dtype)}{dtype})"
    if plain.dtype == torch.int64 and plain.dim() == 1 and plain.numel() > 3:
        yield f"torch.arange({plain.numel()})"
    if plain.numel() > LARGEST_LITERAL:
        return
    if _has_numbers(plain.dtype):
        nested = _nested(plain.to(torch.float64).tolist() if _is_narrow(plain.dtype) else plain.tolist(), plain.dtype)
        inferred = plain.dtype in (torch.float32, torch.int64, torch.bool)
        if inferred:
            yield f"torch.tensor({nested})"
        yield f"torch.tensor({nested}, dtype={plain.dtype})"
    stored = _SAME_SIZE.get(plain.element_size())
    if stored is not None:
        bits = plain.contiguous().view(stored).tolist()
        yield f"torch.tensor({bits}, dtype={stored}).view({plain.dtype})"


def _dtype_argument(dtype: torch.dtype) -> str:
    return "" if dtype == torch.float32 else f", dtype={dtype}"


def _has_numbers(dtype: torch.dtype) -> bool:
    return dtype not in (torch.complex32,)


def _is_narrow(dtype: torch.dtype) -> bool:
    return dtype.is_floating_point and dtype != torch.float64


def _nested(value: Any, dtype: torch.dtype) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_nested(one, dtype) for one in value) + "]"
    return _element(value, dtype)


def _element(value: Any, dtype: torch.dtype) -> str:
    """The shortest text of a number that its type rounds to it."""
    if dtype == torch.float32 and isinstance(value, float) and math.isfinite(value):
        short = str(np.float32(value))
        if np.float32(float(short)) == np.float32(value):
            return short
    if isinstance(value, float) and math.isfinite(value) and dtype in (torch.float16, torch.bfloat16):
        for digits in range(1, 8):
            short = repr(float(f"{value:.{digits}g}"))
            if torch.tensor(float(short), dtype=dtype).item() == value:
                return short
    return number(value)


def _evaluates_to(text: str, tensor: torch.Tensor) -> bool:
    try:
        return same_bits(eval(text, {"torch": torch}), tensor)  # our own text, made above
    except (RuntimeError, TypeError, ValueError, OverflowError, NotImplementedError):
        return False
