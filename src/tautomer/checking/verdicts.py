"""Judge what a checkpoint computed against the source, over all input sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from tautomer.adapters.tensor_file import read_values
from tautomer.checking.attempts import describe
from tautomer.checking.fragment_records import FragmentFault, FragmentRun
from tautomer.checking.records import CheckpointRecord, ConstantRuns
from tautomer.model import CheckpointReport, Outcome, Stage, Tensor, Value
from tautomer.numerics.judge import VISIBLE_U, Judgement, Reference, hidden, judge_declared, judge_exact

UNJUDGED_ERRORS = frozenset({"UnsupportedOperator", "NotLiftable"})
"""Errors that say what Tautomer cannot do, not what the model does wrong."""


@dataclass(frozen=True, slots=True)
class SourceTruth:
    """The source's answers: for each input set, references by output path, in order."""

    sets: tuple[Mapping[str, Reference], ...]
    reasons: tuple[str | None, ...]
    """Why a set has no float64 reference; None where it has one."""

    @property
    def output_paths(self) -> list[str]:
        """Paths of the tensor outputs on the first set."""
        return [path for path, reference in self.sets[0].items() if isinstance(reference.declared, Tensor)]


@dataclass(frozen=True, slots=True)
class RunFault:
    """A run that ended in an error: the input set and what was said."""

    index: int
    error: Mapping[str, Any]


