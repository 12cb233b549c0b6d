"""What a converter only logged becomes the finding that it is the cause of, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tautomer.checking.causes.hidden_failures import HiddenFailure, hidden_failures, notes_on, of_hidden_failures
from tautomer.checking.causes.target_nodes import TargetNode
from tautomer.model import (
    Cause,
    CauseCategory,
    Completed,
    Event,
    Finding,
    Kind,
    Location,
    Outcome,
    Refused,
    Resources,
    Stage,
    Symptom,
)

ENDED = (Resources(1.0, 1), Path("log.txt"))


def told(
    what="handler", operator="OneHot", node="one_hot", error=("ValueError", "only rank1"), *, refused=True, said=()
):
    return {
        "what": what,
        "stage": "node_conversion",
        "step": "",
        "node": node,
        "operator": operator,
        "line": "model.py:5",
        "error": {"type": error[0], "message": error[1]},
        "refused": refused,
        "said": list(said),
    }


def completed(*events):
    return Completed(*ENDED, tuple(Event("hidden_failure", one, 0.0) for one in events), {})


def left(op_type, operator, node):
    return TargetNode(node, op_type, "", {}, {}, (f"{node}:0",), False, False, node, operator, "model.py:5")


def refusal(*nodes, outcome=Outcome.FAILED):
    return Finding(
        outcome=outcome,
        symptom=Symptom.CRASH,
        stage=Stage.VALIDATION,
        symptom_stage=Stage.VALIDATION,
        cause=Cause(category=CauseCategory.UNKNOWN, kind=Kind.REFUSED, evidence="refused"),
        location=Location(nodes=list(nodes)),
        message="checker refuses the model",
        code="TA203",
    )


def explained(attempt, nodes, finding=None):
    return of_hidden_failures(
        finding or refusal(), hidden_failures(attempt), attempt, {node.name: node for node in nodes}
    )


def test_an_exception_that_was_logged_is_what_a_refusal_is_about_with_its_operator_line_and_stage():
    [found] = explained(completed(told()), [left("OneHot", "OneHot", "one_hot")])
    assert (found.stage, found.symptom_stage) == (Stage.NODE_CONVERSION, Stage.VALIDATION)
    assert (found.location.source_node, found.location.source_line) == ("OneHot", "model.py:5")
    assert found.location.nodes == ["one_hot"]
    assert "ValueError: only rank1" in found.cause.evidence


@pytest.mark.parametrize(
    ("event", "category"),
    [
        (told("operator", error=("UnmappedOperator", "no handler")), CauseCategory.INCOMPATIBILITY),
        (told(said=["unsupported dtype in target runtime"]), CauseCategory.TYPE_PROBLEM),
        (told(error=("ValueError", "shapes differ")), CauseCategory.SHAPE_PROBLEM),
        (told(error=("KeyError", "shape"), refused=False), CauseCategory.ALGORITHMIC_ERROR),
        (told(error=("ValueError", "While loop couldn't find it")), CauseCategory.INCOMPATIBILITY),
    ],
)
def test_the_category_follows_from_what_was_raised_and_how(event, category):
    assert HiddenFailure.of(event).category is category


def test_two_operators_without_a_translation_are_two_findings_and_one_used_twice_is_one():
    events = [
        told("operator", operator, node, ("UnmappedOperator", "no handler"))
        for operator, node in (("Erfc", "a"), ("Erfc", "b"), ("Lgamma", "c"))
    ]
    nodes = [left("Erfc", "Erfc", "a"), left("Erfc", "Erfc", "b"), left("Lgamma", "Lgamma", "c")]
    assert [one.location.source_node for one in explained(completed(*events), nodes)] == ["Erfc", "Lgamma"]


def test_what_is_gone_from_the_model_is_not_what_it_is_refused_for():
    assert explained(completed(told()), [left("Add", "AddV2", "add")]) == []


def test_another_node_that_is_refused_keeps_its_own_finding():
    nodes = [left("OneHot", "OneHot", "one_hot"), left("Cast", "Cast", "cast")]
    assert explained(completed(told()), nodes, refusal("cast")) == []


def test_a_divergence_is_not_explained_by_what_was_logged():
    diverging = refusal(outcome=Outcome.DIVERGENT)
    assert explained(completed(told()), [left("OneHot", "OneHot", "one_hot")], diverging) == []


def test_a_conversion_that_raised_what_it_had_logged_names_that_and_not_what_followed():
    first, second = told("operator", "Erfc", "erfc", ("UnmappedOperator", "no handler")), told()
    events = tuple(Event("hidden_failure", one, 0.0) for one in (first, second))
    attempt = Refused(*ENDED, events, "builtins.ValueError", "only rank1", "")
    [found] = explained(attempt, [])
    assert found.location.source_node == "OneHot"


def test_what_the_refusal_names_comes_first():
    events = [
        told("operator", operator, node, ("UnmappedOperator", "no handler"))
        for operator, node in (("Lgamma", "a"), ("Erfc", "b"))
    ]
    nodes = [left("Lgamma", "Lgamma", "a"), left("Erfc", "Erfc", "b")]
    finding = replace(refusal(), message="No Op registered for Erfc")
    assert [one.location.source_node for one in explained(completed(*events), nodes, finding)] == ["Erfc", "Lgamma"]


def test_an_operator_that_was_left_over_where_a_handler_failed_is_explained_by_the_handler():
    nodes = [left("TensorListReserve", "TensorListReserve", "list"), left("Loop", "StatelessWhile", "loop")]
    [found] = explained(completed(told(operator="StatelessWhile", node="loop")), nodes, refusal("list"))
    assert (found.location.source_node, found.location.op_types) == ("StatelessWhile", ["Loop"])


def test_a_failure_that_did_no_harm_is_a_note_and_an_operator_that_was_dropped_is_none():
    dropped = told("operator", "TensorListReserve", "list", ("UnmappedOperator", "no handler"))
    [note] = notes_on(completed(told("pass", operator=None, node=None), dropped))
    assert note.startswith("the pass '' raised ValueError: only rank1")
