"""What both PyTorch exporters share: their options, and running checkpoints that are PyTorch programs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from tautomer.adapters.converters.recording import report_run
from tautomer.adapters.worker_api import Channel
from tautomer.errors import MisuseError

_OURS = frozenset({"model", "args", "f", "kwargs", "dynamo", "opset_version", "dynamic_shapes", "dynamic_axes"})
"""Arguments of `torch.onnx.export` that the model module, --opset and --via decide."""


def check_options(options: Mapping[str, Any], levers: Collection[str] = ()) -> None:
    """Refuse options that `torch.onnx.export` does not have, or that Tautomer sets itself.

    Args:
        levers: options that Tautomer adds to the exporter's.

    Raises:
        MisuseError: with the options there are.
    """
    import torch

    known = {*(set(inspect.signature(torch.onnx.export).parameters) - _OURS), *levers}
    for name in options:
        if name not in known:
            why = "is set by Tautomer itself" if name in _OURS else "is no option of torch.onnx.export"
            raise MisuseError("TA101", f"--set {name}: '{name}' {why}.", f"Options: {', '.join(sorted(known))}.")


def run_program(
    channel: Channel,
    checkpoint: str,
    *,
    precision: str,
    index: int,
    output_paths: Sequence[str],
    compute: Callable[[], Sequence[Any]],
) -> None:
    """Run one PyTorch checkpoint on one input set and report its values, or what it raised.

    Args:
        compute: gives the flat outputs; None and Python scalars among them are dropped where the source dropped them.
    """

    def by_path() -> Mapping[str, Any]:
        return named_outputs(compute(), output_paths)

    report_run(channel, checkpoint, precision=precision, index=index, compute=by_path)


def named_outputs(outputs: Sequence[Any], output_paths: Sequence[str]) -> Mapping[str, Any]:
    """Outputs by the source's paths, in order; a surplus gets its index for a name."""
    import torch

    from tautomer.adapters.torch_programs.trees import to_tensor

    values = [value for value in outputs if value is not None]
    paths = [*output_paths, *(f"#{index}" for index in range(len(output_paths), len(values)))]
    return {
        path: to_tensor(value) if isinstance(value, torch.Tensor) else _number(value)
        for path, value in zip(paths, values, strict=False)
    }


def _number(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else float(value)
