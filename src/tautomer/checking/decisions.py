"""What a report says of decisions of the source that hang on its own rounding."""

from __future__ import annotations

from typing import Any

from tautomer.checking.results import SourceResult
from tautomer.checking.verdicts import Verdict
from tautomer.numerics.judge import UNDECIDED_LIMIT


def undecided_decisions(source: SourceResult) -> list[dict[str, Any]]:
    """Decisions of the source with elements that its own rounding could turn: operator, line, margin and bound."""
    return [
        {"input": index, **one}
        for index, entry in enumerate(source.facts["sets"])
        for one in entry.get("undecided") or ()
    ]


def turned_decisions(source: SourceResult, verdict: Verdict) -> list[str]:
    """Why outputs that only turned decisions explain are not called equivalent: too many could have turned."""
    turned = {index for index, judgement in verdict.judgements if judgement.turned}
    said = []
    for one in undecided_decisions(source):
        if one["input"] in turned and one["elements"] > max(1, UNDECIDED_LIMIT * one["of"]):
            line = f" ({one['line']})" if one["line"] else ""
            share = f"{one['elements']} of {one['of']} elements of {one['operator']}{line}"
            said.append(f"{share} hang on the source's own rounding, and the outputs differ as if some of them turned")
    return said
