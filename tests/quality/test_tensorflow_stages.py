"""A check names the stage of tf2onnx, of the checker or of the runtime that a fault was planted in.

One fault of a kind here; `benchmarks/stage_confusion.py tensorflow` goes through all of them.
"""

from __future__ import annotations

from collections import Counter

import pytest
from planted import FAULTS, TENSORFLOW_FAULTS, check_with, fault_named

from tautomer.execution import Pool
from tautomer.model import Stage

pytestmark = pytest.mark.needs("tensorflow", "tf2onnx", "onnxruntime")

LEAST_FAULTS = 3
"""For each stage."""

SHOWN = (
    "tf2onnx_freezing_rounds_variables",
    "tf2onnx_handler_ignores_an_attribute",
    "tf2onnx_handler_is_missing",
    "tf2onnx_pass_merges_nodes_that_differ_in_an_attribute",
    "tf2onnx_fused_session_is_refused_where_the_plain_one_is_wrong",
)


@pytest.fixture(scope="module")
def pool():
    with Pool() as shared:
        yield shared


def test_every_stage_has_faults_enough_for_tensorflow():
    counts = Counter(fault.stage for fault in TENSORFLOW_FAULTS)
    assert {stage: counts[stage] for stage in Stage if counts[stage] < LEAST_FAULTS} == {}


def test_no_fault_of_one_framework_has_the_name_of_another():
    counts = Counter(fault.name for fault in (*FAULTS, *TENSORFLOW_FAULTS))
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", SHOWN)
def test_a_check_names_the_stage_that_a_fault_of_a_conversion_from_tensorflow_was_planted_in(name, pool, tmp_path):
    fault = fault_named(name)
    report = check_with(fault, pool, tmp_path)
    assert (report.outcome, report.stage, report.symptom_stage) == (fault.outcome, fault.stage, fault.symptom_stage)
