"""Check a folder of defect modules against its manifest: `python benchmarks/defects.py FOLDER`.

The folder holds model modules and a manifest.csv with the columns name, outcome, cause_stage, symptom_stage, certain.
Prints what was expected and found for each, and how many of the certain ones agree on all three.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep


def main(folder: Path) -> int:
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = certain = 0
    with Pool() as pool, tempfile.TemporaryDirectory() as runs:
        settings = CheckSettings(run_dir=Path(runs), keep=Keep.NONE)
        for row in rows:
            report = run_check(folder / f"{row['name']}.py", settings, runner=pool).report.reports[0]
            found = (report.outcome, report.stage, report.symptom_stage)
            expected = (row["outcome"], row["cause_stage"], row["symptom_stage"])
            agrees = tuple(map(str, found)) == expected
            certain += row["certain"] == "yes"
            right += agrees and row["certain"] == "yes"
            mark = "ok  " if agrees else "DIFF"
            print(f"{mark} {row['name']:34s} certain={row['certain']:3s} {' / '.join(map(str, found))}", end="")
            print("" if agrees else f"   expected {' / '.join(expected)}", flush=True)
    print(f"{right} of {certain} certain defects: outcome, cause stage and symptom stage as the manifest says")
    return 0 if right == certain else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
