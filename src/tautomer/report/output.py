"""Puts a report where it was asked for: completely or not at all, and refused before any work where it cannot be."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from tautomer.errors import OutputPathError

NEXT_STEP = "Give a path in an existing folder that you may write to."


def check_writable(path: Path | str) -> None:
    """Try whether a report could be written to `path`, and leave nothing behind.

    Raises:
        OutputPathError: TA140 the folder does not exist, TA141 the path is a folder, TA142 writing is not permitted,
            TA143 the file system refused for another reason.
    """
    path = Path(path)
    target = _target(path)
    if _is_stream(target):
        return
    try:
        probe, descriptor = _create_beside(target)
        os.close(descriptor)
        probe.unlink()
    except OSError as error:
        raise _refusal(path, error) from error


def write_report(path: Path | str, data: bytes) -> None:
    """Write `data` to `path`: a reader sees the old file or the whole new one, never a part.

    A link is followed. A device or a pipe (`/dev/stdout`) is written to as it is.

    Raises:
        OutputPathError: as `check_writable`; the old file, where there was one, is untouched.
    """
    path = Path(path)
    target = _target(path)
    try:
        if _is_stream(target):
            target.write_bytes(data)
            return
        partial, descriptor = _create_beside(target)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _refusal(path, error) from error


def _target(path: Path) -> Path:
    """The file `path` leads to, once it is known to be one that may be written."""
    try:
        target = path.resolve()
        if target.is_dir():
            raise OutputPathError("TA141", f"cannot write the report to '{path}': it is a folder.", NEXT_STEP)
        if not target.parent.is_dir():
            raise OutputPathError(
                "TA140",
                f"cannot write the report to '{path}': the folder '{target.parent}' does not exist.",
                NEXT_STEP,
            )
        # Replacing a file needs no right to write to it: a file its owner has protected is left alone all the same.
        if target.exists() and not os.access(target, os.W_OK):
            raise OutputPathError("TA142", f"cannot write the report to '{path}': the file is read-only.", NEXT_STEP)
        target.lstat()
    except FileNotFoundError:
        return target
    except (OSError, RuntimeError, ValueError) as error:
        raise _refusal(path, error) from error
    return target


def _is_stream(target: Path) -> bool:
    return target.exists() and not target.is_file()


def _create_beside(target: Path) -> tuple[Path, int]:
    """A new empty file in the folder of `target`, so that replacing is a rename within one file system."""
    partial = target.parent / f".tautomer-{secrets.token_hex(8)}.partial"
    # Mode 0o666 leaves the permissions to the user's umask, which the private files of `tempfile` would not.
    return partial, os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)


def _refusal(path: Path, error: Exception) -> OutputPathError:
    code = "TA142" if isinstance(error, PermissionError) else "TA143"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return OutputPathError(code, f"cannot write the report to '{path}': {reason}.", NEXT_STEP)
