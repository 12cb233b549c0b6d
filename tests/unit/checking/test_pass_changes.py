"""Of a faulty set of nodes, what a pass changed."""

from __future__ import annotations

from tautomer.checking.causes.changes import Change, narrowed
from tautomer.checking.causes.responsible_sets import ResponsibleSet, TargetGraph
from tautomer.checking.causes.target_nodes import TargetNode
from tautomer.model import Kind


def node(name, op_type, operator):
    return TargetNode(name, op_type, "", {}, {}, (f"{name}_value",), False, False, name, operator, f"model.py:{name}")


EXP, MUL, ADD = node("3", "Exp", "aten.exp.default"), node("4", "Mul", "aten.mul.Tensor"), node("5", "Add", "aten.add")
BEFORE = TargetGraph({"3": EXP, "4": MUL, "5": ADD}, None)
AFTER = TargetGraph({"4": MUL, "5": ADD}, None)
FAULT = ResponsibleSet((MUL, ADD), "aten.mul.Tensor", "model.py:4", None, Kind.SEMANTIC, "off", ("5_value",), (0,), 1.0)


def change(nodes, was):
    return Change("v", 0, "is 1 where it was 2", nodes, was)


def test_a_set_keeps_only_the_nodes_that_a_pass_changed():
    [found] = narrowed([FAULT], [change(("5",), ("5",))], AFTER, BEFORE)
    assert (found.nodes, found.operator, found.line) == ((ADD,), "aten.add", "model.py:5")
    assert (found.said, found.taken_away) == ("off", False)


def test_the_operator_of_nodes_that_a_pass_took_away_is_the_one_that_broke():
    [found] = narrowed([FAULT], [change(("4",), ("3",))], AFTER, BEFORE)
    assert (found.nodes, found.operator, found.line) == ((MUL,), "aten.exp.default", "model.py:3")
    assert "made by '3' (Exp), which the pass took away" in found.said
    assert found.taken_away


def test_a_set_that_no_change_touches_stays_as_it_is():
    assert narrowed([FAULT], [change(("6",), ("6",))], AFTER, BEFORE) == [FAULT]
    assert narrowed([FAULT], [], AFTER, BEFORE) == [FAULT]


def test_changes_stand_for_themselves_where_nothing_else_was_found():
    [found] = narrowed([], [change(("5",), ("5",))], AFTER, BEFORE)
    assert (found.nodes, found.operator, found.said) == ((ADD,), "aten.add", "'v' is 1 where it was 2")
