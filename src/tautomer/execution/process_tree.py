"""The processes of one worker: which they are, what memory they hold, and how to end them without their host."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from tautomer.execution.host import children, descendants

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def worker_processes(host: int, worker: int, spared: Collection[int]) -> list[int]:
    """The worker, and every process that descends from it, orphans included.

    Args:
        host: the process the worker was forked from, which adopts the orphans.
        worker: the worker itself.
        spared: children of the host that belong to no worker.
    """
    if sys.platform != "linux":
        return _portable_processes(worker)
    orphans = [child for child in children(host) if child != worker and child not in spared]
    return [
        worker,
        *descendants(worker),
        *(process for orphan in orphans for process in (orphan, *descendants(orphan))),
    ]


def memory_bytes(processes: Iterable[int]) -> int:
    """Resident memory of a worker's processes, as a person would count it.

    A single process counts with all its resident pages, those it shares with its host included. Several count with
    their proportional shares, so that pages which they have in common are counted once; the first is never counted
    with less than it would be alone.

    Source: proc(5), /proc/pid/statm and /proc/pid/smaps_rollup.
    """
    first, *others = processes
    if sys.platform != "linux":
        return sum(map(_portable_resident_bytes, (first, *others)))
    if not others:
        return _resident_bytes(first)
    return max(_resident_bytes(first), sum(map(_proportional_bytes, (first, *others))))


def kills_for_memory() -> int | None:
    """How many processes the kernel has killed for want of memory since it started; None where it does not say.

    Source: proc(5), /proc/vmstat, oom_kill (Linux 4.13 and later).
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return None


def birth(process: int) -> str | None:
    """When a process began, so that another one that was given its number is told apart; None where it has ended.

    Source: proc(5), /proc/pid/stat, field 22.
    """
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    return None


def end_processes(births: Mapping[int, str | None]) -> None:
    """Send SIGKILL to each process that is still the one that began then, and to what descends from it."""
    for process, began in births.items():
        if began is not None and birth(process) == began:
            for member in (process, *descendants(process)):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(member, signal.SIGKILL)


def _resident_bytes(process: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE_BYTES
    return 0


def _proportional_bytes(process: int) -> int:
    """Share of a process in the memory it maps; its resident memory where the kernel does not tell the share."""
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return _resident_bytes(process)
    return 0


def _portable_processes(worker: int) -> list[int]:
    import psutil

    with contextlib.suppress(psutil.Error):
        return [worker, *(child.pid for child in psutil.Process(worker).children(recursive=True))]
    return [worker]


def _portable_resident_bytes(process: int) -> int:
    import psutil

    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(process).memory_info().rss)
    return 0
