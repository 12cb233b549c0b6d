"""A PyTorch program judged against a reference: run in its own precision and in float64, and located value by value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tautomer.checking.attempts import Bench, describe
from tautomer.checking.comparison.reference import Artefact
from tautomer.checking.fragment_records import FragmentRun, fragment_runs
from tautomer.checking.interface import InterfaceFault, match_outputs
from tautomer.checking.records import CheckpointRecord, RunRecord
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.verdicts import SourceTruth, Verdict, judge_checkpoint, values_of
from tautomer.errors import InputsError, UserCodeError
from tautomer.model import (
    Attempt,
    CauseCategory,
    Completed,
    Finding,
    Location,
    Outcome,
    Stage,
    Tensor,
    TensorSpec,
)

RUNTIME = "torch"
"""What reports call PyTorch where it is what a model is run in."""

_LOCATE_TASK = "tautomer.adapters.torch_programs.comparison_alignment:locate"
_MODEL_RAISED = "TA126"
_LACKS_AN_INPUT = "TA155"


@dataclass(frozen=True, slots=True)
class _Ran:
    """A judged program's answers.

    Attributes:
        results: its answers by input set, each with the index of the set among those it was run on.
        errors: why there are none, by input set.
        interface: differences of interfaces that were found in running it.
        ended: the attempt that ended without an answer.
        artefact: the program with the inputs it was run on.
    """

    artefact: Artefact
    results: dict[int, tuple[SourceResult, int]] = field(default_factory=dict)
    errors: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    interface: list[InterfaceFault] = field(default_factory=list)
    ended: Attempt | None = None


@dataclass(frozen=True, slots=True)
class JudgedProgram:
    """A PyTorch program as a conversion that was judged, and what it gives in PyTorch.

    Attributes:
        conversion: with one checkpoint, `given`.
        runtime: the verdict on its values in its own precision.
        facts: what its source's task said of it.
    """

    conversion: Conversion
    runtime: list[Verdict]
    facts: Mapping[str, Any]


def judge_program(
    bench: Bench, judged: Artefact, source: SourceResult, answered: SourceResult | None, *, seed: int
) -> JudgedProgram:
    """Run a program on the reference's inputs and judge what it gives.

    Args:
        bench: where tasks run.
        judged: the program.
        source: the reference's answers.
        answered: the program's own, where it has been run on these inputs.
        seed: of perturbations.

    Raises:
        MisuseError: it cannot be loaded, or no inputs fit both.
    """
    assert source.truth is not None
    ran = _of(judged, answered) if answered is not None else _run(bench, judged, source)
    first = next(iter(ran.results.values()), None)
    facts = first[0].facts if first is not None else {}
    names, faults = _outputs(first, source.truth)
    given = CheckpointRecord("given", Stage.NODE_CONVERSION, output_names=names)
    native = CheckpointRecord(RUNTIME, Stage.RUNTIME_EXECUTION, output_names=names)
    given.failure = native.failure = ran.ended
    for index, (result, at) in ran.results.items():
        folder, entry = result.attempt.log.parent, result.facts["sets"][at]
        declared = RunRecord(folder / entry["s32"], None, 0.0, 0)
        given.runs["declared", index] = native.runs["declared", index] = declared
        if entry.get("float64"):
            given.runs["float64", index] = RunRecord(folder / entry["float64"], None, 0.0, 0)
        else:
            unlifted = {"type": "NotLiftable", "message": str(entry.get("reason"))}
            given.runs["float64", index] = RunRecord.of_error(unlifted)
    for index, error in ran.errors.items():
        given.runs["declared", index] = native.runs["declared", index] = RunRecord.of_error(error)
    if first is not None:
        native.add_cost(first[0].attempt.resources.seconds, first[0].attempt.resources.peak_memory_bytes)
    conversion = Conversion(
        [judge_checkpoint(given, source.truth)],
        judged.file.path,
        {},
        names,
        [*ran.interface, *_inputs(first, source), *faults],
        first[0].attempt if first is not None else ran.ended,
        converted=False,
    )
    if not given.runs and ran.ended is None:
        conversion.verdicts.clear()  # the difference of interfaces is all there is to say
        return JudgedProgram(conversion, [], facts)
    if conversion.verdicts[0].outcome is not Outcome.EQUIVALENT and ran.ended is None:
        given.fragments = _located(bench, ran, given, source, seed=seed)
        conversion.verdicts[0] = judge_checkpoint(given, source.truth)
        native.fragments = given.fragments
    return JudgedProgram(conversion, [judge_checkpoint(native, source.truth)], facts)


def every_fault(findings: Sequence[Finding], program: JudgedProgram) -> list[Finding]:
    """The findings, and one more for each place besides the first where the program parts from the reference.

    What follows a place was judged on the reference's own values, so that each is a fault of its own.
    """
    divergence = next((one for one in findings if one.outcome is Outcome.DIVERGENT and one.location.nodes), None)
    if divergence is None or not program.conversion.verdicts:
        return list(findings)
    told = {tuple(divergence.location.nodes)}
    more = []
    for fault in program.conversion.verdicts[0].fragment_faults():
        if fault.nodes in told:
            continue
        told.add(fault.nodes)
        location = Location(
            nodes=list(fault.nodes),
            op_types=list(fault.op_types),
            source_node=fault.operator,
            source_line=fault.line,
        )
        cause = replace(divergence.cause, evidence=fault.text())
        more.append(replace(divergence, cause=cause, location=location, message=fault.text(), workaround=None))
    return [*findings, *more]


def _of(judged: Artefact, answered: SourceResult) -> _Ran:
    return _Ran(judged, {index: (answered, index) for index in range(len(answered.inputs))})


def _run(bench: Bench, judged: Artefact, source: SourceResult) -> _Ran:
    """Run a program on all of the reference's input sets, one by one where it does not take them all."""
    every = judged.on(bench, source)
    try:
        result = every.run(bench)
    except InputsError as error:
        if error.code != _LACKS_AN_INPUT:
            raise
        return _Ran(every, interface=[InterfaceFault(error.message.rstrip("."), CauseCategory.OTHERS)])
    except UserCodeError as error:
        if error.code != _MODEL_RAISED:
            raise
        return _one_by_one(bench, every, error)
    if result.truth is None:
        return _Ran(every, ended=result.attempt)
    return _of(every, result)


