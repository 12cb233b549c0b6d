"""Changes of a model fit where they are made, and sizes change together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautomer.synthesis import Draw
from tautomer.synthesis.dims import Dim
from tautomer.synthesis.mutation import KINDS, Mutator, Place, Source, another, followed, is_changeable, resized
from tautomer.synthesis.rules.elementwise import broadcasting, elementwise
from tautomer.synthesis.specification import Origin, Specification, Value
from tautomer.synthesis.tensor_types import POSITIVE, TensorType

TABLE = (
    Specification("relu", "relu(x)", elementwise(), ("float32",)),
    Specification("log", "log(x)", elementwise(), ("float32",), {"x": POSITIVE}),
    Specification("add", "add(x, y)", broadcasting(), ("float32",)),
)


def value(name, shape, *, least=-1.0, dtype="float32", origin=Origin.NODE):
    return Value(name, TensorType(dtype, shape), origin, least, 1.0)


def source(name, shape, labels=None, *, is_input=False, dtype="float32"):
    return Source(name, TensorType(dtype, shape), is_input, labels or tuple(map(int, shape)))


def place(shape, *, least=-1.0):
    x, y = value("x", shape, least=least), value("y", shape, least=least)
    return Place("y", "y", y, [x], [x], [("axis", 1), ("mode", "linear"), ("many", list(range(20)))])


def changes(mutator, kind, count=60):
    return [one for seed in range(count) if (one := mutator.change(Draw(seed), [kind])) is not None]


def test_every_kind_is_drawn_somewhere():
    mutator = Mutator([place((2, 3))], [source("w", (3, 3))], TABLE)
    assert {one.kind for seed in range(200) for one in mutator.changes(Draw(seed), 2)} == set(KINDS)


def test_an_operator_is_put_in_only_where_its_domain_holds():
    negative = {one.placed.specification.name for one in changes(Mutator([place((2, 3))], [], TABLE), "insert")}
    positive = Mutator([place((2, 3), least=0.5)], [], TABLE)
    assert negative == {"relu", "add"}
    assert {one.placed.specification.name for one in changes(positive, "insert")} == {"relu", "log", "add"}


def test_nothing_is_brought_along_whose_size_differs_from_run_to_run():
    def brought(size):
        x = value("x", (size, 4))
        mutator = Mutator([Place("y", "y", value("y", (size, 4)), [x], [], [])], [], TABLE)
        return {one.type.shape for change in changes(mutator, "insert") for one in change.placed.tensors}

    assert (2, 4) in brought(2)
    assert brought(Dim(2, 3))
    assert not any(isinstance(size, Dim) for shape in brought(Dim(2, 3)) for size in shape)


def test_only_attributes_that_have_another_value_of_their_kind_are_set():
    assert {one.setting[0] for one in changes(Mutator([place((2, 3))], [], TABLE), "attribute")} == {"axis"}


def test_free_dimensions_of_one_symbol_change_together():
    inputs = [
        source("ids", (Dim(2, 3), Dim(7, 9)), ("batch", "length"), is_input=True),
        source("mask", (Dim(2, 3), Dim(7, 9)), ("batch", "length"), is_input=True),
        source("table", (5, 7), is_input=True),
    ]
    drawn = [one for one in changes(Mutator([], inputs, ()), "shape", 200) if one.place in ("ids", "mask")]
    assert drawn
    for one in drawn:
        assert one.shapes["ids"] == one.shapes["mask"]
        assert "table" not in one.shapes
        assert sum(isinstance(size, Dim) for size in one.shapes["ids"]) == 1


def test_a_size_changes_in_all_weights_that_have_it():
    weights = [source("a", (3, 8)), source("b", (8, 8)), source("bias", (8,)), source("index", (8,), dtype="int64")]
    drawn = [one for one in changes(Mutator([], weights, ()), "shape") if one.size[0] == 8]
    assert drawn
    for one in drawn:
        size = one.size[1]
        assert one.shapes == {"a": (3, size), "b": (size, size), "bias": (size,), "index": (size,)}


def test_small_numbers_are_not_taken_for_sizes():
    drawn = changes(Mutator([], [source("a", (8, 3))], ()), "shape")
    eight, three = (next(one for one in drawn if one.size[0] == size) for size in (8, 3))
    assert followed([eight, three], [-1, 8, 3]) == [-1, eight.size[1], 3]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.data())
def test_a_resized_array_cycles_its_own_elements(shape, data):
    array = np.arange(np.prod(shape)).reshape(shape)
    wanted = [data.draw(st.integers(1, 12)) for _ in shape]
    made = resized(array, wanted)
    index = tuple(data.draw(st.integers(0, size - 1)) for size in wanted)
    assert list(made.shape) == wanted
    assert made[index] == array[tuple(at % size for at, size in zip(index, shape, strict=True))]


@pytest.mark.parametrize("given_value", [True, 3, 0, 0.0, 1.5, [1, 2], (0,)])
def test_another_value_is_another_and_of_the_same_kind(given_value):
    made = another(Draw(1), given_value)
    assert made != given_value
    assert is_changeable(made)
