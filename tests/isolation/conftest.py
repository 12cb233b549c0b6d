"""A pool, hosts that import only the standard library, and how to see that a process is gone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tautomer.execution import HostSpec, Pool, Task
from tautomer.model import Limits

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


@pytest.fixture
def pool():
    with Pool() as running:
        yield running


@pytest.fixture(params=["warm", "fresh"])
def host(request):
    """A host whose children are forked after its imports, or before them."""
    return tiny_host(fork_safe=request.param == "warm")


@pytest.fixture
def run(pool, host, tmp_path):
    """Runs a function of tiny_tasks in a new folder."""
    attempts = []

    def submit(function, *, timeout_s=60.0, memory_bytes=2 << 30, spec=host, on_event=None, **arguments):
        attempts.append(function)
        task = Task(spec, function if ":" in function else f"tiny_tasks:{function}", arguments, function)
        folder = tmp_path / str(len(attempts))
        return pool.submit(task, Limits(timeout_s, memory_bytes), folder=folder, on_event=on_event)

    return submit
