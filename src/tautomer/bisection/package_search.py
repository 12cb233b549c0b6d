"""Checks a model with other releases of one package, each in an environment of its own."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tautomer.adapters.protocols import Adapter
from tautomer.bisection.changes import Change, Where
from tautomer.bisection.report import FoundFlip, TriedVersion, Versions
from tautomer.bisection.trials import Effect, TrialRunner
from tautomer.bisection.versions import Flip, VersionRange, find_every_flip, find_flip, find_flips_around
from tautomer.errors import MisuseError, NotInstalledError
from tautomer.execution import HostSpec, Runner, Task
from tautomer.execution.environment_probe import TASK as PROBE
from tautomer.execution.environments import BrokenEnvironment, Environment, EnvironmentStore, last_words
from tautomer.model import Completed, Limits, Refused, Symptom

_INDEX_LIMIT_S = 300.0
_SHARED = frozenset({"torch", "numpy"})
"""Packages that the source is run with, too: with another release of them it would be another model."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The adapters whose tasks run in the environment: those that need the package, or both where neither names it."""

    adapters: tuple[Adapter, ...]

    @classmethod
    def of(cls, package: str, converter: Adapter | None, runtime: Adapter) -> Sides:
        """Which adapters a package concerns."""
        both = [one for one in (converter, runtime) if one is not None]
        module = _normal(package).replace("-", "_")
        return cls(tuple([one for one in both if module in one.requires] or both))

    @property
    def tasks(self) -> frozenset[str]:
        """Their tasks, as workers are asked for them."""
        return frozenset(task for one in self.adapters for task in (one.task, one.node_task) if task is not None)

    def hosts(self) -> list[HostSpec]:
        """The processes that have to start in the environment."""
        return [
            HostSpec(one.host.name, one.host.preload, one.host.prime, one.host.fork_safe, None, one.host.environment)
            for one in self.adapters
        ]


def check_package(package: str) -> None:
    """Refuse packages that cannot be exchanged under the converter alone.

    Raises:
        MisuseError: TA182.
    """
    if _normal(package) in _SHARED:
        raise MisuseError(
            "TA182",
            f"{package} computes the source as well: with another release there would be another truth.",
            "Bisect the converter's or the runtime's packages: onnxscript, onnx, onnx-ir, onnxruntime...",
        )


def known_releases(package: str, *, find_links: Path | None = None) -> list[str]:
    """Every release that pip's configured indexes and folders offer for this interpreter, oldest first.

    Args:
        find_links: a folder of wheels to look into, too.

    Raises:
        MisuseError: TA183 pip finds none.
    """
    command = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "index", "versions"]
    command += [package] if find_links is None else ["--find-links", str(find_links), package]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_INDEX_LIMIT_S, check=False)
        output, said = ended.stdout, last_words(ended.stderr)
    except subprocess.TimeoutExpired:
        output, said = "", f"pip did not answer within {_INDEX_LIMIT_S:g} s"
    found = re.search(r"^Available versions: (.*)$", output, re.MULTILINE)
    if found is None:
        raise MisuseError("TA183", f"pip finds no releases of {package}: {said}", "Check the name and pip's index.")
    return [one.strip() for one in found.group(1).split(",")][::-1]


def releases_of(wanted: VersionRange, *, find_links: Path | None = None) -> list[str]:
    """The releases to search, oldest first; a list is taken as it is where pip knows no releases.

    Raises:
        MisuseError: TA183 there are none.
    """
    try:
        known = known_releases(wanted.package, find_links=find_links)
    except MisuseError:
        if not wanted.listed:
            raise
        known = []
    return wanted.releases(known)


