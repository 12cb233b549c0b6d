"""What a bisection came to: the document that `--json` writes, `tautomer/bisect/1`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tautomer.bisection.trials import Effect
from tautomer.model import Finding, Outcome, Workaround

SCHEMA = "tautomer/bisect/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedChange:
    """One change of a trial.

    Attributes:
        where: `via`, `set`, `to_set` or `package`.
        name: of the setting or the package.
        value: that was tried.
        about: what the setting decides.
    """

    where: str
    name: str
    value: Any
    about: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedSetting:
    """One trial.

    Attributes:
        setting: what to type.
        changes: what was changed.
        effect: what became of the failure.
        message: what is wrong with it.
        seconds: that it took.
    """

    setting: str
    changes: list[TriedChange]
    effect: Effect
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedVersion:
    """One release of the package.

    Attributes:
        version: of the release.
        effect: what became of the failure.
        symptom: `build_failure` where no environment with it can be made or run; None otherwise.
        message: what is wrong with it; pip's last words where it could not be installed.
        environment: name of the environment it ran in.
        packages: what else differs there from the current environment.
        seconds: that making the environment and checking in it took.
    """

    version: str
    effect: Effect
    symptom: str | None = None
    message: str = ""
    environment: str | None = None
    packages: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFlip:
    """A place where the failure comes or goes between releases.

    Attributes:
        good: the release without the failure next to `bad`.
        bad: the release with the failure next to `good`.
        untestable: releases between the two that show another failure or cannot be run.
    """

    good: str | None
    bad: str | None
    untestable: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """A search over the releases of a package.

    Attributes:
        package: its name.
        searched: releases that were in question, oldest first.
        tried: those that were checked, in the order they were.
        untried: those in question that were not checked.
        good, bad, untestable: of the newest flip; where there is none, a release of the state that all are in.
        flips: every one that was seen, oldest first; a binary search sees one.
        said: the result in a sentence.
    """

    package: str
    searched: list[str]
    tried: list[TriedVersion] = field(default_factory=list)
    untried: list[str] = field(default_factory=list)
    good: str | None = None
    bad: str | None = None
    untestable: list[str] = field(default_factory=list)
    flips: list[FoundFlip] = field(default_factory=list)
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A rewrite of the located operator that a full check verified.

    Attributes:
        description: what replaces what.
        code: to paste into the model; empty for a patch of the graph.
        model: the patched .onnx.
        outcome: of the full check with it.
    """

    description: str
    code: str
    model: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class BisectReport:
    """Everything one `tautomer bisect` found.

    Attributes:
        model, converter, runtime: the pair.
        environment: versions of what computes.
        settings: the settings it fails with.
        finding: the failure, with the first workaround that was verified.
        tried: settings that were tried, in order.
        minimal: the smallest changes with which it does not fail, best first.
        versions: the search over a package's releases; None where none was asked for.
        workarounds: every verified one, best first.
        rewrites: verified rewrites; only where no setting helps.
        complete: whether everything in question was tried.
        interrupted: whether somebody ended it.
    """

    schema: str = SCHEMA
    run_id: str
    tautomer_version: str
    model: str
    converter: str | None
    runtime: str
    environment: dict[str, Any]
    settings: dict[str, Any]
    finding: Finding
    tried: list[TriedSetting] = field(default_factory=list)
    minimal: list[TriedSetting] = field(default_factory=list)
    versions: Versions | None = None
    workarounds: list[Workaround] = field(default_factory=list)
    rewrites: list[Rewrite] = field(default_factory=list)
    complete: bool = True
    interrupted: bool = False

    @property
    def exit_status(self) -> int:
        """0 where a verified change was found, 1 where none was, 130 where it was interrupted."""
        if self.interrupted:
            return 130
        return 0 if self.workarounds else 1
