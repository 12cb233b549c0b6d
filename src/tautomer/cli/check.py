"""`tautomer check`: convert a model, run it, and say whether it is still the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tautomer.cli.flags import (
    STDOUT,
    HtmlReport,
    JsonReport,
    KeepRuns,
    Memory,
    RunDir,
    Samples,
    SearchInputs,
    Seed,
    Timeout,
    TrustPickle,
)
from tautomer.cli.settings import check_settings, converter_options, given_settings
from tautomer.cli.streams import progress_console, write_note, write_result
from tautomer.errors import OutputPathError

if TYPE_CHECKING:
    from tautomer.checking import CheckedRun
    from tautomer.model import CheckSettings
    from tautomer.report.progress import Progress

EPILOG = (
    "Exit status: 0 every pair equivalent, 1 a finding (divergent or failed), 2 misuse, 3 inconclusive, 4 not run, "
    "70 a defect of Tautomer, 130 interrupted."
)


def check(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A model module (.py), .pt2, TorchScript, SavedModel, .keras, .h5, .tflite or .onnx.",
        ),
    ],
    *,
    via: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONVERTER", help="Converter or chain A,B; repeat for several. Default: that of the source."
        ),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="RUNTIME", help="Runtime; repeat for several. Default: onnxruntime, litert for .tflite"),
    ] = None,
    inputs: Samples = None,
    opset: Annotated[int | None, typer.Option(metavar="N", help="ONNX opset to ask the converter for.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Option for the converter, VALUE as JSON or text; repeat for several."
        ),
    ] = None,
    runtime_option: Annotated[
        list[str] | None,
        typer.Option("--to-set", metavar="KEY=VALUE", help="Option for the runtime, as --set; repeat for several."),
    ] = None,
    report: HtmlReport = None,
    json: JsonReport = None,
    timeout: Timeout = None,
    memory: Memory = None,
    seed: Seed = None,
    power: Annotated[
        bool, typer.Option("--power", help="Seed faults into the converted model; report the share this check catches.")
    ] = False,
    search_inputs: SearchInputs = False,
    trust_pickle: TrustPickle = False,
    run_dir: RunDir = None,
    keep: KeepRuns = None,
) -> Callable[[], int]:
    """Convert a model, run it, and say whether it is still the same model, and where it is not."""
    flags = {"timeout": timeout, "memory": memory, "seed": seed, "run_dir": run_dir, "keep": keep}

    def job() -> int:
        settings = check_settings(
            given_settings(flags, os.environ, Path.cwd()),
            via=via or (),
            to=to or (),
            inputs=inputs,
            opset=opset,
            options=converter_options(option or ()),
            runtime_options=converter_options(runtime_option or (), flag="--to-set"),
            power=power,
            search_inputs=search_inputs,
            trust_pickle=trust_pickle,
        )
        return _run(model, settings, html_path=report, json_path=json)

    return job


def _run(model: Path, settings: CheckSettings, *, html_path: Path | None, json_path: str | None) -> int:
    """Check a model and put the report where it was asked for; returns the exit status."""
    from tautomer.checking import run_check

    return run_and_report(
        lambda progress: run_check(model, settings, listener=progress), html_path=html_path, json_path=json_path
    )


def run_and_report(run: Callable[[Progress], CheckedRun], *, html_path: Path | None, json_path: str | None) -> int:
    """Run what ends in a report, show its progress, and put the report where it was asked for.

    Returns:
        The exit status.

    Raises:
        OutputPathError: a report cannot be written where it was asked for.
    """
    from tautomer.report.output import check_writable
    from tautomer.report.progress import Progress

    files = [path for path in (html_path, json_path if json_path != STDOUT else None) if path is not None]
    for path in files:
        check_writable(path)
    if len({Path(path).resolve() for path in files}) < len(files):
        raise OutputPathError("TA144", f"both reports would go to '{html_path}'.", "Give --json another path.")
    with Progress(progress_console()) as progress:
        checked = run(progress)
    # The result comes first: should a file be refused now, what the check came to has been said.
    _show(checked, json_on_stdout=json_path == STDOUT, page=html_path is not None)
    _write_files(checked, html_path, None if json_path == STDOUT else json_path)
    return checked.report.exit_status


def _show(checked: CheckedRun, *, json_on_stdout: bool, page: bool) -> None:
    if json_on_stdout:
        from tautomer.model.report_json import encode

        write_result(encode(checked.report))
        if checked.kept_at is not None:
            write_note(f"run {checked.report.run_id} is kept at {checked.kept_at}")
        return
    from rich.console import Console

    from tautomer.report.terminal import print_report

    console = Console()
    with console.capture() as captured:
        print_report(checked.report, console, kept_at=_text(checked.kept_at), models=checked.models, page=page)
    write_result(captured.get())


def _write_files(checked: CheckedRun, html_path: Path | None, json_path: str | None) -> None:
    from tautomer.report.output import write_report

    if html_path is not None:
        from tautomer.report.html import render

        page = render(checked.report, kept_at=_text(checked.kept_at), models=checked.models)
        write_report(html_path, page.encode("utf-8"))
        write_note(f"HTML report: {html_path}")
    if json_path is not None:
        from tautomer.model.report_json import encode

        write_report(json_path, encode(checked.report))
        write_note(f"JSON report: {json_path}")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
