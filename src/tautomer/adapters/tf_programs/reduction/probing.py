"""How a small TensorFlow model module fails, in a fraction of a second.

The process that asks executes no operator, so that it can be forked: a probe runs in a child.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from tautomer.adapters.converters.tf2onnx_converter import _call_function, converting
from tautomer.adapters.converters.tf2onnx_levers import ConversionLevers, without_levers
from tautomer.adapters.converters.tf2onnx_watching import HIDDEN_FAILURE
from tautomer.adapters.probing.comparison import Comparison
from tautomer.adapters.probing.prober import HiddenFailure, Prober, StagesOnly
from tautomer.adapters.tf_programs.preparation import prepare
from tautomer.adapters.tf_programs.reduction.answers import comparison_with
from tautomer.adapters.worker_api import Channel
from tautomer.model import Stage
from tautomer.model.failure_text import normalised

CONVERTER = "tf2onnx"


class TensorFlowProber(Prober):
    """Probes TensorFlow modules with `tf2onnx`.

    Attributes:
        operators: of the failure that is looked for, where the converter hides several.
    """

    operators: tuple[str, ...] = ()

    def comparison(self, module: Path) -> Comparison:
        """The module's answers on its inputs."""
        return comparison_with(prepare(self._spec(module)))

    def converted(self, recorder: StagesOnly, module: Path, comparison: Comparison) -> Path:
        """The .onnx file that the module becomes."""
        logging.getLogger("tf2onnx").propagate = False
        options = self._settings.get("options") or {}
        levers = ConversionLevers.of(options)
        heard = _Hidden(recorder.channel.folder)
        with converting(
            heard,
            self._spec(module),
            {"output_paths": [], "inputs_digests": []},
            levers,
            recorder=recorder,
            runs_programs=False,
        ) as (prepared, path):
            paths = list(prepared.run(0))
            prepared.reset()
            given = {**without_levers(options), "opset": self._settings.get("opset"), "output_path": str(path)}
            _call_function(prepared, levers, paths, given)
        if heard.failures:
            chosen = next((one for one in heard.failures if one[1] in self.operators), heard.failures[0])
            recorder.stage = chosen[0]
            raise HiddenFailure(chosen[2])
        return path

    def _spec(self, module: Path) -> dict[str, Any]:
        return {"path": str(module), "kind": "tensorflow_module", "seed": self._seed}


class _Hidden(Channel):
    """Hears what the converter only logs."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.failures: list[tuple[Stage, str | None, str]] = []

    def emit(self, name: str, /, **fields: Any) -> None:
        if name == HIDDEN_FAILURE:
            error = fields["error"]
            said = f"{fields['what']} {fields['step']} {fields['operator']} {error['type']}: {error['message']}"
            self.failures.append((Stage(fields["stage"]), fields["operator"], normalised(said)))
