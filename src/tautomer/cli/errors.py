"""The one place where errors become a line on stderr and an exit status."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable

import typer

from tautomer.cli.streams import write_note
from tautomer.errors import InternalError, TautomerError

INTERRUPTED = 130
"""128 plus the number of SIGINT, as shells have it."""

# Typer, which once used click's classes, now has its own copy of them; this finds either.
_CommandLineError: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)

_REPORT_IT = "This is a defect of Tautomer. Please report it with the lines above and the output of `tautomer doctor`."


def exit_status_of(action: Callable[[], int]) -> int:
    """Run `action` and return its exit status; what it raises is told on stderr and becomes one.

    Returns:
        What `action` returned, else 2 for a command line that cannot be parsed, the status of a `TautomerError`,
        130 for an interrupt, 70 for any other exception.
    """
    try:
        return action()
    except _CommandLineError as error:
        return _tell_usage(error)
    except InternalError as error:
        _tell(traceback.format_exc(), str(error), _REPORT_IT)
        return error.exit_status
    except TautomerError as error:
        _tell(str(error))
        return error.exit_status
    except (KeyboardInterrupt, typer.Abort):
        _tell("Interrupted.")
        return INTERRUPTED
    except Exception as error:
        text = str(error).strip()
        message = f"TA900 unexpected {type(error).__name__}{f': {text}' if text else '.'}"
        _tell(traceback.format_exc(), message, _REPORT_IT)
        return InternalError.exit_status


def _tell_usage(error: Exception) -> int:
    """Tell what is wrong with a command line; the parser's own message names the option and the value."""
    message = str(getattr(error, "format_message", error.__str__)()).strip()
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "tautomer"
    _tell(f"TA101 {message[:1].lower()}{message[1:].rstrip('.')}. Usage: {command} --help")
    return 2


def _tell(*lines: str) -> None:
    # Both streams may lead to one place; what stdout still holds came first.
    if sys.stdout is not None:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
    write_note("\n".join(lines))
