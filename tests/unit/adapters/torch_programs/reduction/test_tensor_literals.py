"""Tensors as text: what is read back has the very bits that were written."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tautomer.adapters.torch_programs.reduction.literals import LARGEST_LITERAL, literal
from tautomer.adapters.torch_programs.reduction.program import same_bits

pytestmark = pytest.mark.needs("torch")

DTYPES = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.int64,
    torch.int32, torch.uint8, torch.int8, torch.int16, torch.bool, torch.complex64, torch.complex128,
)  # fmt: skip
SHAPES = ((), (1,), (3,), (2, 3), (1, 2, 2))


def read_back(tensor):
    text = literal(tensor)
    assert text is not None
    return eval(text, {"torch": torch})


@given(st.sampled_from(DTYPES), st.sampled_from(SHAPES), st.binary(min_size=128, max_size=128))
def test_any_bits_of_any_type_are_read_back(dtype, shape, raw):
    count = torch.Size(shape).numel()
    stored = torch.frombuffer(bytearray(raw), dtype=torch.uint8)
    if dtype == torch.bool:
        stored = stored % 2
    tensor = stored[: count * dtype.itemsize].clone().view(dtype).reshape(shape)
    assert same_bits(read_back(tensor), tensor)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(0,), (2, 0, 3)])
def test_empty_tensors_keep_type_and_shape(dtype, shape):
    assert same_bits(read_back(torch.empty(shape, dtype=dtype)), torch.empty(shape, dtype=dtype))


def test_special_numbers_are_written_as_a_person_writes_them():
    values = torch.tensor([float("nan"), float("inf"), float("-inf"), -0.0])
    assert literal(values) == "torch.tensor([torch.nan, torch.inf, -torch.inf, -0.0])"


def test_a_float32_is_written_with_the_fewest_digits():
    assert literal(torch.tensor([0.1, 3.0])) == "torch.tensor([0.1, 3.0])"


def test_a_tensor_too_large_to_read_is_not_written_out():
    assert literal(torch.randn(LARGEST_LITERAL + 1)) is None
