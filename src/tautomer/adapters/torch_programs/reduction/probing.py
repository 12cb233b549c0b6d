"""How a small model module fails, in a fraction of a second: export it, run what came out, compare with the source.

A probe is no verdict: it samples the same quantities as a check, on the same inputs, but looks at the ends only. A
reduction follows its answers and has the result checked in full.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tautomer.adapters.converters import torch_onnx, torch_onnx_legacy
from tautomer.adapters.converters.recording import Recorder
from tautomer.adapters.probing.asked_runtime import AskedRuntime, Say
from tautomer.adapters.probing.forked import in_child
from tautomer.adapters.probing.probe import HANG, LONGEST_HANG_S, Probe, error_text
from tautomer.adapters.torch_programs.preparation import prepare
from tautomer.adapters.torch_programs.reduction.answers import comparison_with
from tautomer.adapters.torch_programs.reduction.exporter_tables import ExporterTables
from tautomer.adapters.worker_api import Channel
from tautomer.errors import TautomerError
from tautomer.model import ArtifactKind, Stage


class Prober:
    """Probes modules, each in a child of its own that inherits what an export needs.

    Args:
        settings: `converter` (`torch.onnx` or `torch.onnx-legacy`), `opset`, `options`, `runtime_task` (of the
            runtime's adapter; ONNX Runtime where there is none) and `runtime_options`.
        seed: of the sources.
        timeout_s: for one module.
    """

    def __init__(self, settings: Mapping[str, Any], *, seed: int, timeout_s: float) -> None:
        self._settings = settings
        self._seed = seed
        self._timeout_s = timeout_s
        dynamo = (settings.get("converter") or "torch.onnx") == "torch.onnx"
        self._tables = ExporterTables.of(settings.get("opset")) if dynamo else None
        self.count = 0

    def probe(self, module: Path) -> Probe:
        """How this module fails."""
        self.count += 1
        said = in_child(self._in_child(module), timeout_s=self._timeout_s)
        if "ended" in said:
            how = HANG if said["ended"] == "late" else said["ended"]
            return Probe("failed", str(said.get("stage", "load_model")), how)
        return Probe.of(said)

    def expect(self, failure: Probe) -> None:
        """Modules that hang like this one need not be waited for as long."""
        if failure.error == HANG:
            self._timeout_s = min(self._timeout_s, LONGEST_HANG_S)

    def _in_child(self, module: Path) -> Callable[[Say], Mapping[str, Any]]:
        def work(say: Say) -> Mapping[str, Any]:
            torch.set_num_threads(1)
            with tempfile.TemporaryDirectory(dir=module.parent) as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._probed(module, Path(folder), say).fields()

        return work

    def _probed(self, module: Path, folder: Path, say: Say) -> Probe:
        say(stage="source")
        spec = {"path": str(module), "kind": "model_module", "seed": self._seed}
        try:
            comparison = comparison_with(prepare(spec))
        except TautomerError as error:
            return Probe("invalid", "source", error.message)
        recorder = _StagesOnly(Channel(folder), say)
        try:
            model = self._exported(recorder, spec, folder)
        except Exception as error:  # whatever the exporter raises is how it fails
            return Probe("failed", str(recorder.stage), error_text(error))
        runtime = AskedRuntime(self._settings.get("runtime_task"), self._settings.get("runtime_options") or {})
        seen = comparison.with_model(model, runtime, say, translated=recorder.translated)
        return Probe.of_comparison(seen)

    def _exported(self, recorder: _StagesOnly, spec: Mapping[str, Any], folder: Path) -> Path:
        prepared = prepare(dict(spec))
        path = folder / "model" / "model.onnx"
        settings = dict(self._settings)
        if self._tables is None:
            names = torch_onnx_legacy._input_names(prepared)
            torch_onnx_legacy._export(recorder, prepared, settings, names, path, fold=True)
        else:
            with self._tables.given():
                torch_onnx._export(recorder.channel, recorder, prepared, settings)
        return path


class _StagesOnly(Recorder):
    """Follows an export without reporting its checkpoints.

    Attributes:
        translated: the graph that all conversion of nodes has led to, before anything was optimized, and the opset that
            its operators are of where its label lies below; None before there is one.
    """

    def __init__(self, channel: Channel, say: Say) -> None:
        super().__init__(channel)
        self.channel = channel
        self.translated: tuple[Path, int | None] | None = None
        self._say = say

    def begin(self, stage: Stage, doing: str) -> None:
        self.stage = stage
        self._say(stage=str(stage))

    def checkpoint(self, name: str, stage: Stage, **facts: Any) -> None:
        if stage is Stage.NODE_CONVERSION and facts.get("kind") is ArtifactKind.ONNX and facts.get("path") is not None:
            self.translated = facts["path"], facts.get("opset_override")
