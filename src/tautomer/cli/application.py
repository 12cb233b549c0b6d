"""Puts the commands together and runs the one that was asked for.

Nothing here, and nothing a command's module imports at its top, loads numpy, rich or a framework: `tautomer --help` has
to answer at once, and a broken installation of a framework must not keep it from answering.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from tautomer.cli import bisect as bisect_command
from tautomer.cli import check, env
from tautomer.cli import coverage as coverage_command
from tautomer.cli import reduce as reduce_command
from tautomer.cli import sequences as sequences_command
from tautomer.cli.calibrate import calibrate
from tautomer.cli.compare import compare
from tautomer.cli.doctor import doctor
from tautomer.cli.errors import exit_status_of
from tautomer.cli.generate import generate
from tautomer.cli.list import list_adapters
from tautomer.cli.streams import write_result

Job = Callable[[], int]
"""What a command line asks for, ready to be run; it returns the exit status."""

PROGRAM = "tautomer"

application = typer.Typer(
    name=PROGRAM,
    add_completion=False,
    # Help through rich would cost more than all the rest of the start.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@application.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Say whether a converted deep-learning model is still the same model, and where it is not."""
    if version:
        import tautomer

        write_result(f"{PROGRAM} {tautomer.__version__}\n")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


# The list of commands would cut off the first sentence of a longer help; a short help it shows as it is.
application.command("check", short_help="Say whether a converted model is still the same.", epilog=check.EPILOG)(
    check.check
)
application.command("compare", short_help="Say whether two existing models are the same.", epilog=check.EPILOG)(compare)
application.command(
    "reduce", short_help="Find the smallest model that fails the same way.", epilog=reduce_command.EPILOG
)(reduce_command.reduce)
application.command("bisect", short_help="Find which setting or release makes it fail.", epilog=bisect_command.EPILOG)(
    bisect_command.bisect
)
application.command("generate", short_help="Make up models to try converters on.")(generate)
application.command(
    "coverage", short_help="Say which operators and sequences models cover.", epilog=coverage_command.EPILOG
)(coverage_command.coverage)
application.command(
    "sequences", short_help="Say which sequences of operators go with failure.", epilog=sequences_command.EPILOG
)(sequences_command.sequences)
application.add_typer(env.application, name="env", short_help="Make, list and remove environments.")
application.command("calibrate", short_help="Measure a runtime's approximated functions.")(calibrate)
application.command("list", short_help="Name the sources, converters and runtimes.")(list_adapters)
application.command("doctor", short_help="Say what this machine lacks for a check.")(doctor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    Args:
        arguments: those after the program's name; None for the process's own.

    Returns:
        0 every pair equivalent, 1 a finding, 2 misuse, 3 inconclusive, 4 not run, 70 a defect of Tautomer,
        130 interrupted.
    """

    def parse_and_run() -> int:
        return _job(arguments)()

    return exit_status_of(parse_and_run)


def _job(arguments: Sequence[str] | None) -> Job:
    """Parse a command line.

    Commands give back what is to be done instead of doing it: whatever a job raises is then seen by `exit_status_of`
    alone, where typer would take a broken pipe of a worker for one of stdout and an interrupt for a wish to leave.
    """
    command = typer.main.get_command(application)
    parsed: Job | int | None = command.main(args=arguments, prog_name=PROGRAM, standalone_mode=False)
    return parsed if callable(parsed) else lambda: parsed or 0
