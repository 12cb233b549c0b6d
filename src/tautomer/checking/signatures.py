"""The signature of a finding: what a smaller model, or one converted with other settings, must share with it."""

from __future__ import annotations

import re

from tautomer.model import Finding, Outcome, Signature
from tautomer.model.failure_text import normalised

_PROPERTIES = (
    ("shape", re.compile(r"\bshape\b")),
    ("type", re.compile(r"\bis (?:u?int|float|bfloat|bool|string|complex)\w* where the source has\b")),
    ("missing", re.compile(r"\bis missing\b")),
    ("NaN or infinity", re.compile(r"\b(?:NaN|inf|infinit\w+)\b")),
    ("order of outputs", re.compile(r"\bin another order\b")),
)


def signature_of(finding: Finding) -> Signature:
    """What makes another finding the same failure as this one."""
    located = finding.location
    operators = located.source_node.split(" + ") if located.source_node else located.op_types
    return Signature(
        outcome=finding.outcome,
        symptom=finding.symptom,
        stage=finding.stage,
        symptom_stage=finding.symptom_stage,
        kind=finding.cause.kind,
        operators=tuple(sorted(set(operators))),
        said=_property(finding.message) if finding.outcome is Outcome.DIVERGENT else normalised(finding.message),
    )


def _property(message: str) -> str:
    """Which property of an output differs; empty where it is the numbers."""
    said = message.partition(", on input set")[0]
    return next((name for name, pattern in _PROPERTIES if pattern.search(said)), "")
