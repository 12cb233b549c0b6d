"""The fields of a report on one source, one converter and one runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench
from tautomer.checking.causes import explained_findings
from tautomer.checking.decisions import turned_decisions, undecided_decisions
from tautomer.checking.exercise import not_exercised
from tautomer.checking.findings import warnings_of
from tautomer.checking.formats import RangeReport, kept_nodes, range_report
from tautomer.checking.policy_notes import policy_warnings
from tautomer.checking.power import PowerReport, measure
from tautomer.checking.precision import precision_notes
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.runtime_graphs import SavedGraphs
from tautomer.checking.verdicts import Verdict, values_of
from tautomer.model import CheckSettings, Finding, InputReport, Kind, Outcome, Stage, Tensor
from tautomer.numerics.tolerance import smallest_passing


@dataclass(frozen=True, slots=True)
class Besides:
    """What was measured besides the outputs of a conversion.

    Attributes:
        power: the share of seeded faults that the check catches; None where it was not asked for.
        ranges: how much of their range reduced formats use.
    """

    power: PowerReport | None
    ranges: RangeReport


def measured_besides(
    bench: Bench, host: WarmHost, source: SourceResult, conversion: Conversion, settings: CheckSettings
) -> Besides:
    """Measure what concerns a conversion whatever runtime it goes to."""
    if conversion.model is None:
        return Besides(None, RangeReport())
    power = measure(bench, host, conversion, source, seed=settings.seed) if settings.power else None
    if conversion.graph is None:
        return Besides(power, RangeReport())
    return Besides(power, range_report(bench, host, _evaluation(source, conversion), label="formats"))


def _evaluation(source: SourceResult, conversion: Conversion) -> dict[str, Any]:
    return {"model": str(conversion.model), "inputs": [str(path) for path in source.inputs], "feeds": conversion.feeds}


def pair_fields(
    bench: Bench,
    host: WarmHost,
    source: SourceResult,
    conversion: Conversion,
    runtime: Sequence[Verdict],
    *,
    besides: Besides,
    saved: SavedGraphs | None = None,
) -> dict[str, Any]:
    """The fields of a report whose pair was run.

    Args:
        host: a process that can evaluate ONNX files.
        saved: finds what the runtime's graph optimizations have changed; None where that is not asked.
    """
    assert source.truth is not None
    training = list(source.facts.get("training_operators", ()))
    findings = explained_findings(bench, host, conversion, source, runtime)
    if saved is not None:
        findings = saved.located(findings, conversion, source, runtime)
    evaluation = _evaluation(source, conversion)
    findings = [_with_kept_nodes(one, bench, host, evaluation, besides.ranges) for one in findings]
    findings = [_with_link(one, conversion) for one in findings]
    varying = {one["varies"] for one in source.facts.get("nondeterministic", ())}
    if varying & {"nondeterministic", "uninitialised memory"}:
        # Values that change from run to run say nothing about a conversion; that something fails does.
        findings = [one for one in findings if one.outcome is Outcome.FAILED]
    reasons = _reasons(source, conversion, runtime)
    log = conversion.attempt.log if conversion.attempt is not None else source.attempt.log
    failed = next((verdict.record.failure for verdict in runtime if verdict.record.failure is not None), None)
    if failed is not None:
        log = failed.log
    worst, differences = _differences(source, runtime, conversion)
    computed_in = [event for verdict in runtime for event in verdict.record.precision]
    precision = precision_notes(computed_in)
    findings = [_with_precision(one, precision_notes(computed_in, narrower_only=True)) for one in findings]
    warnings = [*source.facts.get("notes", ()), *warnings_of(conversion, runtime), *precision]
    power = besides.power
    if power is not None:
        warnings.extend(said for said in (power.skipped, power.stopped) if said)
    warnings.extend(besides.ranges.warnings())
    # Every run begins with the state the model was loaded with, so that keeping one is no reason to doubt.
    warnings.extend(one["message"] for one in source.facts.get("nondeterministic", ()) if one["varies"] == "state")
    warnings.extend(policy_warnings(runtime, source.truth, conversion.output_names))
    if training:
        warnings.append(f"the source acts as in training: {', '.join(training[:3])}")
    return {
        **outcome_fields(findings, reasons),
        "warnings": warnings,
        "checkpoints": [verdict.report() for verdict in [*conversion.verdicts, *runtime]],
        "inputs": _input_reports(source, differences),
        "worst_input": worst,
        "smallest_passing": _smallest_passing(source, runtime, conversion),
        "undecided": [*undecided_decisions(source), *(one for verdict in runtime for one in verdict.undecided)],
        "power": power.power if power is not None else None,
        "not_exercised": [
            *not_exercised(source.facts.get("exercised", ()), source.facts.get("sizes", ())),
            *(power.without_power() if power is not None else ()),
        ],
        "log": str(bench.run_folder.final(log)),
    }


def _with_kept_nodes(
    finding: Finding, bench: Bench, host: WarmHost, evaluation: Mapping[str, Any], ranges: RangeReport
) -> Finding:
    """A finding about a reduced format's range, with the verified list of nodes to keep in float32."""
    if finding.cause.kind is not Kind.RANGE or not ranges.formats or finding.workaround is not None:
        return finding
    kept = kept_nodes(bench, host, evaluation, label="keep in float32")
    return replace(finding, workaround=kept.workaround())


