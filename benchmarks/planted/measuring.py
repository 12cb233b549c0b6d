"""Checks a model with a fault planted in the exporter or the runtime, and reduces what the check has found."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from choosing import CleanConversion, read_layers
from faulty_software import FILE, planted
from plants import Plant

from tautomer.adapters import registry
from tautomer.adapters.onnx_files.evaluation import graph_inputs
from tautomer.adapters.protocols import Adapter, AdapterKind, WarmHost
from tautomer.checking import run_check
from tautomer.errors import TautomerError
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep, Outcome, Report
from tautomer.reduction.delivery import feeds_of
from tautomer.reduction.reducing import Request, reduce

HERE = Path(__file__).resolve().parent

MODULE = '''"""The architecture {name}, small and with weights of the sizes that training leaves."""

import sys

sys.path.insert(0, {catalogue!r})
sys.path.insert(0, {folder!r})
from architectures import architecture

_ONE = architecture("{name}")


def model():
    return _ONE.model()


def inputs():
    return _ONE.inputs(2, 12)
'''


@contextlib.contextmanager
def faulty_software(plant_file: Path) -> Iterator[None]:
    """While the context lasts, workers have an exporter and a runtime with the fault that the file holds, if any."""
    real = registry.adapters
    offered = {key: replace(adapter, host=_host(adapter.host, plant_file)) for key, adapter in real().items()}

    def adapters() -> Mapping[tuple[AdapterKind, str], Adapter]:
        return offered

    registry.adapters = adapters  # type: ignore[assignment]
    try:
        yield
    finally:
        registry.adapters = real


def _host(host: WarmHost, plant_file: Path) -> WarmHost:
    search = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**host.environment, "PYTHONPATH": search, FILE: str(plant_file)}
    return replace(host, preload=(*host.preload, "faulty_software"), environment=environment)


class Silent:
    """Hears how a check or a reduction goes on, and keeps it to itself."""

    def stage(self, name: str, detail: str = "") -> None:
        """Ignored."""

    def done(self, name: str, seconds: float, outcome: str | None = None) -> None:
        """Ignored."""


def module_of(name: str, folder: Path) -> Path:
    """The model module of an architecture of the catalogue."""
    path = folder / f"{name}.py"
    path.write_text(MODULE.format(name=name, folder=str(HERE), catalogue=str(HERE.parent / "architectures")), "utf-8")
    return path


def clean_conversion(path: Path, pool: Pool, folder: Path, seed: int) -> CleanConversion:
    """The layers of a model's conversion without a fault.

    Raises:
        RuntimeError: it is not equivalent.
    """
    checked = run_check(path, CheckSettings(run_dir=folder / "clean", keep=Keep.ALL, seed=seed), runner=pool)
    report = checked.report.reports[0]
    if report.outcome is not Outcome.EQUIVALENT or checked.kept_at is None:
        raise RuntimeError(f"{path.stem} is {report.outcome} without a fault: {report.reason or report.findings}")
    kept = checked.kept_at
    saved = checked.models[report.converter] if report.converter else path
    layers = {name: next(kept.rglob(f"snapshots/{name}.onnx")) for name in ("translated", "optimized")}
    models = read_layers({**layers, "saved": saved})
    inputs = next((kept / "source").glob("inputs-0.safetensors"))
    given = graph_inputs(str(inputs), dict(feeds_of(saved, inputs)))
    shutil.rmtree(kept)
    return CleanConversion(models, given, seed)


def measured(path: Path, plant: Plant, plant_file: Path, pool: Pool, folder: Path, *, reduces: bool) -> dict[str, Any]:
    """What a check says with the fault planted, and what its reduction leaves; inside `faulty_software(plant_file)`."""
    planted(plant_file).unlink(missing_ok=True)
    plant.write(plant_file)
    try:
        row = _measured(path, plant, pool, folder, reduces=reduces)
    finally:
        plant_file.unlink()
    return {**row, "planted": planted(plant_file).exists()}


def _measured(path: Path, plant: Plant, pool: Pool, folder: Path, *, reduces: bool) -> dict[str, Any]:
    began = time.monotonic()
    report = run_check(path, CheckSettings(run_dir=folder / "runs", keep=Keep.NONE), runner=pool).report.reports[0]
    row: dict[str, Any] = {**located(report, plant), "check_s": round(time.monotonic() - began, 1)}
    if not reduces or not report.findings:
        return row
    out = folder / "reduced"
    shutil.rmtree(out, ignore_errors=True)
    began = time.monotonic()
    settings = CheckSettings(run_dir=folder / "runs")
    request = Request(subject=str(path), settings=settings, out=out, finding=row["finding"])
    try:
        reduction = reduce(request, hearer=Silent(), runner=pool)
    except TautomerError as error:
        return {**row, "reduction_error": str(error)}
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return {
        **row,
        "reduce_s": round(time.monotonic() - began, 1),
        "nodes_before": reduction.nodes_before,
        "nodes_after": reduction.nodes_after,
        "size": reduction.size,
        "attempts": reduction.attempts,
        "proven": reduction.proven,
        "reduction_said": list(reduction.said),
        "minimal": bool(reduction.proven and reduction.nodes_after and reduction.nodes_after <= plant.minimum),
    }


def located(report: Report, plant: Plant) -> dict[str, Any]:
    """How a report compares with what was planted."""
    wrong = {*plant.nodes}
    named = [set(finding.location.nodes) for finding in report.findings]
    every = set().union(*named)
    first = next((index for index, nodes in enumerate(named) if nodes & wrong), 0)
    return {
        "outcome": str(report.outcome),
        "reason": report.reason,
        "stage": str(report.stage) if report.stage else None,
        "stage_right": report.stage is plant.where.stage,
        "findings": [
            {
                "nodes": finding.location.nodes,
                "source_node": finding.location.source_node,
                "stage": str(finding.stage),
                "kind": str(finding.cause.kind),
                "message": finding.message,
            }
            for finding in report.findings
        ],
        "finding": first + 1,
        "exact": every == wrong,
        "contains": wrong <= every,
        "operator": bool(every & wrong) and every <= {*plant.siblings},
    }
