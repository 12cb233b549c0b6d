"""Quantization in a lifted program: integers are part of the function, and what they are decided on is exact.

PyTorch's own operators take float32 only, or compute in float32 whatever they are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

QUANTIZING = frozenset(
    """
    fake_quantize_per_channel_affine fake_quantize_per_channel_affine_cachemask
    fake_quantize_per_tensor_affine fake_quantize_per_tensor_affine_cachemask quantize_per_channel quantize_per_tensor
    _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
    """.split()
)
"""Operators that divide by a scale and round: decisions, where their input carries rounding."""

COMPUTED_HERE = QUANTIZING | {"dequantize_per_channel", "dequantize_per_tensor"}
"""Operators that `lifted_quantization` computes."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """The numbers a quantized tensor can have: `scale * (integer - zero)`, integers from `low` to `high`.

    Scales and zero points of one dimension lie along `axis`.
    """

    scale: Any
    zero: Any
    low: float
    high: float
    axis: int | None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> _Grid:
        scale = given["scale"] if "scale" in given else given["scales"]
        if not isinstance(scale, torch.Tensor):  # the kernels hold it in float32; a tensor of scales is what it is
            scale = float(torch.tensor(scale, dtype=torch.float32))
        zero = given["zero_point"] if "zero_point" in given else given["zero_points"]
        low, high = float(given["quant_min"]), float(given["quant_max"])
        return cls(scale, 0 if zero is None else zero, low, high, given.get("axis"))

    def integers(self, x: torch.Tensor) -> torch.Tensor:
        """Before clamping, in float64. Rounding is to even and comes before the zero point, as in ONNX."""
        shifted: torch.Tensor = torch.round(x / self._along(self.scale, x)) + self._along(self.zero, x)
        return shifted

    def clamped(self, integers: torch.Tensor) -> torch.Tensor:
        """Within the range; NaN becomes zero."""
        return torch.nan_to_num(integers, nan=0.0).clamp(self.low, self.high)

    def values(self, integers: torch.Tensor) -> torch.Tensor:
        """What integers stand for."""
        held = integers.to(torch.float64)
        scaled: torch.Tensor = (held - self._along(self.zero, held)) * self._along(self.scale, held)
        return scaled

    def spread_scale(self, x: torch.Tensor) -> Any:
        """The scale, shaped to broadcast against `x`."""
        return self._along(self.scale, x)

    def _along(self, parameter: Any, x: torch.Tensor) -> Any:
        if self.axis is None or not isinstance(parameter, torch.Tensor) or parameter.dim() != 1:
            return parameter
        return parameter.reshape([-1 if index == self.axis % x.dim() else 1 for index in range(x.dim())])


def lifted_quantization(target: torch._ops.OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """What an operator of `COMPUTED_HERE` gives in float64; integers in their declared type.

    Args:
        target: the operator.
        args, kwargs: as it is called, floating tensors in float64.
    """
    given: dict[str, Any] = {argument.name: argument.default_value for argument in target._schema.arguments}
    given |= dict(zip(given, args, strict=False)) | dict(kwargs)
    x = given["input"] if "input" in given else given["self"]
    grid = _Grid.of(given)
    name = target._schema.name.rpartition("::")[2]
    if name.startswith("dequantize"):
        return grid.values(x)
    integers = grid.integers(x)
    if name.startswith("quantize"):
        return grid.clamped(integers).to(given["dtype"])
    if not bool(given.get("fake_quant_enabled", True)):
        return x, torch.ones_like(x, dtype=torch.bool)
    fake = grid.values(grid.clamped(integers))
    return (fake, (integers >= grid.low) & (integers <= grid.high)) if "cachemask" in name else fake


def turn_of_quantization(
    values: Sequence[Any], bounds: Sequence[Any], options: Mapping[str, Any]
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """How far each element is from where its integer changes, and how far it may be off; both in its own unit.

    Args:
        values: of the operator's arguments, in float64.
        bounds: what the elements of each may be off.
        options: its arguments by name.
    """
    x = values[0]
    if not isinstance(x, torch.Tensor) or "quant_min" not in options or values[1] is None:
        return None
    named = {**options, "scale": values[1], "zero_point": 0}
    scale = torch.as_tensor(_Grid.of(named).spread_scale(x), dtype=x.dtype)
    quotient = x / scale
    margin = ((quotient - torch.floor(quotient)) - 0.5).abs() * scale.abs()
    return margin, torch.as_tensor(bounds[0], dtype=x.dtype).broadcast_to(margin.shape)
