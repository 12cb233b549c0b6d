"""The runtime `onnxruntime`: ONNX Runtime's CPU execution provider, with and without its graph optimizations."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind
from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.runtimes.onnxruntime_options import LEVERS, SessionSettings, report_optimizers
from tautomer.adapters.runtimes.onnxruntime_precision import emit_precision
from tautomer.adapters.runtimes.ort_values import session_call
from tautomer.adapters.runtimes.sessions import run_all
from tautomer.adapters.worker_api import Channel, peak_memory_bytes, reset_peak_memory
from tautomer.model import ArtifactKind, Stage

ADAPTER = Adapter(
    name="onnxruntime",
    kind=AdapterKind.RUNTIME,
    task="tautomer.adapters.runtimes.onnxruntime_runtime:run",
    host=ONNX_HOST,
    requires=("onnxruntime",),
    extra="onnxruntime",
    accepts=(ArtifactKind.ONNX,),
    node_task="tautomer.adapters.onnx_files.node_judgement:judge_nodes",
    checkpoints=(
        AdapterCheckpoint("ort unoptimized", Stage.RUNTIME_LOAD, "disabled"),
        AdapterCheckpoint("ort basic", Stage.RUNTIME_OPTIMIZATION, "basic", in_between=True),
        AdapterCheckpoint("ort extended", Stage.RUNTIME_OPTIMIZATION, "extended", in_between=True),
        AdapterCheckpoint("ort optimized", Stage.RUNTIME_OPTIMIZATION, "all"),
    ),
    levers=LEVERS,
    saves_graphs_with="ort-offline",
)


def run(
    channel: Channel,
    *,
    model: str,
    checkpoint: str,
    inputs: list[str],
    feeds: dict[str, str],
    level: str,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Load a model at one optimization level and run it on all input sets.

    Args:
        options: settings of the session, as `SessionSettings.of` takes them.

    Emits `loaded`, then a `run` event for each input set with the file of its values or the error, and `precision` for
    a graph with nodes in float16 or bfloat16.

    Raises:
        Exception: the session could not be made; the runtime's own error.
    """
    import onnxruntime

    settings = SessionSettings.of(options or {})
    level = settings.level(level)
    stage = "runtime_load" if level == "disabled" else "runtime_optimization"
    channel.emit("stage", stage=stage, doing=f"loading with optimization {level}")
    if settings.list_optimizers and level == settings.optimization:
        report_optimizers(channel, model, settings)
    _compute(channel, settings, checkpoint=checkpoint, model=model, level=level, inputs=inputs, feeds=feeds)
    emit_precision(channel, checkpoint=checkpoint, model=model, options=lambda: settings.session_options(level))
    return {"version": onnxruntime.__version__}


def _compute(
    channel: Channel,
    settings: SessionSettings,
    *,
    checkpoint: str,
    model: str,
    level: str,
    inputs: list[str],
    feeds: dict[str, str],
) -> None:
    """Make a session and run it; it ends here, so that its memory is free again."""
    reset_peak_memory()
    began = time.perf_counter()
    session = settings.session(model, settings.session_options(level))
    channel.emit("loaded", seconds=time.perf_counter() - began, peak_memory_bytes=peak_memory_bytes())
    run_all(
        channel,
        checkpoint=checkpoint,
        inputs=inputs,
        feeds=feeds,
        output_names=[output.name for output in session.get_outputs()],
        call=session_call(session),
    )
