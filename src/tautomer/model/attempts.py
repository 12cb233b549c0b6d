"""How one supervised execution ended, as a value: a failure of the system under test is a result, not an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One thing a task said while it ran.

    Attributes:
        name: what it speaks of, such as `checkpoint` or `run`.
        fields: JSON values.
        at_s: seconds since the task began.
    """

    name: str
    fields: Mapping[str, Any]
    at_s: float


@dataclass(frozen=True, slots=True)
class Resources:
    """What an attempt used: wall-clock seconds and the peak resident memory of its process tree."""

    seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class _Ended:
    resources: Resources
    log: Path
    """Everything the process wrote to stdout and stderr, and its traceback."""
    events: tuple[Event, ...]
    """What the task reported before it ended, in order."""


@dataclass(frozen=True, slots=True)
class Completed(_Ended):
    """The task returned `result` (JSON values)."""

    result: Any


@dataclass(frozen=True, slots=True)
class Refused(_Ended):
    """The task raised a Python exception.

    Attributes:
        error_type: qualified class name of the exception.
        message: its text.
        traceback: the formatted traceback.
        mro: qualified class names of the exception's bases, most derived first.
        attributes: JSON-representable attributes of the exception, for errors that carry some.
    """

    error_type: str
    message: str
    traceback: str
    mro: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Crashed(_Ended):
    """The process died without an answer.

    Attributes:
        signal: name of the signal that killed it (`SIGSEGV`), or None.
        exit_status: the status it exited with, or None where a signal ended it.
    """

    signal: str | None
    exit_status: int | None


@dataclass(frozen=True, slots=True)
class Hung(_Ended):
    """The wall-clock limit `timeout_s` ran out."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class OutOfMemory(_Ended):
    """The memory limit `limit_bytes` was exceeded."""

    limit_bytes: int


Attempt = Completed | Refused | Crashed | Hung | OutOfMemory
