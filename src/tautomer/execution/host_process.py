"""The supervisor's end of one host process: starting it, talking to it, ending it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from typing import Any

from tautomer.execution import host as host_script
from tautomer.execution.host import Lines, descendants
from tautomer.execution.workers import HostSpec

_CLOSE_LIMIT_S = 5.0

_DEFAULT_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive"}
"""What the user's own variables win over. Threads that spin while they wait for each other take the processor from what
they wait for as soon as anything else runs: 2 threads on 2 busy cores took 104 s for what takes 13 s."""


class HostProcess:
    """A running host.

    Attributes:
        spec: what it was started for.
        warm: whether it imported the framework itself; otherwise each of its children does.
        spared: processes the framework started in the host, which belong to no worker.
    """

    def __init__(self, spec: HostSpec, *, warm: bool) -> None:
        self.spec = spec
        self.warm = warm
        self.spared: frozenset[int] = frozenset()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the host
        ours, theirs = socket.socketpair()
        settings = {
            "control_fd": theirs.fileno(),
            "preload": spec.preload,
            "prime": spec.prime,
            "warm": warm,
        }
        try:
            self._process = subprocess.Popen(
                [str(spec.python or sys.executable), "-P", host_script.__file__, json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env={**_DEFAULT_ENVIRONMENT, **os.environ, **spec.environment},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # the terminal's signals are the supervisor's
            )
        except BaseException:
            ours.close()
            self._output.close()
            raise
        finally:
            theirs.close()
        self._control = ours
        self._lines = Lines(ours)
        self._received: deque[dict[str, Any]] = deque()

    @property
    def pid(self) -> int:
        """Process id of the host."""
        return self._process.pid

    @property
    def closed(self) -> bool:
        """Whether it has ended or closed its end of the socket, and all it had sent has been received."""
        ended = self._process.poll() is not None  # asked first: what it sent before its end is then waiting
        return not self._received and (self._lines.closed or (ended and not self._lines.waiting))

    def send(self, message: dict[str, Any]) -> bool:
        """Send one message. Returns False where the host no longer listens."""
        try:
            self._control.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return False
        return True

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """The next message; an empty one where none arrives within `timeout_s`."""
        if not self._received:
            self._received.extend(self._lines.receive(timeout_s))
        return self._received.popleft() if self._received else {}

    def exit_status(self) -> int:
        """What the host ended with, as subprocess tells it: negative for a signal. Ends it where it still runs."""
        try:
            return self._process.wait(_CLOSE_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.end()
            return self._process.returncode or 0

    def output(self) -> bytes:
        """What the host itself has written to stdout and stderr."""
        size_bytes = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size_bytes, 0)

    def close(self) -> None:
        """Let the host end itself and its children; end it after a while where it does not."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSE_LIMIT_S)
        self.end()

    def end(self) -> None:
        """End the host and everything that descends from it, at once."""
        self._control.close()
        if self._process.poll() is None:
            for process in (self.pid, *descendants(self.pid)):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
        self._process.wait()
        self._output.close()
