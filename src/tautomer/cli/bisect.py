"""`tautomer bisect`: which setting or package version makes a failure go away; every answer verified."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tautomer.cli.flags import STDOUT, FindLinks, Memory, RunDir, Samples, SearchInputs, Seed, Timeout, TrustPickle
from tautomer.cli.settings import check_settings, converter_options, given_settings
from tautomer.cli.streams import progress_console, write_note, write_result
from tautomer.errors import MisuseError

if TYPE_CHECKING:
    from tautomer.bisection import Bisected, BisectRequest

EPILOG = (
    "Exit status: 0 a verified change was found, 1 none helps, 2 misuse (nothing fails), 70 a defect of Tautomer, "
    "130 interrupted."
)


def bisect(
    model: Annotated[str, typer.Argument(metavar="MODEL|RUN", help="A model file, or a run: an id, a path or `last`.")],
    *,
    via: Annotated[str | None, typer.Option(metavar="CONVERTER", help="Converter. Default: the source's own.")] = None,
    to: Annotated[str | None, typer.Option(metavar="RUNTIME", help="Runtime. Default: onnxruntime.")] = None,
    inputs: Samples = None,
    opset: Annotated[int | None, typer.Option(metavar="N", help="ONNX opset it fails with.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Option of the converter it fails with.")
    ] = None,
    runtime_option: Annotated[
        list[str] | None, typer.Option("--to-set", metavar="KEY=VALUE", help="Option of the runtime it fails with.")
    ] = None,
    finding: Annotated[int | None, typer.Option(metavar="N", help="Number of the finding. Default: the first.")] = None,
    package: Annotated[
        str | None, typer.Option(metavar="NAME", help="Search the releases of this package instead of settings.")
    ] = None,
    versions: Annotated[
        str | None, typer.Option(metavar="A..B|A,B,C", help="The releases to search, by pip's configured index.")
    ] = None,
    find_links: FindLinks = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Try everything, also after something has helped, and every release.")
    ] = False,
    max_trials: Annotated[int | None, typer.Option(metavar="N", help="Checks to make at most. Default: 60.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take over what an interrupted bisection of the same has tried.")
    ] = False,
    rewrites: Annotated[
        bool, typer.Option("--rewrites/--no-rewrites", help="Look for a rewrite where no setting helps.")
    ] = True,
    search_inputs: SearchInputs = False,
    apply: Annotated[
        Path | None, typer.Option(metavar="OUT.onnx", help="Write the model as the workaround makes it.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="OUT.json|-", help="Write what was found as JSON; - for stdout.")
    ] = None,
    timeout: Timeout = None,
    memory: Memory = None,
    seed: Seed = None,
    trust_pickle: TrustPickle = False,
    run_dir: RunDir = None,
) -> Callable[[], int]:
    """Find the smallest change of settings, or the release of a package, with which a model does not fail."""
    given = {"timeout": timeout, "memory": memory, "seed": seed, "run_dir": run_dir}

    def job() -> int:
        from tautomer.bisection import MAX_TRIALS, BisectRequest, VersionRange

        if (package is None) != (versions is None):
            raise MisuseError("TA182", "--package and --versions go together.", "Give both or neither.")
        if find_links is not None and package is None:
            raise MisuseError("TA182", "--find-links is for --package.", "Leave it out.")
        if max_trials is not None and max_trials < 1:
            raise MisuseError("TA103", f"--max-trials is {max_trials}; expected at least 1.", "Correct the value.")
        settings = check_settings(
            given_settings(given, os.environ, Path.cwd()),
            via=(via,) if via else (),
            to=(to,) if to else (),
            inputs=inputs,
            opset=opset,
            options=converter_options(option or ()),
            runtime_options=converter_options(runtime_option or (), flag="--to-set"),
            trust_pickle=trust_pickle,
            search_inputs=search_inputs,
        )
        request = BisectRequest(
            model=model,
            settings=settings,
            finding=finding,
            versions=VersionRange.parsed(package, versions) if package is not None and versions is not None else None,
            find_links=find_links,
            everything=everything,
            max_trials=MAX_TRIALS if max_trials is None else max_trials,
            resume=resume,
            rewrites=rewrites,
            wants_model=apply is not None,
        )
        return _run(request, json_path=json, patched_path=apply)

    return job


def _run(request: BisectRequest, *, json_path: str | None, patched_path: Path | None) -> int:
    """Bisect and put what was found where it was asked for; returns the exit status."""
    from tautomer.bisection import bisect as search
    from tautomer.report.output import check_writable
    from tautomer.report.progress import Progress

    for path in (patched_path, json_path if json_path != STDOUT else None):
        if path is not None:
            check_writable(path)
    with Progress(progress_console()) as progress:
        bisected = search(request, listener=progress)
    _show(bisected, json_path)
    if patched_path is not None:
        _write_patched(bisected, patched_path)
    return bisected.report.exit_status


def _show(bisected: Bisected, json_path: str | None) -> None:
    from tautomer.bisection.kept_run import encode_report
    from tautomer.bisection.summary import lines
    from tautomer.report.output import write_report

    if json_path == STDOUT:
        write_result(encode_report(bisected.report))
        write_note(f"run {bisected.report.run_id} is kept at {bisected.kept_at}")
        return
    write_result("".join(f"{line}\n" for line in lines(bisected.report, kept_at=str(bisected.kept_at))))
    if json_path is not None:
        write_report(json_path, encode_report(bisected.report))
        write_note(f"JSON report: {json_path}")


def _write_patched(bisected: Bisected, path: Path) -> None:
    from tautomer.bisection.patched_file import write_patched

    if bisected.patched is None:
        why = "the model stays as it is" if bisected.report.workarounds else "nothing that was tried helps"
        write_note(f"{path} is not written: {why}.")
        return
    write_patched(bisected.patched, path)
    write_note(f"patched model: {path}")
