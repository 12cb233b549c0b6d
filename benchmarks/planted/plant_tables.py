"""The tables of the benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]


def table(rows: Sequence[Row]) -> str:
    """One line a fault."""
    lines = ["| architecture | nodes | fault | software | stage named | nodes named | reduced to | minimum | s |"]
    lines.append("|---|---:|---|---|---|---|---:|---:|---:|")
    for row in rows:
        plant = row["plant"]
        named = "exact" if row["exact"] else "its operator's" if row["operator"] else "among others"
        named = named if row["contains"] else "part" if row["operator"] else f"none ({row['outcome']})"
        named = named if row["planted"] else "never planted"
        stage = "right" if row["stage_right"] else str(row["stage"])
        seconds = row["check_s"] + row.get("reduce_s", 0.0)
        lines.append(
            f"| {row['name']} | {row['nodes']} | {plant['description']} | {plant['where']} | {stage} | {named} |"
            f" {row.get('nodes_after') or '-'} | {plant['minimum']} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def summary(rows: Sequence[Row]) -> str:
    """Totals by class and by set."""
    lines = ["", "| class | faults | found | stage right | exact nodes | exact operator | reduced to the minimum |"]
    lines.append("|---|---:|---:|---:|---:|---:|---:|")
    for label, chosen in _classes(rows):
        counts = [
            sum(row["outcome"] in ("divergent", "failed") for row in chosen),
            sum(row["stage_right"] for row in chosen),
            sum(row["exact"] for row in chosen),
            sum(row["exact"] or (row["contains"] and row["operator"]) for row in chosen),
            sum(bool(row.get("minimal")) for row in chosen),
        ]
        lines.append(f"| {label} | {len(chosen)} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def _classes(every: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    # The software that was to be faulty may never have met the node: then nothing was measured.
    rows = [row for row in every if row["planted"]]
    for place in dict.fromkeys(row["plant"]["where"] for row in rows):
        for two in (False, True):
            found = [row for row in rows if row["plant"]["where"] == place and (row["rule"] != "single") is two]
            if found:
                yield f"{place}, {'two nodes' if two else 'one node'}", found
    for label in ("chosen", "held out"):
        found = [row for row in rows if row["set"] == label]
        if found:
            yield f"all, {label}", found
    yield "all", list(rows)