def release_in_use(package: str) -> str | None:
    """The release that is installed here, with which the failure was seen; None where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


class PackageSearch:
    """Finds the release at which a failure comes or goes.

    Attributes:
        tried: what was checked so far.
    """

    def __init__(
        self,
        package: str,
        *,
        sides: Sides,
        runner: Runner,
        trials: TrialRunner,
        limits: Limits,
        folder: Path,
        store: EnvironmentStore,
        find_links: Path | None,
        check: Callable[[], tuple[Effect, str]],
        stage: Callable[[str, str], None],
    ) -> None:
        """Nothing runs yet.

        Args:
            sides: what runs in the environments.
            runner: runs the probe of an environment.
            trials: runs the checks.
            find_links: a folder of wheels that pip looks into, too.
            check: makes one, and says what became of the failure.
            stage: hears what is being done.
        """
        self._package = package
        self._sides = sides
        self._runner = runner
        self._trials = trials
        self._limits = limits
        self._folder = folder
        self._store = store
        self._find_links = find_links
        self._check = check
        self._stage = stage
        self.tried: list[TriedVersion] = []

    def change(self, version: str) -> Change:
        """The change to a release."""
        return Change(where=Where.PACKAGE, name=self._package, value=version, about="the release of a package")

    def run(
        self,
        releases: Sequence[str],
        known: Mapping[str, TriedVersion],
        done: Callable[[TriedVersion], None],
        *,
        every: bool = False,
    ) -> list[Flip]:
        """Search, taking what is known already and telling what is done; every release is tried where that is asked."""

        def effect_of(version: str) -> Effect:
            tried = known.get(version)
            if tried is None:
                tried = self._try(version)
                done(tried)
            self.tried.append(tried)
            return tried.effect

        if every:
            return find_every_flip(releases, effect_of)
        in_use = release_in_use(self._package)
        if in_use is None:
            return [find_flip(releases, effect_of)]
        return find_flips_around(releases, effect_of, in_use)

    def _try(self, version: str) -> TriedVersion:
        began = time.monotonic()
        name = f"{_normal(self._package)}-{version}"
        self._stage(f"{self._package} {version}", "making an environment")
        environment = self._store.create(name, [f"{self._package}=={version}"], find_links=self._find_links)
        if isinstance(environment, BrokenEnvironment):
            return self._broken(version, environment.said, began)
        self._stage(f"{self._package} {version}", "starting workers in it")
        said = self._startable(environment)
        if said is not None:
            return self._broken(version, said, began, environment)
        self._trials.interpreter, self._trials.in_environment = environment.interpreter, self._sides.tasks
        try:
            effect, message = self._check()
        finally:
            self._trials.interpreter, self._trials.in_environment = None, frozenset()
        return TriedVersion(
            version=version,
            effect=effect,
            symptom=str(Symptom.BUILD_FAILURE) if effect is Effect.BUILD_FAILURE else None,
            message=message,
            environment=environment.name,
            packages=dict(environment.packages),
            seconds=round(time.monotonic() - began, 3),
        )

    def _broken(self, version: str, said: str, began: float, environment: Environment | None = None) -> TriedVersion:
        return TriedVersion(
            version=version,
            effect=Effect.BUILD_FAILURE,
            symptom=str(Symptom.BUILD_FAILURE),
            message=said,
            environment=environment.name if environment is not None else None,
            packages=dict(environment.packages) if environment is not None else {},
            seconds=round(time.monotonic() - began, 3),
        )

    def _startable(self, environment: Environment) -> str | None:
        """None where every host starts in the environment, else why not."""
        for host in self._sides.hosts():
            spec = HostSpec(
                host.name, host.preload, host.prime, host.fork_safe, environment.interpreter, host.environment
            )
            task = Task(spec, PROBE, {"packages": [self._package]}, "probe")
            folder = self._folder / f"probe-{environment.name}-{host.name}"
            try:
                attempt = self._runner.submit(task, self._limits, folder=folder)
            except NotInstalledError as error:
                return str(error)
            if not isinstance(attempt, Completed):
                reason = (
                    f"{attempt.error_type.rpartition('.')[2]}: {attempt.message}"
                    if isinstance(attempt, Refused)
                    else type(attempt).__name__.lower()
                )
                return f"no worker starts in environment '{environment.name}': {reason}"
        return None


def summary(package: str, releases: Sequence[str], flips: Sequence[Flip], tried: Sequence[TriedVersion]) -> Versions:
    """The result of a search, with a sentence that says it and what it has not looked at.

    Args:
        flips: oldest first; none where the search was interrupted.
    """
    newest = flips[-1] if flips else Flip(None, None)
    untried = [one for one in releases if one not in {each.version for each in tried}]
    said = "; ".join(_said(package, releases, one) for one in flips if one.found)
    if not flips:
        said = f"the search over {package} was ended after {len(tried)} of {len(releases)} releases"
    elif not said:
        said = _without_flip(package, newest, len(tried))
    if untried and flips:
        often = "only once" if len(flips) == 1 else "nowhere else"
        assumed = f"it comes or goes {often}" if newest.found else "those in between are like them"
        said += f"; {len(untried)} of {len(releases)} releases were not tried, on the assumption that {assumed}"
    return Versions(
        package=package,
        searched=list(releases),
        tried=list(tried),
        untried=untried,
        good=newest.good,
        bad=newest.bad,
        untestable=list(newest.untestable),
        flips=[FoundFlip(good=one.good, bad=one.bad, untestable=list(one.untestable)) for one in flips if one.found],
        said=said,
    )


def _said(package: str, releases: Sequence[str], flip: Flip) -> str:
    """One place where the failure comes or goes."""
    order = {version: index for index, version in enumerate(releases)}
    assert flip.good is not None
    assert flip.bad is not None
    if order[flip.bad] > order[flip.good]:
        said = f"{package} {flip.good} is the last release without the failure, {flip.bad} the first with it"
    else:
        said = f"{package} {flip.bad} is the last release with the failure, {flip.good} the first without it"
    return f"{said} ({', '.join(flip.untestable)} between them cannot be judged)" if flip.untestable else said


def _without_flip(package: str, flip: Flip, tried: int) -> str:
    if flip.good is None and flip.bad is None:
        return f"none of the {tried} releases of {package} that were tried could be judged"
    shown = "fails the same way" if flip.bad is not None else "is without the failure"
    return f"every release of {package} that was tried and could be judged {shown}"


def _normal(package: str) -> str:
    """The normalised name of a package. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", package).lower()
