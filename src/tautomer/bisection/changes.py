"""A change of one setting, how it is applied to a check's settings, and how a person types it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from tautomer.adapters.protocols import Adapter, Lever
from tautomer.model import CheckSettings, Stage

OPSET = "opset"


class Where(StrEnum):
    """What a change is made to."""

    CONVERTER = "via"
    OPTION = "set"
    RUNTIME_OPTION = "to_set"
    PACKAGE = "package"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One setting with another value.

    Attributes:
        where: what it belongs to.
        name: of the setting, or of the package.
        value: JSON value; for a setting that is a list, one element of it.
        element: whether `value` is added to a list.
        about: what the setting decides.
    """

    where: Where
    name: str
    value: Any
    element: bool = False
    about: str = field(default="", compare=False)

    def flag(self) -> str:
        """What to type: a flag of `tautomer check`, or a requirement for pip."""
        return " ".join(flags([self]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """The values that one setting may take.

    Attributes:
        changes: in the order to try them.
        in_order: whether the first change that helps is the smallest.
        screen: a change that does at once what these do in parts; None where there is none.
        parts: by change, smaller ones that do the same together.
        acts_at: stages that the setting changes; empty where that can be any.
    """

    changes: tuple[Change, ...]
    in_order: bool = False
    screen: Change | None = None
    parts: Mapping[Change, tuple[Change, ...]] = field(default_factory=dict)
    acts_at: tuple[Stage, ...] = ()

    def is_likely(self, stage: Stage) -> bool:
        """Whether the setting can well mend what is caused at a stage."""
        return not self.acts_at or stage in self.acts_at


def applied(settings: CheckSettings, changes: Iterable[Change]) -> CheckSettings:
    """The settings of a check with these changes made; another package version is no setting and is left out."""
    for change in changes:
        if change.where is Where.CONVERTER:
            # Options belong to the converter they were given for.
            settings = replace(settings, via=(str(change.value),), options={}, opset=settings.opset)
        elif change.where is Where.OPTION and change.name == OPSET:
            settings = replace(settings, opset=change.value)
        elif change.where is Where.OPTION:
            settings = replace(settings, options=_with(settings.options, change))
        elif change.where is Where.RUNTIME_OPTION:
            settings = replace(settings, runtime_options=_with(settings.runtime_options, change))
    return settings


def flags(changes: Sequence[Change]) -> list[str]:
    """What to type for several changes together, each ready for a shell."""
    plain = applied(CheckSettings(), changes)
    found = [f"--via {name}" for name in plain.via]
    found += [] if plain.opset is None else [f"--opset {plain.opset}"]
    found += [f"--set {_pair(name, value)}" for name, value in plain.options.items()]
    found += [f"--to-set {_pair(name, value)}" for name, value in plain.runtime_options.items()]
    pins = [f"{one.name}=={one.value}" for one in changes if one.where is Where.PACKAGE]
    return found + ([f"pip install {' '.join(pins)}"] if pins else [])


def dimensions(
    adapter: Adapter,
    where: Where,
    current: Mapping[str, Any],
    listed: Mapping[str, Sequence[str]],
    operators: Sequence[str] = (),
) -> list[Dimension]:
    """What can be changed of a converter or a runtime.

    Args:
        adapter: declares its levers.
        where: `OPTION` or `RUNTIME_OPTION`.
        current: the settings that hold, `opset` among them.
        listed: values that the adapter's task said by lever.
        operators: those at fault: where they are among a list's values, the others are not tried.
    """
    found = []
    for lever in adapter.levers:
        values = _values(lever, current, listed.get(lever.name, ()), operators)
        changes = tuple(_change(lever, where, value) for value in values)
        screen = next((one for one in adapter.levers if lever.screened_by and one.name == lever.screened_by[0]), None)
        if not changes:
            continue
        found.append(
            Dimension(
                changes=changes,
                in_order=lever.in_order,
                acts_at=lever.acts_at,
                screen=_change(screen, where, lever.screened_by[1]) if screen and lever.screened_by else None,
                parts={
                    change: tuple(_change(lever, where, part) for part in lever.parts[change.value])
                    for change in changes
                    if lever.takes_list and change.value in lever.parts
                },
            )
        )
    return found


def passes_first(found: Sequence[Dimension]) -> list[Dimension]:
    """The same, with what turns passes off, all or one by one, before everything else."""
    screens = {one.screen for one in found}
    return sorted(found, key=lambda one: one.screen is None and screens.isdisjoint(one.changes))


def _change(lever: Lever, where: Where, value: Any) -> Change:
    return Change(where=where, name=lever.name, value=value, element=lever.takes_list, about=lever.about)


def _values(lever: Lever, current: Mapping[str, Any], listed: Sequence[str], operators: Sequence[str]) -> list[Any]:
    """Values other than the one that holds; for an ordered number upwards from it first."""
    if lever.takes_list:
        held = _elements(current.get(lever.name))
        every = [one for one in dict.fromkeys([*lever.values, *listed]) if one not in held]
        return [one for one in every if one in operators] or every
    holds = current.get(lever.name, lever.default)
    values = [one for one in [*lever.values, lever.default] if one is not None and _text(one) != _text(holds)]
    values = list({_text(one): one for one in values}.values())
    if lever.in_order and isinstance(holds, int) and all(isinstance(one, int) for one in values):
        return sorted(one for one in values if one > holds) + sorted(
            (one for one in values if one < holds), reverse=True
        )
    return values


def _with(options: Mapping[str, Any], change: Change) -> dict[str, Any]:
    if not change.element:
        return {**options, change.name: change.value}
    return {**options, change.name: [*_elements(options.get(change.name)), change.value]}


def _elements(value: Any) -> list[str]:
    if value is None:
        return []
    return [one for one in value.split(",") if one] if isinstance(value, str) else list(value)


def _text(value: Any) -> str:
    return json.dumps(value)  # True and 1 are equal to Python


def _pair(name: str, value: Any) -> str:
    text = ",".join(value) if isinstance(value, list) else value if isinstance(value, str) else json.dumps(value)
    return shlex.quote(f"{name}={text}")
