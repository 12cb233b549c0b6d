"""The tables of the benchmark, from stored results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from clean_models import LEVELS_OF
from fixed_tolerances import FAMILIES, IN_USE, FixedTolerance, best_member
from known_defects import known_defect

LEVELS = tuple(level for levels in LEVELS_OF.values() for level in levels)
QUIET = 1e-2
"""An output that changes by less than this share of its RMS between two draws of inputs exercises little."""

SETS = ("chosen", "held out")
BANDS = ((1.0, 10.0), (10.0, 100.0), (100.0, 1e4), (1e4, float("inf")))
"""Of a fault's effect in float64, in units of u times the output's scale."""


def activity_table(changes: Mapping[str, Mapping[str, float]]) -> str:
    """How many outputs change with the inputs, and the names of those that hardly do."""
    flat = [(change, f"{name}: {output}") for name, outputs in changes.items() for output, change in outputs.items()]
    quiet = [f"{label} by {change:.2g}" for change, label in sorted(flat) if change < QUIET]
    listed = "; ".join(quiet) if quiet else "none"
    return (
        f"{len(flat)} outputs of {len(changes)} architectures; median change between two draws of inputs "
        f"{median(change for change, _ in flat) if flat else 0.0:.2g} of the RMS; below {QUIET:g}: {listed}"
    )


def clean_rows(results: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for each architecture at each level: clean where no real defect is known there."""
    rows = []
    for one in results:
        for level, found in one["levels"].items():
            if level in LEVELS:
                reason = known_defect(one["name"], level)
                rows.append({"name": one["name"], "set": one["set"], "level": level, "known_defect": reason, **found})
    return rows


def clean_table(rows: Sequence[Mapping[str, Any]], faults: Sequence[Mapping[str, Any]]) -> str:
    """How often each comparison rejects a clean model, by set, and how many faults it catches."""
    clean = [row for row in rows if row["known_defect"] is None]
    comparable = [row for row in clean if "smallest" in row]
    active = [row for row in faults if row["active"]]
    lines = [f"{'':36s} {'false alarms on clean models':>42s} {'active faults caught':>36s}"]
    lines.append(
        f"{'':36s} {'chosen':>20s} {'held out':>21s} {'chosen':>17s} {'held out':>18s}",
    )

    def line(name: str, alarm: Callable[[Mapping[str, Any]], bool], caught: Callable[[Mapping[str, Any]], bool]) -> str:
        cells = [_share([alarm(row) for row in clean if row["set"] == one]) for one in SETS]
        cells += [_share([caught(row) for row in active if row["set"] == one]) for one in SETS]
        return f"{name:36s} {cells[0]:>20s} {cells[1]:>21s} {cells[2]:>17s} {cells[3]:>18s}"

    lines.append(line("Tautomer", lambda row: row["outcome"] != "equivalent", lambda row: bool(row["caught"])))
    for tolerance in (*IN_USE, *_best(comparable, active)):
        lines.append(
            line(
                f"{tolerance.name}" if tolerance in IN_USE else f"{tolerance.name}, t = {tolerance.t:.2g}",
                lambda row, tolerance=tolerance: "smallest" in row and not tolerance.accepts(row["smallest"]),
                lambda row, tolerance=tolerance: not tolerance.accepts(row["smallest"]),
            )
        )
    return "\n".join(lines)


def _best(clean: Sequence[Mapping[str, Any]], active: Sequence[Mapping[str, Any]]) -> list[FixedTolerance]:
    """The best member of each family, chosen in hindsight on what it is measured on."""
    if not clean or not active:
        return []
    needed = [row["smallest"] for row in clean], [row["smallest"] for row in active]
    return [best_member(*needed, family).tolerance for family in FAMILIES]


def outcomes_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Part (a) by runtime level, and every line that is not equivalent."""
    lines = [
        f"{'set':9s} {'level':16s} {'clean':>6s} {'equivalent':>11s} {'divergent':>10s} {'failed':>7s} inconclusive"
    ]
    for which in SETS:
        for level in LEVELS:
            chosen = [row for row in rows if row["set"] == which and row["level"] == level and not row["known_defect"]]
            counts = Counter(row["outcome"] for row in chosen)
            lines.append(
                f"{which:9s} {level:16s} {len(chosen):6d} {counts['equivalent']:11d} {counts['divergent']:10d} "
                f"{counts['failed']:7d} {counts['inconclusive']:12d}"
            )
    lines.append("")
    for row in rows:
        if row["known_defect"]:
            lines.append(f"known defect   {row['name']} / {row['level']}: {row['outcome']}; {row['known_defect']}")
        elif row["outcome"] != "equivalent":
            said = row["findings"][0]["message"] if row["findings"] else row["reason"]
            lines.append(f"FALSE ALARM?   {row['name']} / {row['level']}: {row['outcome']}; {said}")
    return "\n".join(lines)


def faults_table(faults: Sequence[Mapping[str, Any]]) -> str:
    """Part (b): by family and set, how many were active, caught, and located; and by size of the effect.

    Located: a node that is named was touched by the fault. The last column is the median number of nodes named.
    """
    lines = [
        f"{'set':9s} {'family':10s} {'seeded':>7s} {'inert':>6s} {'active':>7s} {'caught':>15s} {'located':>15s} "
        f"{'nodes named':>12s}"
    ]
    families = sorted({row["family"] for row in faults})
    for which in (*SETS, "both"):
        for family in (*families, "all"):
            rows = [row for row in faults if which in (row["set"], "both") and family in (row["family"], "all")]
            active = [row for row in rows if row["active"]]
            caught = [row for row in active if row["caught"]]
            named = [len(row["named"]) for row in caught if row["located"]]
            lines.append(
                f"{which:9s} {family:10s} {len(rows):7d} {len(rows) - len(active):6d} {len(active):7d} "
                f"{_share([row['caught'] for row in active]):>15s} {_share([row['located'] for row in caught]):>15s} "
                f"{f'{median(named):g}' if named else '-':>12s}"
            )
    lines += [
        "",
        f"{'effect, u of the output':26s} {'active':>7s} {'Tautomer':>15s}  " + "  ".join(t.name for t in IN_USE),
    ]
    for low, high in BANDS:
        rows = [row for row in faults if row["active"] and low <= _effect(row) < high]
        cells = [f"{_share([not one.accepts(row['smallest']) for row in rows]):>{len(one.name)}s}" for one in IN_USE]
        caught_share = _share([row["caught"] for row in rows])
        lines.append(f"{f'{low:g} to {high:g}':26s} {len(rows):7d} {caught_share:>15s}  " + "  ".join(cells))
    lines.append("")
    lines += [
        f"MISSED   {row['name']} {row['family']} {row['kind']}: {row['description']}; effect {_effect(row):.3g} u; "
        f"{row['outcome']}: {row.get('reason') or 'no finding'}"
        + ("" if row["clean_outcome"] == "equivalent" else f" (the clean file: {row['clean_outcome']})")
        for row in faults
        if row["active"] and not row["caught"]
    ]
    return "\n".join(lines)


def _effect(row: Mapping[str, Any]) -> float:
    return float("inf") if row["effect_u"] is None else float(row["effect_u"])


def _share(values: Sequence[bool]) -> str:
    return f"{sum(values)}/{len(values)} {100 * sum(values) / len(values):5.1f}%" if values else "-"
