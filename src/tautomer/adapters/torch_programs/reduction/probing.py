"""How a small PyTorch model module fails, in a fraction of a second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tautomer.adapters.converters import torch_onnx, torch_onnx_legacy
from tautomer.adapters.probing.comparison import Comparison
from tautomer.adapters.probing.prober import Prober, StagesOnly
from tautomer.adapters.torch_programs.preparation import prepare
from tautomer.adapters.torch_programs.reduction.answers import comparison_with
from tautomer.adapters.torch_programs.reduction.exporter_tables import ExporterTables


class TorchProber(Prober):
    """Probes PyTorch modules with `torch.onnx` or `torch.onnx-legacy`."""

    def __init__(self, settings: Mapping[str, Any], *, seed: int, timeout_s: float) -> None:
        super().__init__(settings, seed=seed, timeout_s=timeout_s)
        dynamo = (settings.get("converter") or "torch.onnx") == "torch.onnx"
        self._tables = ExporterTables.of(settings.get("opset")) if dynamo else None

    def comparison(self, module: Path) -> Comparison:
        """The module's answers on its inputs."""
        torch.set_num_threads(1)
        return comparison_with(prepare(self._spec(module)))

    def converted(self, recorder: StagesOnly, module: Path, comparison: Comparison) -> Path:
        """The .onnx file that the module becomes."""
        prepared = prepare(self._spec(module))
        path = recorder.channel.folder / "model" / "model.onnx"
        settings = dict(self._settings)
        if self._tables is None:
            names = torch_onnx_legacy._input_names(prepared)
            torch_onnx_legacy._export(recorder, prepared, settings, names, path, fold=True)
        else:
            with self._tables.given():
                torch_onnx._export(recorder.channel, recorder, prepared, settings)
        return path

    def _spec(self, module: Path) -> dict[str, Any]:
        return {"path": str(module), "kind": "model_module", "seed": self._seed}
