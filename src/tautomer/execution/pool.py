"""Warm hosts, and the supervision of the workers forked from them."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tautomer.adapters.worker_api import ERROR_FILE, EVENTS_FILE, LOG_FILE, RESULT_FILE, TASK_FILE
from tautomer.errors import MisuseError, NotInstalledError
from tautomer.execution.endings import EndedFor, attempt_from, crashed, refuse_if_missing, refused
from tautomer.execution.host_process import HostProcess
from tautomer.execution.process_tree import birth, end_processes, kills_for_memory, memory_bytes, worker_processes
from tautomer.execution.workers import HostSpec, Task
from tautomer.model import Attempt, Event, Hung, Limits, Resources

_LOG = logging.getLogger(__name__)

_POLL_S = 0.05
_POLL_SHARE = 0.05
"""Largest share of the time that looking after a worker may take."""

_START_LIMIT_S = 300.0
"""Least time a host is given for its imports, which a user's limit on an attempt is not about."""

_DUMP_S = 0.3
_KILL_LIMIT_S = 15.0


class Pool:
    """Runs tasks in workers; keeps a warm host for each `HostSpec`.

    May be used from several threads at once: each then has a host of its own. Leaving the context ends every host.

    Raises:
        MisuseError: the system has no fork.
    """

    def __init__(self) -> None:
        if not hasattr(os, "fork"):
            raise MisuseError("TA104", "workers need a system with fork.", "Use Linux, macOS or WSL.")
        self._lock = threading.Lock()
        self._idle: dict[HostSpec, list[HostProcess]] = {}
        self._threaded: set[HostSpec] = set()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every idle host; one that is busy ends when its attempt does."""
        with self._lock:
            self._closed = True
            hosts = [host for idle in self._idle.values() for host in idle]
            self._idle.clear()
        for host in hosts:
            host.close()

    def submit(
        self, task: Task, limits: Limits, *, folder: Path, on_event: Callable[[Event], None] | None = None
    ) -> Attempt:
        """Run one task to its end; see `Runner.submit`."""
        folder = folder.absolute()
        while True:
            _prepare(folder, task)
            host, idle = self._take(task.host)
            try:
                if not idle:
                    failure = self._start(host, task, limits, folder)
                    if failure is not None:
                        host.end()
                        return failure
                    if host.warm and self._is_threaded(task.host):
                        host.end()
                        continue
                attempt = _Supervision(host, task, limits, folder, on_event).run()
            except BaseException:
                host.end()
                raise
            if attempt is not None:
                self._give_back(host)
                return attempt
            status = host.exit_status()
            host.end()
            if not idle:
                return crashed(status, Resources(0.0, 0), folder / LOG_FILE, ())
            # an idle host had died before it was asked: nothing this task did

    def _take(self, spec: HostSpec) -> tuple[HostProcess, bool]:
        """A host for the exclusive use of this call, and whether it has served before."""
        with self._lock:
            if self._closed:
                raise ValueError("the pool is closed")
            idle = self._idle.get(spec, [])
            while idle:
                host = idle.pop()
                if not host.closed:
                    return host, True
                host.end()
            warm = spec.fork_safe and spec not in self._threaded
        try:
            return HostProcess(spec, warm=warm), False
        except OSError as error:
            raise NotInstalledError(
                "TA102",
                f"{spec.name!r} cannot run: its interpreter {spec.python} does not start ({error.strerror}) (not_run).",
                "Create the environment again, or name another interpreter.",
            ) from error

    def _give_back(self, host: HostProcess) -> None:
        with self._lock:
            if host.warm and not host.closed and not self._closed:
                self._idle.setdefault(host.spec, []).append(host)
                return
        host.close()

    def _is_threaded(self, spec: HostSpec) -> bool:
        with self._lock:
            return spec in self._threaded

    def _start(self, host: HostProcess, task: Task, limits: Limits, folder: Path) -> Attempt | None:
        """Wait until the host is ready. Returns what the attempt came to where it never is."""
        began = time.monotonic()
        limit_s = max(limits.timeout_s, _START_LIMIT_S)
        log = folder / LOG_FILE
        while True:
            message = host.receive(_POLL_S)
            if "unavailable" in message:
                log.write_bytes(host.output())
                refuse_if_missing(task, message["unavailable"])
                return refused(message["unavailable"], _since(began), log, ())
            if "ready" in message:
                host.spared = frozenset(message["ready"]["spared"])
                threads = message["ready"]["threads"]
                if threads != 1:
                    _LOG.info("host %r has %s threads: each attempt gets a fresh process", task.host.name, threads)
                    with self._lock:
                        self._threaded.add(task.host)
                return None
            if host.closed:
                status = host.exit_status()
                log.write_bytes(host.output())
                return crashed(status, _since(began), log, ())
            if time.monotonic() - began > limit_s:
                log.write_bytes(host.output())
                return Hung(_since(began), log, (), limit_s)


def _since(began: float) -> Resources:
    return Resources(time.monotonic() - began, 0)


def _prepare(folder: Path, task: Task) -> None:
    """Make the folder and describe the task in it; an answer of an earlier attempt would be taken for this one's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (RESULT_FILE, ERROR_FILE, EVENTS_FILE, LOG_FILE):
        (folder / name).unlink(missing_ok=True)
    (folder / LOG_FILE).touch()
    description = {"function": task.function, "arguments": dict(task.arguments), "label": task.label}
    (folder / TASK_FILE).write_text(json.dumps(description), "utf-8")


