"""Check a folder of defect modules against its manifest: `python benchmarks/defects.py FOLDER`.

The folder holds model modules and a manifest.csv with the columns name, outcome, cause_stage, symptom_stage, source_op,
cause, certain, and, where it is known, line (`model.py:12`) and findings (their number). Prints what was expected and
found for each: outcome and stages, the operator that was located, its line, the category of the cause, and how many
independent faults were listed. An operator in parentheses says that there is none to be located.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep, Report

ASKED = ("stages", "source_op", "cause", "line", "findings")


def main(folder: Path) -> int:
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = dict.fromkeys(ASKED, 0)
    asked_of = dict.fromkeys(ASKED, 0)
    with Pool() as pool, tempfile.TemporaryDirectory() as runs:
        settings = CheckSettings(run_dir=Path(runs), keep=Keep.NONE)
        for row in rows:
            report = run_check(folder / f"{row['name']}.py", settings, runner=pool).report.reports[0]
            is_certain = row["certain"] == "yes"
            print(f"{row['name']}  (certain: {row['certain']}, findings: {len(report.findings)})")
            for asked, found, expected in compared(row, report):
                agrees = found == expected
                right[asked] += agrees and is_certain
                asked_of[asked] += is_certain
                said = f"  {'ok  ' if agrees else 'DIFF'} {asked:9s} {found}"
                print(said if agrees else f"{said}   expected {expected}", flush=True)
            if report.cause is not None:
                print(f"       {report.cause.evidence}")
    for asked in ASKED:
        if asked_of[asked]:
            print(f"{right[asked]} of {asked_of[asked]} certain defects: {asked} as the manifest says")
    return 0 if right == asked_of else 1


def compared(row: Mapping[str, str], report: Report) -> list[tuple[str, str, str]]:
    """What is asked of a report, what it says and what the manifest expects."""
    found_operator = str(report.location.source_node if report.location else None)
    operator = row["source_op"] if not row["source_op"].startswith("(") else "None"
    if found_operator in operator.split(";"):  # any of several
        operator = found_operator
    found = [
        (
            "stages",
            f"{report.outcome} / {report.stage} / {report.symptom_stage}",
            f"{row['outcome']} / {row['cause_stage']} / {row['symptom_stage']}",
        ),
        ("source_op", found_operator, operator),
        ("cause", str(report.cause.category if report.cause else None), row["cause"]),
    ]
    if row.get("line"):
        found.append(("line", str(report.location.source_line if report.location else None), row["line"]))
    if row.get("findings"):
        found.append(("findings", str(len(report.findings)), row["findings"]))
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
