"""The words of a report, the same on every page: headlines, facts, and what to do next."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tautomer.model import CheckReport, Finding, InputReport, Location, Outcome, Report
from tautomer.report import quantities

OUTCOME_WORDS = {
    Outcome.EQUIVALENT: "EQUIVALENT",
    Outcome.DIVERGENT: "DIVERGENT",
    Outcome.FAILED: "FAILED",
    Outcome.INCONCLUSIVE: "INCONCLUSIVE",
    Outcome.NOT_RUN: "NOT RUN",
}

MEASURES = (
    ("residual", "how far the two functions differ in float64, in u = 2^-24 (one float32 rounding)"),
    ("ratio", "difference over what rounding explains; above 1 is a finding"),
    ("rho", "the target's error over the source's own"),
)
"""The three measures of a checkpoint, and what each means."""

FAULTY = frozenset({Outcome.DIVERGENT, Outcome.FAILED})
"""Outcomes that somebody has to act on."""

_LISTED = 4
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Fact:
    """One labelled line of a report."""

    label: str
    text: str


def spoken(word: str) -> str:
    """An identifier of the schema as words: `node_conversion` -> `node conversion`."""
    return word.replace("_", " ")


def visible(text: str) -> str:
    """`text` with every character replaced that would steer a terminal or reorder a line instead of being read."""
    return "".join(
        char
        if char == "\n" or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _REORDERING)
        else "\ufffd"
        for char in text.replace("\r\n", "\n").expandtabs(4)
    )


def shortened(text: str, lines: int) -> str:
    """The first lines of `text`, and how many more there are."""
    kept = text.strip("\n").splitlines()
    if len(kept) <= lines + 1:
        return "\n".join(kept)
    return "\n".join([*kept[:lines], f"... and {len(kept) - lines} more lines"])


def route(report: Report) -> list[str]:
    """The model, each converter and the runtime, in order."""
    converters = report.links or ([report.converter] if report.converter else [])
    return [report.model, *converters, report.runtime]


def headline(finding: Finding) -> str:
    """One finding in a sentence: `TA301 divergent at node_conversion: MESSAGE`."""
    if finding.message.startswith(finding.code):
        return finding.message
    if finding.message.startswith(f"{finding.outcome} at "):
        return f"{finding.code} {finding.message}"
    return f"{finding.code} {finding.outcome} at {finding.stage}: {finding.message}"


def verdict(report: Report) -> str:
    """What the report says, in a sentence or two."""
    if report.findings:
        return headline(report.findings[0])
    if report.outcome is Outcome.EQUIVALENT:
        return _agreement(report)
    if report.outcome is Outcome.INCONCLUSIVE:
        return f"Could not be judged: {report.reason or 'no reason was recorded'}"
    if report.outcome is Outcome.NOT_RUN:
        reason, _ = _split_install(report.reason or "no reason was recorded")
        return f"Nothing was compared: {reason}"
    return f"{report.outcome}: {report.reason or 'no finding was recorded'}"


def run_to_reduce(check: CheckReport, *, kept: bool, name: str) -> str | None:
    """How to name a check to `tautomer reduce`; None where it cannot be: its folder is gone, or it is a comparison.

    Args:
        check: the check.
        kept: whether the run's folder is there.
        name: what to call it by.
    """
    return name if kept and check.settings.get("model") and not check.settings.get("compared") else None


def can_be_reduced(check: CheckReport) -> bool:
    """Whether `tautomer reduce` takes the source that was checked."""
    return check.settings.get("kind") != "tflite"


def next_steps(
    report: Report, *, kept: bool, models: Mapping[str, Any], page: bool, run: str | None = None, reduces: bool = True
) -> list[Fact]:
    """What to do next: a file, a flag or a command, and what it gives.

    Args:
        report: one pair.
        kept: whether the run's folder is there; where it is not, none of its files is named.
        models: by converter, the path of its model in that folder.
        page: whether the reader has the HTML page.
        run: how to name the run to other commands; None where they cannot take it.
        reduces: whether the model can be reduced.
    """
    steps = []
    model_file = models.get(report.converter or "")
    if report.outcome in FAULTY:
        if run is not None and len(report.links) < 2:
            if reduces:
                said = "the smallest model that fails so, with a script and an issue"
                steps.append(Fact(f"tautomer reduce {run}", said))
            steps.append(Fact(f"tautomer bisect {run}", "the setting, release or rewrite with which it does not fail"))
        if kept and model_file:
            steps.append(Fact(str(model_file), "the converted model, to look into"))
        if kept and report.log:
            steps.append(Fact(report.log, "the log"))
        if not kept:
            steps.append(Fact("--keep all", "keeps the converted model, the tensors and the logs"))
        if not page:
            steps.append(Fact("--report OUT.html", "the whole report as a page"))
    if report.outcome is Outcome.NOT_RUN:
        _, install = _split_install(report.reason or "")
        if install:
            steps.append(Fact(install, "then run the check again"))
    return steps


def facts(report: Report) -> list[Fact]:
    """Where the first finding sits and why, then what the comparison showed; absent ones are left out."""
    found = []
    if report.findings:
        found += finding_facts(report.findings[0])
    elif report.location is not None:
        found.append(Fact("where", place(report.location)))
    if report.reason and report.findings:
        found.append(Fact("reason", report.reason))
    if report.worst_input is not None and 0 <= report.worst_input < len(report.inputs):
        worst = report.inputs[report.worst_input]
        found.append(Fact("worst input", f"#{report.worst_input} {input_name(worst)}{_furthest(worst)}"))
    if report.smallest_passing is not None:
        passing = report.smallest_passing
        found.append(Fact("would pass at", _passing(passing.atol, passing.rtol)))
    if report.undecided:
        found.append(Fact("undecided", _listed([described(item) for item in report.undecided])))
    if report.not_exercised:
        found.append(Fact("not exercised", _listed(report.not_exercised)))
    if report.power is not None:
        found.append(Fact("power", power(report)))
    if report.log and report.outcome not in FAULTY:  # next_steps names it there
        found.append(Fact("log", report.log))
    return [fact for fact in found if fact.text]


def finding_facts(finding: Finding) -> list[Fact]:
    """Where one finding sits, why, and what works around it."""
    stages = spoken(finding.stage)
    if finding.symptom_stage != finding.stage:
        stages = f"{stages}, seen at {spoken(finding.symptom_stage)}"
    return [
        Fact("where", place(finding.location)),
        Fact("stage", stages),
        Fact("symptom", spoken(finding.symptom)),
        Fact("cause", f"{spoken(finding.cause.category)} ({spoken(finding.cause.kind)}): {finding.cause.evidence}"),
        Fact("workaround", workaround(finding)),
    ]


def workaround(finding: Finding) -> str:
    """The verified workaround of a finding, empty where there is none."""
    found = finding.workaround
    if found is None:
        return ""
    setting = f" (--set {found.setting})" if found.setting else ""
    return f"{found.description.rstrip('.')}{setting}; verified: it was run and the failure was gone"


def place(location: Location) -> str:
    """Where in the graphs and in the user's source, in a line; empty where nothing is known."""
    if len(location.nodes) == len(location.op_types):
        nodes = [f"{node} ({op_type})" for node, op_type in zip(location.nodes, location.op_types, strict=True)]
    else:
        nodes = location.nodes or location.op_types
    target = _listed(nodes)
    origin = f"'{location.source_node}'" if location.source_node else ""
    if location.source_line:
        origin = f"{origin} at {location.source_line}" if origin else location.source_line
    if target and origin:
        return f"{target}, made from {origin}"
    return target or origin


