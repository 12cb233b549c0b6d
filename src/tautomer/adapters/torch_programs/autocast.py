"""Makes the casts of an autocast region explicit, which a graph captured above autocast does not show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx


def with_explicit_casts(
    region: torch.fx.GraphModule, operands: Sequence[Any], autocast: Sequence[Any]
) -> torch.fx.GraphModule:
    """The region as a graph in which the casts that autocast inserts are operators.

    Args:
        region: the submodule of a `wrap_with_autocast` node.
        operands: what it is called with, in any floating precision: only shapes, types and values of integers matter.
        autocast: device type, dtype, whether it is enabled, and whether it caches, as the node gives them.
    """
    device_type, dtype, enabled, cache_enabled = autocast
    placeholders = [node for node in region.graph.nodes if node.op == "placeholder"]
    declared = [_declared(operand, node.meta.get("val")) for operand, node in zip(operands, placeholders, strict=True)]

    def run(*given: Any) -> Any:
        with torch.autocast(device_type, dtype=dtype, enabled=enabled, cache_enabled=cache_enabled):
            return region(*given)

    # Autocast decides below the level at which compound operators are whole.
    return make_fx(run, tracing_mode="real", pre_dispatch=False, _error_on_data_dependent_ops=False)(*declared)


def _declared(operand: Any, stated: Any) -> Any:
    if not isinstance(operand, torch.Tensor):
        return operand
    dtype = stated.dtype if isinstance(stated, torch.Tensor) else operand.dtype
    if dtype == torch.float64 and not isinstance(stated, torch.Tensor):
        dtype = torch.float32
    return operand.detach().to(dtype)
