"""The runtime `onnx-reference`: onnx's own reference implementation, node by node in the declared types."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind
from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.runtimes.sessions import run_all
from tautomer.adapters.worker_api import Channel, peak_memory_bytes, reset_peak_memory
from tautomer.model import ArtifactKind, Stage

ADAPTER = Adapter(
    name="onnx-reference",
    kind=AdapterKind.RUNTIME,
    task="tautomer.adapters.runtimes.onnx_reference:run",
    host=ONNX_HOST,
    requires=("onnx",),
    extra="onnxruntime",
    accepts=(ArtifactKind.ONNX,),
    checkpoints=(AdapterCheckpoint("onnx-reference", Stage.RUNTIME_LOAD, "none"),),
)


def run(
    channel: Channel, *, model: str, checkpoint: str, inputs: list[str], feeds: dict[str, str], level: str
) -> dict[str, Any]:
    """Run a model on all input sets; `level` is ignored, since the reference optimizes nothing.

    Raises:
        Exception: the model could not be loaded.
    """
    import onnx
    from onnx.reference import ReferenceEvaluator

    channel.emit("stage", stage="runtime_load", doing="loading")
    reset_peak_memory()
    began = time.perf_counter()
    session = ReferenceEvaluator(onnx.load(model))
    channel.emit("loaded", seconds=time.perf_counter() - began, peak_memory_bytes=peak_memory_bytes())

    def call(given: dict[str, Any]) -> list[Any]:
        with np.errstate(all="ignore"):
            return list(session.run(None, given))

    run_all(channel, checkpoint=checkpoint, inputs=inputs, feeds=feeds, output_names=session.output_names, call=call)
    return {"version": onnx.__version__}
