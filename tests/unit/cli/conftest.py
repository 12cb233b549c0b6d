"""A pipeline that only remembers what it was asked and gives back a report made for the test."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

import tautomer.checking
from tautomer.cli import main
from tautomer.model import (
    Cause,
    CauseCategory,
    CheckReport,
    CheckSettings,
    Finding,
    Kind,
    Location,
    Outcome,
    Report,
    Stage,
    Symptom,
)


def report_of(outcome: Outcome) -> CheckReport:
    """A check of one pair that came to `outcome`."""
    finding = Finding(
        outcome=outcome,
        symptom=Symptom.WRONG_MODEL,
        stage=Stage.NODE_CONVERSION,
        symptom_stage=Stage.RUNTIME_EXECUTION,
        cause=Cause(category=CauseCategory.ALGORITHMIC_ERROR, kind=Kind.SEMANTIC, evidence="another function"),
        location=Location(),
        message="divergent at node_conversion",
        code="TA301",
    )
    findings = [finding] if outcome in (Outcome.DIVERGENT, Outcome.FAILED) else []
    reason = "nothing could be judged" if outcome in (Outcome.INCONCLUSIVE, Outcome.NOT_RUN) else None
    pair = Report(
        model="model.py",
        converter="c",
        runtime="r",
        outcome=outcome,
        reason=reason,
        findings=findings,
        worst_input=None,
    )
    return CheckReport(
        run_id="20260101T000000000Z-abcdef",
        tautomer_version="0.1.0",
        environment={},
        settings={},
        seed=0,
        reports=[pair],
    )


@dataclass
class Pipeline:
    """Stands in for the pipeline.

    Attributes:
        outcome: what the check will come to.
        raises: what it will raise instead.
        kept_at: where it will say that it kept the run.
        calls: model and settings of each check.
    """

    outcome: Outcome = Outcome.EQUIVALENT
    raises: BaseException | None = None
    kept_at: Path | None = None
    calls: list[tuple[Path, CheckSettings]] = field(default_factory=list)

    def __call__(self, model, settings, *, listener=None):
        self.calls.append((model, settings))
        if listener is not None:
            listener.stage("source", "loading")
            listener.done("source", 0.1)
        if self.raises is not None:
            raise self.raises
        return tautomer.checking.CheckedRun(report_of(self.outcome), self.kept_at)

    @property
    def settings(self) -> CheckSettings:
        ((_, settings),) = self.calls
        return settings


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch, tmp_path):
    """No settings but the test's own, and a folder of its own to work in."""
    for name in ("TIMEOUT", "MEMORY", "SEED", "RUN_DIR", "KEEP", "HOME"):
        monkeypatch.delenv(f"TAUTOMER_{name}", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pipeline(monkeypatch):
    stand_in = Pipeline()
    monkeypatch.setattr(tautomer.checking, "run_check", stand_in)
    return stand_in


@pytest.fixture
def run(capsys):
    """Runs a command line in this process: exit status, stdout, stderr."""

    def run(*arguments):
        status = main([str(one) for one in arguments])
        return status, *capsys.readouterr()

    return run
