"""Shapes broadcast as NumPy's do."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tautomer.synthesis import Draw
from tautomer.synthesis.dims import Dim
from tautomer.synthesis.rules.products import product_shape
from tautomer.synthesis.rules.shapes import broadcast, narrower

SHAPES = st.lists(st.integers(0, 4), max_size=5).map(tuple)


def numpys(*shapes):
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


@given(SHAPES, SHAPES, SHAPES)
def test_shapes_broadcast_where_numpy_says_so(a, b, c):
    assert broadcast(a, b, c) == numpys(a, b, c)


@given(SHAPES, st.integers(0, 10_000))
def test_what_is_drawn_to_be_narrower_broadcasts_to_the_shape(shape, seed):
    assert broadcast(shape, narrower(Draw(seed), shape)) == shape


def test_a_dynamic_dimension_meets_itself_and_one_only():
    assert broadcast((Dim(3, 5), 2), (1, 2)) == (Dim(3, 5), 2)
    assert broadcast((Dim(3, 5), 2), (Dim(3, 5), 1)) == (Dim(3, 5), 2)
    assert broadcast((Dim(3, 5),), (3,)) is None


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), SHAPES.filter(lambda shape: len(shape) < 4))
def test_matrix_products_have_numpys_shape(rows, inner, columns, batch):
    x, y = (*batch, rows, inner), (inner, columns)
    assert product_shape(x, y) == np.matmul(np.zeros(x), np.zeros(y)).shape
    assert product_shape((inner,), y) == (columns,)
    assert product_shape(x, (inner,)) == (*batch, rows)