@dataclass(slots=True)
class _Ending:
    """What the host said about the end of a worker."""

    status: int
    seconds: float
    peak_memory_bytes: int


class _Supervision:
    """Watches one worker from its fork to its end."""

    def __init__(
        self, host: HostProcess, task: Task, limits: Limits, folder: Path, on_event: Callable[[Event], None] | None
    ) -> None:
        self._host = host
        self._task = task
        self._limits = limits
        self._folder = folder
        self._on_event = on_event
        self._reader = _EventReader(folder / EVENTS_FILE)
        self._events: list[Event] = []
        self._peak_memory_bytes = 0
        self._ended_for: EndedFor | None = None
        self._births: dict[int, str | None] = {}

    def run(self) -> Attempt | None:
        """The attempt, or None where the host had died before it took the task."""
        kills_before = kills_for_memory()
        worker = self._fork()
        if worker is None:
            return None
        ending = self._watch(worker)
        self._read_events()
        peak = max([self._peak_memory_bytes, ending.peak_memory_bytes, *_measured_peaks(self._events)])
        return attempt_from(
            task=self._task,
            limits=self._limits,
            folder=self._folder,
            status=ending.status,
            ended_for=self._ended_for,
            kernel_killed=kills_for_memory() != kills_before,
            resources=Resources(ending.seconds, peak),
            events=tuple(self._events),
        )

    def _fork(self) -> int | None:
        """Process id of the worker, or None where the host is dead."""
        request = {
            "folder": str(self._folder),
            "log": str(self._folder / LOG_FILE),
            "cwd": str(Path.cwd()),
            "memory_bytes": self._limits.memory_bytes,
        }
        if not self._host.send({"run": request}):
            return None
        until = time.monotonic() + _KILL_LIMIT_S
        while not self._host.closed and time.monotonic() < until:
            message = self._host.receive(_POLL_S)
            if "started" in message:
                worker: int = message["started"]
                return worker
        return None

    def _watch(self, worker: int) -> _Ending:
        """Wait for the end of the worker, and bring it about where a limit is exceeded."""
        began = time.monotonic()
        pause_s = self._poll_memory(worker)
        dumped_at: float | None = None
        killed_at: float | None = None
        ending: _Ending | None = None
        while True:
            ending = self._wait(pause_s)
            if ending is not None:
                return ending
            now = time.monotonic()
            if self._host.closed or (killed_at is not None and now - killed_at > _KILL_LIMIT_S):
                return self._without_host(began)
            self._read_events()
            if killed_at is None and dumped_at is None:
                pause_s = self._poll_memory(worker)
                if self._ended_for is None and now - began > self._limits.timeout_s:
                    self._ended_for = EndedFor.TIME
                    self._host.send({"dump": True})
                    dumped_at = now
            if killed_at is None and (
                self._ended_for is EndedFor.MEMORY or (dumped_at is not None and now - dumped_at > _DUMP_S)
            ):
                self._host.send({"kill": True})
                killed_at = now

    def _wait(self, pause_s: float) -> _Ending | None:
        ended = self._host.receive(pause_s).get("ended")
        if ended is None:
            return None
        return _Ending(os.waitstatus_to_exitcode(ended["status"]), ended["seconds"], ended["peak_memory_bytes"])

    def _poll_memory(self, worker: int) -> float:
        """Compare the memory in use with the limit. Returns how long to wait before the next time."""
        began = time.monotonic()
        processes = worker_processes(self._host.pid, worker, self._host.spared)
        self._births = {process: self._births.get(process) or birth(process) for process in processes}
        used_bytes = memory_bytes(processes)
        self._peak_memory_bytes = max(self._peak_memory_bytes, used_bytes)
        if used_bytes > self._limits.memory_bytes:
            self._ended_for = EndedFor.MEMORY
        return max(_POLL_S, (time.monotonic() - began) / _POLL_SHARE)

    def _without_host(self, began: float) -> _Ending:
        """The host died, and its worker by that, or it no longer answers: end both."""
        self._host.end()
        end_processes(self._births)
        return _Ending(-signal.SIGKILL, time.monotonic() - began, 0)

    def _read_events(self) -> None:
        for event in self._reader.read():
            self._events.append(event)
            if self._on_event is not None:
                self._on_event(event)


class _EventReader:
    """Reads the events that a worker appends to its file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[Event]:
        """Events whose lines are complete and have not been read before."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                content = file.read()
        except FileNotFoundError:
            return
        complete = content[: content.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            try:
                entry = json.loads(line)
                event = Event(entry["name"], entry["fields"], entry["at_s"])
            except (ValueError, TypeError, KeyError):
                continue  # the model's own code wrote into the file
            yield event


def _measured_peaks(events: Collection[Event]) -> list[int]:
    """Peaks that the worker took itself: measuring resets the system's count, so that it forgets what was before."""
    peaks: list[Any] = [event.fields.get("peak_memory_bytes") for event in events]
    return [peak for peak in peaks if isinstance(peak, int)]
