"""How a small model module fails, in a fraction of a second: export it, run what came out, compare with the source.

A probe is no verdict: it samples the same quantities as a check, on the same inputs, but looks at the ends only. A
reduction follows its answers and has the result checked in full.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tautomer.adapters.converters import torch_onnx, torch_onnx_legacy
from tautomer.adapters.converters.recording import Recorder
from tautomer.adapters.torch_programs.preparation import prepare
from tautomer.adapters.torch_programs.reduction.asked_runtime import AskedRuntime, Say
from tautomer.adapters.torch_programs.reduction.comparison import REFUSES, Comparison
from tautomer.adapters.torch_programs.reduction.exporter_tables import ExporterTables
from tautomer.adapters.torch_programs.reduction.forked import in_child
from tautomer.adapters.worker_api import Channel, qualified_name
from tautomer.errors import TautomerError
from tautomer.model import ArtifactKind, Stage
from tautomer.model.failure_text import normalised

HANG = "it did not end"
LONGEST_HANG_S = 15.0
"""After which a module smaller than one that hangs is taken to hang: exporting and running one takes about a second."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How one module fails.

    Attributes:
        outcome: `equivalent`, `divergent`, `failed`, or `invalid` where the module itself cannot be used.
        stage: that failed (`load_model`, `node_conversion`, `optimization`, `export`, `validation`, `evaluation`,
            `runtime_load`, `runtime_execution`); `compared` where all ran.
        error: class and text of the error, without what may change while it stays the same.
        differs: what differs and where it was seen, sorted: `model: semantic`, `runtime: range`.
        other_sizes: whether it fails on later input sets only.
        op_types: operators of the exported graph, sorted, each once.
        made_for: operators of the source that nodes of the graph were made for, as far as they say so; likewise.
        nodes: of the exported graph.
    """

    outcome: str
    stage: str
    error: str = ""
    differs: tuple[str, ...] = ()
    other_sizes: bool = False
    op_types: tuple[str, ...] = ()
    made_for: tuple[str, ...] = ()
    nodes: int = 0

    def is_same_failure(self, other: Probe) -> bool:
        """Whether both fail, in the same way; how many nodes it takes does not matter."""
        ours = (self.outcome, self.stage, self.error, self.differs, self.other_sizes)
        theirs = (other.outcome, other.stage, other.error, other.differs, other.other_sizes)
        return self.outcome in ("divergent", "failed") and ours == theirs

    def has_one_of(self, operators: Collection[str]) -> bool:
        """Whether the graph has one of these operators, or a node that was made for one."""
        return not {*operators}.isdisjoint((*self.op_types, *self.made_for))

    def fields(self) -> dict[str, Any]:
        """JSON values of all attributes."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Probe:
        """From what `fields` gave."""
        known: dict[str, Any] = {name: fields[name] for name in cls.__slots__ if name in fields}
        known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return cls(**known)


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
            comparison = Comparison.of(prepare(spec))
        except TautomerError as error:
            return Probe("invalid", "source", error.message)
        recorder = _StagesOnly(Channel(folder), say)
        try:
            model = self._exported(recorder, spec, folder)
        except Exception as error:  # whatever the exporter raises is how it fails
            return Probe("failed", str(recorder.stage), _error_text(error))
        runtime = AskedRuntime(self._settings.get("runtime_task"), self._settings.get("runtime_options") or {})
        seen = comparison.with_model(model, runtime, say, translated=recorder.translated)
        facts: dict[str, Any] = {"op_types": seen.op_types, "made_for": seen.made_for, "nodes": seen.nodes}
        if seen.refused is not None:
            return Probe("failed", str(Stage.RUNTIME_LOAD), seen.refused, **facts)
        if any(one.startswith(REFUSES) for one in seen.differs):
            stage = str(Stage.RUNTIME_EXECUTION)
            return Probe("failed", stage, seen.checker, seen.differs, seen.other_sizes, **facts)
        if seen.differs:
            return Probe("divergent", "compared", seen.checker, seen.differs, seen.other_sizes, **facts)
        if seen.checker:
            return Probe("failed", str(Stage.VALIDATION), seen.checker, **facts)
        return Probe("equivalent", "compared", **facts)

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


def _error_text(error: BaseException) -> str:
    """Class and text of an exception and of what it came from."""
    texts = [f"{qualified_name(type(error))}: {normalised(str(error))}"]
    cause = error.__cause__ or error.__context__
    while cause is not None and cause.__cause__ is not None:
        cause = cause.__cause__
    if cause is not None:
        texts.append(f"{qualified_name(type(cause))}: {normalised(str(cause))}")
    return "; ".join(texts)
