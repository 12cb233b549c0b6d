"""A check names the stage that a fault was planted in, for every stage and every way of failing."""

from __future__ import annotations

from collections import Counter

import pytest
from planted import FAULTS, check_with
from planted.faults import MODELS

from tautomer.checking import run_check
from tautomer.errors import ModelFileError
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Outcome, Stage, Symptom

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime")]

LEAST_FAULTS = 3
"""For each stage."""

FAULTY_BY_THEMSELVES = {fault.model for fault in FAULTS if fault.plant is None}
CONVERTED_WITH = sorted({(fault.model, fault.converter) for fault in FAULTS if fault.model not in FAULTY_BY_THEMSELVES})


@pytest.fixture(scope="module")
def pool():
    with Pool() as shared:
        yield shared


def _parameter(fault):
    marks = [pytest.mark.needs(fault.converter)]
    if fault.misjudged is not None:
        # A refusal to read the exporter's own file is one of the ways to be wrong about it.
        raises = (AssertionError, ModelFileError)
        marks.append(pytest.mark.xfail(strict=True, raises=raises, reason=fault.misjudged))
    return pytest.param(fault, id=f"{fault.stage}-{fault.name}", marks=marks)


def test_every_stage_has_faults_enough():
    counts = Counter(fault.stage for fault in FAULTS)
    assert {stage: counts[stage] for stage in Stage if counts[stage] < LEAST_FAULTS} == {}


def test_every_fault_has_a_name_of_its_own():
    assert [name for name, count in Counter(fault.name for fault in FAULTS).items() if count > 1] == []


@pytest.mark.slow
@pytest.mark.parametrize(("model", "converter"), CONVERTED_WITH)
def test_a_model_that_faults_are_planted_in_is_equivalent_without_them(model, converter, pool, tmp_path):
    settings = CheckSettings(via=(converter,), run_dir=tmp_path)
    report = run_check(MODELS / model, settings, runner=pool).report.reports[0]
    assert (report.outcome, report.findings, report.reason) == (Outcome.EQUIVALENT, [], None)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [_parameter(fault) for fault in FAULTS])
def test_a_check_names_the_stage_that_a_fault_was_planted_in(fault, pool, tmp_path):
    report = check_with(fault, pool, tmp_path)
    named = (report.outcome, report.stage, report.symptom_stage)
    assert named == (fault.outcome, fault.stage, fault.symptom_stage)
    assert (report.symptom is Symptom.WRONG_MODEL) == (fault.outcome is Outcome.DIVERGENT)
