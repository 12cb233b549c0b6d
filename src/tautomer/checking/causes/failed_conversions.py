"""The findings of conversions that came to no end: by an exception, or with the process that did them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tautomer.checking.causes.calls import Replay
from tautomer.checking.causes.exceptions import complaint_of
from tautomer.model import Attempt, Finding, Location, Refused


def of_exception(finding: Finding, attempt: Refused, answer: Replay | None, model_file: str) -> Finding:
    """The finding with the operator and the line that an exception names.

    Args:
        finding: as far as it is known.
        attempt: how the conversion ended.
        answer: its beginning, repeated.
        model_file: name of the user's file.
    """
    complaint = complaint_of(attempt, model_file, finding.stage)
    operator, line = complaint.operator, complaint.line
    call = answer.named(complaint.node, "decomposed", "captured") if answer and complaint.node else None
    if call is None and answer is not None and operator is not None:
        call = answer.at(operator, None)
    if call is not None:
        origin = answer.captured_of(call) if answer is not None else None
        own = call if call.operator.startswith("aten.") or origin is None else origin
        operator, line = own.operator, call.line or line
    cause = replace(finding.cause, category=complaint.category, evidence=complaint.evidence)
    message = f"{finding.message.partition(': ')[0]}: {complaint.evidence}"
    location = Location(source_node=operator, source_line=line)
    return replace(finding, cause=cause, location=location, message=message)


def last_begun(attempt: Attempt | None, event: str) -> Mapping[str, Any] | None:
    """The last step of a kind that an attempt announced, unless a stage began after it; None where there is none."""
    last: Mapping[str, Any] | None = None
    for one in attempt.events if attempt is not None else ():
        if one.name == event:
            last = one.fields
        elif one.name == "stage":
            last = None
    return last


def of_end(finding: Finding, begun: Mapping[str, Any], answer: Replay | None) -> Finding:
    """The finding of a conversion whose process died or hung: the operator it had begun to translate. Nothing says why.

    Args:
        finding: as far as it is known.
        begun: `node` and `operator` of the exporter's program.
        answer: the conversion's beginning, repeated.
    """
    call = answer.named(str(begun["node"]), "decomposed") if answer is not None else None
    origin = answer.captured_of(call) if answer is not None and call is not None else None
    operator = str(begun["operator"])
    if origin is not None and not operator.startswith("aten."):
        operator = origin.operator
    evidence = f"'{operator}' was being translated: {finding.cause.evidence}"
    return replace(
        finding,
        cause=replace(finding.cause, evidence=evidence),
        location=Location(source_node=operator, source_line=call.line if call is not None else None),
        message=f"{finding.message.partition(': ')[0]}: {evidence}",
    )
