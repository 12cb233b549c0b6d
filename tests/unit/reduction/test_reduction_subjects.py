"""Which finding is reduced, from a run or a check, and what there is nothing to reduce of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tautomer.checking.comparison.kept import refuse_comparison
from tautomer.checking.signatures import signature_of
from tautomer.errors import MisuseError
from tautomer.model import (
    Cause,
    CauseCategory,
    CheckReport,
    CheckSettings,
    Finding,
    Keep,
    Kind,
    Location,
    Outcome,
    Report,
    Stage,
    Symptom,
)
from tautomer.reduction.subject import chosen, recorded_settings, same_failure, settings_of_pair
from tautomer.reduction.trackers import tracker_named, tracker_of


def finding(stage=Stage.NODE_CONVERSION, symptom_stage=Stage.RUNTIME_EXECUTION, kind=Kind.SEMANTIC, operator="aten.a"):
    return Finding(
        outcome=Outcome.DIVERGENT,
        symptom=Symptom.WRONG_MODEL,
        stage=stage,
        symptom_stage=symptom_stage,
        cause=Cause(category=CauseCategory.UNKNOWN, kind=kind, evidence="seen"),
        location=Location(source_node=operator),
        message="output 'y' is off",
        code="TA301",
    )


def pair(*findings, converter="torch.onnx", runtime="onnxruntime", outcome=Outcome.DIVERGENT, reason=None):
    return Report(
        model="m", converter=converter, runtime=runtime, outcome=outcome, findings=list(findings), reason=reason
    )


def report(*pairs, **settings):
    return CheckReport(run_id="r", tautomer_version="0", environment={}, settings=settings, seed=7, reports=list(pairs))


def test_findings_are_counted_over_all_pairs():
    first, second = finding(operator="aten.a"), finding(operator="aten.b")
    both = report(pair(first), pair(second, runtime="openvino"))
    assert chosen(both, 2)[1] is second
    assert chosen(both, 2)[0].runtime == "openvino"


def test_an_equivalent_model_is_nothing_to_reduce():
    with pytest.raises(MisuseError, match="equivalent") as refused:
        chosen(report(pair(outcome=Outcome.EQUIVALENT)), 1)
    assert refused.value.code == "TA170"


def test_an_inconclusive_check_says_why_there_is_nothing_to_reduce():
    with pytest.raises(MisuseError, match="random") as refused:
        chosen(report(pair(outcome=Outcome.INCONCLUSIVE, reason="it is random")), 1)
    assert refused.value.code == "TA170"


def test_a_finding_that_is_not_there_is_misuse():
    with pytest.raises(MisuseError) as refused:
        chosen(report(pair(finding())), 2)
    assert refused.value.code == "TA171"


def test_a_run_is_repeated_with_its_settings_unless_others_are_given():
    made = report(
        via=["torch.onnx-legacy"],
        to=["openvino"],
        opset=17,
        options={"a": 1},
        runtime_options={"threads": 2},
        inputs=None,
        timeout_s=60,
    )
    found = recorded_settings(made, CheckSettings(opset=20), keep_runtimes=False)
    assert (found.via, found.to, found.opset, found.options) == (("torch.onnx-legacy",), ("openvino",), 20, {"a": 1})
    assert found.runtime_options == {"threads": 2}
    assert (found.seed, found.limits.timeout_s) == (7, 60)
    kept = recorded_settings(made, CheckSettings(to=("onnxruntime",)), keep_runtimes=True)
    assert kept.to == ("onnxruntime",)


def test_only_the_pair_that_fails_is_checked_again():
    settings = CheckSettings(via=("a", "b"), to=("c", "d"), power=True, inputs=Path("x"))
    found = settings_of_pair(settings, pair(finding()))
    assert found == replace(settings, via=("torch.onnx",), to=("onnxruntime",), power=False, keep=Keep.NONE)


def test_another_failure_is_not_the_same_one():
    wanted = signature_of(finding())
    assert same_failure([pair(finding(operator="aten.b"))], wanted) is None
    assert same_failure([pair(finding(kind=Kind.RANGE), finding())], wanted) is not None


@pytest.mark.parametrize(
    ("stage", "symptom_stage", "converter", "runtime", "name"),
    [
        (Stage.NODE_CONVERSION, Stage.RUNTIME_EXECUTION, "torch.onnx", "onnxruntime", "pytorch"),
        (Stage.OPTIMIZATION, Stage.RUNTIME_EXECUTION, "torch.onnx", "onnxruntime", "onnxscript"),
        (Stage.OPTIMIZATION, Stage.RUNTIME_EXECUTION, "torch.onnx-legacy", "onnxruntime", "pytorch"),
        (Stage.RUNTIME_EXECUTION, Stage.RUNTIME_EXECUTION, "torch.onnx", "openvino", "openvino"),
        (Stage.RUNTIME_OPTIMIZATION, Stage.RUNTIME_EXECUTION, None, "onnxruntime", "onnxruntime"),
        (Stage.VALIDATION, Stage.VALIDATION, None, "onnxruntime", "onnx"),
        (Stage.NODE_CONVERSION, Stage.RUNTIME_LOAD, "tf2onnx", "onnxruntime", "tf2onnx"),
    ],
)
def test_an_issue_goes_to_whoever_caused_the_failure(stage, symptom_stage, converter, runtime, name):
    found = finding(stage, symptom_stage)
    assert tracker_of(pair(found, converter=converter, runtime=runtime), found).name == name


def test_an_unknown_tracker_is_misuse():
    with pytest.raises(MisuseError, match="Known: pytorch"):
        tracker_named("nobody")


def test_a_comparison_is_neither_reduced_nor_bisected():
    kept = report(pair(finding()), model="a.onnx", compared={"model": "b.onnx"})
    with pytest.raises(MisuseError, match=r"compares a\.onnx with b\.onnx") as raised:
        refuse_comparison(kept, "reduced")
    assert raised.value.code == "TA152"
    refuse_comparison(report(pair(finding()), model="a.onnx"), "reduced")
