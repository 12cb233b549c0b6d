"""A source that was run and converted once, against which many ONNX files are then judged.

This is the seam between the benchmark and the judge: everything here is what a check does after conversion.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from catalog import written

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.checking.attempts import Bench
from tautomer.checking.findings import findings_of
from tautomer.checking.fragments import judge_fragments
from tautomer.checking.pipeline import convert, evaluation_arguments, run_runtime, run_source
from tautomer.checking.records import CheckpointRecord, RunRecord, add_runs
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.sources import recognise
from tautomer.checking.verdicts import Verdict, judge_checkpoint, values_of
from tautomer.execution import Pool, RunStore
from tautomer.model import CheckSettings, Completed, Limits, Stage, Tensor

CONVERTER, RUNTIME, DEPLOYED = "torch.onnx", "onnxruntime", "ort optimized"
SAVED = "mutant"

Values = Mapping[str, Tensor]
"""Tensors by the source's output paths."""


class _Silent:
    def stage(self, name: str, detail: str = "") -> None:
        """Ignored."""

    def done(self, name: str, seconds: float, outcome: str | None = None) -> None:
        """Ignored."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said of one file, and what it computes.

    Attributes:
        outcome: as a report has it.
        kind: of the first finding; None where there is none.
        message: of the first finding, else the reason why the outcome is not `equivalent`.
        nodes: every node that is named, in findings or as a fragment.
        exact: in float64 by the specification, one mapping an input set; empty where that failed.
        deployed: what the optimized session answers, likewise.
    """

    outcome: str
    kind: str | None
    message: str | None
    nodes: frozenset[str]
    exact: tuple[Values, ...]
    deployed: tuple[Values, ...]


@dataclass(frozen=True, slots=True)
class JudgedSource:
    """A source and its clean conversion.

    Attributes:
        declared, exact: the source's answers, one mapping an input set.
        model: the converted file.
        clean: what is said of it.
    """

    bench: Bench
    converter: Adapter
    runtime: Adapter
    source: SourceResult
    conversion: Conversion
    hints: Path | None
    declared: tuple[Values, ...]
    exact: tuple[Values, ...]
    model: Path
    clean: Answer

    def judge(self, model: Path, *, run: Path | None = None) -> Answer:
        """What is said of a file with the clean file's interface.

        Args:
            model: the file that is judged.
            run: the file that the runtime gets in its place, as if its kernels computed that; None for `model`.
        """
        folder = self.bench.run_folder.path
        kept = set(folder.iterdir())
        given = _given(self.bench, self.converter, self.source, self.conversion, model=model, hints=self.hints)
        answer = _answer(self.bench, self.runtime, self.source, given, run=run)
        # What the attempts left is mapped into memory by the answer; their folders' names are free again.
        for attempt in set(folder.iterdir()) - kept:
            shutil.rmtree(attempt)
        values_of.cache_clear()
        return answer


@contextmanager
def judged_source(name: str, pool: Pool, folder: Path) -> Iterator[JudgedSource]:
    """Run and convert an architecture of the catalogue; its files live as long as the context.

    Raises:
        RuntimeError: the architecture cannot be run or converted.
    """
    path, _ = written(name, folder)
    file = recognise(path, trust_pickle=False)
    converter = registry.get(AdapterKind.CONVERTER, CONVERTER)
    runtime = registry.get(AdapterKind.RUNTIME, RUNTIME)
    settings = CheckSettings()
    spec = {"path": str(file.path), "kind": str(file.kind), "seed": 0, "inputs": [], "trust_pickle": False}
    with RunStore(folder / "runs").create(name) as run_folder:
        bench = Bench(pool, Limits(), run_folder)
        source = run_source(bench, file.adapter, spec)
        if source.truth is None:
            raise RuntimeError(f"{name} does not run as a source")
        listener = _Silent()
        conversion = convert(bench, converter, spec=spec, source=source, settings=settings, listener=listener)
        if conversion.model is None:
            raise RuntimeError(f"{name} is not converted")
        declared = tuple(
            {path: one.declared for path, one in each.items() if isinstance(one.declared, Tensor)}
            for each in source.truth.sets
        )
        exact = tuple(
            {path: Tensor.of(one.exact) for path, one in each.items() if one.exact is not None}
            for each in source.truth.sets
        )
        given = _given(bench, converter, source, conversion, model=conversion.model, hints=None)
        runs = given.verdicts[0].record.fragments
        hints = next((one.alignment for one in runs.values() if one.alignment is not None), None)
        clean = _answer(bench, runtime, source, given)
        try:
            yield JudgedSource(
                bench, converter, runtime, source, conversion, hints, declared, exact, conversion.model, clean
            )
        finally:
            values_of.cache_clear()


def _given(
    bench: Bench, converter: Adapter, source: SourceResult, conversion: Conversion, *, model: Path, hints: Path | None
) -> Conversion:
    """A conversion whose one checkpoint is the file, evaluated and judged operator by operator."""
    assert source.truth is not None
    parents = [one.record for one in conversion.verdicts if one.record.path is not None and one.judged]
    record = CheckpointRecord(
        SAVED, Stage.NODE_CONVERSION, model, feeds=conversion.feeds, output_names=conversion.output_names
    )
    attempt = bench.run(
        converter.host,
        "tautomer.adapters.onnx_files.evaluation:evaluate",
        evaluation_arguments(record, source),
        label="evaluate",
    )
    add_runs(record, attempt.events)
    if not isinstance(attempt, Completed):
        error = {"type": "NotLiftable", "message": "the evaluation did not end well"}
        record.runs.setdefault(("float64", 0), RunRecord.of_error(error))
    record.fragments = judge_fragments(
        bench, converter.host, record, source, parents=[one for one in parents if one.path != model], hints=hints
    )
    verdict = judge_checkpoint(record, source.truth)
    return Conversion(
        [verdict], model, conversion.feeds, conversion.output_names, [], conversion.attempt, opset=conversion.opset
    )


def _answer(
    bench: Bench, runtime: Adapter, source: SourceResult, given: Conversion, *, run: Path | None = None
) -> Answer:
    assert source.truth is not None
    verdicts = run_runtime(bench, runtime, given, source, _Silent(), label="runtime", executes=run)
    findings = findings_of(given, verdicts, source.truth, [])
    steps = [*given.verdicts, *verdicts]
    reasons = [reason for verdict in steps for reason in verdict.reasons]
    outcome = str(findings[0].outcome) if findings else ("inconclusive" if reasons else "equivalent")
    nodes = {node for finding in findings for node in finding.location.nodes}
    deployed = next((one for one in verdicts if one.name == DEPLOYED), None)
    names = given.output_names
    return Answer(
        outcome,
        str(findings[0].cause.kind) if findings else None,
        findings[0].message if findings else (reasons[0] if reasons else None),
        frozenset(nodes),
        _values(given.verdicts[0], "float64", names),
        _values(deployed, "declared", names) if deployed is not None else (),
    )


def _values(verdict: Verdict, precision: str, output_names: Mapping[str, str]) -> tuple[Values, ...]:
    """What a checkpoint computed on every input set; empty where it failed on one."""
    found: list[Values] = []
    runs = {index: run for (kind, index), run in verdict.record.runs.items() if kind == precision}
    for index in sorted(runs):
        file = runs[index].values
        if file is None:
            return ()
        found.append(
            {output_names.get(name, name): one for name, one in values_of(file).items() if isinstance(one, Tensor)}
        )
    return tuple(found)
