"""What every in-process runtime does once it has a session: run it on each input set and report values or errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.evaluation import graph_inputs
from tautomer.adapters.worker_api import Channel, peak_memory_bytes, reset_peak_memory
from tautomer.model import Tensor


def run_all(
    channel: Channel,
    *,
    checkpoint: str,
    inputs: list[str],
    feeds: dict[str, str],
    output_names: Sequence[str],
    call: Callable[[dict[str, Any]], Sequence[Any]],
) -> None:
    """Emit a `run` event for each input set, with the file of its values or the runtime's error.

    The first set is run twice; a `varies` event names outputs that are not the same bits both times.

    Args:
        inputs: files of values by the source's paths, one an input set.
        feeds: graph input name -> the source's path.
        call: runs the session on arrays by graph input name, giving outputs in the order of `output_names`.
    """
    from tautomer.adapters.tensor_file import write_values

    for index, file in enumerate(inputs):
        channel.emit("stage", stage="runtime_execution", doing="running")
        channel.emit("run.begin", checkpoint=checkpoint, precision="declared", input=index)
        given = graph_inputs(file, feeds)
        reset_peak_memory()
        began = time.perf_counter()
        fields: dict[str, Any] = {"values": None, "error": None}
        try:
            results = call(given)
        except Exception as error:  # whatever a runtime raises on a model is a result of the check
            fields["error"] = {"type": type(error).__name__, "message": str(error).strip()}
        else:
            if index == 0:
                _report_variation(channel, checkpoint, output_names, results, call(given))
            path = Path(channel.folder) / f"{checkpoint}-declared-{index}.safetensors"
            write_values(path, {name: as_value(value) for name, value in zip(output_names, results, strict=True)})
            fields["values"] = str(path)
        channel.emit(
            "run",
            checkpoint=checkpoint,
            precision="declared",
            input=index,
            seconds=time.perf_counter() - began,
            peak_memory_bytes=peak_memory_bytes(),
            **fields,
        )


def _report_variation(
    channel: Channel, checkpoint: str, output_names: Sequence[str], first: Sequence[Any], second: Sequence[Any]
) -> None:
    varying = [name for name, one, other in zip(output_names, first, second, strict=True) if not same_bits(one, other)]
    if varying:
        channel.emit("varies", checkpoint=checkpoint, outputs=varying)


def same_bits(one: Any, other: Any) -> bool:
    """Whether two values of a runtime are the same, NaN payloads and signs of zero included."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_bits, one, other))
    if one is None or other is None:
        return one is other
    a, b = np.asarray(one), np.asarray(other)
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(np.array_equal(a, b)) if a.dtype.kind in "OUST" else a.tobytes() == b.tobytes()


def as_value(value: Any) -> Any:
    """A runtime's output as a value: tensors, lists for sequences, None for an absent optional."""
    if isinstance(value, list):
        return [as_value(item) for item in value]
    return None if value is None else Tensor.of(np.asarray(value))
