"""What the second small check costs in a process that has done one: `python benchmarks/warm_workers.py`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep

MODEL = Path(__file__).parents[1] / "examples" / "quickstart.py"


def main() -> None:
    with Pool() as pool, tempfile.TemporaryDirectory() as folder:
        settings = CheckSettings(run_dir=Path(folder), keep=Keep.NONE)
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            outcome = run_check(MODEL, settings, runner=pool).report.outcome
            seconds.append(time.perf_counter() - began)
            print(f"check {len(seconds)}: {seconds[-1]:.2f} s, {outcome}", flush=True)
    later = sorted(seconds[1:])[len(seconds[1:]) // 2]
    print(f"a later check costs {later / seconds[0]:.2f} of the first")


if __name__ == "__main__":
    main()
