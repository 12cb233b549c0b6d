"""Attention and normalizations by their definition."""

# The names, the number and the order of arguments are those of the operators.
# ruff: noqa: A002, PLR0917

from __future__ import annotations

import math
from typing import Any

import torch

from tautomer.adapters.torch_programs.rewrites.rule import Table

TABLE = Table()

_TWO_PASS = "two passes; Chan, Golub, LeVeque 1983 (doi 10.1080/00031305.1983.10483115)"
_ON_SCALE = "the bound is on the scale of one, times the number of elements normalized over"


@TABLE.rewrite(
    "scaled_dot_product_attention.default",
    bound_u=16,
    source="PyTorch, scaled_dot_product_attention with its safe softmax: a fully masked row gives zeros",
    note="without dropout; the bound is on the scale of the values, times the lengths summed over",
)
def scaled_dot_product_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Softmax over the keys that a mask leaves; zero where it leaves none."""
    if dropout_p or (is_causal and attn_mask is not None):
        return NotImplemented
    if enable_gqa:
        key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    factor = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    # Both operands get the root of the factor, as in PyTorch, so that the product does not overflow first.
    root = math.sqrt(abs(factor))
    scores = torch.matmul(query * root, (key * (root if factor >= 0 else -root)).transpose(-2, -1))
    if is_causal:
        rows = torch.arange(query.size(-2), device=query.device).unsqueeze(1)
        columns = torch.arange(key.size(-2), device=query.device).unsqueeze(0)
        attn_mask = columns <= rows
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            scores = torch.where(attn_mask, scores, torch.full_like(scores, -math.inf))
        else:
            scores = scores + attn_mask
    largest = torch.amax(scores, -1, keepdim=True)
    nothing = largest == -math.inf
    powers = torch.exp(scores - torch.where(nothing, torch.zeros_like(largest), largest))
    total = torch.sum(powers, -1, keepdim=True)
    weights = powers / torch.where(nothing, torch.ones_like(total), total)
    return torch.matmul(weights, value)


@TABLE.rewrite(
    "_safe_softmax.default", bound_u=64, source="PyTorch, _safe_softmax: zeros where every element is -infinity"
)
def safe_softmax(self: torch.Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
    """Softmax with zeros where nothing is left."""
    value = self if dtype is None else self.to(dtype)
    largest = torch.amax(value, dim, keepdim=True)
    nothing = largest == -math.inf
    powers = torch.exp(value - torch.where(nothing, torch.zeros_like(largest), largest))
    total = torch.sum(powers, dim, keepdim=True)
    return powers / torch.where(nothing, torch.ones_like(total), total)


def standardized(value: torch.Tensor, dims: list[int], eps: float) -> torch.Tensor:
    """Less the mean, over the root of the variance and eps; the mean is taken first."""
    centred = value - torch.mean(value, dims, keepdim=True)
    variance = torch.mean(centred * centred, dims, keepdim=True)
    return centred / torch.sqrt(variance + eps)


@TABLE.rewrite(
    "layer_norm.default", bound_u=16, source=f"Ba et al. 2016 (arXiv 1607.06450), {_TWO_PASS}", note=_ON_SCALE
)
def layer_norm(
    input: torch.Tensor,
    normalized_shape: Any,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Any:
    """Normalized over the last dimensions with exactly the given eps."""
    value = standardized(input, list(range(-len(normalized_shape), 0)), eps)
    value = value if weight is None else value * weight
    return value if bias is None else value + bias


@TABLE.rewrite("rms_norm.default", bound_u=16, source="Zhang, Sennrich 2019 (arXiv 1910.07467); eps: PyTorch's default")
def rms_norm(
    input: torch.Tensor,
    normalized_shape: Any,
    weight: torch.Tensor | None = None,
    eps: float | None = None,
) -> Any:
    """Over the root of the mean square of the last dimensions."""
    if input.dtype not in (torch.float32, torch.float64):
        return NotImplemented
    dims = list(range(-len(normalized_shape), 0))
    added = torch.finfo(input.dtype).eps if eps is None else eps
    value = input / torch.sqrt(torch.mean(input * input, dims, keepdim=True) + added)
    return value if weight is None else value * weight


def _per_channel(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return parameter.reshape([1, -1] + [1] * (value.dim() - 2))


@TABLE.rewrite("group_norm.default", bound_u=16, source=f"Wu, He 2018 (arXiv 1803.08494), {_TWO_PASS}", note=_ON_SCALE)
def group_norm(
    input: torch.Tensor,
    num_groups: int,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Any:
    """Normalized over the channels and places of a group."""
    grouped = input.reshape(input.size(0), num_groups, -1)
    value = standardized(grouped, [-1], eps).reshape(input.shape)
    value = value if weight is None else value * _per_channel(weight, value)
    return value if bias is None else value + _per_channel(bias, value)


@TABLE.rewrite(
    "instance_norm.default", bound_u=16, source=f"Ulyanov et al. 2016 (arXiv 1607.08022), {_TWO_PASS}", note=_ON_SCALE
)
def instance_norm(
    input: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    """Normalized over the places of a channel."""
    if not use_input_stats or running_mean is not None:
        return NotImplemented
    value = standardized(input, list(range(2, input.dim())), eps)
    value = value if weight is None else value * _per_channel(weight, value)
    return value if bias is None else value + _per_channel(bias, value)


@TABLE.rewrite(
    "batch_norm.default",
    bound_u=16,
    source="Ioffe, Szegedy 2015 (arXiv 1502.03167), out of training",
    note="the bound is on the scale of one and of the parameters' products",
)
def batch_norm(
    input: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    running_mean: torch.Tensor | None,
    running_var: torch.Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Any:
    """By the recorded statistics; not in training."""
    if training or running_mean is None or running_var is None:
        return NotImplemented
    value = (input - _per_channel(running_mean, input)) / torch.sqrt(_per_channel(running_var, input) + eps)
    value = value if weight is None else value * _per_channel(weight, value)
    return value if bias is None else value + _per_channel(bias, value)
