"""The search for the release of a package at which a failure comes or goes; knows nothing of environments."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tautomer.bisection.trials import Effect
from tautomer.errors import MisuseError

_RELEASE = re.compile(r"[0-9][A-Za-z0-9.!+_-]*")


@dataclass(frozen=True, slots=True)
class VersionRange:
    """The releases of a package to search: from the first to the last, both included, or just those listed.

    Attributes:
        package: as pip names it.
        first, last: the ends of a range; None where releases are listed.
        listed: those to search, in the order given; empty for a range.
    """

    package: str
    first: str | None = None
    last: str | None = None
    listed: tuple[str, ...] = ()

    @classmethod
    def parsed(cls, package: str, text: str) -> VersionRange:
        """A range `0.5.0..0.7.2`, or a list `0.5.0,0.6.0`.

        Raises:
            MisuseError: TA182 the text is neither, or the package's name is none.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", package):
            raise MisuseError("TA182", f"{package!r} is no package's name.", "Write for example --package onnxscript.")
        first, dots, last = (part.strip() for part in text.partition(".."))
        names = [first, last] if dots else [part.strip() for part in text.split(",")]
        if not all(_RELEASE.fullmatch(name) for name in names):
            raise MisuseError("TA182", f"--versions {text} is neither a range nor a list.", "Write A..B or A,B,C.")
        return cls(package, first, last) if dots else cls(package, listed=tuple(dict.fromkeys(names)))

    def releases(self, known: Sequence[str]) -> list[str]:
        """The releases to search, oldest first.

        Args:
            known: every release of the package, oldest first.

        Raises:
            MisuseError: TA183 there is no such release, or the range is empty.
        """
        if self.listed:
            # What no index knows may still be installable from a folder of wheels; it keeps its place in the list.
            return sorted(self.listed, key=known.index) if set(self.listed) <= set(known) else list(self.listed)
        assert self.first is not None
        assert self.last is not None
        for end in (self.first, self.last):
            if end not in known:
                shown = ", ".join(known[-12:]) or "none"
                raise MisuseError("TA183", f"pip knows no {self.package} {end}.", f"The last it knows: {shown}.")
        low, high = sorted((known.index(self.first), known.index(self.last)))
        return list(known[low : high + 1])


@dataclass(frozen=True, slots=True)
class Flip:
    """Where a failure comes or goes.

    Attributes:
        good: the release without the failure next to `bad`; None where none was found.
        bad: the release with the failure next to `good`; None where none was found.
        untestable: releases between the two that could not be judged.
    """

    good: str | None
    bad: str | None
    untestable: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether there is one on each side."""
        return self.good is not None and self.bad is not None


def find_flip(releases: Sequence[str], effect_of: Callable[[str], Effect]) -> Flip:
    """The neighbouring releases of which one shows the failure and the other does not, by binary search.

    A release that shows another failure, or that cannot be run, is passed over. Where the failure comes and goes more
    than once, one of the places is found. Where the ends agree, no search is made between them; `find_flips_around` and
    `find_every_flip` see what lies there.

    Args:
        releases: oldest first.
        effect_of: asked at most once for each release.
    """
    states: dict[int, bool | None] = {}

    def good(index: int) -> bool | None:
        if index not in states:
            states[index] = _is_good(effect_of(releases[index]))
        return states[index]

    anchor = next((index for index in reversed(range(len(releases))) if good(index) is not None), None)
    if anchor is None:
        return Flip(None, None, tuple(releases))
    other = _opposite(anchor, good)
    if other is None:
        return Flip(releases[anchor], None) if states[anchor] else Flip(None, releases[anchor])
    low, high = other, anchor
    while True:
        between = [index for index in range(low + 1, high) if states.get(index, True) is not None]
        if not between:
            break
        middle = min(between, key=lambda index: abs(2 * index - low - high))
        state = good(middle)
        if state is None:
            continue
        if state == states[anchor]:
            high = middle
        else:
            low = middle
    first, second = (low, high) if states[low] else (high, low)
    return Flip(releases[first], releases[second], tuple(releases[low + 1 : high]))


def find_flips_around(releases: Sequence[str], effect_of: Callable[[str], Effect], failing: str) -> list[Flip]:
    """Where a failure came and where it went: both ends may be without it, while a release between is known to fail.

    Args:
        releases: oldest first.
        effect_of: asked at most once for each release.
        failing: the release that the failure was seen with; it is asked as well, and need not be one of `releases`.

    Returns:
        Oldest first; what `find_flip` finds where it is enough.
    """
    effects: dict[str, Effect] = {}

    def known(version: str) -> Effect:
        if version not in effects:
            effects[version] = effect_of(version)
        return effects[version]

    ends = find_flip(releases, known)
    if ends.found or ends.good is None or failing not in releases or not known(failing).is_same:
        return [ends]
    at = releases.index(failing)
    found = [find_flip(part, known) for part in (releases[: at + 1], releases[at:])]
    return [one for one in found if one.found]


def find_every_flip(releases: Sequence[str], effect_of: Callable[[str], Effect]) -> list[Flip]:
    """Every place where the failure comes or goes, oldest first, by trying every release.

    Where there is none, one that names a release of the state that all are in.
    """
    states = [_is_good(effect_of(one)) for one in reversed(releases)][::-1]
    judged = [index for index, state in enumerate(states) if state is not None]
    if not judged:
        return [Flip(None, None, tuple(releases))]
    found = []
    for low, high in itertools.pairwise(judged):
        if states[low] != states[high]:
            good, bad = (low, high) if states[low] else (high, low)
            found.append(Flip(releases[good], releases[bad], tuple(releases[low + 1 : high])))
    newest = releases[judged[-1]]
    return found or [Flip(newest, None) if states[judged[-1]] else Flip(None, newest)]


def _is_good(effect: Effect) -> bool | None:
    """Whether the failure is gone; None where another failure, or none that could be judged, is in its place."""
    return effect.helps or (False if effect.is_same else None)


def _opposite(anchor: int, good: Callable[[int], bool | None]) -> int | None:
    """An earlier release in the other state; where the oldest cannot be judged, the search goes on between."""
    low, high = 0, anchor
    if low == anchor:
        return None
    state = good(low)
    if state is not None:
        return low if state != good(anchor) else None
    while high - low > 1:
        middle = (low + high) // 2
        state = good(middle)
        if state is None:
            low = middle
        elif state != good(anchor):
            return middle
        else:
            high = middle
    return None