@dataclass(slots=True)
class Verdict:
    """What one checkpoint came to.

    Attributes:
        record: what the workers reported.
        faults: judgements that found something, with the index of their input set.
        errors: declared-precision runs that ended in an error.
        reasons: why something could not be judged.
        undecided: open elements, with their output and input set.
    """

    record: CheckpointRecord
    outcome: Outcome = Outcome.EQUIVALENT
    faults: list[tuple[int, Judgement]] = field(default_factory=list)
    errors: list[RunFault] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    undecided: list[dict[str, Any]] = field(default_factory=list)
    judgements: list[tuple[int, Judgement]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Of the checkpoint."""
        return self.record.name

    @property
    def stage(self) -> Stage:
        """Of the checkpoint."""
        return self.record.stage

    @property
    def faulty(self) -> bool:
        """Whether it deviates from the source or cannot be run."""
        return self.outcome in (Outcome.DIVERGENT, Outcome.FAILED)

    def faulty_on(self, index: int | None) -> bool:
        """Whether it deviates on one input set; None for any."""
        if index is None or self.record.failure is not None:
            return self.faulty
        return any(at == index for at, _ in self.faults) or any(fault.index == index for fault in self.errors)

    @property
    def judged(self) -> bool:
        """Whether it says anything about the model."""
        return self.outcome is not Outcome.INCONCLUSIVE

    @property
    def semantic_fault(self) -> bool:
        """Whether its function differs from the source's, beyond what its own arithmetic does."""
        return any(judgement.semantic_fault for _, judgement in self.faults)

    def fragment_faults(self, index: int | None = None) -> list[FragmentFault]:
        """Fragments that deviate on one input set; None for any."""
        runs = self.record.fragments
        return [fault for at, run in runs.items() if index is None or at == index for fault in run.faults]

    @property
    def semantic_residual_u(self) -> float | None:
        """The largest over outputs and input sets."""
        return _largest(judgement.semantic_residual_u for _, judgement in self.judgements)

    @property
    def rounding_ratio(self) -> float | None:
        """The largest over outputs and input sets."""
        return _largest(judgement.rounding_ratio for _, judgement in self.judgements)

    def report(self) -> CheckpointReport:
        """The line of the report."""
        return CheckpointReport(
            name=self.record.name,
            stage=self.record.stage,
            outcome=self.outcome,
            semantic_residual_u=self.semantic_residual_u,
            rounding_ratio=self.rounding_ratio,
            stability_rho=_largest(judgement.stability_rho for _, judgement in self.judgements),
            seconds=self.record.seconds,
            peak_memory_bytes=self.record.peak_memory_bytes,
            detail=self._detail(),
            link=self.record.link,
        )

    def _detail(self) -> str:
        if self.record.failure is not None and not self.errors:
            return describe(self.record.failure)
        if self.errors:
            return error_text(self.errors[0].error)
        if self.faults:
            return fault_text(self.faults[0][1])
        if self.reasons:
            return self.reasons[0]
        return f"same as {self.record.same_as}" if self.record.same_as else ""


def error_text(error: Mapping[str, Any]) -> str:
    """One line about a run's error, with its node."""
    first = next(iter(str(error.get("message", "")).splitlines()), "")
    operator = error.get("op_type")
    node = f" '{error['node']}'" if error.get("node") else ""
    return f"{operator}{node}: {first}" if operator else f"{error.get('type')}: {first}"


def fault_text(judgement: Judgement) -> str:
    """One line about what a judgement found."""
    if judgement.strict:
        return judgement.strict[0].message
    if judgement.semantic_fault:
        return f"output '{judgement.path}' is another function: off by {judgement.semantic_residual_u:.3g} u in float64"
    if judgement.error is None or judgement.explained is None:
        return f"output '{judgement.path}' is off by {judgement.max_abs or 0.0:.2g}"
    explained = f"rounding explains {judgement.explained:.2g}"
    return f"output '{judgement.path}' is off by {judgement.error:.2g} where {explained}"


def _largest(values: Any) -> float | None:
    present = [value for value in values if value is not None]
    return max(present) if present else None


@lru_cache(maxsize=64)
def values_of(path: Path) -> Mapping[str, Value]:
    """The values a worker wrote."""
    values = read_values(path)
    if not isinstance(values, Mapping):
        raise TypeError(f"{path} does not hold values by name")
    return values


def judge_checkpoint(record: CheckpointRecord, truth: SourceTruth) -> Verdict:
    """Judge one checkpoint.

    Args:
        record: its runs.
        truth: the source's answers.
    """
    verdict = Verdict(record)
    output_names = record.output_names  # None where values are named by the source's paths
    if record.failure is not None and not record.runs:
        verdict.outcome = Outcome.FAILED
        return verdict
    for (precision, index), run in sorted(record.runs.items(), key=lambda item: (item[0][1], item[0][0])):
        if run.error is not None:
            if run.error.get("type") in UNJUDGED_ERRORS:
                verdict.reasons.append(error_text(run.error))
            elif precision == "declared":
                verdict.errors.append(RunFault(index, run.error))
            elif not _declared_failed(record, index):
                verdict.reasons.append(f"not computed in float64: {error_text(run.error)}")
            continue
        if run.values is not None and index < len(truth.sets):
            _judge_run(
                verdict,
                values_of(run.values),
                truth.sets[index],
                precision=precision,
                index=index,
                output_names=output_names,
            )
    if record.varies:
        verdict.faults.clear()  # values that change from run to run say nothing about the model
        names = ", ".join(f"'{output_names.get(one, one) if output_names else one}'" for one in record.varies)
        verdict.reasons.append(f"{record.name} gives another {names} when it runs the same inputs again")
    _leave_out_hidden(verdict, truth)
    if record.failure is not None or verdict.errors:
        verdict.outcome = Outcome.FAILED
    elif verdict.faults:
        verdict.outcome = Outcome.DIVERGENT
    elif verdict.reasons or not verdict.judgements:
        verdict.outcome = Outcome.INCONCLUSIVE
        if not verdict.reasons:
            nothing = "the source has no tensor outputs: nothing was compared"
            verdict.reasons.append("it was not executed" if truth.output_paths else nothing)
    return verdict


def _leave_out_hidden(verdict: Verdict, truth: SourceTruth) -> None:
    """A difference of functions beyond rounding, of which the declared precision shows nothing, accuses nobody.

    The float32 program is what is deployed; what only exact arithmetic would tell apart (what a mask of -1e9 leaves of
    the scores in a fully masked row) is stated, and left open.
    """
    sound = {
        (index, one.path)
        for index, one in verdict.judgements
        if one.rounding_ratio is not None and not one.faulty and not one.turned
    }
    for index, one in list(verdict.faults):
        if not one.semantic_fault or one.strict or (index, one.path) not in sound or _residual(one) <= VISIBLE_U:
            continue
        exact, declared = (_value(verdict.record, precision, index, one.path) for precision in ("float64", "declared"))
        if exact is None or declared is None:
            continue
        if hidden(truth.sets[index][one.path], exact.float64(), declared):
            verdict.faults.remove((index, one))
            verdict.reasons.append(
                f"in exact arithmetic output '{one.path}' differs from the source by {_residual(one):.3g} u on input"
                f" set {index}, of which the declared precision shows nothing"
            )


def _value(record: CheckpointRecord, precision: str, index: int, path: str) -> Tensor | None:
    run = record.runs.get((precision, index))
    if run is None or run.values is None:
        return None
    names = record.output_names or {}
    named = {names.get(name, name): value for name, value in values_of(run.values).items()}
    found = named.get(path)
    return found if isinstance(found, Tensor) else None


def _residual(judgement: Judgement) -> float:
    return judgement.semantic_residual_u or 0.0


def _declared_failed(record: CheckpointRecord, index: int) -> bool:
    run = record.runs.get(("declared", index))
    return run is not None and run.error is not None


def _judge_run(
    verdict: Verdict,
    values: Mapping[str, Value],
    references: Mapping[str, Reference],
    *,
    precision: str,
    index: int,
    output_names: Mapping[str, str] | None,
) -> None:
    named = values if output_names is None else {output_names.get(name, name): value for name, value in values.items()}
    for path, reference in references.items():
        if not isinstance(reference.declared, Tensor):
            continue
        value = named.get(path)
        if precision == "declared":
            judgement = judge_declared(reference, value if isinstance(value, Tensor) else None)
        else:
            judgement = judge_exact(reference, value.float64() if isinstance(value, Tensor) else None)
            if judgement.semantic_fault:
                judgement = _with_exact_constants(
                    judgement, reference, verdict.record.constants.get(index), output_names=output_names or {}
                )
        judgement = _settled_by_operators(judgement, verdict.record.fragments.get(index))
        verdict.judgements.append((index, judgement))
        if judgement.faulty:
            verdict.faults.append((index, judgement))
        elif judgement.reason:
            verdict.reasons.append(judgement.reason)
        if judgement.undecided:
            verdict.undecided.append({"output": path, "input": index, "elements": judgement.undecided})


def _settled_by_operators(found: Judgement, run: FragmentRun | None) -> Judgement:
    """The judgement of an output where its checkpoint was judged operator by operator as well.

    Where every operator is the source's function and no worse a formula of it, what is left of a difference at the
    outputs is rounding that the model itself amplifies, or a decision that hangs on it.
    """
    if run is None or run.error is not None or not run.sound:
        return found
    if found.semantic_fault or (found.semantic_residual_u is not None and found.reason):
        found = replace(found, semantic_limit_u=found.semantic_residual_u or 0.0, reason=None)
    if found.rounding_fault and run.stable:
        found = replace(found, rounding_ratio=run.rounding_ratio)
    return found


def _with_exact_constants(
    found: Judgement, reference: Reference, runs: ConstantRuns | None, *, output_names: Mapping[str, str]
) -> Judgement:
    """The judgement without the rounding of folded constants; `found` itself where that does not explain it."""
    if runs is None:
        return found
    path = reference.path
    name = next((name for name, known in output_names.items() if known == path), path)
    exact, variance = values_of(runs.exact).get(name), values_of(runs.variance).get(name)
    if not isinstance(exact, Tensor):
        return found
    again = judge_exact(reference, exact.float64(), variance.array if isinstance(variance, Tensor) else None)
    return found if again.semantic_fault else replace(found, semantic_limit_u=found.semantic_residual_u or 0.0)
