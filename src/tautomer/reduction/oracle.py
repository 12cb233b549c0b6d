"""Whether a smaller model fails the same way: a whole check of it, or a worker's quicker answer, each counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from tautomer.adapters.protocols import WarmHost
from tautomer.checking import run_check
from tautomer.checking.attempts import raise_misuse
from tautomer.checking.signatures import signature_of
from tautomer.errors import TautomerError
from tautomer.execution import HostSpec, RunFolder, Runner, Task
from tautomer.minimization import BudgetSpent
from tautomer.model import (
    Attempt,
    CheckReport,
    CheckSettings,
    Completed,
    Crashed,
    Event,
    Finding,
    Hung,
    Keep,
    Limits,
    OutOfMemory,
    Refused,
    Report,
    Signature,
)
from tautomer.reduction.subject import same_failure


class Hearer(Protocol):
    """Hears how a reduction goes on."""

    def stage(self, name: str, detail: str = "") -> None:
        """A step begins, or says what it is doing now."""

    def done(self, name: str, seconds: float, outcome: str | None = None) -> None:
        """The step has ended."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may fail the same way.

    Attributes:
        model: a model module or an .onnx file.
        beside: files that the model reads from its own folder.
        inputs: sample files to compare on, for a model that does not hold its own.
        steps: what was done to get it, for people.
        state: file from which a worker can make it smaller, where it is a program that was cut out.
    """

    model: Path
    beside: tuple[Path, ...] = ()
    inputs: Path | None = None
    steps: tuple[str, ...] = ()
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check of a candidate came to.

    Attributes:
        same: whether it fails the same way.
        said: what it does, in a sentence.
        report, pair, finding: of the failure, where it is the same.
        converted: the .onnx file that the runtime got, where the check kept one.
        inputs: files of the input values by the source's paths, one an input set, where the check kept them.
    """

    same: bool
    said: str
    report: CheckReport | None = None
    pair: Report | None = None
    finding: Finding | None = None
    converted: Path | None = None
    inputs: tuple[Path, ...] = ()


class Session:
    """The workers, the folder and the budget of one reduction.

    Attributes:
        settings: of its checks.
        hearer: hears the progress.
        attempts: how many models were tried.
        size: of the smallest so far, in words.
        remarks: what a person should know in the end.
    """

    def __init__(
        self, runner: Runner, folder: RunFolder, settings: CheckSettings, *, max_attempts: int, hearer: Hearer
    ) -> None:
        self.settings = settings
        self.hearer = hearer
        self.attempts = 0
        self.size: str = ""
        self.remarks: list[str] = []
        self._runner = runner
        self._folder = folder
        self._max_attempts = max_attempts

    @property
    def folder(self) -> Path:
        """Where everything of the reduction lies until it ends."""
        return self._folder.path

    @property
    def remaining(self) -> int:
        """Attempts that may still be made."""
        return max(0, self._max_attempts - self.attempts)

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """A part of the reduction: announced when it begins, and when it has ended with how small the model then is."""
        began_s = time.monotonic()
        self.show(name)
        yield
        self.hearer.done(name, time.monotonic() - began_s, self.size or None)

    def count(self, name: str, attempts: int = 1) -> None:
        """Count attempts and say so.

        Raises:
            BudgetSpent: there were none left.
        """
        if self.remaining < attempts:
            raise BudgetSpent(f"all attempts are used; {self.attempts} were made")
        self.attempts += attempts
        self.show(name)

    def show(self, name: str) -> None:
        """Say how far the reduction has come."""
        size = f", {self.size}" if self.size else ""
        self.hearer.stage(name, f"attempt {self.attempts}{size}")

    def submit(
        self,
        host: WarmHost,
        function: str,
        arguments: Mapping[str, Any],
        *,
        label: str,
        timeout_s: float | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> Attempt:
        """Run one worker task; see `Bench.run`. `timeout_s` overrides the limit of a single attempt.

        Raises:
            MisuseError: the task says that the user's input cannot be used.
        """
        spec = HostSpec(host.name, host.preload, host.prime, host.fork_safe, environment=dict(host.environment))
        limits = self.settings.limits
        attempt = self._runner.submit(
            Task(spec, function, arguments, label),
            limits if timeout_s is None else Limits(timeout_s, limits.memory_bytes),
            folder=self._folder.attempt(label),
            on_event=on_event,
        )
        raise_misuse(attempt)
        return attempt

    def note_ending(self, attempt: Attempt) -> None:
        """Remember, for the summary, that a search did not come to its end."""
        match attempt:
            case Completed():
                return
            case Crashed(signal=signal, exit_status=status):
                how = f"its worker was ended by {signal}" if signal else f"its worker exited with status {status}"
            case OutOfMemory(limit_bytes=limit_bytes):
                how = f"it exceeded {limit_bytes / (1 << 30):.3g} GiB of memory"
            case Hung(timeout_s=timeout_s):
                how = f"it took more than {timeout_s:.0f} s"
            case Refused(error_type=error_type, message=message):
                how = f"{error_type}: {next(iter(message.splitlines()), '')}"
        self.remarks.append(f"the search ended early ({how}); this is the best until then")

    def new_folder(self, name: str) -> Path:
        """A new, empty folder that lives as long as the reduction does."""
        return self._folder.attempt(name)

    def check(
        self,
        candidate: Candidate,
        signature: Signature,
        *,
        keep: bool = False,
        settings: CheckSettings | None = None,
        free: bool = False,
    ) -> Answer:
        """Check a candidate with a full check and compare its findings with a signature.

        Args:
            keep: whether what the converter made stays in the folder of the reduction.
            settings: in place of the session's own.
            free: whether this attempt counts against the budget; proofs do not.

        Raises:
            BudgetSpent: no attempt is left.
        """
        if free:
            self.attempts += 1
            self.show("check")
        else:
            self.count("check")
        chosen = settings or self.settings
        chosen = replace(
            chosen,
            inputs=candidate.inputs,
            run_dir=self._folder.path / "checks",
            keep=Keep.ALL if keep else Keep.NONE,
        )
        try:
            checked = run_check(candidate.model, chosen, runner=self._runner)
        except TautomerError as error:  # what cannot even be asked does not fail the same way
            return Answer(False, str(error))
        found = same_failure(checked.report.reports, signature)
        if found is None:
            return Answer(False, _otherwise(checked.report), checked.report)
        pair, finding = found
        made = checked.models.get(pair.converter) if pair.converter else candidate.model
        return Answer(
            True,
            finding.message,
            checked.report,
            pair,
            finding,
            made if keep or not pair.converter else None,
            inputs_of(checked.kept_at) if keep and checked.kept_at is not None else (),
        )


def inputs_of(run: Path) -> tuple[Path, ...]:
    """Files of the input values that a kept run holds, in the order of its input sets."""
    found = (run / "source").glob("inputs-*.safetensors")
    return tuple(sorted(found, key=lambda path: (len(path.name), path.name)))


def _otherwise(report: CheckReport) -> str:
    findings = [finding for pair in report.reports for finding in pair.findings]
    if not findings:
        return f"it is {report.outcome}"
    one = signature_of(findings[0])
    return f"it fails in another way: {one.outcome} at {one.stage} ({one.kind})"
