"""Quantization in float64, against PyTorch's own kernels where these are exact, and on both sides of ties."""

from __future__ import annotations

import pytest
import torch
import torch.ao.quantization.fx._decomposed

from tautomer.adapters.torch_programs.quantization import (
    COMPUTED_HERE,
    lifted_quantization,
    turn_of_quantization,
)

A, Q = torch.ops.aten, torch.ops.quantized_decomposed
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(4, 6, 5, generator=GENERATOR) * 3
SCALES = torch.tensor([0.01, 0.02, 0.5, 0.125, 1.0, 0.03])
ZEROS = torch.tensor([0, 3, -2, 7, 1, 0], dtype=torch.int32)


def lifted(target, *args, **kwargs):
    wide = [one.double() if isinstance(one, torch.Tensor) and one.is_floating_point() else one for one in args]
    return lifted_quantization(target, wide, kwargs)


def close(given, expected):
    torch.testing.assert_close(given, expected.double(), rtol=2.0**-22, atol=0.0)


@pytest.mark.parametrize("zero", [0, 3, -5])
def test_fake_quantization_of_a_tensor_is_that_of_pytorch(zero):
    target = A.fake_quantize_per_tensor_affine.default
    close(lifted(target, X, 0.013, zero, -128, 127), target(X, 0.013, zero, -128, 127))
    tensors = A.fake_quantize_per_tensor_affine.tensor_qparams
    given = (X, torch.tensor(0.013), torch.tensor(zero, dtype=torch.int32), -128, 127)
    close(lifted(tensors, *given), tensors(*given))


def test_fake_quantization_of_channels_is_that_of_pytorch():
    target = A.fake_quantize_per_channel_affine.default
    close(lifted(target, X, SCALES, ZEROS, 1, -128, 127), target(X, SCALES, ZEROS, 1, -128, 127))


def test_masks_tell_what_was_not_clamped():
    one = A.fake_quantize_per_tensor_affine_cachemask.default
    fake, mask = lifted(one, X, 0.013, 3, -128, 127)
    expected_fake, expected_mask = one(X, 0.013, 3, -128, 127)
    close(fake, expected_fake)
    assert torch.equal(mask, expected_mask)
    assert 0 < mask.float().mean() < 1
    other = A.fake_quantize_per_channel_affine_cachemask.default
    fake, mask = lifted(other, X, SCALES, ZEROS, 1, -128, 127)
    expected_fake, expected_mask = other(X, SCALES, ZEROS, 1, -128, 127)
    close(fake, expected_fake)
    assert torch.equal(mask, expected_mask)


@pytest.mark.parametrize("enabled", [0, 1])
def test_fake_quantization_can_be_switched_off(enabled):
    target = A._fake_quantize_per_tensor_affine_cachemask_tensor_qparams.default
    given = (torch.tensor(0.013), torch.tensor(3, dtype=torch.int32), torch.tensor([enabled]), -128, 127)
    close(lifted(target, X, *given)[0], target(X, *given)[0])


def test_decomposed_quantization_gives_the_same_integers_and_values():
    tensor = (0.013, 3, 0, 255, torch.uint8)
    q = lifted(Q.quantize_per_tensor.default, X, *tensor)
    assert torch.equal(q, Q.quantize_per_tensor(X, *tensor))
    close(lifted(Q.dequantize_per_tensor.default, q, *tensor), Q.dequantize_per_tensor(q, *tensor))
    channels = (SCALES, ZEROS, 1, -128, 127, torch.int8)
    q = lifted(Q.quantize_per_channel.default, X, *channels)
    assert torch.equal(q, Q.quantize_per_channel(X, *channels))
    close(lifted(Q.dequantize_per_channel.default, q, *channels), Q.dequantize_per_channel(q, *channels))
    without = (SCALES, None, 1, -128, 127, torch.int8)
    close(lifted(Q.dequantize_per_channel.default, q, *without), Q.dequantize_per_channel(q, *without))


def test_values_are_exact_where_pytorch_rounds_them_to_float32():
    target = A.fake_quantize_per_tensor_affine.default
    given = torch.tensor([0.013 * 101])
    scale = float(torch.tensor(0.013))
    assert lifted(target, given, 0.013, 0, -128, 127).item() == 101 * scale
    assert target(given.double(), 0.013, 0, -128, 127).item() != 101 * scale


def test_ties_go_to_even_before_the_zero_point_is_added():
    target = A.fake_quantize_per_tensor_affine.default
    ties = torch.tensor([0.5, 1.5, 2.5, -0.5, -1.5])
    assert lifted(target, ties, 1.0, 1, -128, 127).tolist() == target(ties, 1.0, 1, -128, 127).tolist()
    assert lifted(target, ties, 1.0, 1, -128, 127).tolist() == [0, 2, 2, 0, -2]


def test_every_operator_computed_here_exists():
    known = {name for namespace in (A, Q) for name in COMPUTED_HERE if hasattr(namespace, name)}
    assert known == COMPUTED_HERE


def test_the_margin_of_a_quantization_is_the_distance_to_the_nearest_tie_in_the_units_of_its_input():
    x = torch.tensor([[0.25, 0.26, -0.75], [1.0, 0.1, 0.0]], dtype=torch.float64)
    off = torch.full_like(x, 0.01)
    options = {"quant_min": -128, "quant_max": 127}
    turned = turn_of_quantization([x, 0.5, 3], [off, 0.0, 0.0], options)
    assert turned is not None
    margin, bound = turned
    torch.testing.assert_close(margin, torch.tensor([[0.0, 0.01, 0.0], [0.25, 0.15, 0.25]], dtype=torch.float64))
    assert torch.equal(bound, off)
    scales = torch.tensor([0.5, 2.0], dtype=torch.float64)
    turned = turn_of_quantization([x, scales, None, 0], [off, 0.0, 0.0, 0.0], options | {"axis": 0})
    assert turned is not None
    torch.testing.assert_close(turned[0][1], torch.tensor([0.0, 0.9, 1.0], dtype=torch.float64))


def test_what_is_not_a_quantization_of_a_tensor_has_no_margin():
    assert turn_of_quantization([None, 0.5], [0.0, 0.0], {"quant_min": 0}) is None
    assert turn_of_quantization([torch.ones(2), None], [0.0, 0.0], {"quant_min": 0}) is None
