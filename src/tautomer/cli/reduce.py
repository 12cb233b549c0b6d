"""`tautomer reduce`: the smallest model that fails the same way, with a script and an issue for its maintainers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tautomer.cli.flags import Memory, RunDir, Seed, Timeout, TrustPickle
from tautomer.cli.settings import check_settings, converter_options, given_settings
from tautomer.cli.streams import progress_console, write_note, write_result

if TYPE_CHECKING:
    from tautomer.reduction import Reduction

EPILOG = (
    "Exit status: 0 reduced and proven by a check, 1 not reproduced or not proven, 2 misuse (there is nothing to "
    "reduce, too), 130 interrupted before anything smaller was found."
)


def reduce(
    subject: Annotated[
        str,
        typer.Argument(metavar="MODEL|RUN", help="A model file, or a run: an id, its beginning, a path, or `last`."),
    ],
    *,
    tracker: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="PROJECT",
            help="Whose tracker issue.md is for: pytorch, onnxruntime, onnxscript, tf2onnx, openvino or onnx. "
            "Default: the one that caused it.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the result. Default: ./reduced-MODEL.")
    ] = None,
    finding: Annotated[int, typer.Option(metavar="N", help="Which finding, counted from 1.")] = 1,
    redact: Annotated[
        bool, typer.Option("--redact", help="Hash names, strip metadata, draw other weights and inputs.")
    ] = False,
    max_attempts: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Models to try at most. Default: 500.")
    ] = None,
    via: Annotated[
        list[str] | None, typer.Option(metavar="CONVERTER", help="Converter. Default: the run's, the source's own.")
    ] = None,
    to: Annotated[
        list[str] | None, typer.Option(metavar="RUNTIME", help="Runtime. Default: the run's, onnxruntime.")
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option(metavar="FILE|DIR", help="Samples to compare on, as for `tautomer check`.")
    ] = None,
    opset: Annotated[int | None, typer.Option(metavar="N", help="ONNX opset to ask the converter for.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Option for the converter, as for `tautomer check`."),
    ] = None,
    runtime_option: Annotated[
        list[str] | None,
        typer.Option("--to-set", metavar="KEY=VALUE", help="Option for the runtime, as for `tautomer check`."),
    ] = None,
    timeout: Timeout = None,
    memory: Memory = None,
    seed: Seed = None,
    trust_pickle: TrustPickle = False,
    run_dir: RunDir = None,
) -> Callable[[], int]:
    """Find the smallest model that fails the same way, prove it, and write a script and an issue for a maintainer."""
    flags = {"timeout": timeout, "memory": memory, "seed": seed, "run_dir": run_dir}

    def job() -> int:
        from tautomer.reduction import Request
        from tautomer.reduction import reduce as reduce_model
        from tautomer.reduction.reducing import MAX_ATTEMPTS
        from tautomer.report.progress import Progress

        settings = check_settings(
            given_settings(flags, os.environ, Path.cwd()),
            via=via or (),
            to=to or (),
            inputs=inputs,
            opset=opset,
            options=converter_options(option or ()),
            runtime_options=converter_options(runtime_option or (), flag="--to-set"),
            trust_pickle=trust_pickle,
        )
        request = Request(
            subject=subject,
            settings=settings,
            keep_runtimes=bool(to),
            out=out,
            finding=finding,
            tracker=tracker,
            redact=redact,
            max_attempts=MAX_ATTEMPTS if max_attempts is None else max_attempts,
        )
        with Progress(progress_console()) as progress:
            reduction = reduce_model(request, hearer=progress)
        write_result("".join(f"{line}\n" for line in _lines(reduction)))
        if reduction.interrupted:
            write_note("Interrupted: this is the best that was found until then.")
        return reduction.exit_status

    return job


def _lines(reduction: Reduction) -> Iterator[str]:
    """What a person reads at the end."""
    if reduction.folder is None:
        yield f"not reduced: {'; '.join(reduction.said)}"
        return
    yield reduction.title
    before, after = reduction.nodes_before, reduction.nodes_after
    if before is not None and after is not None:
        size = f" ({reduction.size})" if reduction.size and "model.py" in reduction.files else ""
        yield f"from {before} ONNX node{_s(before)} to {after}{size}, {reduction.attempts} attempts"
    else:
        yield f"reduced to {reduction.size or 'the model as it is'}, {reduction.attempts} attempts"
    yield "the same failure: proven by a check of the result" if reduction.proven else "the same failure: not proven"
    if reduction.script is not None and reduction.script.shows_the_failure:
        yield "repro.py shows it without Tautomer"
    yield from reduction.said
    yield f"{reduction.folder}: {', '.join(reduction.files)}"
    yield f"issue.md is written for the tracker of {reduction.tracker}; read it before you file it"


def _s(count: int) -> str:
    return "" if count == 1 else "s"
