"""Failures that a converter hides: it logs what one of its steps raised, goes on, and writes a file all the same."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tautomer.checking.attempts import plain_first_line
from tautomer.checking.causes.exceptions import category_of_text
from tautomer.checking.causes.target_nodes import TargetNode, read_nodes
from tautomer.checking.results import Conversion
from tautomer.errors import ModelFileError
from tautomer.model import Attempt, CauseCategory, Finding, Location, Outcome, Refused, Stage

_EVENT = "hidden_failure"

_BROKEN = frozenset(
    {
        "AssertionError",
        "AttributeError",
        "IndexError",
        "KeyError",
        "TypeError",
        "UnboundLocalError",
        "ZeroDivisionError",
    }
)
"""What code raises by mistake."""


@dataclass(frozen=True, slots=True)
class HiddenFailure:
    """One failure that was only logged.

    Attributes:
        what: failed: `operator` (there is no translation), `handler`, `rewriter` or `pass`.
        stage: it happened at.
        step: name of the rewriter or the pass.
        node, operator, line: of the source, where known.
        error_type, message: what was raised.
        refused: whether it was raised on purpose: what it was given is not supported.
        said: what was logged before by the same step.
    """

    what: str
    stage: Stage
    step: str
    node: str | None
    operator: str | None
    line: str | None
    error_type: str
    message: str
    refused: bool
    said: tuple[str, ...]

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> HiddenFailure:
        """A failure as a worker told of it."""
        return cls(
            fields["what"],
            Stage(fields["stage"]),
            fields["step"],
            fields["node"],
            fields["operator"],
            fields["line"],
            fields["error"]["type"],
            plain_first_line(fields["error"]["message"]),
            bool(fields["refused"]),
            tuple(plain_first_line(one) for one in fields["said"]),
        )

    @property
    def category(self) -> CauseCategory:
        """Why it failed, as far as its text says."""
        if self.what == "operator":
            return CauseCategory.INCOMPATIBILITY
        if not self.refused and self.error_type in _BROKEN:
            return CauseCategory.ALGORITHMIC_ERROR
        found = category_of_text(" ".join((*self.said, self.message)))
        if found is CauseCategory.UNKNOWN and self.refused:
            return CauseCategory.INCOMPATIBILITY
        return found

    def text(self) -> str:
        """One sentence."""
        of = f" ('{self.node}')" if self.node and self.node != self.operator else ""
        said = f"{self.error_type}: {self.message}"
        before = f" after '{self.said[-1]}'" if self.said else ""
        if self.what == "operator":
            return f"{self.operator}{of} was left as it is, for {self.message}; the converter only logs that"
        if self.what == "handler":
            return f"converting {self.operator}{of} raised {said}{before}; the converter logs that and goes on"
        return f"the {self.what} '{self.step}' raised {said}; the converter logs that and goes on"


def hidden_failures(attempt: Attempt | None) -> list[HiddenFailure]:
    """What a conversion hid, in order."""
    events = attempt.events if attempt is not None else ()
    return [HiddenFailure.of(event.fields) for event in events if event.name == _EVENT]


def of_conversion(finding: Finding, conversion: Conversion) -> list[Finding]:
    """The findings that failures which a converter only logged come to; empty where a finding is about none of them.

    Args:
        finding: as far as it is known.
        conversion: with what its converter told of.
    """
    failures = hidden_failures(conversion.attempt)
    if not failures:
        return []
    saved = next((one.record for one in conversion.verdicts if one.record.path == conversion.model), None)
    nodes: dict[str, TargetNode] = {}
    if saved is not None and saved.path is not None and conversion.model is not None:
        with contextlib.suppress(ModelFileError):  # an unreadable file is a finding of its own
            nodes = read_nodes(saved.path, saved.facts, nested=True)
    return of_hidden_failures(finding, failures, conversion.attempt, nodes)


def of_hidden_failures(
    finding: Finding, failures: Sequence[HiddenFailure], attempt: Attempt | None, nodes: Mapping[str, TargetNode]
) -> list[Finding]:
    """The findings that hidden failures come to where they are what a refusal is about; empty where they are not.

    Args:
        finding: as far as it is known.
        failures: what the conversion hid.
        attempt: how the conversion ended.
        nodes: of what was saved; empty where nothing was.
    """
    if finding.outcome is not Outcome.FAILED:
        return []
    left = {(node.source_name, node.source_operator) for node in nodes.values()}
    refused = [node for node in nodes.values() if node.name in finding.location.nodes]
    named = {(node.source_name, node.source_operator) for node in refused}
    found: dict[tuple[Any, ...], HiddenFailure] = {}
    for one in failures:
        if one.operator is None or (nodes and (one.node, one.operator) not in left):
            continue  # what it was about is gone from the model
        found.setdefault((one.operator, one.line, one.category), one)
    meant = {key: one for key, one in found.items() if (one.node, one.operator) in named}
    if meant or not all(_is_unconverted(node) for node in refused):
        found = meant  # else what is refused was left over where something else failed
    if isinstance(attempt, Refused):
        raised = [one for one in found.values() if one.message == plain_first_line(attempt.message)]
        found = {(one.operator,): one for one in raised[:1]} or found
    # What the refusal itself names comes first.
    ordered = sorted(found.values(), key=lambda one: str(one.operator) not in finding.message)
    return [_explained(finding, one, nodes) for one in ordered] or _without_operator(finding, failures, attempt)


def _is_unconverted(node: TargetNode) -> bool:
    """Whether a node still has the source's operator, which is none of ONNX's."""
    import onnx

    return node.op_type == node.source_operator and not onnx.defs.has(node.op_type, node.domain)


def _without_operator(finding: Finding, failures: Sequence[HiddenFailure], attempt: Attempt | None) -> list[Finding]:
    """Where nothing else failed and no model came out: the step that failed."""
    if not isinstance(attempt, Refused) or not failures:
        return []
    last = failures[-1]
    return [_explained(finding, last, {})]


def _explained(finding: Finding, one: HiddenFailure, nodes: Mapping[str, TargetNode]) -> Finding:
    made = [node for node in nodes.values() if (node.source_name, node.source_operator) == (one.node, one.operator)]
    location = Location(
        nodes=[node.name for node in made],
        op_types=list(dict.fromkeys(node.op_type for node in made)),
        source_node=one.operator,
        source_line=one.line,
    )
    evidence = one.text()
    cause = replace(finding.cause, category=one.category, evidence=evidence)
    message = f"{finding.message}; {evidence}"
    return replace(finding, stage=one.stage, cause=cause, location=location, message=message)


def notes_on(attempt: Attempt | None) -> list[str]:
    """What a person should know of failures that did no harm."""
    raised = [one for one in hidden_failures(attempt) if one.what != "operator"]
    return list(dict.fromkeys(f"{one.text()}; what it wrote is right all the same" for one in raised))
