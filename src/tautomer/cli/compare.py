"""`tautomer compare`: are two existing models the same, and where do they part."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tautomer.cli.check import run_and_report
from tautomer.cli.flags import (
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
from tautomer.cli.settings import check_settings, given_settings


def compare(
    reference: Annotated[
        Path,
        typer.Argument(metavar="A", help="The reference: a model module (.py), .pt2, TorchScript or .onnx file."),
    ],
    judged: Annotated[Path, typer.Argument(metavar="B", help="The model to judge: a file of any of these kinds.")],
    *,
    to: Annotated[
        list[str] | None,
        typer.Option(metavar="RUNTIME", help="Runtime for an .onnx B; repeat for several. Default: onnxruntime."),
    ] = None,
    inputs: Samples = None,
    report: HtmlReport = None,
    json: JsonReport = None,
    timeout: Timeout = None,
    memory: Memory = None,
    seed: Seed = None,
    power: Annotated[
        bool, typer.Option("--power", help="Seed faults into an .onnx B; report the share this comparison catches.")
    ] = False,
    search_inputs: SearchInputs = False,
    trust_pickle: TrustPickle = False,
    run_dir: RunDir = None,
    keep: KeepRuns = None,
) -> Callable[[], int]:
    """Judge an existing model B against a reference A: is it the same function, and where does it part from A."""
    flags = {"timeout": timeout, "memory": memory, "seed": seed, "run_dir": run_dir, "keep": keep}

    def job() -> int:
        from tautomer.checking.comparison import run_comparison

        settings = check_settings(
            given_settings(flags, os.environ, Path.cwd()),
            to=to or (),
            inputs=inputs,
            power=power,
            search_inputs=search_inputs,
            trust_pickle=trust_pickle,
        )
        return run_and_report(
            lambda progress: run_comparison(reference, judged, settings, listener=progress),
            html_path=report,
            json_path=json,
        )

    return job
