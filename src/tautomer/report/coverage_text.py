"""Coverage at a terminal: counts and shares, curves as sparklines, what is missing, and what would add most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tautomer.coverage.comparing import CoverageReport, KindReport
from tautomer.report.wording import visible

KIND_NAMES = {
    "operators": "operators",
    "typed_operators": "typed operators",
    "sequences_2": "sequences of 2",
    "sequences_3": "sequences of 3",
    "sequences_4": "sequences of 4",
    "sequences_5": "sequences of 5",
    "fan_in": "fan-in",
    "fan_out": "fan-out",
    "diamonds": "diamonds",
}

_LEVELS = "▁▂▃▄▅▆▇█"
_SPARK_COLUMNS = 24
_NAMED = 3
"""Missing items of a kind that a terminal shows; the page and the JSON show more."""


def coverage_lines(report: CoverageReport) -> Iterator[str]:
    """The report, line by line."""
    frameworks = Counter(one.framework for one in report.models)
    said = ", ".join(f"{count} {name}" for name, count in sorted(frameworks.items()))
    nodes = sum(one.nodes for one in report.models)
    yield f"{_plural(len(report.models), 'model')} ({said}), {nodes:,} operator nodes"
    if report.universe is not None:
        models = f" ({_plural(report.universe_models, 'model')})" if report.universe_models else ""
        yield f"as a share of {visible(report.universe)}{models}"
    yield ""
    columns: tuple[str, ...] = ("inside", "of", "share") if report.universe is not None else ()
    columns += ("feasible", "share") if report.feasible is not None else ()
    heads = ("", "distinct", *columns, "as models are added")
    rows = [
        heads,
        *(
            _row(one, universe=report.universe is not None, feasible=report.feasible is not None)
            for one in report.kinds
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)),
        ]
        yield "  ".join([*cells, row[-1]]).rstrip()
    yield from _missing(report)
    yield from _additions(report)
    for note in report.notes:
        yield f"note: {visible(note)}"
    for label, files in (("not read", report.unread), ("not read of the universe", report.unread_against)):
        for path, reason in files.items():
            yield f"{label}: {visible(path)}: {visible(reason)}"
    for one in report.kinds:
        if one.is_below:
            yield f"below what was asked for: {KIND_NAMES[one.kind]} {percent(one.share)}, wanted {percent(one.wanted)}"


def percent(share: float | None) -> str:
    """A share as a percentage, never rounded up to all or down to nothing; a dash for None."""
    if share is None:
        return "–"
    text = f"{100 * share:.1f}%"
    if text == "100.0%":
        return "100%" if share >= 1 else ">99.9%"
    return "<0.1%" if text == "0.0%" and share > 0 else text


def sparkline(values: Sequence[float], columns: int = _SPARK_COLUMNS) -> str:
    """Values from zero to the largest as blocks, one a column; more values than columns are sampled evenly."""
    if not values or max(values) <= 0:
        return ""
    count = min(columns, len(values))
    chosen = [values[round(index * (len(values) - 1) / max(count - 1, 1))] for index in range(count)]
    top = max(values)
    return "".join(_LEVELS[min(int(one / top * len(_LEVELS)), len(_LEVELS) - 1)] for one in chosen)


def _row(one: KindReport, *, universe: bool, feasible: bool) -> tuple[str, ...]:
    counts: tuple[str, ...] = (f"{one.covered:,}",)
    if universe:
        counts += ("–", "–", "–") if one.of is None else (f"{one.inside:,}", f"{one.of:,}", percent(one.share))
    if feasible:
        known = one.feasible
        counts += ("–", "–") if known is None else (f"{known.of:,}", percent(known.share))
    return (KIND_NAMES[one.kind], *counts, sparkline(one.saturation.mean))


def _missing(report: CoverageReport) -> Iterator[str]:
    kinds = [one for one in report.kinds if one.missing]
    if kinds:
        yield ""
        frequent = any(item.models for one in kinds for item in one.missing)
        yield "Missing, the most frequent first (models that have it):" if frequent else "Missing, for example:"
    for one in kinds:
        for item in one.missing[:_NAMED]:
            had = f" ({item.models})" if item.models else ""
            yield f"  {KIND_NAMES[one.kind]}: {visible(item.item)}{had}"


def _additions(report: CoverageReport) -> Iterator[str]:
    if not report.additions:
        return
    yield ""
    yield f"These models would add most, each given those before it ({report.additions_bound}):"
    for one in report.additions:
        new = ", ".join(f"{count} {KIND_NAMES[kind]}" for kind, count in one.new_items.items())
        yield f"  {visible(one.name)}: mean share +{100 * one.gain:.1f} points ({new})"
    yield ""


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
