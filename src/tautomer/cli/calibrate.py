"""`tautomer calibrate`: how far a runtime's approximated functions are from the exact ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tautomer.cli.settings import check_settings, given_settings
from tautomer.cli.streams import write_note, write_result

if TYPE_CHECKING:
    from tautomer.numerics.approximation_tables import ApproximationTable


def calibrate(
    runtime: Annotated[str, typer.Argument(metavar="RUNTIME", help="A runtime that `tautomer list` names, or torch.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where the table goes. Default: approximations/ in $TAUTOMER_HOME or ./.tautomer."
        ),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="Arguments to measure each function on. Default: 1000000.")
    ] = None,
    function: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A function to measure; repeat for several. Default: all.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds each attempt may take. Default: 600.")
    ] = None,
    memory: Annotated[
        float | None, typer.Option(metavar="GIB", help="Memory each attempt may use, in GiB. Default: 16.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of the arguments. Default: 0.")] = None,
) -> Callable[[], int]:
    """Measure how far a runtime's approximated functions are from the exact ones."""
    flags = {"timeout": timeout, "memory": memory, "seed": seed}

    def job() -> int:
        from tautomer.checking import calibration
        from tautomer.numerics.approximation_tables import encode_table
        from tautomer.report.output import check_writable, write_report

        settings = check_settings(given_settings(flags, os.environ, Path.cwd()))
        if output is not None:
            check_writable(output)
        table = calibration.plain_version(
            calibration.calibrate(
                runtime,
                samples=calibration.SAMPLES if samples is None else samples,
                seed=settings.seed,
                limits=settings.limits,
                functions=function or None,
                report=write_note,
            )
        )
        path = output
        if path is None:
            path = calibration.table_folder() / calibration.table_name(table.runtime, table.version)
            path.parent.mkdir(parents=True, exist_ok=True)
        write_result("".join(f"{line}\n" for line in _lines(table)))
        write_report(path, encode_table(table).encode("utf-8"))
        write_note(f"table: {path}")
        return 0

    return job


def _lines(table: ApproximationTable) -> Iterator[str]:
    """The worst errors of each function, and what the validation found."""
    width = max((len(name) for name, _ in table.functions), default=8)
    yield f"{table.runtime} {table.version} on {table.processor}"
    heads = f"{'relative / u':>12}  {'absolute / u':>12}  {'cells':>5}  {'samples':>9}"
    yield f"{'function':{width}}  {'element':8}  {heads}"
    for (name, element), errors in sorted(table.functions.items()):
        yield (
            f"{name:{width}}  {element:8}  {errors.worst_relative_u:12.4g}  {errors.absolute_u.max():12.4g}  "
            f"{errors.lower.size:5}  {errors.samples:9}"
        )
    for name, reason in table.refused.items():
        yield f"{name}: not measured ({reason})"
    checked = table.validation
    if checked is not None:
        yield (
            f"validation on {checked.samples} other arguments: {checked.above_measured} above what was measured, "
            f"{checked.above_bound} above the bound (safety factor {table.safety_factor:g}); "
            f"largest ratio {checked.largest_ratio:.3g}"
        )
        if checked.above_bound:
            yield "The safety factor does not hold on them: measure on more arguments (--samples)."