def _with_link(finding: Finding, conversion: Conversion) -> Finding:
    """A finding on a chain of converters, which says the link that broke it first."""
    if len(conversion.links) < 2 or finding.link is None:
        return finding
    position = conversion.links.index(finding.link) + 1
    said = f"broken by '{finding.link}', link {position} of {len(conversion.links)} ({' > '.join(conversion.links)})"
    return replace(finding, message=f"{finding.message}; {said}")


def _with_precision(finding: Finding, narrower: Sequence[str]) -> Finding:
    """A runtime's deviation with the narrower formats it computes in, of which nobody has proven that they are why."""
    if finding.cause.kind is not Kind.KERNEL or not narrower:
        return finding
    said = f"{'; '.join(narrower)}, and rounding is allowed for in the declared formats only"
    cause = replace(finding.cause, evidence=f"{finding.cause.evidence}; {said}")
    return replace(finding, cause=cause, message=f"{finding.message}; {said}")


def outcome_fields(findings: list[Finding], reasons: list[str]) -> dict[str, Any]:
    """Outcome, findings and what mirrors the first of them."""
    if not findings:
        outcome = Outcome.INCONCLUSIVE if reasons else Outcome.EQUIVALENT
        return {"outcome": outcome, "reason": reasons[0] if reasons else None}
    first = findings[0]
    return {
        "outcome": first.outcome,
        "symptom": first.symptom,
        "stage": first.stage,
        "symptom_stage": first.symptom_stage,
        "cause": first.cause,
        "location": first.location,
        "findings": findings,
    }


def _reasons(source: SourceResult, conversion: Conversion, runtime: Sequence[Verdict]) -> list[str]:
    """Why the pair cannot be called equivalent although nothing was found."""
    assert source.truth is not None
    reasons: list[str] = [
        one["message"] for one in source.facts.get("nondeterministic", ()) if one["varies"] != "state"
    ]
    reasons.extend(reason for reason in source.truth.reasons if reason)
    for verdict in runtime:
        reasons.extend(verdict.reasons)
        reasons.extend(turned_decisions(source, verdict))
    saved = next((verdict for verdict in reversed(conversion.verdicts) if verdict.stage is not Stage.VALIDATION), None)
    if saved is not None:
        reasons.extend(saved.reasons)
    return list(dict.fromkeys(reasons))


def _differences(
    source: SourceResult, runtime: Sequence[Verdict], conversion: Conversion
) -> tuple[int | None, dict[int, float]]:
    """The input set on which target and source are furthest apart, and the largest difference on each."""
    severity: dict[int, float] = {}
    largest: dict[int, float] = {}
    verdicts = runtime or conversion.verdicts
    last = verdicts[-1] if verdicts else None  # what is deployed
    for verdict in verdicts:
        for index, judgement in verdict.judgements:
            if verdict is last:
                largest[index] = max(largest.get(index, 0.0), judgement.max_abs or 0.0)
            weight = float("inf") if judgement.strict else (judgement.rounding_ratio or 0.0)
            severity[index] = max(severity.get(index, 0.0), weight)
        for fault in verdict.errors:
            severity[fault.index] = float("inf")
    worst = max(severity, key=lambda index: (severity[index], largest.get(index, 0.0)), default=None)
    return worst, largest


def _input_reports(source: SourceResult, differences: Mapping[int, float]) -> list[InputReport]:
    reports = []
    for index, (one, file) in enumerate(zip(source.facts["sets"], source.inputs, strict=True)):
        tensors = [
            {
                "path": path,
                "dtype": value.dtype,
                "shape": list(value.shape),
                "digest": hashlib.blake2b(
                    value.array.tobytes() if value.dtype != "string" else repr(value.array).encode(), digest_size=16
                ).hexdigest(),
            }
            for path, value in values_of(file).items()
            if isinstance(value, Tensor)
        ]
        reports.append(
            InputReport(
                name=one["name"],
                role="convert" if index == 0 else "compare",
                origin="; ".join([one["origin"], *one.get("adds", ())]),
                tensors=tensors,
                max_abs_difference=differences.get(index),
            )
        )
    return reports


def _smallest_passing(source: SourceResult, runtime: Sequence[Verdict], conversion: Conversion) -> Any:
    """Over everything the runtime's last checkpoint computed; None where it computed nothing."""
    assert source.truth is not None
    if not runtime:
        return None
    pairs: list[tuple[Any, Any]] = []
    for (precision, index), run in runtime[-1].record.runs.items():
        if precision != "declared" or run.values is None or index >= len(source.truth.sets):
            continue
        named = {conversion.output_names.get(name, name): value for name, value in values_of(run.values).items()}
        pairs.extend((reference.declared, named.get(path)) for path, reference in source.truth.sets[index].items())
    return smallest_passing(pairs) if pairs else None
