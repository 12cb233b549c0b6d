"""`tautomer generate`: models that are made up, for trying converters on what no test suite holds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tautomer.cli.flags import STDOUT, Memory, Seed, Timeout
from tautomer.cli.settings import check_settings, given_settings
from tautomer.cli.streams import write_note, write_result

if TYPE_CHECKING:
    from tautomer.generation import Generated

NOTHING_YET = "nothing"
"""What `--aim-at` takes for a coverage in which there is nothing yet."""


def generate(
    *,
    framework: Annotated[str, typer.Option(metavar="NAME", help="What the models are written for.")] = "torch",
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the models go. Default: generated.")
    ] = Path("generated"),
    nodes: Annotated[str, typer.Option(metavar="N|N-M", help="Operators of a model.")] = "10",
    count: Annotated[int, typer.Option(metavar="N", help="How many models.")] = 10,
    seed: Seed = None,
    operators: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Operators to use (torch.add, *conv*); repeat for several. Default: all."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Operators to leave out, such as those a converter is known to lack."),
    ] = None,
    dtypes: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DTYPE",
            help="Dtypes of inputs; repeat. Default: float32, some int64 and bool; for onnx, few uint8 and int8.",
        ),
    ] = None,
    like: Annotated[
        list[str] | None,
        typer.Option(metavar="MODELS", help="Have operators, and pairs of them, as these models do; repeat."),
    ] = None,
    aim_at: Annotated[
        list[str] | None,
        typer.Option(metavar="MODELS", help="Grow what these models do not cover (`nothing`: begin anew); repeat."),
    ] = None,
    mutate: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Change this model a little instead of making models up."),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="Samples for the model that is changed. Default: its own, or seeded."),
    ] = None,
    changes: Annotated[str, typer.Option(metavar="N|N-M", help="Changes of each mutant. Default: 1-3.")] = "1-3",
    dynamic: Annotated[float, typer.Option(metavar="SHARE", help="Models with a dynamic dimension.")] = 0.2,
    ones: Annotated[float, typer.Option(metavar="SHARE", help="Dimensions that are one.")] = 0.1,
    empty: Annotated[float, typer.Option(metavar="SHARE", help="Models that take an empty tensor.")] = 0.02,
    ties: Annotated[bool, typer.Option("--ties", help="Let decisions (rounding, sorting) come near ties.")] = False,
    json: Annotated[
        str | None, typer.Option(metavar="OUT.json|-", help="Write the index as JSON, too; - for stdout.")
    ] = None,
    list_operators: Annotated[bool, typer.Option("--list", help="Name the operators and exit.")] = False,
    timeout: Timeout = None,
    memory: Memory = None,
) -> Callable[[], int]:
    """Make up models that are valid, whose outputs are finite and vary with the inputs."""
    flags = {"timeout": timeout, "memory": memory, "seed": seed}

    def job() -> int:
        from tautomer import generation
        from tautomer.errors import MisuseError
        from tautomer.execution import Pool
        from tautomer.report.output import check_writable

        if list_operators:
            table = generation.operator_table(framework)
            write_result("".join(f"{one['name']}\n" for one in table))
            return 0
        if like and aim_at:
            raise MisuseError("TA165", "--like and --aim-at are two aims.", "Give one of them.")
        settings = check_settings(given_settings(flags, os.environ, Path.cwd()))
        asked = generation.GenerationSettings(
            framework=framework,
            count=count,
            seed=settings.seed,
            nodes=generation.nodes_from(nodes),
            operators=generation.chosen_operators(framework, operators or ["*"], without or ()),
            dtypes=generation.dtypes_from(dtypes) if dtypes else None,
            dynamic=dynamic,
            ones=ones,
            empty=empty,
            ties=ties,
        )
        if json is not None and json != STDOUT:
            check_writable(json)

        def told(done: int, wanted: int) -> None:
            write_note(f"{done} of {wanted} models")

        with Pool() as pool:
            if mutate is not None:
                made = generation.mutate(
                    mutate,
                    asked,
                    output,
                    inputs=inputs,
                    changes=generation.nodes_from(changes),
                    limits=settings.limits,
                    runner=pool,
                    report=told,
                )
                return _delivered(made, output, json)
            aim = generation.VARIED
            if like or aim_at:
                reading = generation.like if like else generation.aim_at
                given = [one for one in (like or aim_at or ()) if one != NOTHING_YET]
                aim = reading(given, framework=framework, runner=pool, limits=settings.limits, heard=write_note)
            made = generation.generate(
                asked,
                output,
                aim=aim,
                limits=settings.limits,
                runner=pool,
                report=told,
            )
        return _delivered(made, output, json)

    return job


def _delivered(made: Generated, output: Path, json: str | None) -> int:
    import json as json_format

    from tautomer.report.output import write_report

    document = json_format.dumps(made.document(), indent=1) + "\n"
    if json == STDOUT:
        write_result(document)
    else:
        write_result("".join(f"{line}\n" for line in _lines(made, output)))
        if json is not None:
            write_report(json, document.encode("utf-8"))
    return 1 if made.failed else 0


def _lines(made: Generated, output: Path) -> Iterator[str]:
    document = made.document()
    yield f"{len(made.models)} models in {output} ({made.seconds:.1f} s)"
    distinct = document["distinct_sequences"]
    if not made.sequences:  # mutants are counted by `tautomer coverage`
        return
    yield (
        f"{document['distinct_operators']} distinct operators, {distinct['2']} sequences of two, "
        f"{distinct['3']} of three"
    )
    for seed, reason in list(made.failed.items())[:10]:
        yield f"no model for seed {seed}: {reason}"
