"""What task code sees inside a worker process: the channel it reports through, and how a task is run there.

A task is a plain function `task(channel, **arguments)` that returns JSON values and is addressed as
`package.module:function`. This module needs only the standard library, so that it works in any interpreter.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TASK_FILE = "task.json"
RESULT_FILE = "result.json"
ERROR_FILE = "error.json"
EVENTS_FILE = "events.jsonl"
LOG_FILE = "log.txt"


class Channel:
    """A task's line to whoever supervises it.

    Attributes:
        folder: the attempt's folder, where the task leaves its files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._began = time.monotonic()
        self._events = folder / EVENTS_FILE

    def emit(self, name: str, /, **fields: Any) -> None:
        """Report an event at once: what was emitted is known even if the process dies in the next instruction.

        Args:
            name: what the event speaks of.
            fields: JSON values.
        """
        line = json.dumps({"name": name, "at_s": time.monotonic() - self._began, "fields": fields}) + "\n"
        descriptor = os.open(self._events, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _write_all(descriptor, line.encode())
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def measure(self, name: str, /, **fields: Any) -> Iterator[dict[str, Any]]:
        """Time a block and take its peak memory: emits `name.begin`, and `name` when the block ends without exception.

        The event carries `seconds` and `peak_memory_bytes`: the peak resident memory of this process within the
        block, or since the process began where the system cannot reset it. Fields put into the yielded dict are
        added to the event.
        """
        self.emit(f"{name}.begin", **fields, peak_memory_bytes=peak_memory_bytes())
        reset_peak_memory()
        began = time.perf_counter()
        more: dict[str, Any] = {}
        yield more
        seconds = time.perf_counter() - began
        self.emit(name, **{**fields, **more, "seconds": seconds, "peak_memory_bytes": peak_memory_bytes()})


def peak_memory_bytes() -> int:
    """Peak resident memory of this process since it began, or since `reset_peak_memory`."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory() -> None:
    """Let `peak_memory_bytes` begin anew, where the system can do that (Linux).

    Source: proc(5), /proc/pid/clear_refs: writing 5 resets the peak resident set size.
    """
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def resolve_function(address: str) -> Callable[..., Any]:
    """The function behind `package.module:function`.

    Raises:
        ImportError: the module cannot be imported.
        AttributeError: it has no such function.
    """
    module_name, _, name = address.partition(":")
    function: Any = importlib.import_module(module_name)
    for part in name.split("."):
        function = getattr(function, part)
    return function  # type: ignore[no-any-return]


def perform(folder: Path) -> None:
    """Run the task that `folder` describes; leave its result or its exception there, complete or not at all."""
    task = json.loads((folder / TASK_FILE).read_text("utf-8"))
    try:
        result = resolve_function(task["function"])(Channel(folder), **task["arguments"])
        write_json(folder / RESULT_FILE, {"result": result})
    except BaseException as error:  # SystemExit and KeyboardInterrupt of user code are answers, not ours to obey
        write_error(folder, error, phase="task")


def write_error(folder: Path, error: BaseException, *, phase: str) -> None:
    """Leave an exception in the folder: for the supervisor as JSON, for people in the log."""
    description = describe_exception(error)
    write_json(folder / ERROR_FILE, {"phase": phase, **description})
    with (folder / LOG_FILE).open("a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(description["traceback"])


def describe_exception(error: BaseException) -> dict[str, Any]:
    """All that JSON can say of an exception: type, message, bases, traceback, attributes, and its cause."""
    try:
        text = "".join(traceback.format_exception(error))
    except MemoryError:
        traceback.clear_frames(error.__traceback__)  # the frames hold what filled the memory
        text = "".join(traceback.format_exception_only(error))
    attributes = {name: value for name, value in _attributes(error) if _is_json(value)}
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        attributes["cause"] = {"type": qualified_name(type(cause)), "message": message_of(cause)}
        root = cause
        while root.__cause__ is not None:
            root = root.__cause__
        if root is not cause:
            attributes["root"] = {"type": qualified_name(type(root)), "message": message_of(root)}
    return {
        "error_type": qualified_name(type(error)),
        "message": message_of(error),
        "mro": [qualified_name(base) for base in type(error).__mro__ if base is not object],
        "attributes": attributes,
        "traceback": text,
    }


def qualified_name(kind: type) -> str:
    """Name of a class as tracebacks show it: with its module unless it is built in."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def message_of(error: BaseException) -> str:
    """Text of an exception, also of one whose own __str__ fails."""
    try:
        return str(error)
    except Exception as failure:
        return f"<its __str__ raised {qualified_name(type(failure))}>"


def write_json(path: Path, content: Any) -> None:
    """Write JSON so that the file is complete whenever it exists."""
    encoded = json.dumps(content).encode()
    aside = path.with_name(f".{path.name}.partial")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        _write_all(descriptor, encoded)
    finally:
        os.close(descriptor)
    aside.replace(path)


def _write_all(descriptor: int, content: bytes) -> None:
    remaining = memoryview(content)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


_BUILT_IN_ATTRIBUTES = (
    "name",
    "path",
    "errno",
    "strerror",
    "filename",
    "lineno",
    "offset",
    "text",
    "msg",
    "code",
    "__notes__",
)
"""Attributes of built-in exceptions that live in slots, not in the instance's dict."""


def _attributes(error: BaseException) -> Iterator[tuple[str, Any]]:
    for name in _BUILT_IN_ATTRIBUTES:
        value = getattr(error, name, None)
        if value is not None:
            yield name, value
    yield from getattr(error, "__dict__", {}).items()


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
