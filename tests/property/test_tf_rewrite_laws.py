"""Every rewrite of TensorFlow's table against the operator it replaces, far from the values of known defects."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tf_rewrite_examples import Draw
from tf_rewrite_laws import LAWS

from tautomer.adapters.tf_programs.rewrites.table import TABLE

pytestmark = pytest.mark.needs("tensorflow")

CONTROL = {"Case", "StatelessCase", "StatelessWhile", "While"}
"""Tested with the functions they call, in tests of splicing."""


def deviation_u(expected: Any, found: Any, scale: Any) -> float:
    """The largest difference in units of u times the scale; infinite where types, shapes or special values differ."""
    if expected.dtype != found.dtype or expected.shape != found.shape:
        return math.inf
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(expected, found) else math.inf
    limits = np.finfo(expected.dtype)
    a, b = expected.astype(np.float64), found.astype(np.float64)
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return math.inf
    with np.errstate(all="ignore"):
        # A result within rounding of the largest number may be either side of overflow.
        edge = limits.max * (1 - 16 * limits.eps)
        same = (a == b) | np.isnan(a) | ((np.abs(a) >= edge) & (np.abs(b) >= edge) & (np.sign(a) == np.sign(b)))
        apart = np.where(same, 0.0, np.abs(a - b))
        # TensorFlow's kernels flush subnormal numbers to zero.
        apart = np.where(np.maximum(np.abs(a), np.abs(b)) <= 2 * limits.tiny, 0.0, apart)
        wide = np.maximum(np.abs(a) if scale is None else np.broadcast_to(scale, a.shape), limits.tiny)
        ratio = apart / (limits.eps / 2 * wide)
    return float(np.where(apart == 0, 0.0, ratio).max()) if ratio.size else 0.0


def tensors(arguments: dict[str, Any]) -> dict[str, Any]:
    def tensor(value: Any) -> Any:
        return tf.constant(value) if isinstance(value, np.ndarray | np.generic) else value

    return {
        name: [tensor(one) for one in value] if isinstance(value, list) else tensor(value)
        for name, value in arguments.items()
    }


CASES = [(name, dtype) for name in sorted(TABLE.entries.keys() - CONTROL) for dtype in LAWS[name].dtypes]


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=str)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_rewrite_computes_what_its_tensorflow_operator_computes(name, dtype, seed):
    entry, law = TABLE.entries[name], LAWS[name]
    arguments = law.make(Draw(seed, dtype))
    given_ = tensors(arguments)
    expected = getattr(tf.raw_ops, name)(**given_)
    found = entry.function(**given_)
    if found is NotImplemented:
        assert any(np.size(one) == 0 for one in arguments.values()), "it applies to what is tried here"
        return
    several = isinstance(expected, list | tuple)
    for wanted, got in zip(expected if several else [expected], found if several else [found], strict=True):
        scale = None
        if law.scale is not None and wanted.dtype.is_floating:
            scale = law.scale(wanted.numpy().astype(np.float64), **arguments)
        assert deviation_u(wanted.numpy(), got.numpy(), scale) <= entry.bound_u


def test_every_rewrite_of_tensorflow_has_a_law_and_there_are_more_than_sixty_operators():
    assert TABLE.entries.keys() - CONTROL == LAWS.keys()
    assert len(TABLE.entries) >= 60


def test_what_a_rewrite_does_not_cover_it_leaves_alone():
    half = tf.constant([1.0, 2.0], tf.float16)
    assert TABLE.entries["Erfc"].function(x=half) is NotImplemented
    assert TABLE.entries["FloorDiv"].function(x=half, y=half) is NotImplemented
    assert TABLE.entries["ArgMax"].function(input=half, dimension=tf.constant(0)) is NotImplemented


def operators_of(function: Any, arguments: dict[str, Any]) -> set[str]:
    """What a rewrite traces to: its floating-point arguments are inputs, all others constants."""

    def is_input(value: Any) -> bool:
        return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0

    names = [name for name, value in arguments.items() if is_input(value)]

    def model(*inputs: Any) -> Any:
        constants = {name: value for name, value in arguments.items() if name not in names}
        answer = function(**tensors(constants), **dict(zip(names, inputs, strict=True)))
        return tf.constant(0) if answer is NotImplemented else answer

    graph = tf.function(model).get_concrete_function(
        *(tf.TensorSpec(arguments[n].shape, arguments[n].dtype) for n in names)
    )
    return {one.type for one in graph.graph.get_operations()}


@pytest.mark.needs("tensorflow", "tf2onnx")
def test_tf2onnx_has_a_handler_for_every_operator_that_rewrites_trace_to():
    from tf2onnx.handler import tf_op

    importlib.import_module("tf2onnx.tfonnx")  # registers the handlers
    known = {name for opsets in tf_op.get_opsets().values() for one in opsets for name in one}
    lacking = {}
    for name, law in LAWS.items():
        for seed in range(3):
            used = operators_of(TABLE.entries[name].function, law.make(Draw(seed, law.dtypes[0])))
            if used - known:
                lacking[name] = used - known
    assert lacking == {}
