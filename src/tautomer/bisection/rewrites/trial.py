"""One full check of a source's conversion with something rewritten or patched, against the source as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tautomer.adapters.onnx_files.patches.patching import TASK as PATCHING_TASK
from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench
from tautomer.checking.formats import RangeReport
from tautomer.checking.interface import read_interface
from tautomer.checking.one_check import Silent
from tautomer.checking.pair_report import Besides, pair_fields
from tautomer.checking.pipeline import convert, judge_given, run_runtime, run_source
from tautomer.checking.progress import Listener
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.sources import recognise, resolve_converters, resolve_runtimes, sample_files
from tautomer.checking.validation import check_files
from tautomer.checking.verdicts import values_of
from tautomer.execution import Runner, RunStore
from tautomer.model import ArtifactKind, CheckSettings, Completed, Report


@dataclass(frozen=True, slots=True)
class Rewriting:
    """How a converter's program is rewritten.

    Attributes:
        task: that converts with a rewrite.
        methods: that it knows.
    """

    task: str
    methods: tuple[str, ...]


REWRITINGS = {
    "torch.onnx": Rewriting("tautomer.adapters.torch_programs.rewrites.conversion:convert", ("table", "decomposition")),
    "tf2onnx": Rewriting("tautomer.adapters.tf_programs.rewrites.conversion:convert", ("table",)),
}
"""By converter; of the others only the graph can be patched."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A checked rewrite.

    Attributes:
        report: of the source against what its rewritten conversion computes.
        model: the rewritten model; None where nothing was converted.
        rewritten: what the worker said of the rewrite.
    """

    report: Report
    model: Path | None
    rewritten: Mapping[str, Any]


class TrialBench:
    """A source that is run once and checked with one rewrite after the other; a context that removes what they left."""

    def __init__(self, model: Path, settings: CheckSettings, runner: Runner, listener: Listener | None) -> None:
        self._settings = replace(settings, power=False)
        self._file = recognise(model, trust_pickle=settings.trust_pickle)
        self._runtime = resolve_runtimes(settings.to)[0]
        self._converter = next(iter(resolve_converters(self._file, settings.via)), None)
        self._listener: Listener = listener or Silent()
        self._folder = RunStore(settings.run_dir).create(f"rewrites-{self._file.path.stem}")
        self._bench = Bench(runner, settings.limits, self._folder)
        self._spec = {
            "path": str(self._file.path),
            "kind": str(self._file.kind),
            "seed": settings.seed,
            "inputs": [str(file) for file in sample_files(settings.inputs)],
            "trust_pickle": settings.trust_pickle,
            "search_inputs": settings.search_inputs,
        }
        self._source: SourceResult | None = None
        self._converted: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        values_of.cache_clear()
        self._folder.abandon()

    @property
    def source(self) -> SourceResult:
        """The source's answers, computed on first use."""
        if self._source is None:
            self._listener.stage("source", "running the model")
            self._source = run_source(self._bench, self._file.adapter, self._spec)
        return self._source

    def try_rewrite(self, request: Mapping[str, Any]) -> Trial | None:
        """Check the source with its conversion rewritten; None where the rewrite does not apply.

        Raises:
            MisuseError: the source cannot be used.
        """
        rewriting = REWRITINGS.get(self._converter.name) if self._converter is not None else None
        if self._converter is None or rewriting is None or request["method"] not in rewriting.methods:
            return None
        if self.source.truth is None:
            return None
        converter = replace(self._converter, task=rewriting.task)
        settings = replace(self._settings, options={**self._settings.options, "rewrite": dict(request)})
        conversion = convert(
            self._bench, converter, spec=self._spec, source=self.source, settings=settings, listener=self._listener
        )
        assert conversion.attempt is not None
        said = next((event.fields for event in conversion.attempt.events if event.name == "rewritten"), None)
        if said is None:
            return None
        return Trial(self._report(conversion, converter.evaluation_host), conversion.model, said)

    @property
    def opset(self) -> int | None:
        """Of the graph that a source which is an .onnx file holds; None for other sources."""
        if self._file.kind is not ArtifactKind.ONNX:
            return None
        return read_interface(self._file.path).opset

    def try_patch(self, request: Mapping[str, Any]) -> Trial | None:
        """Check the source with the graph that the runtime gets patched; None where the patch does not apply.

        Args:
            request: `method`, `operators` and `opset`, as the patching task takes them.

        Raises:
            MisuseError: the source cannot be used.
        """
        if self.source.truth is None or not all(self.source.truth.sets):
            return None  # without the specification's answer there is nothing to verify a patch by
        graph = self._graph()
        if graph is None:
            return None
        host = (self._converter or self._file.adapter).evaluation_host
        attempt = self._bench.run(host, PATCHING_TASK, {**request, "model": str(graph)}, label="patch")
        if not isinstance(attempt, Completed) or attempt.result["model"] is None:
            return None
        model = Path(attempt.result["model"])
        conversion = judge_given(self._bench, host, model, self.source, self._settings)
        conversion.verdicts.append(check_files(self._bench, host, conversion))
        said = {**attempt.result, "code": "", "exactness": "by the specification", "note": ""}
        return Trial(self._report(conversion, host), model, said)

    def _graph(self) -> Path | None:
        """The .onnx file that the runtime gets; None where the conversion does not come that far."""
        if self._converter is None:
            return self._file.path
        if self._converted is None:
            converted = convert(
                self._bench,
                self._converter,
                spec=self._spec,
                source=self.source,
                settings=self._settings,
                listener=self._listener,
            )
            self._converted = converted.model
        return self._converted

    def _report(self, conversion: Conversion, host: WarmHost) -> Report:
        name = self._converter.name if self._converter is not None else None
        verdicts = []
        if conversion.model is not None:
            verdicts = run_runtime(
                self._bench,
                self._runtime,
                conversion,
                self.source,
                self._listener,
                label=name or self._file.path.name,
                options=self._settings.runtime_options,
            )
        fields = pair_fields(self._bench, host, self.source, conversion, verdicts, besides=Besides(None, RangeReport()))
        return Report(
            model=self._file.path.name,
            converter=name,
            runtime=self._runtime.name,
            links=[name] if name else [],
            **fields,
        )
