"""The reference of a comparison: what the first artefact answers, on inputs that both artefacts take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.torch_host import TORCH_HOST
from tautomer.checking.attempts import Bench
from tautomer.checking.interface import match_inputs, read_interface
from tautomer.checking.onnx_models import with_trace
from tautomer.checking.pipeline import run_source
from tautomer.checking.results import SourceResult
from tautomer.checking.sources import SourceFile
from tautomer.checking.verdicts import values_of
from tautomer.errors import InputsError
from tautomer.model import ArtifactKind, CheckSettings, Tensor

_HAVE_INPUTS = (ArtifactKind.MODEL_MODULE, ArtifactKind.EXPORTED_PROGRAM, ArtifactKind.TENSORFLOW_MODULE)
"""Kinds of artefacts that say, or may say, what they are to be run on."""

_NO_FIT = "TA156"
_ASK_FOR_SAMPLES = "Pass samples that both models take with --inputs."


@dataclass(frozen=True, slots=True)
class Artefact:
    """One of the two, with what its source's task is told.

    Attributes:
        file: the file and the adapter that reads it.
        spec: arguments of its source's task.
    """

    file: SourceFile
    spec: Mapping[str, Any]

    @classmethod
    def of(cls, file: SourceFile, settings: CheckSettings, samples: Sequence[Path]) -> Artefact:
        """An artefact that is asked as `tautomer check` would ask it."""
        spec = {
            "path": str(file.path),
            "kind": str(file.kind),
            "seed": settings.seed,
            "inputs": [str(one) for one in samples],
            "trust_pickle": settings.trust_pickle,
            "search_inputs": settings.search_inputs,
        }
        return cls(file, spec)

    @property
    def is_onnx(self) -> bool:
        """Whether it is a graph that can be evaluated."""
        return self.file.kind is ArtifactKind.ONNX

    @property
    def runs_in_runtimes(self) -> bool:
        """Whether runtimes take it."""
        return self.file.kind in (ArtifactKind.ONNX, ArtifactKind.TFLITE)

    @property
    def is_torch(self) -> bool:
        """Whether it runs in PyTorch."""
        return self.file.adapter.host == TORCH_HOST

    @property
    def name(self) -> str:
        """Of the file."""
        return self.file.given.name

    def run(self, bench: Bench) -> SourceResult:
        """What it answers on its own inputs, or on those it was told to take.

        Raises:
            MisuseError: it cannot be loaded, raises, or has no inputs.
        """
        return run_source(bench, self.file.adapter, self.spec)

    def on(self, bench: Bench, other: SourceResult) -> Artefact:
        """The same artefact, to be run on the input sets of the other.

        Raises:
            InputsError: it asks for what the other does not have.
        """
        entries = [
            {"name": one["name"], "origin": one["origin"], "file": str(file)}
            for one, file in zip(other.facts["sets"], other.inputs, strict=True)
        ]
        if not self.is_onnx:
            return replace(self, spec={**self.spec, "inputs": [], "transferred_inputs": entries})
        files = [str(_by_graph_names(bench, self, entry)) for entry in entries]
        return replace(self, spec={**self.spec, "inputs": files})


@dataclass(frozen=True, slots=True)
class Answered:
    """What the reference answers.

    Attributes:
        source: its answers, in the form of a check's source.
        judged: answers of the other artefact, where it was run on the same inputs to get at them.
    """

    source: SourceResult
    judged: SourceResult | None = None


def answers(bench: Bench, reference: Artefact, judged: Artefact, samples: Sequence[Path]) -> Answered:
    """Run the reference on given samples, its own inputs or the other's, whichever is there first; else on seeded ones.

    Raises:
        MisuseError: the reference raises, or no inputs fit both.
    """

    def of_reference() -> Answered:
        source = reference.run(bench)
        if source.truth is not None and judged.is_onnx:
            verify_fit(judged, source)
        return Answered(source)

    def of_judged() -> Answered:
        other = judged.run(bench)
        if other.truth is None:
            raise InputsError("TA131", f"{judged.name} could not be run to learn what its inputs are.")
        if reference.is_onnx:
            verify_fit(reference, other)
        source = reference.on(bench, other).run(bench)
        return Answered(_with_origins(source, other), other)

    ways: list[Callable[[], Answered]] = [of_reference, of_judged]
    if not samples and reference.is_onnx and judged.file.kind in _HAVE_INPUTS:
        ways.reverse()
    refused: list[InputsError] = []
    for way in ways:
        try:
            return way()
        except InputsError as error:
            refused.append(error)
    # That a model without samples says nothing of its inputs is less telling than why other inputs do not fit.
    raise next((one for one in refused if one.code != "TA131"), refused[0])


def _with_origins(source: SourceResult, other: SourceResult) -> SourceResult:
    """Where the inputs came from is what the one who had them says, not the file they went through."""
    sets = [
        {**one, "name": given["name"], "origin": given["origin"]}
        for one, given in zip(source.facts.get("sets", ()), other.facts["sets"], strict=False)
    ]
    notes = [*source.facts.get("notes", ()), *(one for one in other.facts.get("notes", ()) if "were given" in one)]
    return replace(source, facts={**source.facts, "sets": sets, "notes": list(dict.fromkeys(notes))})


def verify_fit(judged: Artefact, source: SourceResult) -> None:
    """Compare the first input set with what an .onnx file declares; other sizes of other sets are findings.

    Raises:
        InputsError: TA156 the file cannot take it whatever it computes.
    """
    graph = read_interface(judged.file.path)
    values = values_of(source.inputs[0])
    feeds = match_inputs(graph.inputs, values, {}, ()).feeds
    for spec in graph.inputs:
        value = values.get(feeds.get(spec.name, ""))
        if not isinstance(value, Tensor) or spec.shape is None:
            continue
        fixed = [(size, found) for size, found in zip(spec.shape, value.shape, strict=False) if isinstance(size, int)]
        if len(spec.shape) != len(value.shape) or any(size != found for size, found in fixed):
            raise InputsError(
                _NO_FIT,
                f"input '{spec.name}' of {judged.name} takes shape {_spelled(spec.shape)}, and"
                f" {source.facts['sets'][0]['name']} has {list(value.shape)}: no inputs fit both.",
                _ASK_FOR_SAMPLES,
            )


def _spelled(shape: Sequence[int | str | None]) -> str:
    return f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _by_graph_names(bench: Bench, artefact: Artefact, entry: Mapping[str, Any]) -> Path:
    """A file of the values that a graph's inputs get.

    Raises:
        InputsError: TA156 it has inputs that nothing is there for.
    """
    values = values_of(Path(entry["file"]))
    graph = read_interface(artefact.file.path)
    feeds = match_inputs(graph.inputs, values, {}, ()).feeds
    lacking = [spec.name for spec in graph.inputs if spec.name not in feeds]
    if lacking:
        raise InputsError(
            _NO_FIT,
            f"{artefact.name} asks for {', '.join(repr(name) for name in lacking)}, which the other model does not"
            " have: no inputs fit both.",
            _ASK_FOR_SAMPLES,
        )
    for spec in graph.inputs:
        value = values[feeds[spec.name]]
        if isinstance(value, Tensor) and spec.dtype not in (None, value.dtype):
            raise InputsError(
                _NO_FIT,
                f"input '{spec.name}' of {artefact.name} takes {spec.dtype}, and the other model {value.dtype}:"
                " no inputs fit both.",
                _ASK_FOR_SAMPLES,
            )
    file = bench.run_folder.attempt("inputs of the reference") / "inputs.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_values(file, {name: values[path] for name, path in feeds.items()})
    return file


def traced(bench: Bench, reference: Artefact, judged: Artefact, source: SourceResult) -> SourceResult:
    """The answers of an .onnx reference with a trace of its values, as a PyTorch source has one."""
    if not reference.is_onnx:
        return source
    path = judged.file.path if judged.is_onnx else None
    return with_trace(bench, reference.file, source, path, seed=int(reference.spec["seed"]))
