"""Evaluate an ONNX checkpoint on all input sets, in its declared types and in float64."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.worker_api import Channel, peak_memory_bytes, reset_peak_memory
from tautomer.model import Tensor
from tautomer.numerics.branches import Branches


def evaluate(
    channel: Channel,
    *,
    model: str,
    checkpoint: str,
    inputs: list[str],
    feeds: dict[str, str],
    opset_override: int | None = None,
    precisions: list[str] | None = None,
) -> dict[str, Any]:
    """Evaluate one ONNX file with Tautomer's own evaluator.

    Emits a `run` event for each precision and input set, with the file of values or the error and its node; and
    `contradiction` events where a value's shape is not the one the graph states for it.

    Args:
        model: path of the file.
        checkpoint: its name, for the events.
        inputs: files of input values by the source's paths, one an input set.
        feeds: graph input name -> the source's path.
        opset_override: judge the graph as this opset, where its label is known to be stale.
        precisions: `declared`, `float64`; default both.
    """
    loaded = load_as(model, opset_override)
    stated = _stated_shapes(loaded.proto)
    kernels = kernel_table()
    branches = {index: Branches() for index in range(len(inputs))}
    for precision in ["declared", "float64"] if precisions is None else precisions:
        for index, file in enumerate(inputs):
            _run(
                channel,
                loaded,
                file,
                feeds,
                kernels=kernels,
                checkpoint=checkpoint,
                precision=precision,
                index=index,
                stated=stated,
                branches=branches[index],
            )
            branches[index] = branches[index].again()
    return {}


def load_as(model: str, opset_override: int | None) -> Any:
    """A loaded model, a stale opset label replaced and a runtime's fused operators spelled out."""
    from tautomer.adapters.onnx_files.fused_operators import spell_out
    from tautomer.numerics.onnx_evaluator import load_model

    loaded = load_model(Path(model))
    spell_out(loaded.proto)
    if opset_override is not None:
        for imported in loaded.proto.opset_import:
            if imported.domain in ("", "ai.onnx"):
                imported.version = opset_override
    return loaded


def kernel_table() -> Mapping[tuple[str, str], Any]:
    """Faster kernels where PyTorch is installed; none elsewhere."""
    try:
        from tautomer.adapters.runtimes.onnx_torch_kernels import torch_kernels
    except ImportError:
        return {}
    return torch_kernels()


def to_array(value: Any) -> Any:
    """A source value as the evaluator takes it."""
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


def graph_inputs(file: str, feeds: dict[str, str]) -> dict[str, Any]:
    """Values for a graph's inputs, read from a file of values by the source's paths."""
    from tautomer.adapters.tensor_file import read_values

    values = read_values(Path(file))
    if not isinstance(values, Mapping):
        raise TypeError(f"{file} does not hold values by path")
    return {name: to_array(values[path]) for name, path in feeds.items()}


def _run(
    channel: Channel,
    loaded: Any,
    file: str,
    feeds: dict[str, str],
    *,
    kernels: Mapping[tuple[str, str], Any],
    checkpoint: str,
    precision: str,
    index: int,
    stated: dict[str, tuple[int | None, ...]],
    branches: Branches,
) -> None:
    from tautomer.adapters.tensor_file import write_values
    from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError

    contradictions: dict[str, tuple[tuple[int | None, ...], tuple[int, ...]]] = {}

    def observe(name: str, value: Any) -> None:
        shape = stated.get(name)
        if shape is not None and isinstance(value, np.ndarray) and not _fits(shape, value.shape):
            contradictions[name] = (shape, value.shape)

    channel.emit("run.begin", checkpoint=checkpoint, precision=precision, input=index)
    reset_peak_memory()
    began = time.perf_counter()
    fields: dict[str, Any] = {"values": None, "error": None}
    try:
        evaluator = Evaluator(loaded, lift=precision == "float64", kernels=kernels, branches=branches)
        outputs = evaluator.run(graph_inputs(file, feeds), observe)
        path = channel.folder / f"{checkpoint}-{precision}-{index}.safetensors"
        write_values(path, {name: as_value(output) for name, output in outputs.items()})
        fields["values"] = str(path)
    except EvaluatorError as error:
        fields["error"] = {
            "type": type(error).__name__,
            "message": error.message,
            "node": error.node_name,
            "op_type": error.op_type,
            "domain": error.domain,
        }
    for name, (shape, found) in contradictions.items():
        channel.emit(
            "contradiction", checkpoint=checkpoint, value=name, stated=list(shape), found=list(found), input=index
        )
    channel.emit(
        "run",
        checkpoint=checkpoint,
        precision=precision,
        input=index,
        seconds=time.perf_counter() - began,
        peak_memory_bytes=peak_memory_bytes(),
        **fields,
    )


def as_value(output: Any) -> Any:
    """An evaluator's output as a value that a file can hold: a tensor, a list of them (a sequence), or None."""
    if isinstance(output, list):
        return [as_value(item) for item in output]
    return None if output is None else Tensor.of(np.asarray(output))


def _stated_shapes(proto: Any) -> dict[str, tuple[int | None, ...]]:
    """Shapes the graph states for values that it uses; None for a symbolic dimension.

    What is stated of a value that nothing takes misleads nobody: PyTorch states shape [0] for statistics that
    batch normalization saves in training only.
    """
    from tautomer.adapters.onnx_files.graph_paths import uses

    shapes = {}
    used = {name for node in proto.graph.node for name in uses(node)} | {value.name for value in proto.graph.output}
    for value in [*proto.graph.value_info, *proto.graph.output]:
        tensor = value.type.tensor_type
        if value.name in used and tensor.HasField("shape"):
            shapes[value.name] = tuple(
                dimension.dim_value if dimension.HasField("dim_value") else None for dimension in tensor.shape.dim
            )
    return shapes


def _fits(stated: tuple[int | None, ...], found: tuple[int, ...]) -> bool:
    return len(stated) == len(found) and all(
        one is None or one == other for one, other in zip(stated, found, strict=True)
    )
