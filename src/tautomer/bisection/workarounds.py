"""What was verified, as a person reads it: the workaround of a trial, of a release, and the finding that has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tautomer.bisection.changes import Change
from tautomer.bisection.report import Rewrite, TriedChange, TriedSetting, Versions
from tautomer.bisection.rewrites import VerifiedRewrite
from tautomer.bisection.trials import Effect, Trial
from tautomer.execution import RunFolder
from tautomer.model import CheckReport, Finding, Report, Workaround


def of_trial(trial: Trial) -> Workaround:
    """The workaround that a trial verified."""
    what = " and ".join(f"{one.about or one.name}: {_shown(one)}" for one in trial.changes)
    return Workaround(description=f"{what} ({_verified(trial.effect)})", setting=trial.setting)


def of_release(versions: Versions) -> Workaround:
    """The release without the failure next to one with it, as a pin."""
    effect = next(one.effect for one in versions.tried if one.version == versions.good)
    return Workaround(
        description=f"{versions.said} ({_verified(effect)})",
        setting=f"pip install '{versions.package}=={versions.good}'",
    )


def _verified(effect: Effect) -> str:
    left = "" if effect is Effect.EQUIVALENT else "; another failure of the model remains"
    return f"verified by a full check{left}"


def _shown(change: Change) -> str:
    if isinstance(change.value, bool):
        return "on" if change.value else "off"
    return str(change.value)


def tried_setting(trial: Trial) -> TriedSetting:
    """A trial in the report."""
    changes = [
        TriedChange(where=str(one.where), name=one.name, value=one.value, about=one.about) for one in trial.changes
    ]
    return TriedSetting(
        setting=trial.setting, changes=changes, effect=trial.effect, message=trial.message, seconds=trial.seconds
    )


def verified_rewrites(found: Sequence[VerifiedRewrite], folder: RunFolder) -> list[Rewrite]:
    """Rewrites in the report, with the places where their models will be."""
    return [
        Rewrite(description=one.description, code=one.code, model=str(folder.final(one.model)), outcome=one.outcome)
        for one in found
    ]


def with_workaround(check: CheckReport, before: Finding, after: Finding) -> CheckReport:
    """A check's report with one finding, wherever it stands, replaced by the same with its workaround."""

    def marked(pair: Report) -> Report:
        return replace(pair, findings=[after if one == before else one for one in pair.findings])

    return replace(check, reports=[marked(pair) for pair in check.reports])
