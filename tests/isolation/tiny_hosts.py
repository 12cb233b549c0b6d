"""Hosts that import only the standard library, and how to see that a process is gone."""

from __future__ import annotations

import time
from pathlib import Path

from tautomer.execution import HostSpec

FOLDER = Path(__file__).parent


def tiny_host(*, fork_safe: bool = True, preload: str = "tiny_tasks", prime: str | None = None, **environment: str):
    variables = {"PYTHONPATH": str(FOLDER), **environment}
    return HostSpec("tiny", (preload,), prime, fork_safe=fork_safe, environment=variables)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that only waits to be reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(condition, *, limit_s: float = 30.0) -> bool:
    until = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
