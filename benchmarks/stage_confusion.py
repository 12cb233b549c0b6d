"""How often a check names the stage that a fault was planted in: the confusion matrix over all planted faults.

Run it from the root of the repository: `python benchmarks/stage_confusion.py [WORD...]`. Words choose faults whose
name or stage contains one of them.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "quality"))

from planted import FAULTS, Fault, check_with

from tautomer.errors import TautomerError
from tautomer.execution import Pool
from tautomer.model import Outcome, Stage

_SHORT = {
    Stage.LOAD_MODEL: "load",
    Stage.NODE_CONVERSION: "node",
    Stage.OPTIMIZATION: "opt",
    Stage.EXPORT: "export",
    Stage.VALIDATION: "valid",
    Stage.RUNTIME_LOAD: "r.load",
    Stage.RUNTIME_OPTIMIZATION: "r.opt",
    Stage.RUNTIME_EXECUTION: "r.exec",
}
_NONE = "none"


def main(words: Sequence[str]) -> int:
    chosen = [one for one in FAULTS if not words or any(word in f"{one.stage} {one.name}" for word in words)]
    counts: Counter[tuple[Stage, str]] = Counter()
    exact = 0
    with tempfile.TemporaryDirectory() as folder, Pool() as pool:
        for fault in chosen:
            said, line = _reported(fault, pool, Path(folder))
            counts[fault.stage, _SHORT.get(said, _NONE) if said else _NONE] += 1
            exact += said is fault.stage
            print(f"{'ok' if said is fault.stage else 'NO':3} {fault.stage:21} {fault.name:52} {line}", flush=True)
    columns = [*_SHORT.values(), _NONE]
    print(f"\n{'planted in':21} {' '.join(f'{column:>7}' for column in columns)}")
    for stage in Stage:
        if any(fault.stage is stage for fault in chosen):
            cells = " ".join(f"{counts[stage, column] or '-':>7}" for column in columns)
            print(f"{stage:21} {cells}")
    print(f"\n{exact} of {len(chosen)} stages are right. Columns: the stage reported.")
    return 0


def _reported(fault: Fault, pool: Pool, folder: Path) -> tuple[Stage | None, str]:
    """The stage that a check names, and what else it says."""
    try:
        report = check_with(fault, pool, folder)
    except TautomerError as error:
        return None, f"{type(error).__name__}: {error}"
    if report.outcome not in (Outcome.DIVERGENT, Outcome.FAILED):
        return None, f"{report.outcome}: {report.reason}"
    return (
        report.stage,
        f"{report.outcome} at {report.stage}, seen at {report.symptom_stage}: {report.findings[0].message}",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
