"""What is to be reduced: one finding, the model that shows it, and the settings under which it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tautomer.checking.causes.target_nodes import TargetNode, read_nodes
from tautomer.checking.signatures import signature_of
from tautomer.errors import MisuseError
from tautomer.execution.runs import REPORT_FILE, RunStore
from tautomer.model import CheckReport, CheckSettings, Finding, Keep, Limits, Outcome, Report, Signature
from tautomer.model.report_json import decode


@dataclass(frozen=True, slots=True)
class Subject:
    """A finding and where it comes from.

    Attributes:
        model: the file that shows it.
        settings: of a check of one pair, in which it shows.
        report: of that pair.
        finding: the one to reduce.
        signature: what a smaller model must share.
        target: by name, the nodes of the graph that the model became; none where it became none.
    """

    model: Path
    settings: CheckSettings
    report: Report
    finding: Finding
    signature: Signature
    target: Mapping[str, TargetNode] = field(default_factory=dict)

    @classmethod
    def of(
        cls, model: Path, settings: CheckSettings, pair: Report, finding: Finding, converted: Path | None
    ) -> Subject:
        """A finding of a check of one pair.

        A fault shows in a smaller model under another of the operators that its nodes were made for when the converter
        has merged them otherwise there; so each of these makes the failure the same one. What is wrong inside a branch
        or a loop shows without it, too.

        Args:
            settings: of the check of all pairs.
            converted: the .onnx file that the model became.
        """
        is_graph = converted is not None and converted.suffix == ".onnx" and converted.exists()
        target = read_nodes(converted) if is_graph and converted is not None else {}
        signature = signature_of(finding)
        subject = cls(model, settings_of_pair(settings, pair), pair, finding, signature, target)
        located = [target[name] for name in finding.location.nodes if name in target]
        made_for = [operator for node in located for operator in (node.source_operator, *node.inner) if operator]
        return replace(subject, signature=with_operators(signature, made_for))

    def made_for(self, nodes: Sequence[str]) -> list[str]:
        """Names of what these nodes of the graph were made for, in the program that the converter translates."""
        found = (self.target[name].source_name for name in nodes if name in self.target)
        return list(dict.fromkeys(filter(None, found)))


def with_operators(signature: Signature, operators: Iterable[str]) -> Signature:
    """A signature in which these operators, too, are at fault."""
    return replace(signature, operators=tuple(sorted({*signature.operators, *operators})))


def recorded(text: str, run_dir: Path | None) -> tuple[CheckReport, Path]:
    """The report of the run that `text` names, and its folder.

    Raises:
        MisuseError: TA150 no run is named so; TA151 several are; TA160, TA161 its report cannot be read.
    """
    folder = RunStore(run_dir).resolve(text)
    return decode((folder / REPORT_FILE).read_bytes()), folder


def recorded_settings(report: CheckReport, given: CheckSettings, *, keep_runtimes: bool) -> CheckSettings:
    """The settings that a run was made with, where a command line does not give others.

    Args:
        given: of the command line; its limits, folder and `trust_pickle` hold.
        keep_runtimes: whether its runtimes hold, too.
    """
    fields: Mapping[str, Any] = report.settings
    inputs = fields.get("inputs")
    return replace(
        given,
        via=given.via or tuple(fields.get("via") or ()),
        to=given.to if keep_runtimes else tuple(fields.get("to") or given.to),
        inputs=given.inputs or (Path(inputs) if inputs else None),
        opset=given.opset if given.opset is not None else fields.get("opset"),
        options=given.options or dict(fields.get("options") or {}),
        runtime_options=given.runtime_options or dict(fields.get("runtime_options") or {}),
        limits=Limits(
            min(given.limits.timeout_s, float(fields.get("timeout_s") or given.limits.timeout_s)),
            given.limits.memory_bytes,
        ),
        seed=report.seed,
    )


def chosen(report: CheckReport, number: int) -> tuple[Report, Finding]:
    """The finding with that number, counted from 1 over all pairs in the order of the report, and its pair.

    Raises:
        MisuseError: TA170 nothing failed; TA171 there is no finding with that number.
    """
    found = [(pair, finding) for pair in report.reports for finding in pair.findings]
    if not found:
        outcomes = {pair.outcome for pair in report.reports}
        if outcomes <= {Outcome.EQUIVALENT}:
            said, following = "the converted model is equivalent", "Reduce a model that a check finds fault with."
        else:
            reason = next((pair.reason for pair in report.reports if pair.reason), "no finding")
            said = f"the check is {'; '.join(sorted(outcomes - {Outcome.EQUIVALENT}))}: {reason}"
            following = "Remove that reason first."
        raise MisuseError("TA170", f"there is nothing to reduce: {said}.", following)
    if not 1 <= number <= len(found):
        raise MisuseError(
            "TA171",
            f"there is no finding {number}: the check has {len(found)}.",
            f"Give --finding 1{f' to {len(found)}' if len(found) > 1 else ''}.",
        )
    return found[number - 1]


def settings_of_pair(settings: CheckSettings, pair: Report) -> CheckSettings:
    """Settings of a check of this pair alone that measures nothing besides."""
    return replace(
        settings,
        via=(pair.converter,) if pair.converter else (),
        to=(pair.runtime,),
        power=False,
        search_inputs=False,
        keep=Keep.NONE,
    )


def same_failure(reports: Sequence[Report], signature: Signature) -> tuple[Report, Finding] | None:
    """The first finding that is the same failure, and its pair."""
    for pair in reports:
        for finding in pair.findings:
            if signature_of(finding).is_same_failure(signature):
                return pair, finding
    return None
