"""The HTML report: one self-contained page that needs no script and asks no server for anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tautomer.model import CheckpointReport, CheckReport, Report, Stage
from tautomer.report import quantities, wording
from tautomer.report.pages import page_environment


@dataclass(frozen=True, slots=True)
class Bar:
    """Wall-clock seconds of one stage, and their share of the longest stage in per mille."""

    stage: str
    seconds: float
    length: int


def render(report: CheckReport, *, kept_at: str | None = None, models: Mapping[str, Any] | None = None) -> str:
    """The page as text that UTF-8 can hold.

    Everything in the report is escaped: names of models, nodes and files come from outside. A content security
    policy in the page forbids every request and every script.

    Args:
        report: what was found.
        kept_at: where the run is kept; None where it is not.
        models: by converter, the path of its model in the run's folder.
    """
    environment = page_environment()
    environment.filters |= {
        "duration": quantities.duration,
        "number": quantities.number,
        "ratio": quantities.ratio,
        "size": quantities.size,
        "spoken": wording.spoken,
    }
    return environment.get_template("check.html.j2").render(
        check=report,
        kept_at=kept_at,
        models=models or {},
        words=wording.OUTCOME_WORDS,
        wording=wording,
        bars=stage_bars,
        rows=flattened,
    )


def stage_bars(report: Report) -> list[Bar]:
    """Seconds by stage in the order of the stages; empty where nothing was timed."""
    totals = {stage: _total_seconds(report.checkpoints, stage) for stage in Stage}
    longest = max(totals.values())
    if longest <= 0:
        return []
    return [
        Bar(wording.spoken(stage), seconds, round(1000 * seconds / longest))
        for stage, seconds in totals.items()
        if seconds > 0
    ]


def flattened(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of nested settings with their paths (`packages.torch`), as text; empty ones as a dash."""
    for key, item in value.items():
        path = f"{prefix}{key}"
        if isinstance(item, Mapping) and item:
            yield from flattened(item, f"{path}.")
        elif item is None or item in ({}, [], (), ""):
            yield path, quantities.ABSENT
        elif isinstance(item, list | tuple):
            yield path, ", ".join(str(element) for element in item)
        else:
            yield path, str(item)


def _total_seconds(checkpoints: list[CheckpointReport], stage: Stage) -> float:
    return sum(item.seconds for item in checkpoints if item.stage is stage and item.seconds > 0)
