"""Measures a runtime's approximated functions in workers, and finds the table that a check is to use."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.registry import get, require
from tautomer.adapters.runtimes.torch_kernels import TORCH_KERNELS
from tautomer.checking.attempts import Bench, describe
from tautomer.errors import MisuseError
from tautomer.execution import Pool, Runner, RunStore
from tautomer.model import Attempt, Completed, Limits
from tautomer.numerics.approximation_tables import ApproximationTable, Validation, decode_table, table_for
from tautomer.numerics.approximation_tables.functions import FUNCTIONS
from tautomer.numerics.approximation_tables.storage import errors_from_json

SAMPLES = 1_000_000
"""Arguments a function is measured on when nothing else is asked for."""

SAFETY_FACTOR = 2.0
"""What measured errors are multiplied by.

Chosen on ONNX Runtime 1.32 with 2e5 arguments a function: on as many others, 1,609 of some 1e7 errors were above the
measured ones, the largest by 1.92 (cosine of a number above 1e20). docs/reference/calibration.md has the figures of the
shipped tables, which are made from a million.
"""

ELEMENTS = ("float32", "float16")
_TASK = "tautomer.adapters.runtimes.calibration:measure"
_VECTOR_FLAGS = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile", "asimd", "asimdhp", "sve")

Report = Callable[[str], None]


def calibrate(
    runtime: str,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    limits: Limits | None = None,
    runner: Runner | None = None,
    functions: Sequence[str] | None = None,
    report: Report = lambda _: None,
) -> ApproximationTable:
    """Measure the functions of a runtime, and try the table on as many other arguments.

    A function that ends the worker is listed as refused, and the others go on without it.

    Args:
        runtime: name of its adapter; `torch` for PyTorch's own kernels.
        samples: about how many arguments each function is measured on.
        seed: of the arguments; those of the validation are drawn with the next one.
        limits: of each attempt.
        runner: runs the workers; None for a pool of its own.
        functions: names of those to measure; None for all.
        report: called with a line for each function that is begun.

    Raises:
        MisuseError: there is no such runtime or function, the number of samples is not positive, or the runtime runs
            none of the functions.
        NotInstalledError: the runtime is not installed.
    """
    adapter = TORCH_KERNELS if runtime == TORCH_KERNELS.name else get(AdapterKind.RUNTIME, runtime)
    require(adapter)
    if samples < 1:
        raise MisuseError("TA103", f"--samples is {samples}; expected a positive number.", "Correct the value.")
    known = [one.name for one in FUNCTIONS]
    names = known if functions is None else list(functions)
    if unknown := sorted(set(names) - set(known)):
        raise MisuseError("TA103", f"there are no functions {unknown}.", f"Known: {', '.join(known)}.")
    if runner is None:
        with Pool() as pool:
            found = _measure_all(pool, adapter, names, samples=samples, seed=seed, limits=limits, report=report)
    else:
        found = _measure_all(runner, adapter, names, samples=samples, seed=seed, limits=limits, report=report)
    events, version = found
    return _table(runtime, version, seed, events)


def _measure_all(
    runner: Runner,
    adapter: Adapter,
    names: list[str],
    *,
    samples: int,
    seed: int,
    limits: Limits | None,
    report: Report,
) -> tuple[dict[tuple[str, str], Mapping[str, Any]], str]:
    results: dict[tuple[str, str], Mapping[str, Any]] = {}
    version = None
    with tempfile.TemporaryDirectory() as folder, RunStore(Path(folder)).create(f"calibrate {adapter.name}") as run:
        bench = Bench(runner, limits or Limits(), run)
        for element in ELEMENTS:
            pending = list(names)
            while pending:
                report(f"{adapter.name}: {len(pending)} functions in {element}")
                arguments = {
                    "task": adapter.task,
                    "level": adapter.checkpoints[0].level,
                    "functions": pending,
                    "elements": [element],
                    "samples": samples,
                    "seed": seed,
                    "validation_seed": seed + 1,
                }
                attempt = bench.run(adapter.host, _TASK, arguments, label=f"calibrate {adapter.name}")
                begun = _collect(attempt, results)
                if isinstance(attempt, Completed):
                    version = version or attempt.result["version"]
                    break
                ended = begun or pending[0]
                results[ended, element] = {"errors": None, "refused": describe(attempt)}
                pending = pending[pending.index(ended) + 1 :]
    if version is None:
        reasons = sorted({str(one["refused"]) for one in results.values()})
        raise MisuseError(
            "TA112", f"runtime '{adapter.name}' runs none of the functions: {reasons[0]}.", "Run `tautomer doctor`."
        )
    return results, str(version)


def _collect(attempt: Attempt, results: dict[tuple[str, str], Mapping[str, Any]]) -> str | None:
    """Take what an attempt has measured; the name of the function it was at when it ended."""
    begun = None
    for event in attempt.events:
        if event.name == "function.begin":
            begun = str(event.fields["function"])
        elif event.name == "function":
            results[event.fields["function"], event.fields["element"]] = event.fields
            begun = None
    return begun


def _table(
    runtime: str, version: str, seed: int, results: Mapping[tuple[str, str], Mapping[str, Any]]
) -> ApproximationTable:
    measured = {key: fields for key, fields in results.items() if fields["errors"] is not None}
    above = {
        factor: sum(fields["above"][factor] for fields in measured.values()) for factor in ("1.0", str(SAFETY_FACTOR))
    }
    return ApproximationTable(
        runtime,
        version,
        processor(),
        datetime.now(UTC).date().isoformat(),
        seed,
        SAFETY_FACTOR,
        {key: errors_from_json(fields["errors"]) for key, fields in measured.items()},
        {
            f"{name} {element}": str(fields["refused"])
            for (name, element), fields in results.items()
            if fields["errors"] is None
        },
        Validation(
            seed + 1,
            sum(fields["validated"] for fields in measured.values()),
            above["1.0"],
            above[str(SAFETY_FACTOR)],
            max((float(fields["largest_ratio"]) for fields in measured.values()), default=0.0),
        ),
    )


def table_in_use(runtime: str, version: str) -> ApproximationTable | None:
    """The table for a runtime of this version: the user's own where there is one, else a shipped one, else None.

    Raises:
        MisuseError: the user's own file is no table.
    """
    own = own_table_file(runtime, version)
    if own is not None:
        return decode_table(own.read_text("utf-8"), origin=str(own))
    return table_for(runtime, version)


def own_table_file(runtime: str, version: str) -> Path | None:
    """The user's own table of a runtime, for tasks that take a file; None where there is none."""
    own = (table_folder() / table_name(runtime, version)).absolute()
    return own if own.is_file() else None


def table_folder() -> Path:
    """Where a user's own tables are kept: `$TAUTOMER_HOME/approximations`, else `./.tautomer/approximations`."""
    return Path(os.environ.get("TAUTOMER_HOME") or ".tautomer") / "approximations"


def table_name(runtime: str, version: str) -> str:
    """Name of a table's file; what a build adds to a version behind a hyphen is left out."""
    return f"{runtime}-{version.partition('-')[0]}.json"


def plain_version(table: ApproximationTable) -> ApproximationTable:
    """The table with a build's own suffix left out of the version."""
    return replace(table, version=table.version.partition("-")[0])


def processor() -> str:
    """Machine and those of its vector instructions by which libraries choose kernels: `x86_64 avx2 fma avx512f`."""
    flags: set[str] = set()
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text("utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("flags", "Features"):
                flags.update(value.split())
                break
    return " ".join([platform.machine(), *(flag for flag in _VECTOR_FLAGS if flag in flags)])
