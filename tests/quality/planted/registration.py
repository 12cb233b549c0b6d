"""Offers adapters of the usual names whose workers hold a fault, so that a check meets it without knowing of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from planted.faults import Fault
from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind, WarmHost
from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import Report

_FOLDER = str(Path(__file__).parent.parent)
_CHECKED_IN = ("torch", "onnx-evaluation")
"""Hosts that run `onnx.checker`: where converters have what they make evaluated."""


def check_with(fault: Fault, pool: Pool, run_dir: Path) -> Report:
    """The report of a check of the fault's model, with the fault planted."""
    with planted(fault):
        return run_check(fault.path, fault.settings(run_dir), runner=pool).report.reports[0]


@contextlib.contextmanager
def planted(fault: Fault) -> Iterator[None]:
    """While the context lasts, the registry offers adapters with the fault in place of the sound ones."""
    real = registry.adapters
    offered = {key: _with_fault(adapter, fault) for key, adapter in real().items()}

    def adapters() -> Mapping[tuple[AdapterKind, str], Adapter]:
        return offered

    registry.adapters = adapters  # type: ignore[assignment]
    try:
        yield
    finally:
        registry.adapters = real


def _with_fault(adapter: Adapter, fault: Fault) -> Adapter:
    tasks = {fault.framework: "reference", fault.converter: "convert", "onnxruntime": "run"}
    if adapter.name not in tasks:
        return adapter
    return replace(
        adapter,
        task=f"planted.workers:{tasks[adapter.name]}.{fault.name}",
        host=_host(adapter.host),
        evaluated_in=_host(adapter.evaluated_in) if adapter.evaluated_in is not None else None,
    )


def _host(host: WarmHost) -> WarmHost:
    """The same warm process, able to import the faults."""
    search = os.pathsep.join([_FOLDER, *filter(None, [os.environ.get("PYTHONPATH")])])
    preload = (*host.preload, "planted.checker_hook") if host.name in _CHECKED_IN else host.preload
    return replace(host, preload=preload, environment={**host.environment, "PYTHONPATH": search})
