"""Check every architecture of the catalogue on two input sets each: clean conversions, and what real defects look like.

Run it from the root of the repository: `python benchmarks/architectures/run.py [NAME ...]`. `benchmarks/judge` measures
the same models through more runtimes and beside fixed tolerances.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep, Report

sys.path.insert(0, str(Path(__file__).parent))
from catalog import CHOSEN, DEFECTS, HELD_OUT, catalog, written


def _largest(report: Report, name: str) -> str:
    values = [getattr(one, name) for one in report.checkpoints if getattr(one, name) is not None]
    return f"{max(values):9.2g}" if values else "        -"


def main(names: list[str]) -> int:
    false_alarms = 0
    with Pool() as pool, tempfile.TemporaryDirectory() as folder:
        print(
            f"{'set':9s} {'architecture':29s} {'outcome':12s} {'residual u':>9s} {'ratio':>9s} {'rho':>9s} {'atol':>9s}"
        )
        for label, members in (("chosen", CHOSEN), ("held out", HELD_OUT), ("defects", DEFECTS)):
            for name in members:
                if names and name not in names:
                    continue
                path, samples = written(name, Path(folder))
                settings = CheckSettings(run_dir=Path(folder) / "runs", keep=Keep.NONE, inputs=samples)
                report = run_check(path, settings, runner=pool).report.reports[0]
                figures = [_largest(report, one) for one in ("semantic_residual_u", "rounding_ratio", "stability_rho")]
                passing = report.smallest_passing
                atol = f"{passing.atol:9.2g}" if passing is not None and passing.atol is not None else "        -"
                print(f"{label:9s} {name:29s} {report.outcome:12s} {' '.join(figures)} {atol}", flush=True)
                if report.outcome != "equivalent":
                    print(f"{'':39s} {report.findings[0].message if report.findings else report.reason}")
                false_alarms += label != "defects" and report.outcome != "equivalent"
    print(f"{len(CHOSEN)} chosen, {len(HELD_OUT)} held out, {false_alarms} not equivalent; {len(catalog())} in all")
    return 1 if false_alarms else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
