"""Tests suspect sequences directly: each is cut out of a failing model, and checked like any model.

Association says that a sequence goes with failure; this says whether it fails where nothing else is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tautomer.adapters import registry
from tautomer.adapters.protocols import AdapterKind
from tautomer.checking import run_check
from tautomer.checking.attempts import Bench, describe
from tautomer.checking.onnx_modules import written_out
from tautomer.checking.signatures import signature_of
from tautomer.checking.sources import recognise
from tautomer.coverage.data_flow import operators_in
from tautomer.coverage.reading import ReadModel
from tautomer.errors import TautomerError
from tautomer.execution import Runner, RunStore
from tautomer.model import ArtifactKind, CheckReport, CheckSettings, Completed, Finding, Keep, Outcome
from tautomer.model.architecture import Architecture, Origin

_MOST_MODELS = 3
"""Failing models in which a sequence is tried that can be neither cut nor judged in the first: each costs a check."""

CUT_TASK = "tautomer.adapters.onnx_files.cutting:cut"


class Verdict(StrEnum):
    """What became of a sequence that was tested by itself."""

    CAUSES = "causes the failure alone"
    FAILS_OTHERWISE = "fails alone, in another way"
    DOES_NOT_FAIL = "does not fail alone"
    NOT_CUT = "could not be cut"
    NOT_JUDGED = "could not be judged"


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectTest:
    """One sequence, tested in one failing model.

    Attributes:
        item: the sequence or operator.
        verdict: what became of it.
        model: the failing model it was cut out of.
        nodes: the nodes that were cut out.
        reason: why it could not be cut or judged, or what failed.
    """

    item: str
    verdict: Verdict
    model: str | None = None
    nodes: list[str] = field(default_factory=list)
    reason: str | None = None


def run_direct_tests(
    items: Sequence[str],
    failing: Sequence[ReadModel],
    settings: CheckSettings,
    *,
    runner: Runner,
    ports: bool,
    heard: Callable[[str], None] = lambda _: None,
) -> list[DirectTest]:
    """Test each item in the smallest failing model that has it; in the next where it cannot be tested in that.

    Args:
        items: sequences and operators.
        failing: models that are said to fail.
        settings: of the checks: through which converters, in which runtimes.
        runner: of the workers.
        ports: whether ports are part of the sequences.
        heard: told what is being done.
    """
    checker = _Checker(settings, runner)
    results: dict[str, DirectTest] = {}
    tries: Counter[str] = Counter()
    waiting = list(items)
    for model in sorted(failing, key=lambda one: len(one.architecture.nodes)):
        found = {item: nodes for item in waiting if (nodes := occurrence(model.architecture, item, ports=ports))}
        if not found:
            continue
        heard(model.architecture.name)
        for one in _in_model(model, found, checker, heard):
            results[one.item] = one
            tries[one.item] += 1
            if one.verdict not in (Verdict.NOT_CUT, Verdict.NOT_JUDGED) or tries[one.item] == _MOST_MODELS:
                waiting.remove(one.item)
        if not waiting:
            break
    absent = "no failing model has it outside branches and loops"
    return [results.get(item) or DirectTest(item=item, verdict=Verdict.NOT_CUT, reason=absent) for item in items]


def occurrence(architecture: Architecture, item: str, *, ports: bool) -> tuple[int, ...] | None:
    """Nodes of the main graph along which a sequence runs, the first there are; None where it does not."""
    operators = operators_in(item)
    steps = item.split()[1::2]
    nodes = architecture.nodes
    reached: list[dict[int, int]] = [
        {index: -1 for index, node in enumerate(nodes) if node.operator == operators[0] and not node.within}
    ]
    for operator, step in zip(operators[1:], steps, strict=True):
        reached.append(
            {
                index: one.index
                for index, node in enumerate(nodes)
                if node.operator == operator and not node.within
                for one in node.operands
                if one.origin is Origin.NODE
                and one.index in reached[-1]
                and (not ports or step == f"{one.output}>{one.port}")
            }
        )
    if not reached[-1]:
        return None
    way = [min(reached[-1])]
    for level in reversed(reached[1:]):
        way.append(level[way[-1]])
    return tuple(reversed(way))


def _in_model(
    model: ReadModel, found: Mapping[str, tuple[int, ...]], checker: _Checker, heard: Callable[[str], None]
) -> Iterator[DirectTest]:
    """The tests of several items in one model."""
    name = model.architecture.name

    def untested(verdict: Verdict, reason: str) -> Iterator[DirectTest]:
        for item in found:
            yield DirectTest(item=item, verdict=verdict, model=name, reason=reason)

    if model.path is None:
        yield from untested(Verdict.NOT_CUT, "the model is no file")
        return
    try:
        whole = checker.check(model.path)
    except TautomerError as error:
        yield from untested(Verdict.NOT_JUDGED, str(error))
        return
    wanted = [one for pair in whole.reports for one in pair.findings]
    if not wanted:
        outcomes = ", ".join(dict.fromkeys(str(pair.outcome) for pair in whole.reports))
        yield from untested(Verdict.NOT_JUDGED, f"the whole model does not fail in this check: it is {outcomes}")
        return
    with RunStore(checker.settings.run_dir).create("sequences") as folder:
        bench = Bench(checker.runner, checker.settings.limits, folder)
        named = {item: [model.architecture.nodes[one].name for one in way] for item, way in found.items()}
        try:
            cuts = _cut(bench, model.path, list(named.values()), checker.settings)
        except TautomerError as error:
            yield from untested(Verdict.NOT_CUT, str(error))
            return
        for (item, nodes), cut in zip(named.items(), cuts, strict=True):
            heard(item)
            test = DirectTest(item=item, verdict=Verdict.NOT_CUT, model=name, nodes=nodes, reason=cut.get("reason"))
            yield test if cut["module"] is None else _judged(test, cut, wanted, checker)


def _cut(
    bench: Bench, path: Path, parts: Sequence[Sequence[str]], settings: CheckSettings
) -> Sequence[Mapping[str, Any]]:
    """Have a worker cut parts out of a model; what it says of each."""
    source, _ = written_out(bench, recognise(path, trust_pickle=settings.trust_pickle), seed=settings.seed)
    spec = {
        "path": str(source.path),
        "kind": str(source.kind),
        "seed": settings.seed,
        "inputs": [str(settings.inputs)] if settings.inputs else [],
        "trust_pickle": settings.trust_pickle,
    }
    if source.kind is ArtifactKind.ONNX:
        host = registry.get(AdapterKind.SOURCE, "onnx").host
        attempt = bench.run(host, CUT_TASK, {"spec": spec, "parts": parts}, label="cut")
    elif source.adapter.reduced_by is not None:
        ways = [{"nodes": nodes, "grow": 0} for nodes in parts]
        task = f"{source.adapter.reduced_by}:extract"
        title = "A sequence of operators, cut out of a model that fails."
        attempt = bench.run(source.adapter.host, task, {"spec": spec, "ways": ways, "title": title}, label="cut")
    else:
        return [{"module": None, "reason": f"nothing cuts models of {source.adapter.name}"} for _ in parts]
    if not isinstance(attempt, Completed):
        return [{"module": None, "reason": describe(attempt)} for _ in parts]
    if source.kind is ArtifactKind.ONNX:
        return list(attempt.result)
    return [_exact(cut, nodes) for cut, nodes in zip(attempt.result["cuts"], parts, strict=True)]


def _exact(cut: Mapping[str, Any], nodes: Sequence[str]) -> Mapping[str, Any]:
    """A cut that holds these nodes and no others; what the cutter took for them may be something else."""
    if cut["module"] is not None and set(cut["located"]) != set(nodes):
        return {"module": None, "reason": "the model is captured otherwise there"}
    return cut


def _judged(test: DirectTest, cut: Mapping[str, Any], wanted: Sequence[Finding], checker: _Checker) -> DirectTest:
    """The test with what a check of the cut came to."""
    try:
        report = checker.check(
            Path(cut["module"]), inputs=Path(cut["inputs"]) if isinstance(cut.get("inputs"), str) else None
        )
    except TautomerError as error:
        return replace(test, verdict=Verdict.NOT_JUDGED, reason=str(error))
    findings = [one for pair in report.reports for one in pair.findings]
    if not findings:
        unclear = [pair for pair in report.reports if pair.outcome is not Outcome.EQUIVALENT]
        if unclear:
            return replace(test, verdict=Verdict.NOT_JUDGED, reason=f"{unclear[0].outcome}: {unclear[0].reason}")
        return replace(test, verdict=Verdict.DOES_NOT_FAIL)
    signatures = [signature_of(one) for one in wanted]
    same = [one for one in findings if any(each.is_same_failure(signature_of(one)) for each in signatures)]
    verdict = Verdict.CAUSES if same else Verdict.FAILS_OTHERWISE
    return replace(test, verdict=verdict, reason=(same or findings)[0].message)


class _Checker:
    """Checks with the same settings; keeps nothing."""

    def __init__(self, settings: CheckSettings, runner: Runner) -> None:
        self.settings = replace(settings, keep=Keep.NONE)
        self.runner = runner

    def check(self, path: Path, *, inputs: Path | None = None) -> CheckReport:
        """Check one model.

        Raises:
            TautomerError: it cannot be checked.
        """
        settings = replace(self.settings, inputs=inputs) if inputs is not None else self.settings
        return run_check(path, settings, runner=self.runner).report
