"""How often a check names the stage that a fault was planted in: a confusion matrix for each framework.

Run it from the root of the repository: `python benchmarks/stage_confusion.py [WORD...]`. Words choose faults whose
framework, converter, name or stage contains one of them: `tensorflow` all that are planted into tf2onnx.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "quality"))

from planted import FAULTS, TENSORFLOW_FAULTS, Fault, check_with

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
    chosen = [
        one
        for one in (*FAULTS, *TENSORFLOW_FAULTS)
        if not words or any(word in f"{one.framework} {one.converter} {one.stage} {one.name}" for word in words)
    ]
    said: dict[str, Stage | None] = {}
    with tempfile.TemporaryDirectory() as folder, Pool() as pool:
        for fault in chosen:
            said[fault.name], line = _reported(fault, pool, Path(folder))
            sign = "ok" if said[fault.name] is fault.stage else "NO"
            print(f"{sign:3} {fault.stage:21} {fault.name:56} {line}", flush=True)
    for framework in dict.fromkeys(one.framework for one in chosen):
        _print_matrix(framework, [(one.stage, said[one.name]) for one in chosen if one.framework == framework])
    return 0


def _print_matrix(framework: str, pairs: Sequence[tuple[Stage, Stage | None]]) -> None:
    """Rows: the stage planted in. Columns: the stage reported."""
    counts = Counter((planted, _SHORT[said] if said else _NONE) for planted, said in pairs)
    columns = [*_SHORT.values(), _NONE]
    print(f"\n{framework}: planted in".ljust(33), " ".join(f"{column:>7}" for column in columns))
    for stage in Stage:
        if any(planted is stage for planted, _ in pairs):
            cells = " ".join(f"{counts[stage, column] or '-':>7}" for column in columns)
            print(f"{stage:32} {cells}")
    right = sum(planted is said for planted, said in pairs)
    print(f"{right} of {len(pairs)} stages are right. Columns: the stage reported.")


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
