"""Rules say the types that NumPy computes, at both sizes of a dynamic dimension; coverage counts these as feasible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tautomer.synthesis import Draw
from tautomer.synthesis.dims import Dim, second_size
from tautomer.synthesis.rules import (
    arrangement,
    cutting,
    elementwise,
    matrices,
    products,
    promotion,
    reductions,
    selection,
)
from tautomer.synthesis.specification import Fresh, Origin, Value
from tautomer.synthesis.tensor_types import ANYTHING, TensorType

DYNAMIC = Dim(3, 5)


class Known:
    """What a rule sees: some values, and no others but fresh ones."""

    def __init__(self, seed, values):
        self.draw = Draw(seed)
        self._values = values

    def find(self, name, wanted):
        fitting = [value for value in self._values if wanted(value.type)]
        return self.draw.pick(fitting) if fitting else None

    def fresh(self, name, wanted, *, domain=None, fixed=False):
        return Fresh(wanted, domain or ANYTHING, fixed)

    def operand(self, name, wanted, *, domain=None):
        return self.find(name, lambda type_: type_ == wanted) or Fresh(wanted, domain or ANYTHING)


SIZES = st.one_of(st.integers(0, 4), st.just(DYNAMIC))
SHAPES = st.lists(SIZES, max_size=5).map(tuple)
DTYPES = st.sampled_from(("float32", "float64", "int64", "bool"))
TYPES = st.builds(TensorType, DTYPES, SHAPES)


@st.composite
def anchors(draw, rule):
    """Types of a first operand: of the ranks that the rule takes, and of a shape that it draws itself, if it does."""
    rank = draw(st.sampled_from(rule.ranks))
    shape = tuple(draw(st.lists(SIZES, min_size=rank, max_size=rank)))
    if rule.shape is not None:
        shape = rule.shape(Draw(draw(st.integers(0, 999))), rank, lambda: draw(SIZES))
    return TensorType(draw(DTYPES), shape)


LAWS = {
    "elementwise": (elementwise.elementwise(), lambda given, bound: given["x"].copy()),
    "broadcasting": (elementwise.broadcasting(), lambda given, bound: np.where(True, given["x"], given["y"])),
    "broadcasting to booleans": (
        elementwise.broadcasting(result="bool"),
        lambda given, bound: np.equal(given["x"], given["y"]),
    ),
    "choosing": (
        elementwise.broadcasting("condition", "y", dtypes={"condition": "bool"}),
        lambda given, bound: np.where(given["condition"], given["x"], given["y"]),
    ),
    "promoting to booleans": (
        promotion.promoting(result="bool"),
        lambda given, bound: np.equal(given["x"], given["y"]),
    ),
    "reduction": (
        reductions.reduction(),
        lambda given, bound: np.max(given["x"], axis=bound["axes"], keepdims=bound["keepdims"]),
    ),
    "reduction of one axis to numbers": (
        reductions.reduction(over="one", result="int64"),
        lambda given, bound: np.argmax(given["x"], axis=bound["axis"], keepdims=bound["keepdims"]),
    ),
    "along": (reductions.along(), lambda given, bound: np.flip(given["x"], bound["axis"])),
    "matrix product": (products.matrix_product(), lambda given, bound: np.matmul(given["x"], given["y"])),
    "outer product": (products.outer_product(), lambda given, bound: np.outer(given["x"], given["y"])),
    "einstein": (
        products.einstein(("bij,bjk->bik", "bij,bkj->bik", "bij,bj->bi"), 3),
        lambda given, bound: np.einsum(bound["equation"], given["x"], given["y"]),
    ),
    "square matrices": (matrices.square_matrices(), lambda given, bound: np.swapaxes(given["x"], -1, -2)),
    "reshaped": (arrangement.reshaped(), lambda given, bound: given["x"].reshape(bound["sizes"])),
    "permuted": (arrangement.permuted(), lambda given, bound: given["x"].transpose(bound["order"])),
    "exchanged": (
        arrangement.exchanged(),
        lambda given, bound: np.swapaxes(given["x"], bound["first"], bound["second"]),
    ),
    "moved": (arrangement.moved(), lambda given, bound: np.moveaxis(given["x"], bound["source"], bound["target"])),
    "squeezed": (arrangement.squeezed(), lambda given, bound: np.squeeze(given["x"], bound["axis"])),
    "unsqueezed": (arrangement.unsqueezed(), lambda given, bound: np.expand_dims(given["x"], bound["axis"])),
    "tiled": (arrangement.tiled(), lambda given, bound: np.tile(given["x"], bound["repeats"])),
    "repeated": (
        arrangement.repeated_along(),
        lambda given, bound: np.repeat(given["x"], bound["count"], axis=bound["axis"]),
    ),
    "diagonal": (arrangement.diagonal(), lambda given, bound: np.diagonal(given["x"], axis1=-2, axis2=-1)),
    "concatenated": (
        cutting.concatenated(),
        lambda given, bound: np.concatenate(given["tensors"], axis=bound["axis"]),
    ),
    "stacked": (cutting.stacked(), lambda given, bound: np.stack(given["tensors"], axis=bound["axis"])),
    "split": (
        cutting.split(),
        lambda given, bound: np.split(given["x"], np.cumsum(bound["sizes"])[:-1], axis=bound["axis"]),
    ),
    "sliced": (cutting.sliced(), lambda given, bound: given["x"][tuple(bound["where"])]),
    "selected": (cutting.selected(), lambda given, bound: np.take(given["x"], bound["index"], axis=bound["axis"])),
    "padded": (
        cutting.padded(),
        lambda given, bound: np.pad(given["x"], tuple(zip(bound["before"], bound["after"], strict=True))),
    ),
    "gathered": (
        selection.gathered(),
        lambda given, bound: np.take(given["x"], given["index"], axis=bound["axis"]),
    ),
    "gathered by element": (
        selection.gathered_elements(),
        lambda given, bound: np.take_along_axis(given["x"], given["index"], axis=bound["axis"]),
    ),
}
"""A rule, and what NumPy computes from the operands and attributes that it binds."""


def arrays(operand, size):
    """Zeros of an operand's type at one size."""
    if isinstance(operand, tuple):
        return [arrays(one, size) for one in operand]
    return np.zeros(tuple(size(one) for one in operand.type.shape), operand.type.dtype)


@pytest.mark.parametrize("name", LAWS)
def test_a_rule_says_the_types_that_numpy_computes(name):
    rule, law = LAWS[name]
    applied = 0

    @settings(max_examples=60)
    @given(anchor=anchors(rule), others=st.lists(TYPES, max_size=2), seed=st.integers(0, 2**31 - 1))
    def tried(anchor, others, seed):
        nonlocal applied
        values = [Value(f"v{index}", one, Origin.NODE, -1.0, 1.0) for index, one in enumerate((anchor, *others))]
        application = rule.apply(Known(seed, values), values[0])
        assert rule.apply(Known(seed, values), values[0]) == application
        if application is None:
            return
        applied += 1
        assert {(one.dtype, one.rank) for one in application.results} <= rule.results(anchor.dtype, anchor.rank)
        for size in (int, second_size):
            bound = {operand: arrays(one, size) for operand, one in application.operands.items()}
            made = law(bound, application.attributes)
            found = [made] if isinstance(made, np.ndarray | np.generic) else made
            said = [(one.dtype, tuple(size(length) for length in one.shape)) for one in application.results]
            assert [(one.dtype.name, one.shape) for one in found] == said

    tried()
    assert applied > 5
