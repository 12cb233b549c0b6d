"""Operators are chosen evenly, towards what is not covered, or as a corpus has them."""

from collections import Counter

from tautomer.synthesis import Draw, Specification
from tautomer.synthesis.choosing import Aimed, Alike, Varied, Weighted
from tautomer.synthesis.rules.elementwise import broadcasting, elementwise

TABLE = [
    Specification("relu", "f(x)", elementwise(), ("float32",), graph_operator="Relu"),
    Specification("relu6", "g(x)", elementwise(), ("float32",), graph_operator="Clip"),
    Specification("add", "h(x, y)", broadcasting(), ("float32",), graph_operator="Add"),
]


def drawn(chooser, count=3000):
    draw = Draw(5)
    return Counter(chooser.choose(draw).name for _ in range(count))


def test_operators_that_join_are_likelier():
    found = drawn(Weighted(TABLE))
    assert found["add"] > 3 * found["relu"] > 0
    assert found["relu6"] > 0


def test_weights_are_those_of_the_graphs_operators():
    found = drawn(Weighted(TABLE, {"Relu": 3, "Clip": 1}))
    assert "add" not in found
    assert 2.5 < found["relu"] / found["relu6"] < 3.5


def test_what_is_not_covered_is_worth_more():
    aimed = Aimed(TABLE, [("Relu",), ("Relu", "Relu")])
    tails = {("Relu",)}
    assert aimed.worth(Draw(0), "Clip", tails) > aimed.worth(Draw(0), "Relu", tails) + 1
    aimed.kept("Clip", tails)
    assert aimed.worth(Draw(0), "Clip", tails) < 1
    assert ("Relu", "Clip") in aimed.covered


def test_an_operator_follows_another_as_often_as_in_the_corpus():
    alike = Alike(TABLE, {"Relu": 1, "Clip": 1, "Add": 1}, {("Add", "Relu"): 90, ("Add", "Clip"): 10})
    draw = Draw(1)
    first = sum(alike.worth(draw, "Relu", {("Add",)}) > alike.worth(draw, "Clip", {("Add",)}) for _ in range(2000))
    assert 0.86 < first / 2000 < 0.94


def test_what_another_model_covers_does_not_count():
    varied = Varied(TABLE)
    varied.kept("Relu", {("Add",)})
    assert varied.worth(Draw(0), "Relu", {("Add",)}) < 1
    varied.begun()
    assert varied.worth(Draw(0), "Relu", {("Add",)}) > 1
