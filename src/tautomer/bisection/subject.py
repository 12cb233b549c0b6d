"""What is bisected: the model and the settings of a check that fails, given by a file or by a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tautomer.checking.comparison.kept import refuse_comparison
from tautomer.checking.sources import names_a_model
from tautomer.errors import MisuseError
from tautomer.execution.runs import REPORT_FILE, RunStore
from tautomer.model import CheckReport, CheckSettings, Finding, Outcome, Report
from tautomer.model.report_json import decode

_MODEL_SUFFIXES = (".py", ".onnx", ".pt2", ".pt", ".pth", ".ts")


def model_and_settings(text: str, given: CheckSettings) -> tuple[Path, CheckSettings]:
    """The model that a command line names, and the settings to check it with.

    A file is a model; anything else names a run, whose settings hold where the command line gives no others.

    Raises:
        MisuseError: TA150 neither a file nor a run; TA151 several runs; TA152 the run is a comparison; TA181 the run's
            model is gone.
    """
    path = Path(text)
    if names_a_model(path) or path.suffix.lower() in _MODEL_SUFFIXES:
        return path, given  # one that does not exist is refused where models are recognised
    folder = RunStore(given.run_dir).resolve(text)
    report = decode((folder / REPORT_FILE).read_bytes())
    refuse_comparison(report, "bisected")
    model = Path(str(report.settings.get("model", "")))
    if not names_a_model(model):
        raise MisuseError("TA181", f"the model of run {report.run_id} is gone: {model}.", "Name the model instead.")
    return model, _recorded(report, given)


def _recorded(report: CheckReport, given: CheckSettings) -> CheckSettings:
    fields: Mapping[str, Any] = report.settings
    inputs = fields.get("inputs")
    failing = failing_pair(report)
    return replace(
        given,
        via=given.via or tuple([failing.converter] if failing and failing.converter else fields.get("via") or ()),
        to=(failing.runtime,) if failing else tuple(fields.get("to") or given.to),
        inputs=given.inputs or (Path(inputs) if inputs else None),
        opset=given.opset if given.opset is not None else fields.get("opset"),
        options=given.options or dict(fields.get("options") or {}),
        runtime_options=given.runtime_options or dict(fields.get("runtime_options") or {}),
        search_inputs=given.search_inputs or bool(fields.get("search_inputs")),
        seed=report.seed,
    )


def failing_pair(report: CheckReport) -> Report | None:
    """The first pair with a finding."""
    return next((pair for pair in report.reports if pair.findings), None)


def chosen_finding(report: CheckReport, number: int | None) -> tuple[Report, Finding]:
    """A finding and its pair, by its number over all pairs, counted from 1; the first where none is given.

    Raises:
        MisuseError: TA180 nothing fails, or there is no finding with that number.
    """
    found = [(pair, finding) for pair in report.reports for finding in pair.findings]
    if not found:
        pair = report.reports[0]
        why = "the pair is equivalent" if pair.outcome is Outcome.EQUIVALENT else f"{pair.outcome}: {pair.reason}"
        raise MisuseError(
            "TA180", f"there is nothing to bisect: {why}.", "Bisect a model that a check finds fault with."
        )
    if number is not None and not 1 <= number <= len(found):
        raise MisuseError(
            "TA180", f"there is no finding {number}: the check has {len(found)}.", "Give another --finding."
        )
    return found[(number or 1) - 1]
