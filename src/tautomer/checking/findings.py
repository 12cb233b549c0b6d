"""From verdicts to findings: which deviation counts, where it surfaced, and which stage caused it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tautomer.checking.attempts import describe
from tautomer.checking.blame import Blame, blame, earlier_link
from tautomer.checking.interface import InterfaceFault
from tautomer.checking.location import first_cause, locate_fragment, locate_kernels, locate_node
from tautomer.checking.matching import exchanged_outputs
from tautomer.checking.results import Conversion
from tautomer.checking.verdicts import RunFault, SourceTruth, Verdict, error_text, fault_text
from tautomer.model import (
    Cause,
    CauseCategory,
    Finding,
    Hung,
    Kind,
    Location,
    Outcome,
    OutOfMemory,
    Refused,
    Stage,
    Symptom,
)
from tautomer.numerics.judge import Judgement
from tautomer.numerics.strict import Strictness


@dataclass(frozen=True, slots=True)
class Suspect:
    """A finding with what it was read from, for those who look for its cause.

    Attributes:
        finding: as far as the verdicts tell.
        surfaced: the checkpoint at which it shows; None where nothing was run.
        blamed: the first checkpoint that shows it; None where that is none of the converter's.
        index: the input set that shows it most; None where it is not a matter of values.
        interface: the difference of interfaces that it is.
        how: how it is known which checkpoint shows it first.
    """

    finding: Finding
    surfaced: Verdict | None = None
    blamed: Verdict | None = None
    index: int | None = None
    interface: InterfaceFault | None = None
    how: str = ""


def findings_of(
    conversion: Conversion, runtime: Sequence[Verdict], truth: SourceTruth, training: Sequence[str]
) -> list[Finding]:
    """Everything that is wrong with one pair, most telling first; arguments as for `suspects_of`."""
    return [one.finding for one in suspects_of(conversion, runtime, truth, training)]


def suspects_of(
    conversion: Conversion, runtime: Sequence[Verdict], truth: SourceTruth, training: Sequence[str]
) -> list[Suspect]:
    """Everything that is wrong with one pair, most telling first, with the verdicts that say so.

    Args:
        conversion: checkpoints of the converter, judged.
        runtime: checkpoints of the runtime, judged.
        truth: what the source answers.
        training: operators of the source that act as in training.
    """
    if conversion.model is None:
        return _conversion_failed(conversion)
    found = _interface_findings(conversion, runtime)
    frozen = bool(found)
    checkers = [verdict for verdict in conversion.verdicts if verdict.stage is Stage.VALIDATION]
    checker = next((verdict for verdict in checkers if verdict.faulty), checkers[-1] if checkers else None)
    steps = [verdict for verdict in conversion.verdicts if verdict.stage is not Stage.VALIDATION]
    refused = next((verdict for verdict in runtime if verdict.outcome is Outcome.FAILED), None)
    divergent = next((verdict for verdict in runtime if verdict.faults), None)
    if checker is not None and checker.faulty and conversion.full_check is None:
        found.append(_refusal(checker, _blame_of_checker(checker, steps, runtime), Stage.VALIDATION))
    elif refused is not None and not (frozen and _refuses_only_sizes(refused)):
        surfaced = _stage_of(refused)
        found.append(_refusal(refused, _blame_of_refusal(refused, steps, runtime), surfaced))
    # What an interface fault breaks shows on the other sizes; a deviation on the set converted with is another fault.
    if divergent is not None and not (frozen and all(index != 0 for index, _ in divergent.faults)):
        exchanged = exchanged_outputs(divergent.record, truth)
        found.append(
            _exchange(exchanged, divergent, steps) if exchanged else _divergence(divergent, steps, runtime, training)
        )
    elif not found and steps and steps[-1].semantic_fault and steps[-1].outcome is Outcome.DIVERGENT:
        found.append(_divergence(steps[-1], steps, runtime, training))
    if not found and checker is not None and checker.faulty:
        evidence = "only the checker's shape inference refuses the file; what runs it computes the source's function"
        found.append(_refusal(checker, Blame(Stage.VALIDATION, None, evidence), Stage.VALIDATION))
    return found


def warnings_of(conversion: Conversion, runtime: Sequence[Verdict]) -> list[str]:
    """What a person should know although it is no finding."""
    said = [fault.message for fault in conversion.interface if fault.harmless]
    if conversion.opset and conversion.opset_asked and conversion.opset != conversion.opset_asked:
        said.append(f"opset {conversion.opset_asked} was asked for; the file has opset {conversion.opset}")
    ends_well = bool(runtime) and all(not verdict.faulty for verdict in runtime)
    deviating = [one for one in conversion.verdicts if one.faulty and one.stage is not Stage.VALIDATION]
    if deviating and ends_well:
        names = ", ".join(f"'{one.name}'" for one in deviating)
        said.append(f"{names} deviate, but what runs the model does not: {deviating[0].report().detail}")
    if ends_well:
        from tautomer.checking.causes.hidden_failures import notes_on

        said.extend(notes_on(conversion.attempt))
    if ends_well and conversion.verdicts:
        saved = next(
            (one for one in reversed(conversion.verdicts) if one.record.path is not None and one.record.runs), None
        )
        unseen = {fault.nodes: fault for fault in saved.fragment_faults()} if saved is not None else {}
        said.extend(f"not visible in the outputs: {fault.text()}" for fault in unseen.values())
    contradicting = next((one.record for one in conversion.verdicts if one.record.contradictions), None)
    if contradicting is not None:
        fact = contradicting.contradictions[0]
        said.append(
            f"checkpoint '{contradicting.name}' states shape {fact['stated']} for '{fact['value']}',"
            f" which has {fact['found']}"
        )
    return list(dict.fromkeys(said))


def source_failed(attempt: Any, log: str) -> Finding:
    """The finding for a source that took its worker down."""
    return Finding(
        outcome=Outcome.FAILED,
        symptom=_symptom(attempt),
        stage=Stage.LOAD_MODEL,
        symptom_stage=Stage.LOAD_MODEL,
        cause=Cause(category=CauseCategory.UNKNOWN, kind=_kind_of_end(attempt), evidence=describe(attempt)),
        message=f"the source model could not be run: {describe(attempt)}; nothing was compared. Log: {log}",
        code="TA204",
    )


def _conversion_failed(conversion: Conversion) -> list[Suspect]:
    attempt = conversion.attempt
    verdict = next((one for one in reversed(conversion.verdicts) if one.record.failure is attempt is not None), None)
    stage = verdict.stage if verdict is not None else Stage.LOAD_MODEL
    doing = verdict.record.doing if verdict is not None else "converting"
    said = describe(attempt) if attempt is not None else "it ended"
    link = verdict.record.link if verdict is not None else None
    broken = earlier_link(conversion, link, stage)
    if verdict is not None and broken is not None:
        return [_refusal(verdict, broken, stage)]
    finding = Finding(
        outcome=Outcome.FAILED,
        symptom=_symptom(attempt),
        stage=stage,
        symptom_stage=stage,
        cause=Cause(category=CauseCategory.UNKNOWN, kind=_kind_of_end(attempt), evidence=said),
        message=f"while {doing}: {said}",
        code="TA202" if isinstance(attempt, Refused) else "TA204",
        link=link,
    )
    return [Suspect(finding, verdict, verdict)]


def _symptom(attempt: Any) -> Symptom:
    return Symptom.HANG if isinstance(attempt, Hung) else Symptom.CRASH


def _kind_of_end(attempt: Any) -> Kind:
    if isinstance(attempt, Hung):
        return Kind.HANG
    if isinstance(attempt, OutOfMemory):
        return Kind.OUT_OF_MEMORY
    return Kind.REFUSED if isinstance(attempt, Refused) else Kind.CRASH


def _interface_findings(conversion: Conversion, runtime: Sequence[Verdict]) -> list[Suspect]:
    found = []
    refuses = any(verdict.outcome is Outcome.FAILED for verdict in runtime)
    for fault in conversion.interface:
        if fault.harmless:
            continue
        stage = fault.stage or _first_faulty(conversion.verdicts) or Stage.NODE_CONVERSION
        finding = Finding(
            outcome=Outcome.FAILED if refuses else Outcome.DIVERGENT,
            symptom=Symptom.CRASH if refuses else Symptom.WRONG_MODEL,
            stage=stage,
            symptom_stage=Stage.RUNTIME_EXECUTION,
            cause=Cause(category=fault.category, kind=Kind.INTERFACE, evidence=fault.message),
            message=fault.message,
            code="TA303",
            link=fault.link,
        )
        found.append(Suspect(finding, interface=fault))
    return found


def _refuses_only_sizes(verdict: Verdict) -> bool:
    """Whether the runtime ran some input set: then what it refuses is the frozen size, which has been named."""
    return any(run.values is not None for run in verdict.record.runs.values())


def _first_faulty(verdicts: Sequence[Verdict]) -> Stage | None:
    return next(
        (verdict.stage for verdict in verdicts if verdict.faulty and verdict.stage is not Stage.VALIDATION), None
    )


def _stage_of(verdict: Verdict) -> Stage:
    return Stage.RUNTIME_EXECUTION if verdict.errors and verdict.record.failure is None else verdict.record.stage


def _blame_of_checker(checker: Verdict, steps: Sequence[Verdict], runtime: Sequence[Verdict]) -> Blame:
    """The first checkpoint that deviates, or the first that the checker refuses, whichever comes first."""
    deviating = blame(steps, Stage.VALIDATION)
    refused = checker.record.facts.get("first_refused")
    if deviating.verdict is not None or not refused:
        return deviating
    if refused["every"] and runtime and all(verdict.outcome is Outcome.EQUIVALENT for verdict in runtime):
        evidence = "onnx.checker refuses every checkpoint, although the runtime computes the source's function"
        return Blame(Stage.VALIDATION, None, evidence)
    return Blame(
        Stage(refused["stage"]),
        next((one for one in steps if one.name == refused["checkpoint"]), None),
        f"'{refused['checkpoint']}' is the first checkpoint that onnx.checker refuses",
    )


def _blame_of_refusal(refused: Verdict, steps: Sequence[Verdict], runtime: Sequence[Verdict]) -> Blame:
    """A runtime that fails only with its graph optimizations on has them to blame, wherever that shows.

    That the model is another function besides does not make it one that cannot be run; shapes that it states and its
    values contradict may.
    """
    unfit = any(one.outcome is Outcome.FAILED or one.record.contradictions for one in steps)
    if refused is runtime[0] or runtime[0].outcome is Outcome.FAILED:
        if not unfit and _is_no_part_of_a_fault(refused, steps):
            evidence = "the node that it refuses is right; what deviates is made by others"
            return Blame(_stage_of(refused), None, evidence)
        return blame(steps, _stage_of(refused))
    if unfit:
        return blame(steps, Stage.RUNTIME_OPTIMIZATION)
    return Blame(Stage.RUNTIME_OPTIMIZATION, None, f"'{runtime[0].name}' runs the same file")


def _is_no_part_of_a_fault(refused: Verdict, steps: Sequence[Verdict]) -> bool:
    """Whether a runtime has no kernel for a node, and all that deviates is made by other nodes."""
    attempt = refused.record.failure
    said = describe(attempt) if attempt is not None else ""
    if "NOT_IMPLEMENTED" not in said and "NotImplemented" not in said:
        return False
    nodes = {*locate_node(refused, said).nodes}
    faulty = {name for step in steps for fault in step.fragment_faults() for name in fault.nodes}
    return bool(nodes and faulty) and nodes.isdisjoint(faulty)


def _refusal(verdict: Verdict, blamed: Blame, surfaced: Stage) -> Suspect:
    attempt = verdict.record.failure
    if verdict.errors and attempt is None:
        said = error_text(verdict.errors[0].error)
    else:
        said = describe(attempt) if attempt is not None else "it was refused"
    category, evidence = CauseCategory.UNKNOWN, blamed.evidence
    error: RunFault | None = blamed.verdict.errors[0] if blamed.verdict is not None and blamed.verdict.errors else None
    if error is not None:
        evidence = f"{error_text(error.error)} ({blamed.evidence})"
        if error.error.get("type") == "InvalidNode":
            category = CauseCategory.TYPE_PROBLEM if "tensor(" in evidence else CauseCategory.INCOMPATIBILITY
        elif "shape" in evidence or "rank" in evidence or "dim" in evidence:
            category = CauseCategory.SHAPE_PROBLEM
    elif "NOT_IMPLEMENTED" in said or "NotImplemented" in said:
        category = CauseCategory.INCOMPATIBILITY
    died = attempt is not None and not isinstance(attempt, Refused)
    tail = "; the runtime runs it all the same" if blamed.stage is Stage.VALIDATION and not died else ""
    finding = Finding(
        outcome=Outcome.FAILED,
        symptom=_symptom(attempt),
        stage=blamed.stage,
        symptom_stage=surfaced,
        cause=Cause(
            category=category,
            kind=_kind_of_end(attempt) if attempt is not None else Kind.REFUSED,
            evidence=evidence,
        ),
        location=locate_node(blamed.verdict or verdict, said),
        message=f"{verdict.name}: {said}" if died else f"{verdict.name} refuses the model: {said}{tail}",
        code="TA204" if died else "TA203",
        link=blamed.link,
    )
    return Suspect(finding, verdict, blamed.verdict)


def _divergence(
    surfaced: Verdict, steps: Sequence[Verdict], runtime: Sequence[Verdict], training: Sequence[str]
) -> Suspect:
    stage = Stage.RUNTIME_EXECUTION
    if surfaced in runtime and surfaced.stage is Stage.RUNTIME_OPTIMIZATION:
        stage = Stage.RUNTIME_OPTIMIZATION
    index, judgement = max(surfaced.faults, key=lambda item: _severity(item[1]))
    blamed = blame(steps, stage, index)
    kind = _kind_of(judgement, blamed, steps)
    evidence, category = blamed.evidence, CauseCategory.UNKNOWN
    cause_stage = blamed.stage
    if training:
        kind, category, cause_stage = Kind.INTERFACE, CauseCategory.API_MISUSE, Stage.LOAD_MODEL
        evidence = f"the source was left in train mode: {', '.join(training[:3])}"
    if any(one.kind is Strictness.DTYPE for one in judgement.strict):
        kind, category = Kind.INTERFACE, CauseCategory.TYPE_PROBLEM
    elif any(one.kind is Strictness.SHAPE for one in judgement.strict):
        category = CauseCategory.SHAPE_PROBLEM
    said = fault_text(judgement)
    fragments = blamed.verdict.fragment_faults(index) if blamed.verdict is not None else []
    if fragments and not training:
        evidence = f"{first_cause(fragments).text()}; {evidence}"
    location = locate_fragment(blamed.verdict, index) if blamed.verdict is not None else Location()
    if blamed.verdict is not None and not location.nodes:
        location = locate_node(blamed.verdict, "")
    kernels = [fault for verdict in runtime for fault in verdict.record.node_faults] if blamed.verdict is None else []
    if kernels:
        # What follows the first of them was judged on the values it was given: several are several faults.
        evidence = f"{'; '.join(fault.text for fault in kernels[:3])}; {evidence}"
        location = locate_kernels(surfaced, kernels)
    finding = Finding(
        outcome=Outcome.DIVERGENT,
        symptom=Symptom.WRONG_MODEL,
        stage=cause_stage,
        symptom_stage=Stage.RUNTIME_EXECUTION,
        cause=Cause(category=category, kind=kind, evidence=evidence),
        location=location,
        message=f"{said}, on input set {index}; {evidence}",
        code="TA301" if kind is not Kind.INTERFACE else "TA303",
        link=blamed.link,
    )
    return Suspect(finding, surfaced, blamed.verdict, index, how=blamed.evidence)


def _exchange(exchanged: Mapping[str, str], surfaced: Verdict, steps: Sequence[Verdict]) -> Suspect:
    """Outputs that are right but stand in each other's places are a difference of interfaces, not of numbers."""
    blamed = blame(steps, Stage.RUNTIME_EXECUTION)
    pairs = ", ".join(f"'{path}' holds what belongs in '{other}'" for path, other in exchanged.items())
    finding = Finding(
        outcome=Outcome.DIVERGENT,
        symptom=Symptom.WRONG_MODEL,
        stage=blamed.stage,
        symptom_stage=Stage.RUNTIME_EXECUTION,
        cause=Cause(category=CauseCategory.INCORRECT_ASSIGNMENT, kind=Kind.INTERFACE, evidence=blamed.evidence),
        message=f"outputs are in another order: {pairs}; {blamed.evidence}",
        code="TA303",
        link=blamed.link,
    )
    return Suspect(finding, surfaced, blamed.verdict)


