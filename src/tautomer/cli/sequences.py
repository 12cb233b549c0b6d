"""`tautomer sequences`: which sequences of operators go with failure, and which of them fail alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tautomer.cli.flags import STDOUT, JsonReport, Memory, RunDir, Seed, Timeout, TrustPickle
from tautomer.cli.settings import check_settings, given_settings
from tautomer.cli.streams import progress_console, write_note, write_result
from tautomer.errors import MisuseError

if TYPE_CHECKING:
    from tautomer.coverage.reading import ReadModels
    from tautomer.coverage.sequence_report import SequenceReport
    from tautomer.coverage.sequence_sets import ExactSequences
    from tautomer.model import CheckSettings

EPILOG = (
    "Exit status: 0, 1 a sequence causes the failure alone (--check), 2 misuse, 70 a defect of Tautomer, "
    "130 interrupted. Every option that takes MODELS takes several: --failing a.onnx --failing folder."
)
METHODS = ("exact", "published")
_SHORTEST, _LONGEST = 2, 12
_LISTED = 1000
"""Sequences of a report besides suspects: hundreds of thousands are nobody's reading."""


def sequences(
    *,
    failing: Annotated[
        list[str], typer.Option(metavar="MODELS", help="Models that fail: a file or a folder; repeat for several.")
    ],
    passing: Annotated[list[str], typer.Option(metavar="MODELS", help="Models that pass, in the same way.")],
    tests: Annotated[
        list[str] | None,
        typer.Option(metavar="MODELS", help="Models of a test suite, or `backend-tests` (ONNX's own)."),
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="exact|published", help="Exact, or the procedure of the study as it was published.")
    ] = "exact",
    max_length: Annotated[int, typer.Option(metavar="N", help="Operators in the longest sequences (exact).")] = 5,
    ports: Annotated[
        bool, typer.Option("--ports", help="Tell sequences through other ports apart: `Sub 0>1 Div` (exact).")
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Cut suspects out of failing models and check each by itself (exact).")
    ] = False,
    limit: Annotated[int, typer.Option(metavar="N", help="The most suspects to check.")] = 20,
    via: Annotated[
        list[str] | None, typer.Option(metavar="CONVERTER", help="For --check, as `tautomer check` takes it.")
    ] = None,
    to: Annotated[list[str] | None, typer.Option(metavar="RUNTIME", help="For --check, as `tautomer check`.")] = None,
    show: Annotated[int, typer.Option(metavar="N", help="The most operators and sequences to name.")] = 15,
    json: JsonReport = None,
    timeout: Timeout = None,
    memory: Memory = None,
    seed: Seed = None,
    trust_pickle: TrustPickle = False,
    run_dir: RunDir = None,
) -> Callable[[], int]:
    """Compare the operator sequences of failing and passing models; test what goes with failure by itself."""
    flags = {"timeout": timeout, "memory": memory, "seed": seed, "run_dir": run_dir}

    def job() -> int:
        from tautomer.coverage.direct_tests import Verdict
        from tautomer.report.output import check_writable

        settings = check_settings(
            given_settings(flags, os.environ, Path.cwd()), via=via or (), to=to or (), trust_pickle=trust_pickle
        )
        _refuse(method, max_length, check=check, ports=ports)
        if json is not None and json != STDOUT:
            check_writable(json)
        report = _analysed(
            (failing, passing, tests or ()),
            settings,
            method=method,
            longest=max_length,
            ports=ports,
            limit=limit if check else 0,
        )
        _deliver(report, json, show)
        return 1 if any(one.verdict is Verdict.CAUSES for one in report.direct_tests) else 0

    return job


def _refuse(method: str, max_length: int, *, check: bool, ports: bool) -> None:
    if method not in METHODS:
        raise MisuseError("TA195", f"there is no method '{method}'.", f"Methods: {', '.join(METHODS)}.")
    if method == "published" and (check or ports):
        flag = "--check" if check else "--ports"
        raise MisuseError("TA195", f"{flag} is not part of the published procedure.", "Use --method exact.")
    if not _SHORTEST <= max_length <= _LONGEST:
        raise MisuseError("TA195", f"--max-length is {max_length}.", f"Give {_SHORTEST} to {_LONGEST}.")


def _analysed(
    arguments: tuple[Sequence[str], Sequence[str], Sequence[str]],
    settings: CheckSettings,
    *,
    method: str,
    longest: int,
    ports: bool,
    limit: int,
) -> SequenceReport:
    from tautomer.coverage.direct_tests import run_direct_tests
    from tautomer.coverage.published import published_sequences
    from tautomer.coverage.reading import ReadModels, read_models
    from tautomer.coverage.sequence_report import SequenceReport
    from tautomer.coverage.sequence_sets import exact_sequences
    from tautomer.execution import Pool
    from tautomer.report.progress import Progress

    with Progress(progress_console()) as progress, Pool() as pool:

        def read(paths: Sequence[str], what: str) -> ReadModels:
            if not paths:
                return ReadModels()
            return read_models(
                paths,
                runner=pool,
                limits=settings.limits,
                seed=settings.seed,
                trust_pickle=settings.trust_pickle,
                run_dir=settings.run_dir,
                heard=lambda name: progress.stage(what, name),
            )

        sets = [read(paths, what) for paths, what in zip(arguments, ("failing", "passing", "tests"), strict=True)]
        _refuse_shared(sets[0], sets[1])
        own, others, suite = ([one.architecture for one in each.models] for each in sets)
        exact = exact_sequences(own, others, suite, longest=longest, ports=ports) if method == "exact" else None
        suspects = exact.suspects if exact is not None else []
        return SequenceReport(
            method=method,
            failing=[one.name for one in own],
            passing=[one.name for one in others],
            tests=[one.name for one in suite],
            longest=longest if exact is not None else None,
            ports=ports,
            exact=_listed(exact),
            published=published_sequences(own, others, suite) if exact is None else None,
            suspects=len(suspects),
            direct_tests=run_direct_tests(
                [one.item for one in suspects[:limit]],
                sets[0].models,
                settings,
                runner=pool,
                ports=ports,
                heard=lambda name: progress.stage("tested by itself", name),
            ),
            unread={path: reason for one in sets for path, reason in one.unread.items()},
        )


def _listed(exact: ExactSequences | None) -> ExactSequences | None:
    """The result without the many items that are neither suspect nor among the first."""
    if exact is None:
        return None
    kept = [one for rank, one in enumerate(exact.sequences) if rank < _LISTED or one.is_suspect]
    return replace(exact, sequences=kept)


def _refuse_shared(failing: ReadModels, passing: ReadModels) -> None:
    """A model cannot both fail and pass."""
    known = {one.path.resolve() for one in failing.models if one.path is not None}
    both = [one.path for one in passing.models if one.path is not None and one.path.resolve() in known]
    if both:
        raise MisuseError("TA196", f"{both[0]} is named as failing and as passing.", "Name it once.")


def _deliver(report: SequenceReport, json_path: str | None, shown: int) -> None:
    from tautomer.model.report_json import encode
    from tautomer.report.output import write_report
    from tautomer.report.sequences_text import sequence_lines

    if json_path == STDOUT:
        write_result(encode(report))
        return
    write_result("".join(f"{line}\n" for line in sequence_lines(report, shown)))
    if json_path is not None:
        write_report(json_path, encode(report))
        write_note(f"JSON report: {json_path}")
