"""How a small model module fails, in a fraction of a second: convert it, run what came out, compare with the source.

A probe is no verdict: it samples the same quantities as a check, on the same inputs, but looks at the ends only. A
reduction follows its answers and has the result checked in full.
"""

from __future__ import annotations

import abc
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tautomer.adapters.converters.recording import Recorder
from tautomer.adapters.probing.asked_runtime import AskedRuntime, Say
from tautomer.adapters.probing.comparison import Comparison
from tautomer.adapters.probing.forked import in_child
from tautomer.adapters.probing.probe import HANG, LONGEST_HANG_S, Probe, error_text
from tautomer.adapters.worker_api import Channel
from tautomer.errors import TautomerError
from tautomer.model import ArtifactKind, Stage

_TIMES_AS_LONG = 4.0
"""How much longer than the model that is made smaller a smaller one may take; it may have lost what ends a loop."""


class HiddenFailure(Exception):
    """What a converter has only logged: its text says what failed."""


class Prober(abc.ABC):
    """Probes modules, each in a child of its own that inherits what a conversion needs.

    Args:
        settings: `converter`, `opset`, `options`, `runtime_task` (of the runtime's adapter; ONNX Runtime where there is
            none) and `runtime_options`.
        seed: of the sources.
        timeout_s: for one module.
    """

    def __init__(self, settings: Mapping[str, Any], *, seed: int, timeout_s: float) -> None:
        self._settings = settings
        self._seed = seed
        self._timeout_s = timeout_s
        self._longest_s = 0.0
        self.count = 0

    @abc.abstractmethod
    def comparison(self, module: Path) -> Comparison:
        """The module's answers on its inputs.

        Raises:
            TautomerError: it cannot be used.
        """

    @abc.abstractmethod
    def converted(self, recorder: StagesOnly, module: Path, comparison: Comparison) -> Path:
        """The .onnx file that the module becomes, in a folder of its own.

        Raises:
            Exception: whatever the converter raises.
        """

    def probe(self, module: Path) -> Probe:
        """How this module fails."""
        self.count += 1
        began_s = time.monotonic()
        said = in_child(self._in_child(module), timeout_s=self._timeout_s)
        self._longest_s = max(self._longest_s, time.monotonic() - began_s)
        if "ended" in said:
            how = HANG if said["ended"] == "late" else said["ended"]
            return Probe("failed", str(said.get("stage", "load_model")), how)
        return Probe.of(said)

    def expect(self, failure: Probe) -> None:
        """Modules that hang like this one need not be waited for as long, nor those that should fail as soon as it."""
        limit_s = LONGEST_HANG_S if failure.error == HANG else max(LONGEST_HANG_S, _TIMES_AS_LONG * self._longest_s)
        self._timeout_s = min(self._timeout_s, limit_s)

    def _in_child(self, module: Path) -> Callable[[Say], Mapping[str, Any]]:
        def work(say: Say) -> Mapping[str, Any]:
            with tempfile.TemporaryDirectory(dir=module.parent) as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return self._probed(module, Path(folder), say).fields()

        return work

    def _probed(self, module: Path, folder: Path, say: Say) -> Probe:
        say(stage="source")
        try:
            comparison = self.comparison(module)
        except TautomerError as error:
            return Probe("invalid", "source", error.message)
        recorder = StagesOnly(folder, say)
        try:
            model = self.converted(recorder, module, comparison)
        except HiddenFailure as error:
            return Probe("failed", str(recorder.stage), str(error))
        except Exception as error:  # whatever the converter raises is how it fails
            return Probe("failed", str(recorder.stage), error_text(error))
        runtime = AskedRuntime(self._settings.get("runtime_task"), self._settings.get("runtime_options") or {})
        seen = comparison.with_model(model, runtime, say, translated=recorder.translated)
        return Probe.of_comparison(seen)


class StagesOnly(Recorder):
    """Follows a conversion without reporting its checkpoints.

    Attributes:
        channel: of the conversion; its events are heard by nobody.
        translated: the graph that all conversion of nodes has led to, before anything was optimized, and the opset that
            its operators are of where its label lies below; None before there is one.
    """

    def __init__(self, folder: Path, say: Say) -> None:
        self.channel = Channel(folder)
        super().__init__(self.channel)
        self.translated: tuple[Path, int | None] | None = None
        self._say = say

    def begin(self, stage: Stage, doing: str) -> None:
        """Say the stage."""
        self.stage = stage
        self._say(stage=str(stage))

    def checkpoint(self, name: str, stage: Stage, **facts: Any) -> None:
        """Remember the translated graph."""
        if stage is Stage.NODE_CONVERSION and facts.get("kind") is ArtifactKind.ONNX and facts.get("path") is not None:
            self.translated = facts["path"], facts.get("opset_override")
