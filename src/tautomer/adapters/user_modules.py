"""The user's own file, whatever framework it is written for: imported, and its exceptions told as the user's."""

from __future__ import annotations

import contextlib
import re
import sys
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tautomer.adapters.worker_api import message_of
from tautomer.errors import TautomerError, UserCodeError

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@contextlib.contextmanager
def users_code(code: str, doing: str, path: Path) -> Iterator[None]:
    """Turn whatever the user's code raises, exceptions that end programs included, into a `UserCodeError`."""
    try:
        yield
    except (TautomerError, MemoryError):
        raise
    except BaseException as error:
        raise user_code_error(code, doing, path, error) from error


def user_code_error(code: str, doing: str, path: Path, error: BaseException) -> UserCodeError:
    """Say what the user's code raised, with the user's own line."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename) == path:
        where, line = f"{path.name}:{error.lineno}", (error.text or "").strip()
    else:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename) == path] or [
            frame
            for frame in frames
            if path.parent in Path(frame.filename).parents and "site-packages" not in frame.filename
        ]
        where, line = (
            (f"{Path(own[-1].filename).name}:{own[-1].lineno}", own[-1].line or "") if own else (path.name, "")
        )
    shown = f" at `{line}`" if line else ""
    text = " ".join(_CONTROL.sub(" ", _ESCAPE.sub("", message_of(error))).split())
    return UserCodeError(
        code,
        f"{doing} raised {type(error).__name__} in {where}{shown}: {text or 'no message'}",
        "Run the file by itself with Python to see the whole traceback.",
    )


def import_user_file(path: Path) -> Any:
    """The user's file as a module, compiled from its text: a bytecode cache beside it may be older than the file.

    Random generators are seeded by the caller, who knows which there are.

    Raises:
        UserCodeError: importing it raised.
    """
    module = types.ModuleType(f"tautomer_user_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(path.parent))
    with users_code("TA120", f"importing {path.name}", path):
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)
    return module


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or its class name."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
