"""Quantization in a lifted program: integers are part of the function, and what they are decided on is exact.

PyTorch's own operators take float32 only, or compute in float32 whatever they are given.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

DECISION_U = 8.0
"""How far, in u, the input of a decision is moved, as `numerics.onnx_evaluator.rounding_noise` does it."""

QUANTIZING = frozenset(
    """
    choose_qparams fake_quantize_per_channel_affine fake_quantize_per_channel_affine_cachemask
    fake_quantize_per_tensor_affine fake_quantize_per_tensor_affine_cachemask quantize_per_channel quantize_per_tensor
    _fake_quantize_per_tensor_affine_cachemask_tensor_qparams
    """.split()
)
"""Operators that divide by a scale and round: even an exact input is not exact where it is decided on."""

COMPUTED_HERE = QUANTIZING - {"choose_qparams"} | {"dequantize_per_channel", "dequantize_per_tensor"}
"""Operators that `lifted_quantization` computes."""

DECIDING = QUANTIZING | frozenset({"ceil", "floor", "round", "trunc"})
"""Operators that round their first argument to whole steps as part of their function."""


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


class DecisionMoves:
    """Moves the inputs of decisions, up in one sample of a pair and down in the other.

    Args:
        graph: the captured program.
        sample: number of the sample; 2 k and 2 k + 1 are a pair.
        is_exact: whether an operator of this name adds no rounding of its own.
    """

    def __init__(self, graph: torch.fx.GraphModule, sample: int, is_exact: Callable[[Any], bool]) -> None:
        self._pair, self._direction = sample // 2, 1.0 if sample % 2 else -1.0
        self._inexact = _inexact_nodes(graph, is_exact)

    def moved(self, node: torch.fx.Node, name: str, x: Any, u: float) -> Any:
        """The first argument of a deciding operator, moved where it is not exact.

        Args:
            node: that runs.
            name: of its operator.
            x: its first argument.
            u: unit roundoff of that argument's declared type.
        """
        if not isinstance(x, torch.Tensor) or not x.is_floating_point() or not u:
            return x
        source = node.args[0] if node.args else None
        if name not in QUANTIZING and (not isinstance(source, torch.fx.Node) or source.name not in self._inexact):
            return x
        # The same signs in both samples of a pair, so that they are opposite there.
        generator = torch.Generator().manual_seed(zlib.crc32(f"{node.name} {self._pair}".encode()))
        signs = torch.randint(0, 2, x.shape, generator=generator, dtype=torch.int8).to(x.dtype) * 2 - 1
        return x * (1.0 + signs * (self._direction * DECISION_U * u))


def _inexact_nodes(graph: torch.fx.GraphModule, is_exact: Callable[[Any], bool]) -> set[str]:
    """Nodes whose values carry rounding."""
    found: set[str] = set()
    for node in graph.graph.nodes:
        rounds = node.op == "call_function" and not is_exact(node.target)
        if rounds or any(source.name in found for source in node.all_input_nodes):
            found.add(node.name)
    return found


def decides(graph: torch.fx.GraphModule, base_name: Callable[[Any], str]) -> bool:
    """Whether a captured program rounds to whole steps on its way: what perturbs it then comes in steps."""
    targets = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    return any(base_name(target) in DECIDING for target in targets)
