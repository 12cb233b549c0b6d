"""Results to stdout, everything else to stderr, and no complaint when nobody reads on."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console


def write_result(result: str | bytes) -> None:
    """Write a result to stdout, at once and completely.

    A reader that has gone (`tautomer check m.py | head -1`) ends the output and nothing else: the exit status stays
    what the work came to.
    """
    stream = sys.stdout
    if stream is None:  # the caller has closed it
        return
    try:
        if isinstance(result, bytes):
            stream.flush()
            stream.buffer.write(result)
        else:
            # A path may hold bytes that are no text, or text that the terminal's encoding lacks.
            encoding = stream.encoding or "utf-8"
            stream.write(result.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        _let_go(stream)


def write_note(note: str) -> None:
    """Write a line about the work, not a result of it, to stderr; where nobody reads on, nothing happens."""
    try:
        print(note, file=sys.stderr, flush=True)
    except BrokenPipeError:
        _let_go(sys.stderr)


def progress_console() -> Console:
    """A console on stderr that goes silent, instead of ending the work, when nobody reads on."""
    from rich.console import Console

    class _Patient(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True
            _let_go(sys.stderr)

    return _Patient(stderr=True)


def _let_go(stream: TextIO) -> None:
    """What is left in the buffer would be tried again, and fail again, when the interpreter ends, with status 120."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
