"""Part (a): clean conversions of real architectures; what is not called equivalent is a false alarm or a defect."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catalog import CHOSEN, written
from fixed_tolerances import smallest_parameters

from tautomer.adapters.tensor_file import read_values
from tautomer.checking import run_check
from tautomer.errors import TautomerError
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep, Outcome, Report, Stage, Tensor

LEVELS_OF = {"onnxruntime": ("ort unoptimized", "ort optimized"), "openvino": ("openvino",)}
"""The levels that are compared, by runtime."""

RUNTIMES = tuple(LEVELS_OF)

_OF_RUNTIMES = (Stage.RUNTIME_LOAD, Stage.RUNTIME_OPTIMIZATION, Stage.RUNTIME_EXECUTION)


def check_clean(name: str, pool: Pool, folder: Path, *, runtimes: Sequence[str] = RUNTIMES) -> dict[str, Any]:
    """Check one architecture through every runtime; compare the same outputs with fixed tolerances.

    Returns:
        Its set, and for each runtime's level our outcome with its figures, and the smallest tolerances that accept.
    """
    began = time.perf_counter()
    result: dict[str, Any] = {"name": name, "set": "chosen" if name in CHOSEN else "held out", "levels": {}}
    path, samples = written(name, folder)
    settings = CheckSettings(run_dir=folder / "runs", keep=Keep.ALL, inputs=samples, to=tuple(runtimes))
    try:
        checked = run_check(path, settings, runner=pool)
    except TautomerError as error:
        return {**result, "error": f"{type(error).__name__}: {str(error).splitlines()[0]}"}
    kept = checked.kept_at
    if kept is None:
        raise RuntimeError("a run with Keep.ALL was not kept")
    try:
        for report in checked.report.reports:
            result["levels"] |= _levels(report, kept)
            result.setdefault("inputs", len(report.inputs))
    finally:
        shutil.rmtree(kept)
    return {**result, "seconds": round(time.perf_counter() - began, 1)}


def _levels(report: Report, kept: Path) -> dict[str, Any]:
    """By the runtime's checkpoint: what was said of it, and what a fixed tolerance needs."""
    own = [one for one in report.checkpoints if one.stage in _OF_RUNTIMES]
    others = [one for one in report.checkpoints if one.stage not in _OF_RUNTIMES]
    blamed = [one for one in own if one.outcome is not Outcome.EQUIVALENT]
    findings = [
        {"kind": str(one.cause.kind), "stage": str(one.stage), "message": one.message, "nodes": one.location.nodes}
        for one in report.findings
    ]
    levels: dict[str, Any] = {}
    for one in own:
        # What is wrong before the runtimes is wrong at each of their levels.
        outcome = one.outcome if blamed else report.outcome
        levels[one.name] = {
            "outcome": str(outcome),
            "findings": findings if outcome is not Outcome.EQUIVALENT else [],
            "reason": report.reason,
            "warnings": report.warnings,
            "residual_u": max((each.semantic_residual_u or 0.0 for each in others), default=None),
            "rounding_ratio": one.rounding_ratio,
            "stability_rho": one.stability_rho,
            "detail": one.detail,
            "smallest": smallest_parameters(_pairs(kept, one.name)),
        }
    if not own:  # nothing reached the runtime
        for name in LEVELS_OF[report.runtime]:
            levels[name] = {"outcome": str(report.outcome), "findings": findings, "reason": report.reason}
    return levels


def _pairs(kept: Path, checkpoint: str) -> list[tuple[Any, Any]]:
    """Source and target values of every tensor output on every input set; outputs stand in the same order."""
    pairs: list[tuple[Any, Any]] = []
    for file in sorted((kept / "source").glob("s32-*.safetensors")):
        index = file.stem.rpartition("-")[2]
        source = [one for one in _values(file) if isinstance(one, Tensor)]
        found = next(kept.rglob(f"{checkpoint}-declared-{index}.safetensors"), None)
        target = _values(found) if found is not None else []
        pairs.extend((one, target[at] if at < len(target) else None) for at, one in enumerate(source))
    return pairs


def _values(path: Path) -> list[Any]:
    values = read_values(path, mmap=False)
    if not isinstance(values, dict):
        raise TypeError(f"{path} does not hold values by name")
    return list(values.values())
