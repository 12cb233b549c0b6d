"""`tautomer coverage`: which operators, sequences and motifs a set of models covers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tautomer.cli.flags import STDOUT, HtmlReport, JsonReport, Memory, RunDir, Seed, Timeout, TrustPickle
from tautomer.cli.settings import check_settings, given_settings
from tautomer.cli.streams import progress_console, write_note, write_result
from tautomer.errors import MisuseError, OutputPathError

if TYPE_CHECKING:
    from tautomer.coverage.comparing import CoverageReport
    from tautomer.coverage.reading import ReadModels
    from tautomer.model import CheckSettings

EPILOG = (
    "Exit status: 0, 1 a share is below --fail-under, 2 misuse, 3 models of --against could not be read, "
    "70 a defect of Tautomer, 130 interrupted."
)

_PATHS = "a model module (.py), .onnx, .pt2, TorchScript, SavedModel, .keras, .h5; a folder of these"


def coverage(
    models: Annotated[list[str], typer.Argument(metavar="MODELS...", help=f"Models: {_PATHS}.")],
    *,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODELS",
            help="What could be covered: models as before, `backend-tests` (ONNX's own), or `feasible:FRAMEWORK` "
            "(what the rules of torch's, tensorflow's or onnx's operators make possible); repeat for several.",
        ),
    ] = None,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(metavar="[KIND=]SHARE", help="Least share, 0 to 1, of a kind or of all; repeat for several."),
    ] = None,
    show: Annotated[int, typer.Option(metavar="N", help="The most missing items to name of each kind.")] = 10,
    additions: Annotated[int, typer.Option(metavar="N", help="The most models to name that would add something.")] = 5,
    report: HtmlReport = None,
    json: JsonReport = None,
    timeout: Timeout = None,
    memory: Memory = None,
    seed: Seed = None,
    trust_pickle: TrustPickle = False,
    run_dir: RunDir = None,
) -> Callable[[], int]:
    """Count the operators, typed operators, sequences and motifs of models; as shares of what could be covered."""
    flags = {"timeout": timeout, "memory": memory, "seed": seed, "run_dir": run_dir}

    def job() -> int:
        from tautomer.coverage.comparing import wanted_shares
        from tautomer.coverage.counting import KINDS
        from tautomer.coverage.feasible_universe import FEASIBLE_KINDS
        from tautomer.report.output import check_writable

        settings = check_settings(given_settings(flags, os.environ, Path.cwd()), trust_pickle=trust_pickle)
        corpus, framework = _universes(against or ())
        wanted = wanted_shares(fail_under or (), FEASIBLE_KINDS if framework and not corpus else KINDS)
        if wanted and not against:
            raise MisuseError("TA193", "--fail-under is a share of what could be covered.", "Name that with --against.")
        files = [path for path in (report, json if json != STDOUT else None) if path is not None]
        for path in files:
            check_writable(path)
        if len({Path(path).resolve() for path in files}) < len(files):
            raise OutputPathError("TA144", f"both reports would go to '{report}'.", "Give --json another path.")
        result = _counted(models, corpus, framework, settings, wanted=wanted, shown=show, additions=additions)
        _deliver(result, html_path=report, json_path=json)
        return result.exit_status

    return job


def _universes(against: Sequence[str]) -> tuple[list[str], str | None]:
    """The models that are named, and the framework whose rules are."""
    from tautomer.coverage.feasible_reading import framework_of

    corpus: list[str] = []
    frameworks: list[str] = []
    for one in against:
        framework = framework_of(one)
        if framework is None:
            corpus.append(one)
        else:
            frameworks.append(framework)
    if len(frameworks) > 1:
        raise MisuseError(
            "TA198", "two frameworks' operators have no names in common.", "Name one: feasible:FRAMEWORK."
        )
    return corpus, frameworks[0] if frameworks else None


def _counted(
    models: Sequence[str],
    against: Sequence[str],
    framework: str | None,
    settings: CheckSettings,
    *,
    wanted: dict[str, float],
    shown: int,
    additions: int,
) -> CoverageReport:
    from tautomer.coverage import Universe, coverage_of
    from tautomer.coverage.comparing import compare
    from tautomer.coverage.feasible_reading import feasible_table
    from tautomer.coverage.feasible_universe import feasible_notes, feasible_universe
    from tautomer.coverage.reading import read_models
    from tautomer.execution import Pool
    from tautomer.report.progress import Progress

    with Progress(progress_console()) as progress, Pool() as pool:

        def read(arguments: Sequence[str], what: str) -> ReadModels:
            return read_models(
                arguments,
                runner=pool,
                limits=settings.limits,
                seed=settings.seed,
                trust_pickle=settings.trust_pickle,
                run_dir=settings.run_dir,
                heard=lambda name: progress.stage(what, name),
            )

        read_own = read(models, "models")
        covered = [coverage_of(one.architecture) for one in read_own.models]
        feasible, notes = None, []
        if framework is not None:
            table = feasible_table(
                framework,
                runner=pool,
                limits=settings.limits,
                run_dir=settings.run_dir,
                heard=lambda name: progress.stage("feasible", name),
            )
            feasible, notes = feasible_universe(table), feasible_notes(table)
        if not against:
            return compare(read_own, covered, feasible, wanted=wanted, shown=shown, notes=notes)
        read_others = read(against, "universe")
        candidates = [coverage_of(one.architecture) for one in read_others.models]
        universe = Universe.of_corpus(", ".join(against), candidates)
        return compare(
            read_own,
            covered,
            universe,
            feasible=feasible,
            against=read_others,
            candidates=candidates,
            wanted=wanted,
            shown=shown,
            additions=additions,
            notes=notes,
        )


def _deliver(result: CoverageReport, *, html_path: Path | None, json_path: str | None) -> None:
    from tautomer.model.report_json import encode
    from tautomer.report.coverage_page import render_coverage
    from tautomer.report.coverage_text import coverage_lines
    from tautomer.report.output import write_report

    if json_path == STDOUT:
        write_result(encode(result))
    else:
        write_result("".join(f"{line}\n" for line in coverage_lines(result)))
    if html_path is not None:
        write_report(html_path, render_coverage(result).encode("utf-8"))
        write_note(f"HTML report: {html_path}")
    if json_path is not None and json_path != STDOUT:
        write_report(json_path, encode(result))
        write_note(f"JSON report: {json_path}")
