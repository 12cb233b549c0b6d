"""Evaluate an ONNX checkpoint on all input sets: in its declared types, in float64, and with perturbed constants."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.fingerprint import fingerprint
from tautomer.adapters.worker_api import Channel, peak_memory_bytes, reset_peak_memory
from tautomer.model import Tensor

UNIT_ROUNDOFF = 2.0**-24
"""u of float32, the format in which converters fold constants."""

FOLDING_U = 2.0
"""Half-width, in u, of each perturbation of a folded constant: folding a small subgraph takes a few roundings."""


def evaluate(
    channel: Channel,
    *,
    model: str,
    checkpoint: str,
    inputs: list[str],
    feeds: dict[str, str],
    opset_override: int | None = None,
    precisions: list[str] | None = None,
    constant_samples: int = 0,
    own_constants: list[str] | None = None,
    own_scalars: list[float] | None = None,
    seed: int = 0,
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
        constant_samples: how many runs to make with every derived constant perturbed by one rounding.
        own_constants, own_scalars: fingerprints and numbers that the source itself has; what is among them is not derived.
        seed: of the perturbation.
    """
    from tautomer.numerics.onnx_evaluator import load_model

    loaded = load_model(Path(model))
    if opset_override is not None:
        for imported in loaded.proto.opset_import:
            if imported.domain in ("", "ai.onnx"):
                imported.version = opset_override
    stated = _stated_shapes(loaded.proto)
    kernels = kernel_table()
    for precision in ["declared", "float64"] if precisions is None else precisions:
        for index, file in enumerate(inputs):
            _run(channel, loaded, kernels, checkpoint, precision, index, file, feeds, stated)
    if constant_samples:
        _perturbed_runs(
            channel, loaded, kernels, checkpoint, inputs, feeds, constant_samples, set(own_constants or ()), set(own_scalars or ()), seed
        )
    return {}


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
    kernels: Mapping[tuple[str, str], Any],
    checkpoint: str,
    precision: str,
    index: int,
    file: str,
    feeds: dict[str, str],
    stated: dict[str, tuple[int | None, ...]],
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
        evaluator = Evaluator(loaded, lift=precision == "float64", kernels=kernels)
        outputs = evaluator.run(graph_inputs(file, feeds), observe)
        path = channel.folder / f"{checkpoint}-{precision}-{index}.safetensors"
        write_values(path, {name: _value(output) for name, output in outputs.items()})
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
        channel.emit("contradiction", checkpoint=checkpoint, value=name, stated=list(shape), found=list(found), input=index)
    channel.emit(
        "run",
        checkpoint=checkpoint,
        precision=precision,
        input=index,
        seconds=time.perf_counter() - began,
        peak_memory_bytes=peak_memory_bytes(),
        **fields,
    )


def _value(output: Any) -> Any:
    if isinstance(output, list):
        return [_value(item) for item in output]
    return None if output is None else Tensor.of(np.asarray(output))


def _stated_shapes(proto: Any) -> dict[str, tuple[int | None, ...]]:
    """Shapes the graph states for its values; None for a symbolic dimension."""
    shapes = {}
    for value in [*proto.graph.value_info, *proto.graph.output]:
        tensor = value.type.tensor_type
        if tensor.HasField("shape"):
            shapes[value.name] = tuple(
                dimension.dim_value if dimension.HasField("dim_value") else None for dimension in tensor.shape.dim
            )
    return shapes


def _fits(stated: tuple[int | None, ...], found: tuple[int, ...]) -> bool:
    return len(stated) == len(found) and all(one is None or one == other for one, other in zip(stated, found, strict=True))


def _perturbed_runs(
    channel: Channel,
    loaded: Any,
    kernels: Mapping[tuple[str, str], Any],
    checkpoint: str,
    inputs: list[str],
    feeds: dict[str, str],
    samples: int,
    own_constants: set[str],
    own_scalars: set[float],
    seed: int,
) -> None:
    """Write, for each input set, the mean square deviation that one rounding of every derived constant causes."""
    from tautomer.adapters.tensor_file import write_values
    from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError

    derived: dict[str, bool] = {}

    def is_derived(name: str, array: Any) -> bool:
        if name not in derived:
            derived[name] = not _is_own(array, own_constants, own_scalars)
        return derived[name]

    for index, file in enumerate(inputs):
        given = graph_inputs(file, feeds)
        squares: dict[str, Any] = {}
        try:
            exact = Evaluator(loaded, lift=True, kernels=kernels).run(given)
            for sample in range(samples):
                noise = _Noise(seed * 1_000_003 + sample, is_derived)
                outputs = Evaluator(loaded, lift=True, kernels=kernels, perturb=noise).run(given)
                for name, base in exact.items():
                    value = outputs[name]
                    if isinstance(base, np.ndarray) and base.dtype.kind in "fc" and np.shape(value) == base.shape:
                        deviation = np.abs(value - base)
                        squares[name] = squares.get(name, 0.0) + np.square(np.where(np.isfinite(deviation), deviation, 0.0))
        except EvaluatorError as error:
            channel.emit("constants", checkpoint=checkpoint, input=index, values=None, error=str(error), derived=0)
            continue
        path = channel.folder / f"{checkpoint}-constants-{index}.safetensors"
        write_values(path, {name: Tensor.of(np.asarray(total / samples)) for name, total in squares.items()})
        channel.emit(
            "constants",
            checkpoint=checkpoint,
            input=index,
            values=str(path),
            error=None,
            derived=sum(derived.values()),
        )


class _Noise:
    """Perturbs each derived constant by a few float32 roundings, the same way at each of its uses."""

    def __init__(self, seed: int, is_derived: Any) -> None:
        self._seed = seed
        self._is_derived = is_derived

    def __call__(self, name: str, array: Any) -> Any:
        if not self._is_derived(name, array):
            return array
        digest = np.frombuffer(name.encode().ljust(4, b"\0"), dtype=np.uint8)
        generator = np.random.default_rng([self._seed, *digest.tolist()])
        relative = generator.uniform(-FOLDING_U, FOLDING_U, array.shape)
        for axis in range(array.ndim):  # a folded norm or scale errs alike for a whole slice
            shape = [array.shape[axis] if other == axis else 1 for other in range(array.ndim)]
            relative = relative + generator.uniform(-FOLDING_U, FOLDING_U, shape)
        return array * (1.0 + UNIT_ROUNDOFF * relative)


def _is_own(array: Any, own_constants: set[str], own_scalars: set[float]) -> bool:
    if array.size == 1:
        value = float(np.asarray(array, dtype=np.float64).reshape(-1)[0])
        mantissa, _ = np.frexp(value)
        # Few bits: nothing was rounded to make it (0.5, 2, 1024, 0.125...).
        return value in own_scalars or not np.isfinite(value) or float(mantissa) * 2**8 % 1 == 0
    return fingerprint(np.asarray(array, dtype=np.float32)) in own_constants
