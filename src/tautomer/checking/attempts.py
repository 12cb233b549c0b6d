"""Run adapters' tasks in workers, and tell misuse, missing packages and our own bugs apart from results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tautomer import errors
from tautomer.adapters.protocols import WarmHost
from tautomer.execution import HostSpec, RunFolder, Runner, Task
from tautomer.model import Attempt, Completed, Crashed, Hung, Limits, OutOfMemory, Refused

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_RAISED = re.compile(r"^[A-Za-z]+(?:Error|Exception): ")


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a check's tasks run: a runner, the limits of each attempt, and the run's folder for what they leave."""

    runner: Runner
    limits: Limits
    run_folder: RunFolder

    def run(self, host: WarmHost, function: str, arguments: Mapping[str, Any], *, label: str) -> Attempt:
        """Run one task in its own subfolder, named by the label.

        Raises:
            MisuseError: the task says that the user's input cannot be used.
        """
        spec = HostSpec(host.name, host.preload, host.prime, host.fork_safe, environment=dict(host.environment))
        task = Task(spec, function, arguments, label)
        attempt = self.runner.submit(task, self.limits, folder=self.run_folder.attempt(label))
        raise_misuse(attempt)
        return attempt


def raise_misuse(attempt: Attempt) -> None:
    """Raise again, here, an error of Tautomer's own that a task raised in its worker.

    Raises:
        MisuseError: or another `TautomerError`, as the task raised it.
    """
    if not isinstance(attempt, Refused) or not any(name.endswith("TautomerError") for name in attempt.mro):
        return
    kind = getattr(errors, attempt.error_type.rpartition(".")[2], errors.TautomerError)
    attributes = attempt.attributes
    raise kind(
        str(attributes.get("code", "TA900")),
        str(attributes.get("message", attempt.message)),
        attributes.get("next_step"),
    )


def describe(attempt: Attempt) -> str:
    """One sentence about how an attempt ended."""
    seconds = attempt.resources.seconds
    if isinstance(attempt, Completed):
        return "it completed"
    if isinstance(attempt, Refused):
        cause = attempt.attributes.get("cause") or {"type": attempt.error_type, "message": attempt.message}
        root = attempt.attributes.get("root")
        said = f"{_class_name(cause)}: {plain_first_line(str(cause['message']))}"
        return f"{said} ({_class_name(root)}: {plain_first_line(str(root['message']))})" if root else said
    if isinstance(attempt, Crashed):
        how = attempt.signal or f"exit status {attempt.exit_status}"
        return f"the worker died ({how}) after {seconds:.1f} s"
    if isinstance(attempt, Hung):
        return f"it did not end within {attempt.timeout_s:g} s"
    return f"it used more than {attempt.limit_bytes / 2**30:.3g} GiB of memory"


def _class_name(error: Mapping[str, Any]) -> str:
    return str(error["type"]).rpartition(".")[2]


def plain_first_line(text: str) -> str:
    """The first line that says something, without terminal colours.

    TensorFlow puts the user's frames before what was raised: there it is the last line.
    """
    lines = [line.strip() for line in _ESCAPE.sub("", text).strip().splitlines() if line.strip()]
    if lines and lines[0] == "in user code:":
        return _RAISED.sub("", lines[-1])
    return lines[0] if lines else "no message"


def failed_to_answer(attempt: Attempt) -> bool:
    """Whether the process ended without a word of its own: a crash, a hang, or memory exhaustion."""
    return isinstance(attempt, Crashed | Hung | OutOfMemory)
