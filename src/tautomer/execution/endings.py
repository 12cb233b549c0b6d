"""From how a process ended to what that means: the attempt's class."""

from __future__ import annotations

import json
import os
import re
import signal
from enum import Enum, auto
from pathlib import Path
from typing import Any

from tautomer.adapters.worker_api import ERROR_FILE, LOG_FILE, RESULT_FILE
from tautomer.errors import NotInstalledError
from tautomer.execution.workers import Task
from tautomer.model import Attempt, Completed, Crashed, Event, Hung, Limits, OutOfMemory, Refused, Resources

_LOG_TAIL_BYTES = 1 << 16

_ALLOCATION_FAILED = re.compile(
    r"can't allocate memory|cannot allocate memory|not enough memory|failed to allocate memory|unable to allocate"
    r"|std::bad_alloc|bad allocation",
    re.IGNORECASE,
)
"""What PyTorch, ONNX Runtime, NumPy, glibc and the C++ library say when an allocation fails."""


class EndedFor(Enum):
    """Why the supervisor ended a worker."""

    TIME = auto()
    MEMORY = auto()


def attempt_from(
    *,
    task: Task,
    limits: Limits,
    folder: Path,
    status: int,
    ended_for: EndedFor | None,
    kernel_killed: bool,
    resources: Resources,
    events: tuple[Event, ...],
) -> Attempt:
    """How the attempt ended.

    Args:
        task: what was run.
        limits: that it ran under.
        folder: where its result, its exception and its log are.
        status: what the process exited with; negative for a signal.
        ended_for: why it was sent SIGKILL, or None where it was not.
        kernel_killed: whether the kernel killed some process for want of memory meanwhile.
        resources: what it used.
        events: what it reported.

    Raises:
        NotInstalledError: a module that was to be preloaded does not exist.
    """
    log = folder / LOG_FILE
    if status == -signal.SIGKILL and ended_for is EndedFor.TIME:
        return Hung(resources, log, events, limits.timeout_s)
    if status == -signal.SIGKILL and (ended_for is EndedFor.MEMORY or kernel_killed):
        return OutOfMemory(resources, log, events, limits.memory_bytes)
    if status == -signal.SIGABRT and _ALLOCATION_FAILED.search(_tail(log)):
        return OutOfMemory(resources, log, events, limits.memory_bytes)
    if status == 0 and (folder / RESULT_FILE).exists():
        return Completed(resources, log, events, json.loads((folder / RESULT_FILE).read_text())["result"])
    if status == 0 and (folder / ERROR_FILE).exists():
        error = json.loads((folder / ERROR_FILE).read_text())
        if error["phase"] == "preload":
            refuse_if_missing(task, error)
        if _is_allocation_failure(error):
            return OutOfMemory(resources, log, events, limits.memory_bytes)
        return refused(error, resources, log, events)
    return crashed(status, resources, log, events)


def refused(error: dict[str, Any], resources: Resources, log: Path, events: tuple[Event, ...]) -> Refused:
    """The attempt that raised the described exception."""
    return Refused(
        resources,
        log,
        events,
        error_type=error["error_type"],
        message=error["message"],
        traceback=error["traceback"],
        mro=tuple(error["mro"]),
        attributes=error["attributes"],
    )


def crashed(status: int, resources: Resources, log: Path, events: tuple[Event, ...]) -> Crashed:
    """The attempt that ended with a status or by a signal (negative), without an answer."""
    if status < 0:
        return Crashed(resources, log, events, signal=signal_name(-status), exit_status=None)
    return Crashed(resources, log, events, signal=None, exit_status=status)


def refuse_if_missing(task: Task, error: dict[str, Any]) -> None:
    """Raise NotInstalledError where the exception of a preload says that a module does not exist."""
    if "ModuleNotFoundError" in error["mro"]:
        module = error["attributes"].get("name") or "?"
        raise NotInstalledError(
            "TA102",
            f"{task.host.name!r} cannot run: its interpreter has no module {module!r} (not_run).",
            f"Install it for {task.host.python or 'this interpreter'}.",
        )


def signal_name(number: int) -> str:
    """Name of a signal: `SIGSEGV`; real-time signals by number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _is_allocation_failure(error: dict[str, Any]) -> bool:
    cause = error["attributes"].get("cause") or {}
    return (
        "MemoryError" in error["mro"]
        or cause.get("type") == "MemoryError"
        or _ALLOCATION_FAILED.search(error["message"]) is not None
    )


def _tail(log: Path) -> str:
    """The last of what the process wrote."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LOG_TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
