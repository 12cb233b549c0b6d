"""One function in a child of this process: whatever it does to the process, its ending is an answer."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any


def in_child(function: Callable[[Callable[..., None]], Mapping[str, Any]], *, timeout_s: float) -> dict[str, Any]:
    """Run `function(say)` in a forked child.

    Args:
        function: returns JSON values; what it says before (`say(stage="...")`) is known even if it dies.
        timeout_s: after which the child is killed.

    Returns:
        What it said, the latest of each name, and what it returned; besides, `ended` where it did not return: the name
        of a signal, an exit status or `late`.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            faulthandler.disable()  # that it dies is an answer, not news
            gc.freeze()  # to look for garbage among what is inherited would copy all of it
            os.close(reader)
            _send(writer, function(lambda **fields: _send(writer, fields)))
            _send(writer, {"returned": True})
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)  # the child must not run what its parent would do at its end
    os.close(writer)
    received, late = _received(reader, time.monotonic() + timeout_s)
    os.close(reader)
    if late:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    said: dict[str, Any] = {}
    for line in received.splitlines():
        said |= json.loads(line)
    if not said.pop("returned", False):
        said["ended"] = "late" if late else _ending(status)
    return said


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _send(writer: int, fields: Mapping[str, Any]) -> None:
    remaining = memoryview(json.dumps(fields).encode() + b"\n")
    while remaining:
        remaining = remaining[os.write(writer, remaining) :]


def _received(reader: int, until: float) -> tuple[bytes, bool]:
    """All complete lines, and whether the time was over before the end."""
    parts = b""
    while True:
        ready, _, _ = select.select([reader], [], [], max(until - time.monotonic(), 0.0))
        if not ready:
            return parts[: parts.rfind(b"\n") + 1], True
        part = os.read(reader, 1 << 16)
        if not part:
            return parts[: parts.rfind(b"\n") + 1], False
        parts += part
