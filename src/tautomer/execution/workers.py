"""What a worker is asked to do, in which interpreter, and who does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tautomer.model import Attempt, Event, Limits


@dataclass(frozen=True, slots=True)
class HostSpec:
    """A process from which workers are forked.

    Attributes:
        name: of the framework, for messages.
        preload: modules to import before anything is forked.
        prime: `module:function` to call once after that, without arguments; it should start no thread.
        fork_safe: whether a process that has done this can be forked. Otherwise every attempt does it anew.
        python: the interpreter; None for the current one. It needs Python 3.11 and what its tasks import.
        environment: variables added to those of this process.
    """

    name: str
    preload: tuple[str, ...] = ()
    prime: str | None = None
    fork_safe: bool = True
    python: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Task:
    """One function to run in a worker.

    Attributes:
        host: what the worker is forked from.
        function: `package.module:function`, called as `function(channel, **arguments)`.
        arguments: JSON values.
        label: what is being done, for messages.
    """

    host: HostSpec
    function: str
    arguments: Mapping[str, Any]
    label: str


class Runner(Protocol):
    """Runs a task under supervision and says how it ended."""

    def submit(
        self, task: Task, limits: Limits, *, folder: Path, on_event: Callable[[Event], None] | None = None
    ) -> Attempt:
        """Run one task to its end.

        Time counts from the fork: with a host that can be forked, importing the framework is no part of it.

        Args:
            task: what to run.
            limits: wall-clock time and memory after which it is ended.
            folder: where its files go; made if it does not exist.
            on_event: called in this thread with each event, while the task runs.

        Raises:
            NotInstalledError: the host's interpreter lacks a module that it is to preload.
        """
        ...
