"""What a bisection came to, in lines for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from tautomer.bisection.report import BisectReport, TriedSetting, TriedVersion
from tautomer.bisection.trials import Effect

_SPOKEN = {
    Effect.EQUIVALENT: "equivalent",
    Effect.OTHERS_REMAIN: "this failure is gone, another one of the model remains",
    Effect.FAILS_OTHERWISE: "fails in another way",
    Effect.SAME_FAILURE: "the same failure",
    Effect.SAME_MODEL: "the same failure: the same model comes out",
    Effect.INCONCLUSIVE: "inconclusive",
    Effect.NOT_RUN: "not run",
    Effect.BUILD_FAILURE: "build failure",
}
_WIDTH = 110


def lines(report: BisectReport, *, kept_at: str | None = None) -> Iterator[str]:
    """The report, one line at a time."""
    via = f" via {report.converter}" if report.converter else ""
    yield f"{report.model}{via} to {report.runtime}"
    yield f"  {_one_line(report.finding.message)}"
    yield ""
    if report.tried:
        yield f"tried {len(report.tried)} {'change' if len(report.tried) == 1 else 'changes'}"
        yield from _table(report.tried)
    if report.versions is not None:
        tried, searched = len(report.versions.tried), len(report.versions.searched)
        yield f"{report.versions.package}: tried {tried} of {searched} releases"
        yield from _releases(report.versions.tried)
        yield report.versions.said
    yield ""
    yield from _found(report)
    if report.interrupted:
        yield "interrupted; run it again with --resume to go on"
    elif not report.complete:
        yield "more could be tried: --max-trials"
    if kept_at is not None:
        yield f"run {report.run_id} is kept at {kept_at}"


def _found(report: BisectReport) -> Iterator[str]:
    if not report.workarounds:
        yield "nothing that was tried makes the failure go away"
        return
    yield f"{'verified workaround' if len(report.workarounds) == 1 else 'verified workarounds, the smallest first'}"
    for one in report.workarounds:
        yield f"  {one.setting or 'rewrite'}"
        yield from textwrap.wrap(one.description, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    for rewrite in report.rewrites:
        if rewrite.code:
            yield ""
            yield from textwrap.indent(rewrite.code, "    ").splitlines()
        yield f"  patched model: {rewrite.model}"


def _table(tried: Sequence[TriedSetting]) -> Iterator[str]:
    width = max(len(one.setting) for one in tried)
    for one in tried:
        yield f"  {one.setting:{width}}  {_SPOKEN[one.effect]}{_reason(one.effect, one.message)}"


def _releases(tried: Sequence[TriedVersion]) -> Iterator[str]:
    width = max((len(one.version) for one in tried), default=0)
    for one in tried:
        yield f"  {one.version:{width}}  {_SPOKEN[one.effect]}{_reason(one.effect, one.message)}"


def _reason(effect: Effect, message: str) -> str:
    if effect is Effect.EQUIVALENT or effect.is_same or not message:
        return ""
    return f": {textwrap.shorten(_one_line(message), _WIDTH, placeholder=' ...')}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
