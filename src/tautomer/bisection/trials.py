"""One trial: a full check with something changed, and what became of the failure."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tautomer.bisection.changes import Change, flags
from tautomer.bisection.same_model import SavedGraph
from tautomer.checking import run_check
from tautomer.checking.progress import Listener
from tautomer.checking.signatures import signature_of
from tautomer.errors import InternalError, MisuseError, NotInstalledError
from tautomer.execution import Runner, Task
from tautomer.model import (
    Attempt,
    CheckSettings,
    Completed,
    Event,
    Finding,
    Keep,
    Limits,
    Outcome,
    Report,
    Signature,
)

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Effect(StrEnum):
    """What a change does to a failure."""

    EQUIVALENT = "equivalent"
    """The pair is equivalent."""
    OTHERS_REMAIN = "others_remain"
    """This failure is gone; of those that the model had besides, some remain."""
    FAILS_OTHERWISE = "fails_otherwise"
    """Another failure has come in its place."""
    SAME_FAILURE = "same_failure"
    SAME_MODEL = "same_model"
    """The converter made the very model that fails."""
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not_run"
    BUILD_FAILURE = "build_failure"
    """The environment with that version cannot be made, or nothing runs in it."""

    @property
    def helps(self) -> bool:
        """Whether the failure is gone and nothing has come in its place."""
        return self in (Effect.EQUIVALENT, Effect.OTHERS_REMAIN)

    @property
    def is_same(self) -> bool:
        """Whether the failure is there as before."""
        return self in (Effect.SAME_FAILURE, Effect.SAME_MODEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A check that was made with something changed.

    Attributes:
        changes: what was changed.
        effect: what became of the failure.
        message: what is wrong now, in a sentence; empty where nothing is.
        seconds: that it took.
        setting: what to type for the changes.
    """

    changes: tuple[Change, ...]
    effect: Effect
    message: str = ""
    seconds: float = 0.0
    setting: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "setting", " ".join(flags(self.changes)))


Oracle = Callable[[tuple[Change, ...]], Trial]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The failing pair as it is.

    Attributes:
        report: of the pair.
        finding: the failure that is bisected.
        levers: by adapter task and lever, the values that matter to this model.
    """

    report: Report
    finding: Finding
    levers: Mapping[tuple[str, str], Sequence[str]]

    @property
    def signature(self) -> Signature:
        """Of the failure."""
        return signature_of(self.finding)

    def effect(self, report: Report) -> tuple[Effect, str]:
        """What became of the failure in a check of the same pair, and what is wrong there."""
        message = report.findings[0].message if report.findings else report.reason or ""
        if report.outcome is Outcome.EQUIVALENT:
            return Effect.EQUIVALENT, ""
        if report.outcome is Outcome.NOT_RUN:
            return Effect.NOT_RUN, message
        if report.outcome is Outcome.INCONCLUSIVE:
            return Effect.INCONCLUSIVE, message
        found = [signature_of(one) for one in report.findings]
        if any(one.is_same_failure(self.signature) for one in found):
            return Effect.SAME_FAILURE, message
        before = [signature_of(one) for one in self.report.findings]
        if all(any(one.is_same_failure(other) for other in before) for one in found):
            return Effect.OTHERS_REMAIN, message
        return Effect.FAILS_OTHERWISE, message


class SameModel(Exception):
    """A conversion made the model that is known to fail: checking it would tell nothing new."""


@dataclass(frozen=True, slots=True)
class Converted:
    """The conversion that fails.

    Attributes:
        task: the converter's.
        graph: what it came to.
        whatever_opset: whether graphs with operators of the same versions count as the same.
    """

    task: str
    graph: SavedGraph
    whatever_opset: bool


class TrialRunner:
    """A runner for many checks of one model: what the failing check has computed is not computed again.

    A task gives the same answers for the same arguments, by seed. Converters verify by digest that they convert what
    was run.

    Attributes:
        levers: by task and lever, the values that tasks have said matter.
        remembers: whether answers are kept; they take space on disk.
        failing: the conversion that is known to fail; None where every conversion is to be checked.
    """

    def __init__(self, runner: Runner, folder: Path) -> None:
        self._runner = runner
        self._folder = folder
        self._answers: dict[str, Completed] = {}
        self._attempts = 0
        self.levers: dict[tuple[str, str], list[str]] = {}
        self.interpreter: Path | None = None
        self.in_environment: frozenset[str] = frozenset()
        self.remembers = False
        self.failing: Converted | None = None

    def submit(
        self, task: Task, limits: Limits, *, folder: Path, on_event: Callable[[Event], None] | None = None
    ) -> Attempt:
        """Run one task to its end; see `Runner.submit`.

        Raises:
            SameModel: the task converted the model to what is known to fail.
        """
        elsewhere = self.interpreter is not None and task.function in self.in_environment
        if elsewhere:
            task = replace(task, host=replace(task.host, python=self.interpreter))
        key = json.dumps([task.function, dict(task.arguments)], sort_keys=True)
        known = self._answers.get(key) if not elsewhere else None
        if known is not None:
            return replace(known, result=copy.deepcopy(known.result))
        if self.remembers:
            self._attempts += 1
            folder = self._folder / f"{self._attempts}-{_UNSAFE.sub('-', task.label)}"
        attempt = self._runner.submit(task, limits, folder=folder, on_event=on_event)
        for event in attempt.events:
            if event.name == "lever":
                values = [str(one) for one in event.fields.get("values", ())]
                self.levers[task.function, str(event.fields.get("lever"))] = values
        if self.remembers and isinstance(attempt, Completed):
            self._answers[key] = attempt
            return replace(attempt, result=copy.deepcopy(attempt.result))
        if not elsewhere and isinstance(attempt, Completed) and self._is_known_to_fail(task, attempt):
            raise SameModel
        return attempt

    def _is_known_to_fail(self, task: Task, attempt: Completed) -> bool:
        failing = self.failing
        if failing is None or task.function != failing.task:
            return False
        made = SavedGraph.of(attempt.events)
        return made is not None and failing.graph.is_same(made, whatever_opset=failing.whatever_opset)

    def converted(self, task: str) -> SavedGraph | None:
        """What the remembered conversion by a task came to; None where it did not come to an end."""
        found = [one for key, one in self._answers.items() if json.loads(key)[0] == task]
        return SavedGraph.of(found[0].events) if found else None


def checked_pair(
    model: Path, settings: CheckSettings, runner: Runner, listener: Listener | None
) -> tuple[Report, Mapping[str, Any]]:
    """The report of a check of one pair that keeps nothing, and its environment.

    Raises:
        MisuseError: the model or its inputs cannot be used.
    """
    checked = run_check(model, replace(settings, keep=Keep.NONE), listener=listener, runner=runner)
    return checked.report.reports[0], checked.report.environment


def judged(
    baseline: Baseline,
    model: Path,
    settings: CheckSettings,
    runner: TrialRunner,
    listener: Listener | None,
) -> tuple[Effect, str]:
    """What becomes of a failure with these settings.

    A setting that cannot be used as given, or with which no worker starts, is a result of the trial.
    """
    try:
        report, _ = checked_pair(model, settings, runner, listener)
    except MisuseError as error:
        return Effect.NOT_RUN, str(error)
    except SameModel:
        return Effect.SAME_MODEL, "the same model comes out"
    except (NotInstalledError, InternalError) as error:
        elsewhere = runner.interpreter is not None
        return Effect.BUILD_FAILURE if elsewhere else Effect.NOT_RUN, str(error).splitlines()[0]
    return baseline.effect(report)
