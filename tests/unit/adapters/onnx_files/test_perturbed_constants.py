"""Constants that a converter folded, perturbed by their roundings."""

from __future__ import annotations

import numpy as np
import pytest

from tautomer.adapters.onnx_files.derived_constants import ExactConstants, Noise, U


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