def _one_by_one(bench: Bench, every: Artefact, error: UserCodeError) -> _Ran:
    entries = every.spec["transferred_inputs"]
    if len(entries) == 1:
        return _Ran(every, errors={0: {"type": "UserCodeError", "message": error.message}})
    ran = _Ran(every)
    for index, entry in enumerate(entries):
        alone = Artefact(every.file, {**every.spec, "transferred_inputs": [entry]})
        try:
            result = alone.run(bench)
        except UserCodeError as again:
            ran.errors[index] = {"type": "UserCodeError", "message": again.message}
            continue
        if result.truth is not None:
            ran.results[index] = (result, 0)
        else:
            ran.errors[index] = {"type": "Ended", "message": describe(result.attempt)}
    return ran


def _inputs(first: tuple[SourceResult, int] | None, source: SourceResult) -> list[InterfaceFault]:
    """That a program takes fewer tensors than the reference."""
    if first is None:
        return []
    given, taken = (
        [path for path, value in values_of(file).items() if isinstance(value, Tensor)]
        for file in (source.inputs[0], first[0].inputs[first[1]])
    )
    if len(taken) >= len(given):
        return []
    said = f"it takes {len(taken)} tensors ({', '.join(taken)}) where the reference takes {len(given)}"
    return [InterfaceFault(f"{said} ({', '.join(given)})", CauseCategory.OTHERS)]


def _outputs(first: tuple[SourceResult, int] | None, truth: SourceTruth) -> tuple[dict[str, str], list[InterfaceFault]]:
    """The reference's path of each of the program's outputs, and what is missing or surplus."""
    if first is None or first[0].truth is None:
        return {}, []
    own = [path for path, one in first[0].truth.sets[first[1]].items() if isinstance(one.declared, Tensor)]
    return match_outputs([TensorSpec(path, None, None) for path in own], truth.output_paths)


def _located(
    bench: Bench, ran: _Ran, record: CheckpointRecord, source: SourceResult, *, seed: int
) -> dict[int, FragmentRun]:
    """By input set, what judging the program value by value gives; empty where there is no trace."""
    folder = source.attempt.log.parent
    keys = (("trace", "trace"), ("s32", "s32"), ("s64", "float64"))
    references: list[dict[str, str] | None] = []
    own_traces: list[str | None] = []
    for index, one in enumerate(source.facts["sets"]):
        result = ran.results.get(index)
        own = result[0].facts["sets"][result[1]].get("trace") if result is not None else None
        both = own is not None and one.get("trace")
        references.append({key: str(folder / one[name]) for key, name in keys} if both else None)
        own_traces.append(str(result[0].attempt.log.parent / own) if both and result is not None and own else None)
    if not any(references):
        return {}
    attempt = bench.run(
        ran.artefact.file.adapter.host,
        _LOCATE_TASK,
        {
            "spec": dict(ran.artefact.spec),
            "checkpoint": record.name,
            "references": references,
            "own_traces": own_traces,
            "output_names": record.output_names or {},
            "own_constants": source.facts.get("constants", []),
            "own_scalars": source.facts.get("scalars", []),
            "seed": seed,
        },
        label="alignment by values",
    )
    runs = fragment_runs(attempt.events)
    if not isinstance(attempt, Completed):
        said = f"judging value by value ended: {describe(attempt)}"
        runs |= {index: FragmentRun(said) for index, one in enumerate(references) if one and index not in runs}
    return runs
