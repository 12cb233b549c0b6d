"""Constants that a converter folded, perturbed by their roundings."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest

from tautomer.adapters.onnx_files.derived_constants import Derived, ExactConstants, Noise, U, declared_units
from tautomer.numerics.formats import UNIT_ROUNDOFF


@pytest.mark.parametrize("shape", [(6,), (1, 6, 1, 1), (6, 1)])
def test_an_element_of_a_folded_vector_that_cancelled_may_be_off_by_roundings_of_the_largest(shape):
    vector = np.array([3.0, 1e-7, -2.0, 0.5, 1.7, -0.1], np.float32).astype(np.float64).reshape(shape)
    moved = [
        np.abs(Noise(seed, lambda *_: True, ExactConstants({}, {}))("bias", vector) - vector).ravel()[1]
        for seed in range(8)
    ]
    assert max(moved) > 0.5 * 3.0 * U


def test_an_element_of_a_folded_matrix_is_off_by_roundings_of_itself():
    matrix = np.array([[3.0, 1e-7], [-2.0, 0.5]], np.float32).astype(np.float64)
    for seed in range(8):
        moved = np.abs(Noise(seed, lambda *_: True, ExactConstants({}, {}))("weight", matrix) - matrix)
        assert np.all(moved <= 8 * U * np.abs(matrix))


@pytest.mark.parametrize(("scalar", "is_derived"), [(1 / 6, True), (0.1, False), (0.25, False), (6.0, False)])
def test_a_rounded_reciprocal_of_a_number_of_the_source_may_stand_for_a_division(scalar, is_derived):
    own = {6.0, 4.0, float(np.float32(0.1)), float(np.float32(1 / 6))}
    assert Derived(set(), own)("scale", np.array(np.float32(scalar))) is is_derived


@pytest.mark.parametrize(
    ("body", "unit"),
    [
        ("r = Sqrt(scale) s = Cast<to = 1>(r) y = Mul(x, s)", U),
        ("s = Cast<to = 1>(scale) y = Mul(x, s)", U),
        ("w = Cast<to = 11>(x) p = Mul(w, scale) y = Cast<to = 1>(p)", UNIT_ROUNDOFF["float64"]),
        ("s = Cast<to = 1>(scale) w = Cast<to = 11>(x) p = Mul(w, scale) z = Cast<to = 1>(p) y = Mul(z, s)", None),
        ("s = Cast<to = 10>(scale) h = Cast<to = 1>(s) y = Mul(x, h)", UNIT_ROUNDOFF["float64"]),
    ],
)
def test_a_double_that_is_rounded_before_it_meets_a_value_has_the_unit_of_float32(body, unit):
    text = f"""<ir_version: 10, opset_import: ["" : 20]>
    g (float[3] x) => (float[3] y) <double scale = {{0.1767766952966369}}> {{ {body} }}"""
    graph = onnx.parser.parse_model(text).graph
    assert declared_units(graph)["scale"] == (unit or UNIT_ROUNDOFF["float64"])
