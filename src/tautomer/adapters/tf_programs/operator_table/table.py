"""All of TensorFlow's operators that the generator knows."""

from __future__ import annotations

from tautomer.adapters.tf_programs.operator_table import (
    activations,
    arrangement,
    axes,
    elementwise,
    images,
    layers,
    loops,
    places,
    products,
)

OPERATORS = (
    *elementwise.OPERATORS,
    *activations.OPERATORS,
    *axes.OPERATORS,
    *products.OPERATORS,
    *layers.OPERATORS,
    *images.OPERATORS,
    *arrangement.OPERATORS,
    *places.OPERATORS,
    *loops.OPERATORS,
)