def _severity(judgement: Judgement) -> tuple[bool, float]:
    return bool(judgement.strict), max(judgement.rounding_ratio or 0.0, judgement.max_abs or 0.0)


def _kind_of(judgement: Judgement, blamed: Blame, steps: Sequence[Verdict]) -> Kind:
    """Semantic where the functions differ in float64; range or stability where the arithmetic does; else kernel."""
    if blamed.verdict is None:
        return Kind.KERNEL if blamed.known else Kind.SEMANTIC
    saved = next((verdict for verdict in reversed(steps) if verdict.judged), blamed.verdict)
    fragments = saved.fragment_faults() or blamed.verdict.fragment_faults()
    if fragments and not any(fault.semantic for fault in fragments) and not _differs_in_float64(saved):
        return Kind.RANGE if any(fault.range_fault for fault in fragments) else Kind.STABILITY
    if saved.semantic_fault or _differs_in_float64(saved):
        return Kind.SEMANTIC
    if any(one.kind in (Strictness.RANGE, Strictness.SOURCE_RANGE) for one in judgement.strict):
        return Kind.RANGE
    return Kind.SEMANTIC if judgement.strict else Kind.STABILITY


def _differs_in_float64(verdict: Verdict) -> bool:
    """Whether the declared-precision differences are there although nothing rounds: integers, shapes, types."""
    return any(
        one.kind in (Strictness.SHAPE, Strictness.DTYPE, Strictness.MISSING, Strictness.EXACT)
        for _, judgement in verdict.faults
        for one in judgement.strict
    )
