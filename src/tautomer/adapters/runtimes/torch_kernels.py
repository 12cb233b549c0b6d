"""PyTorch's own kernels on one-node ONNX models, so that what the source's functions err by can be measured as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx

from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind
from tautomer.adapters.runtimes.sessions import run_all
from tautomer.adapters.torch_host import TORCH_HOST
from tautomer.adapters.worker_api import Channel
from tautomer.model import ArtifactKind, Stage

TORCH_KERNELS = Adapter(
    name="torch",
    kind=AdapterKind.RUNTIME,
    task="tautomer.adapters.runtimes.torch_kernels:run",
    host=TORCH_HOST,
    requires=("torch",),
    extra="torch",
    accepts=(ArtifactKind.ONNX,),
    checkpoints=(AdapterCheckpoint("torch kernels", Stage.RUNTIME_EXECUTION, "eager"),),
)
"""Not registered as a runtime: it runs single nodes, no models."""


def run(
    channel: Channel, *, model: str, checkpoint: str, inputs: list[str], feeds: dict[str, str], level: str
) -> dict[str, Any]:
    """Run a one-node model on all input sets, as a runtime's task does.

    Raises:
        ValueError: PyTorch has no function for the node.
    """
    import torch

    del level  # PyTorch has one way to run a function eagerly
    graph = onnx.load(model).graph
    node = graph.node[0]
    key = node.op_type
    if any(attribute.name == "approximate" and attribute.s == b"tanh" for attribute in node.attribute):
        key = f"{key} tanh"
    function = _functions(torch).get(key)
    if function is None:
        raise ValueError(f"PyTorch has no function for {key}")

    def call(given: dict[str, Any]) -> list[Any]:
        with torch.no_grad():
            return [function(*(torch.from_numpy(given[name].copy()) for name in node.input)).numpy()]

    run_all(channel, checkpoint=checkpoint, inputs=inputs, feeds=feeds, output_names=list(node.output), call=call)
    return {"version": torch.__version__.partition("+")[0]}


def _functions(torch: Any) -> Mapping[str, Callable[..., Any]]:
    """PyTorch's functions by ONNX operator."""
    functional = torch.nn.functional
    same = "Acos Acosh Asin Asinh Atan Atanh Ceil Cos Cosh Erf Exp Floor Log Pow Reciprocal Round Sigmoid Sin Sinh Sqrt"
    return {
        **{name: getattr(torch, name.lower()) for name in [*same.split(), "Tan", "Tanh"]},
        **{name: getattr(functional, name.lower()) for name in ("Celu", "Elu", "Gelu", "Mish", "Selu", "Softsign")},
        "Gelu tanh": lambda x: functional.gelu(x, approximate="tanh"),
        "HardSwish": functional.hardswish,
        "LogSoftmax": lambda x: torch.log_softmax(x, -1),
        "Softmax": lambda x: torch.softmax(x, -1),
        # Beyond its threshold PyTorch's softplus gives its argument, which differs by less than a rounding there.
        "Softplus": functional.softplus,
        "Swish": functional.silu,
    }
