"""The store of runs: one folder a run, built aside under a lock and renamed when it is complete."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tautomer.adapters.worker_api import LOG_FILE
from tautomer.errors import MisuseError, OutputPathError

REPORT_FILE = "report.json"
RUN_FILE = "run.json"

_LOCK_FILE = ".lock"
_ID = re.compile(r"\d{8}T\d{9}Z-[0-9a-f]{6}")
_KEPT_ALWAYS = frozenset({REPORT_FILE, RUN_FILE, LOG_FILE, _LOCK_FILE})
_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9._+-]+")


class RunStore:
    """Runs under one root folder.

    Attributes:
        root: the argument, else `$TAUTOMER_HOME/runs`, else `./.tautomer/runs`; absolute.
    """

    def __init__(self, root: Path | None = None) -> None:
        home = os.environ.get("TAUTOMER_HOME")
        default = Path(home) / "runs" if home else Path(".tautomer") / "runs"
        self.root = (root or default).expanduser().absolute()

    def create(self, label: str) -> RunFolder:
        """Begin a run; what runs of dead processes left behind is removed.

        Args:
            label: what the run is about, for people.

        Raises:
            OutputPathError: the root cannot be written.
        """
        try:
            if not self.root.exists():
                self.root.mkdir(parents=True)
                (self.root / ".gitignore").write_text("*\n")
            with _locked(self.root / _LOCK_FILE):  # or another create would take the new folder for a dead one
                self._sweep()
                return RunFolder(self.root, _new_id(), label)
        except OSError as error:
            raise OutputPathError(
                "TA140",
                f"runs cannot be kept in {self.root}: {error.strerror or error}.",
                "Name a folder that can be written with --run-dir or TAUTOMER_HOME.",
            ) from error

    def ids(self) -> list[str]:
        """Ids of the finished runs, oldest first."""
        if not self.root.is_dir():
            return []
        return sorted(entry.name for entry in self.root.iterdir() if _ID.fullmatch(entry.name))

    def resolve(self, text: str) -> Path:
        """Folder of the run that `text` names: an id, a unique prefix of one, a path, or `last`.

        Raises:
            MisuseError: TA150 no run is named so; TA151 several are.
        """
        ids = self.ids()
        if text == "last":
            if ids:
                return self.root / ids[-1]
            raise MisuseError("TA150", f"there is no run in {self.root}.", "Run `tautomer check` first.")
        if text in ids:
            return self.root / text
        path = Path(text).expanduser()
        if text and (path / REPORT_FILE).is_file():
            return path.absolute()
        found = [run_id for run_id in ids if text and run_id.startswith(text)]
        if len(found) == 1:
            return self.root / found[0]
        if found:
            shown = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
            raise MisuseError("TA151", f"{text!r} names {len(found)} runs: {shown}.", "Give more of the id.")
        raise MisuseError(
            "TA150",
            f"no run is named {text!r}: neither an id in {self.root}, nor a folder with a {REPORT_FILE}.",
            "Give an id, the beginning of one, a path, or `last`.",
        )

    def _sweep(self) -> None:
        """Remove the folders of runs whose process has ended without finishing them."""
        for partial in self.root.glob(".*.partial"):
            with contextlib.suppress(OSError), _locked(partial / _LOCK_FILE, wait=False):
                shutil.rmtree(partial, ignore_errors=True)


class RunFolder:
    """A run that is being built. As a context, it abandons the run unless it was finished.

    Attributes:
        id: UTC time to the millisecond and six random digits; ids sort by time.
        label: what the run is about.
        path: where its files are while it is built.
        final_path: where they will be once it is finished.
    """

    def __init__(self, root: Path, run_id: str, label: str) -> None:
        self.id = run_id
        self.label = label
        self.path = root / f".{run_id}.partial"
        self.final_path = root / run_id
        self.path.mkdir()
        self._lock: contextlib.ExitStack | None = contextlib.ExitStack()
        self._lock.enter_context(_locked(self.path / _LOCK_FILE))
        self.file(RUN_FILE).write_text(json.dumps({"id": run_id, "label": label}), "utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self.abandon()

    def attempt(self, name: str) -> Path:
        """A new, empty folder for one attempt; its name is `name`, made safe, with a number where it is taken."""
        safe = _UNSAFE_IN_NAME.sub("-", name).strip(".") or "attempt"
        path = self.path / safe
        count = 1
        while True:
            try:
                path.mkdir()
            except FileExistsError:
                count += 1
                path = self.path / f"{safe}-{count}"
            else:
                return path

    def file(self, name: str) -> Path:
        """Path of a file of the run, in a folder that exists."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def final(self, path: Path) -> Path:
        """Where a path inside this folder will be once the run is finished; other paths unchanged."""
        return self.final_path / path.relative_to(self.path) if path.is_relative_to(self.path) else path

    def finish(self, *, keep: bool) -> Path:
        """Put the run in its place and return that.

        Args:
            keep: whether models, tensors and everything else stay, or only the report and the logs.

        Raises:
            OutputPathError: it cannot be renamed.
        """
        if not keep:
            self._drop_all_but_report_and_logs()
        try:
            self.path.rename(self.final_path)
        except OSError as error:
            reason = error.strerror or error
            raise OutputPathError("TA145", f"run {self.path} cannot become {self.final_path}: {reason}.") from error
        (self.final_path / _LOCK_FILE).unlink(missing_ok=True)
        self._release()
        return self.final_path

    def abandon(self) -> None:
        """Remove the run."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _drop_all_but_report_and_logs(self) -> None:
        for folder, _, names in os.walk(self.path, topdown=False):
            for name in names:
                if name not in _KEPT_ALWAYS:
                    (Path(folder) / name).unlink()
            if not any(Path(folder).iterdir()):
                Path(folder).rmdir()


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a file; a process that ends, however it ends, holds none.

    Raises:
        BlockingIOError: another holds it, and `wait` is False.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def _new_id() -> str:
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{secrets.token_hex(3)}"
