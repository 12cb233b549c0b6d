"""What is cut out of a model first: what the nodes at fault were made for, alone, together, and with neighbours."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from tautomer.checking.causes.target_nodes import TargetNode
from tautomer.checking.signatures import signature_of
from tautomer.model import (
    Cause,
    CauseCategory,
    CheckSettings,
    Finding,
    Kind,
    Location,
    Outcome,
    Report,
    Stage,
    Symptom,
)
from tautomer.reduction.programs import ways_to_cut
from tautomer.reduction.subject import Subject, with_operators


def finding(*nodes, operator="aten.mul.Tensor"):
    return Finding(
        outcome=Outcome.DIVERGENT,
        symptom=Symptom.WRONG_MODEL,
        stage=Stage.OPTIMIZATION,
        symptom_stage=Stage.RUNTIME_EXECUTION,
        cause=Cause(category=CauseCategory.UNKNOWN, kind=Kind.SEMANTIC, evidence="seen"),
        location=Location(nodes=list(nodes), op_types=["Mul"], source_node=operator, source_line="model.py:3"),
        message="output 'y' is off",
        code="TA301",
    )


def node(name, made_for):
    known = {one.name: None for one in fields(TargetNode)}
    return TargetNode(**{**known, "name": name, "source_name": made_for, "source_operator": "aten.add.Tensor"})


def subject(*findings, **made_for):
    pair = Report(model="m", converter="torch.onnx", runtime="r", outcome=Outcome.DIVERGENT, findings=list(findings))
    target = {name: node(name, one) for name, one in made_for.items()}
    return Subject(Path("m.py"), CheckSettings(), pair, findings[0], signature_of(findings[0]), target)


def test_the_named_nodes_come_first_then_those_of_all_findings():
    ways = ways_to_cut(subject(finding("a"), finding("b"), a="mul", b="mul_1"))
    assert ways[:2] == [{"nodes": ["mul"], "grow": 0}, {"nodes": ["mul", "mul_1"], "grow": 0}]
    assert [one["grow"] for one in ways] == [0, 0, 1, 1, 2, 2, 4, 4, 8, 8, 0, 1, 2, 4, 8]
    assert all(one["operators"] == ["aten.mul.Tensor"] for one in ways[10:])


def test_without_metadata_the_operator_and_its_line_say_what_to_cut():
    ways = ways_to_cut(subject(finding("a"), a=None))
    assert {one["line"] for one in ways} == {"model.py:3"}
    assert [one["grow"] for one in ways] == [0, 1, 2, 4, 8]


def test_where_nothing_is_known_only_the_whole_model_is_left():
    assert ways_to_cut(subject(finding(operator=None))) == []


def test_a_failure_is_the_same_under_each_operator_that_its_nodes_were_made_for():
    found = signature_of(finding("a"))
    elsewhere = signature_of(finding("a", operator="aten.add.Tensor"))
    assert not elsewhere.is_same_failure(found)
    assert elsewhere.is_same_failure(with_operators(found, ["aten.add.Tensor"]))
