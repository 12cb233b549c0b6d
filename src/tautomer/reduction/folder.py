"""The folder a reduction leaves: written aside and renamed, so that it is there as a whole or not at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import TracebackType
from typing import Self

from tautomer.errors import OutputPathError

MARK = "recheck.json"
"""The file by which a folder of an earlier reduction is known, which may then be replaced."""


def default_folder(model: Path) -> Path:
    """`./reduced-<model>`."""
    return Path(f"reduced-{model.stem}")


class OutputFolder:
    """A folder that is being written; a context manager that removes what was not finished.

    Attributes:
        path: where files go until `finish`.
        final: where they will be.

    Raises:
        OutputPathError: TA146 something else is in its place; TA147 it cannot be made.
    """

    def __init__(self, final: Path) -> None:
        self.final = final.expanduser().absolute()
        if self.final.exists() and not _is_ours(self.final):
            raise OutputPathError(
                "TA146", f"'{final}' exists and is no folder of an earlier reduction.", "Name another with --out."
            )
        self.path = self.final.with_name(f".{self.final.name}.partial")
        try:
            shutil.rmtree(self.path, ignore_errors=True)
            self.path.mkdir(parents=True)
        except OSError as error:
            reason = error.strerror or error
            raise OutputPathError(
                "TA147", f"'{final}' cannot be written: {reason}.", "Name a folder that you may write with --out."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def finish(self) -> Path:
        """Put the folder in its place, instead of an earlier one, and return that."""
        if self.final.exists():
            old = self.final.with_name(f".{self.final.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            self.final.rename(old)
            self.path.rename(self.final)
            shutil.rmtree(old, ignore_errors=True)
        else:
            self.path.rename(self.final)
        return self.final


def _is_ours(path: Path) -> bool:
    if not path.is_dir():
        return False
    if not any(path.iterdir()):
        return True
    try:
        return "reports" in json.loads((path / MARK).read_bytes())
    except (OSError, ValueError):
        return False