def input_name(inputs: InputReport) -> str:
    """An input set by name and, where the name does not say it, origin."""
    return inputs.name if inputs.origin in inputs.name else f"{inputs.name}, from {inputs.origin}"


def power(report: Report) -> str:
    """The measured detection power in a sentence; empty where it was not measured."""
    measured = report.power
    if measured is None:
        return ""
    share = quantities.percentage(measured.killed, measured.mutants)
    return f"{measured.killed} of {measured.mutants} seeded faults would have been caught on these inputs ({share})"


def described(item: Mapping[str, Any]) -> str:
    """A free-form object in a line: `logits, share 2.1e-02`."""
    parts = []
    for key, value in item.items():
        shown = quantities.number(value) if isinstance(value, float) else str(value)
        parts.append(shown if key in ("name", "value", "tensor", "output") else f"{spoken(str(key))} {shown}")
    return ", ".join(parts)


def tally(report: CheckReport) -> str:
    """How many pairs came to which outcome: `3 pairs: 1 divergent, 2 equivalent`."""
    counts = {outcome: sum(pair.outcome is outcome for pair in report.reports) for outcome in Outcome}
    worst_first = (Outcome.DIVERGENT, Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.NOT_RUN, Outcome.EQUIVALENT)
    parts = [f"{counts[outcome]} {spoken(outcome)}" for outcome in worst_first if counts[outcome]]
    total = len(report.reports)
    return f"{total} {'pair' if total == 1 else 'pairs'}: {', '.join(parts)}" if parts else "nothing was checked"


def _agreement(report: Report) -> str:
    compared = len(report.inputs)
    where = f" on {compared} input {'set' if compared == 1 else 'sets'}" if compared else ""
    shown = []
    residual = _largest(checkpoint.semantic_residual_u for checkpoint in report.checkpoints)
    rounding = _largest(checkpoint.rounding_ratio for checkpoint in report.checkpoints)
    rho = _largest(checkpoint.stability_rho for checkpoint in report.checkpoints)
    if residual is not None:
        shown.append(f"semantic residual at most {quantities.number(residual)} u")
    if rounding is not None:
        shown.append(f"rounding at most {quantities.ratio(rounding)} of its bound")
    if rho is not None:
        shown.append(f"rho at most {quantities.number(rho)}")
    measured = f": {', '.join(shown)}" if shown else ""
    return f"The converted model is the same function{where}{measured}."


def _largest(values: Iterable[float | None]) -> float | None:
    """The largest value that was computed; NaN, which nothing bounds, before all others."""
    known = [value for value in values if value is not None]
    return max(known, key=lambda value: math.inf if math.isnan(value) else value, default=None)


def _furthest(inputs: InputReport) -> str:
    if inputs.max_abs_difference is None:
        return ""
    return f"; largest absolute difference {quantities.number(inputs.max_abs_difference)}"


def _passing(atol: float | None, rtol: float | None) -> str:
    alternatives = []
    if atol is not None:
        alternatives.append(f"atol {quantities.tolerance(atol)} with rtol 0")
    if rtol is not None:
        alternatives.append(f"rtol {quantities.tolerance(rtol)} with atol 0")
    return ", or ".join(alternatives) or "no tolerance: shapes, types, NaN or infinities differ"


def _listed(items: list[str]) -> str:
    shown = ", ".join(items[:_LISTED])
    return f"{shown} and {len(items) - _LISTED} more" if len(items) > _LISTED else shown


def _split_install(reason: str) -> tuple[str, str]:
    """A reason without its installation command, and the command."""
    match = re.search(r"\s*(?:Install(?: it)?(?: with)?:\s*)?((?:python -m )?pip install [^\n]+)", reason)
    if match is None:
        return reason, ""
    rest = f"{reason[: match.start()].rstrip()} {reason[match.end() :].lstrip()}".strip()
    return rest, match.group(1).rstrip(" .")
