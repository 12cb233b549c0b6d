"""A pool, and a way to run one task in it."""

from __future__ import annotations

import pytest
from tiny_hosts import tiny_host

from tautomer.execution import Pool, Task
from tautomer.model import Limits


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
