"""The host: a process that imports a framework once and forks a supervised child for every attempt.

It is started as a script, by its path, in the interpreter the framework lives in, and needs only the standard library.
It starts no thread: a thread would not survive the fork, and the locks it held would never be released. Requests and
answers are JSON lines over a socket of their own, so that whatever a library prints disturbs nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import importlib.util
import json
import math
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
"""Source: linux/prctl.h."""

DUMP_SIGNAL = signal.SIGUSR2
"""Asks a child for the Python stack of every thread, before it is ended for taking too long."""

_SETUP_FAILED_STATUS = 70
_SWEEP_LIMIT_S = 10.0


def main() -> None:
    """Import and prime what was asked for, then fork one child a request until the socket closes."""
    settings = json.loads(sys.argv[1])
    sys.argv[1:] = []
    control = socket.socket(fileno=settings["control_fd"])
    control.set_inheritable(False)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _link_package()
    if settings["warm"]:
        failure = _preload_watched(control, settings)
        if failure is not None:
            _send(control, {"unavailable": failure})
            return
    spared = set(children(os.getpid()))
    _send(control, {"ready": {"threads": _threads_after_fork(), "spared": sorted(spared)}})
    gc.collect()
    gc.freeze()  # what is never collected again stays shared with the children
    _Server(control, settings, spared).serve()
    sweep(set())
    _flush()
    os._exit(0)  # what libraries do at exit is of no use to anyone, and may hang


def _link_package() -> None:
    """Make this very package importable, and nothing else of the installation it lies in.

    A foreign interpreter must not see the supervisor's site-packages, which hold other versions of its libraries.
    """
    root = Path(__file__).resolve().parents[1]
    spec = importlib.util.spec_from_file_location(
        "tautomer", root / "__init__.py", submodule_search_locations=[str(root)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"no package at {root}")
    package = importlib.util.module_from_spec(spec)
    sys.modules["tautomer"] = package
    spec.loader.exec_module(package)


def _preload_watched(control: socket.socket, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Preload; die at once if the supervisor does, though no loop reads the socket yet. Returns what went wrong."""
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(control, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(control, fcntl.F_GETFL)
        fcntl.fcntl(control, fcntl.F_SETFL, flags | os.O_ASYNC)  # end of file raises SIGIO, which ends the process
    failure = _preload(settings)
    if sys.platform == "linux":
        fcntl.fcntl(control, fcntl.F_SETFL, flags)
    return failure


def _preload(settings: dict[str, Any]) -> dict[str, Any] | None:
    """Import the modules and call the prime function. Returns a description of the exception, if one is raised."""
    from tautomer.adapters import worker_api

    try:
        for name in settings["preload"]:
            importlib.import_module(name)
        if settings["prime"]:
            worker_api.resolve_function(settings["prime"])()
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return worker_api.describe_exception(error)
    return None


def _threads_after_fork() -> int | None:
    """Threads of this process after a fork, or None where the system does not say.

    A fork first: a library that can be forked (OpenBLAS) joins its threads when asked to, and that is all it takes.
    """
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return None


class _Server:
    """Forks one child at a time, for whoever holds the other end of the socket."""

    def __init__(self, control: socket.socket, settings: dict[str, Any], spared: set[int]) -> None:
        self._control = control
        self._lines = Lines(control)
        self._settings = settings
        self._spared = spared
        self._awake, self._wake = os.pipe()
        os.set_blocking(self._awake, False)
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # without a handler no byte reaches the wakeup pipe
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Answer requests until the supervisor closes the socket or dies."""
        while not self._lines.closed:
            for message in self._lines.receive(None):
                if "run" in message:
                    self._attempt(message["run"])

    def _attempt(self, request: dict[str, Any]) -> None:
        """Fork the child, wait for its end, end what it left behind, and report how it went."""
        sys.stdout.flush()
        sys.stderr.flush()
        host = os.getpid()
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            signal.set_wakeup_fd(-1)
            for descriptor in (self._awake, self._wake, self._control.detach()):
                os.close(descriptor)
            _become_child(host, self._settings, request)
        _send(self._control, {"started": child})
        status, usage = self._wait(child)
        seconds = time.monotonic() - began
        left = sweep(self._spared)
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        _send(self._control, {"ended": {"status": status, "seconds": seconds, "peak_memory_bytes": peak, "left": left}})

    def _wait(self, child: int) -> tuple[int, Any]:
        """Status and resource usage of the child once it has ended; does what the supervisor asks for meanwhile."""
        while True:
            waiting = [self._awake] if self._lines.closed else [self._awake, self._control.fileno()]
            select.select(waiting, [], [], 1.0)
            with contextlib.suppress(BlockingIOError):
                os.read(self._awake, 4096)
            ended, status, usage = os.wait4(child, os.WNOHANG)
            if ended:
                return status, usage
            for message in self._lines.receive(0):
                if "dump" in message:
                    os.kill(child, DUMP_SIGNAL)
                if "kill" in message:
                    self._kill(child)
            if self._lines.closed:
                self._kill(child)

    def _kill(self, child: int) -> None:
        """End the child, its group, and on Linux whatever descends from it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        _kill_descendants(os.getpid(), self._spared)


def _become_child(host: int, settings: dict[str, Any], request: dict[str, Any]) -> NoReturn:
    """Everything the child does, from the fork to its end; it never returns into the host's loop."""
    try:
        os.setsid()
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != host:
            os._exit(_SETUP_FAILED_STATUS)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        folder = Path(request["folder"])
        _redirect(request["log"])
        faulthandler.enable()
        faulthandler.register(DUMP_SIGNAL, all_threads=True)
        os.chdir(request["cwd"])
        from tautomer.adapters import worker_api

        _limit(request["memory_bytes"])
        failure = None if settings["warm"] else _preload(settings)
        if failure is None:
            worker_api.perform(folder)
        else:
            worker_api.write_json(folder / worker_api.ERROR_FILE, {"phase": "preload", **failure})
        _flush()
        os._exit(0)
    except BaseException:
        with contextlib.suppress(Exception):
            sys.excepthook(*sys.exc_info())
        os._exit(_SETUP_FAILED_STATUS)


def _redirect(log: str) -> None:
    """Send stdout and stderr to the log, on the level of descriptors, where native code writes too."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _limit(memory_bytes: int) -> None:
    """No core dumps; and an allocation that alone exceeds the limit fails where it is made."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    baseline = _data_bytes()
    if baseline is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limit = baseline + memory_bytes
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _data_bytes() -> int | None:
    """Private writable memory that this process has mapped: what RLIMIT_DATA counts on Linux."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return None


def _flush() -> None:
    """Write out what Python and the C library still hold, since the child ends without their shutdown."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    ctypes.CDLL(None).fflush(None)


def sweep(spared: set[int]) -> int:
    """End and reap every descendant but the spared ones. Returns how many children had to be reaped."""
    reaped = 0
    limit = time.monotonic() + _SWEEP_LIMIT_S
    while time.monotonic() < limit:
        left = _kill_descendants(os.getpid(), spared)
        if not left:
            break
        for child in left:
            with contextlib.suppress(ChildProcessError):
                reaped += os.waitpid(child, os.WNOHANG)[0] != 0
        time.sleep(0.002)
    return reaped


def _kill_descendants(host: int, spared: set[int]) -> list[int]:
    """Send SIGKILL to every descendant of the host but the spared ones. Returns the direct children among them."""
    own = [child for child in children(host) if child not in spared]
    for child in own:
        for process in (child, *descendants(child)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
    return own


def children(process: int) -> list[int]:
    """Direct children of a process, zombies included; none where it has ended.

    Source: proc(5), /proc/pid/task/tid/children; where the kernel lacks it, the parent named in /proc/pid/stat.
    """
    try:
        tasks = [task.name for task in Path(f"/proc/{process}/task").iterdir()]
    except OSError:
        return []
    found: list[int] = []
    for task in tasks:
        try:
            found += map(int, Path(f"/proc/{process}/task/{task}/children").read_text().split())
        except FileNotFoundError:
            if Path(f"/proc/{process}/task/{task}").exists():
                return [child for child, parent in _parents() if parent == process]
        except ProcessLookupError:
            continue
    return found


def descendants(process: int) -> list[int]:
    """Children of a process, their children, and so on; parents before children."""
    found = []
    generation = children(process)
    while generation:
        found += generation
        generation = [child for parent in generation for child in children(parent)]
    return found


def _parents() -> Iterator[tuple[int, int]]:
    """Every process with its parent."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text(errors="replace")
                yield int(entry.name), int(stat.rpartition(")")[2].split()[1])


class Lines:
    """JSON lines from a socket."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._readable = select.poll()
        self._readable.register(control, select.POLLIN)
        self._buffer = b""
        self.closed = False

    @property
    def waiting(self) -> bool:
        """Whether there is something to receive, an end of file included."""
        return not self.closed and bool(self._readable.poll(0))

    def receive(self, timeout_s: float | None) -> list[dict[str, Any]]:
        """Messages that arrived; waits up to `timeout_s` for the first bytes, forever where it is None."""
        if self.closed or not self._readable.poll(None if timeout_s is None else math.ceil(timeout_s * 1000)):
            return []
        try:
            chunk = self._control.recv(1 << 16)
        except ConnectionError:
            chunk = b""
        self.closed = not chunk
        *complete, self._buffer = (self._buffer + chunk).split(b"\n")
        return [json.loads(line) for line in complete]


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(ConnectionError):  # nobody listens any more; the loop sees that too
        control.sendall(json.dumps(message).encode() + b"\n")


def _prctl(option: int, argument: int) -> None:
    if sys.platform == "linux" and ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


if __name__ == "__main__":
    main()
