"""The worker's side: a converter that gives out the graph it is told to, and ONNX Runtime with denormals flushed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tautomer.adapters.converters.recording import Recorder
from tautomer.adapters.worker_api import Channel
from tautomer.model import ArtifactKind, Stage


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """Report the graph of `--set graph=FILE` as what translation made, and save it."""
    recorder = Recorder(channel)
    recorder.begin(Stage.NODE_CONVERSION, "translating")
    given = Path(settings["options"]["graph"])
    recorder.checkpoint("translated", Stage.NODE_CONVERSION, kind=ArtifactKind.ONNX, path=given)
    recorder.begin(Stage.EXPORT, "saving the file")
    saved = channel.folder / "model" / "model.onnx"
    saved.parent.mkdir()
    shutil.copy(given, saved)
    recorder.checkpoint("saved", Stage.EXPORT, kind=ArtifactKind.ONNX, path=saved, parent="translated")
    return {}


def run_flushing(channel: Channel, **arguments: Any) -> dict[str, Any]:
    """Run a model in sessions that flush denormal numbers to zero.

    Source: ONNX Runtime's session option `session.set_denormal_as_zero` (onnxruntime_session_options_config_keys.h).
    """
    import onnxruntime

    from tautomer.adapters.runtimes.onnxruntime_runtime import run

    real = onnxruntime.InferenceSession

    def session(model: Any, options: Any, **keywords: Any) -> Any:
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        return real(model, options, **keywords)

    onnxruntime.InferenceSession = session
    return run(channel, **arguments)
