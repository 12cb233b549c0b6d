"""`tautomer compare`: are two existing models the same, and where do they part."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tautomer.cli.check import run_and_report
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
    inputs: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="Samples to compare on (.npy, .npz, .safetensors, .pt)."),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="OUT.html", help="Write the report as one HTML page.")] = None,
    json: Annotated[
        str | None, typer.Option(metavar="OUT.json|-", help="Write the report as JSON; - for stdout.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(metavar="S", help="Seconds each attempt may take. Default: 600.")
    ] = None,
    memory: Annotated[
        float | None, typer.Option(metavar="GIB", help="Memory each attempt may use, in GiB. Default: 16.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of every random generator. Default: 0.")] = None,
    power: Annotated[
        bool, typer.Option("--power", help="Seed faults into an .onnx B; report the share this comparison catches.")
    ] = False,
    search_inputs: Annotated[
        bool,
        typer.Option("--search-inputs", help="Search for inputs that exercise more, and compare on them too."),
    ] = False,
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="Open pickled files, which can run any code.")
    ] = False,
    run_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where runs are kept. Default: $TAUTOMER_HOME/runs or ./.tautomer/runs."),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(metavar="none|failures|all", help="Which runs keep models and tensors. Default: failures."),
    ] = None,
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
