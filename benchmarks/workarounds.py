"""What `tautomer bisect` makes of a folder of defects: `python benchmarks/workarounds.py FOLDER [NAME...]`.

The folder holds model modules, of PyTorch or of TensorFlow. For each that a check finds fault with, the settings, the
other converters and, where none of them helps, rewrites are tried as `tautomer bisect` tries them; with
`--max-trials 0` rewrites alone. Prints the failure, the smallest change with
which it is gone or the rewrite that does it, and how that was verified. A workaround that leaves another failure, or
an inconclusive check, is counted as none.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tautomer.bisection import MAX_TRIALS, BisectReport, BisectRequest, bisect
from tautomer.errors import MisuseError
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep, Limits, Outcome


def main(folder: Path, names: Sequence[str], max_trials: int) -> int:
    models = [folder / f"{name}.py" for name in names] or sorted(folder.glob("*.py"))
    counted = {"by settings": 0, "by a rewrite": 0, "none": 0, "nothing fails": 0}
    with Pool() as pool, tempfile.TemporaryDirectory() as runs:
        settings = CheckSettings(run_dir=Path(runs), keep=Keep.NONE, limits=Limits(timeout_s=120.0))
        for model in models:
            began = time.monotonic()
            try:
                request = BisectRequest(model=str(model), settings=settings, max_trials=max_trials)
                report = bisect(request, runner=pool).report
            except MisuseError as error:
                counted["nothing fails"] += 1
                print(f"{model.stem}\n  {error}", flush=True)
                continue
            kind, said = outcome_of(report)
            counted[kind] += 1
            failure = report.finding
            print(f"{model.stem}  {time.monotonic() - began:.0f} s, {len(report.tried)} settings tried")
            print(f"  {failure.outcome} at {failure.stage}: {failure.location.source_node}")
            print(f"  {kind}: {said}", flush=True)
    print(", ".join(f"{kind} {number}" for kind, number in counted.items()))
    return 0 if counted["none"] == 0 else 1


def outcome_of(report: BisectReport) -> tuple[str, str]:
    """Which kind of workaround was verified, and how."""
    if report.minimal and report.minimal[0].effect == "equivalent":
        return "by settings", f"{report.minimal[0].setting}; {report.workarounds[0].description}"
    rewrite = next((one for one in report.rewrites if one.outcome is Outcome.EQUIVALENT), None)
    if rewrite is not None:
        return "by a rewrite", f"{rewrite.description}; verified by a full check of its patched model"
    return "none", "; ".join(sorted({str(one.effect) for one in report.tried})) or "nothing was tried"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="modules without their suffix; all where none is given")
    parser.add_argument("--max-trials", type=int, default=MAX_TRIALS, help="settings to try at most")
    arguments = parser.parse_args()
    sys.exit(main(arguments.folder, arguments.names, arguments.max_trials))
