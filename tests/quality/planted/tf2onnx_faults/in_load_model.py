"""Faults on the way to the graph that tf2onnx translates: in tracing, freezing, and TensorFlow's own optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from planted.endings import die, hang
from planted.faults import SHORT_LIMIT_S
from planted.tf2onnx_faults.making import divergent, failed
from tautomer.model import Stage

_STAGE = Stage.LOAD_MODEL


def _after_freezing(change: Callable[[Any], None]) -> None:
    """Let `change` have the frozen graph definition."""
    from tf2onnx import tf_loader

    real = tf_loader.fix_freezing_errors_part2

    def fix(graph_def: Any) -> Any:
        fixed = real(graph_def)
        change(fixed)
        return fixed

    tf_loader.fix_freezing_errors_part2 = fix


def _after_grappler(change: Callable[[Any], None]) -> None:
    """Let `change` have the graph definition that TensorFlow's optimizer gives."""
    from tf2onnx import tf_loader

    real = tf_loader.tf_optimize_grappler

    def optimize(*arguments: Any) -> Any:
        optimized = real(*arguments)
        change(optimized)
        return optimized

    tf_loader.tf_optimize_grappler = optimize


def _round_matrices(graph_def: Any) -> None:
    from tensorflow.python.framework import tensor_util

    for node in graph_def.node:
        if node.op == "Const":
            value = tensor_util.MakeNdarray(node.attr["value"].tensor)
            if value.dtype == np.float32 and value.ndim == 2:
                rounded = tensor_util.make_tensor_proto(value.astype(np.float16).astype(np.float32))
                node.attr["value"].tensor.CopyFrom(rounded)


def freezing_rounds_variables() -> None:
    """Variables pass through float16 while they become constants."""
    _after_freezing(_round_matrices)


def freezing_exchanges_variables() -> None:
    """Two variables of the same shape become each other's constant."""

    def change(graph_def: Any) -> None:
        first, second = [
            node
            for node in graph_def.node
            if node.op == "Const" and len(node.attr["value"].tensor.tensor_shape.dim) == 2
        ][:2]
        kept = type(first.attr["value"]).FromString(first.attr["value"].SerializeToString())
        first.attr["value"].CopyFrom(second.attr["value"])
        second.attr["value"].CopyFrom(kept)

    _after_freezing(change)


def freezing_raises() -> None:
    """The function holds a resource that freezing does not know."""
    from tf2onnx import tf_loader

    def refuse(*_: Any, **__: Any) -> Any:
        raise ValueError("Input 0 of node StatefulPartitionedCall was passed float from encoder/query:0")

    tf_loader.fix_freezing_errors_part2 = refuse


def freezing_dies() -> None:
    """TensorFlow follows a null pointer while functions are inlined."""
    _after_freezing(die)


def tracing_fixes_dynamic_dimensions() -> None:
    """The signature is traced with the sizes of the example."""
    from tf2onnx import convert

    real = convert.from_function

    def from_function(function: Any, input_signature: Any = None, **keywords: Any) -> Any:
        import tensorflow as tf

        fixed = [
            tf.TensorSpec([4 if size is None else size for size in one.shape], one.dtype, name=one.name)
            for one in input_signature
        ]
        # Traced anew: a trace with open sizes would be taken for one with these, which it can stand for.
        return real(tf.function(function.python_function), input_signature=fixed, **keywords)

    convert.from_function = from_function


def grappler_folds_in_half_precision() -> None:
    """Constants pass through float16 while TensorFlow's optimizer folds them."""
    _after_grappler(_round_matrices)


def grappler_swaps_the_operands_of_sub() -> None:
    """A rule for commutative operators is applied to Sub."""

    def change(graph_def: Any) -> None:
        for node in graph_def.node:
            if node.op == "Sub":
                node.input[0], node.input[1] = node.input[1], node.input[0]

    _after_grappler(change)


def grappler_removes_a_small_summand() -> None:
    """A sum with a constant near 0 is taken for one with 0."""

    def change(graph_def: Any) -> None:
        from tensorflow.python.framework import tensor_util

        constants = {
            node.name: tensor_util.MakeNdarray(node.attr["value"].tensor)
            for node in graph_def.node
            if node.op == "Const"
        }
        for node in graph_def.node:
            if node.op == "AddV2" and node.input[1] in constants and np.all(np.abs(constants[node.input[1]]) < 1e-3):
                del node.input[1]
                node.op = "Identity"

    _after_grappler(change)


def grappler_raises() -> None:
    """TensorFlow's optimizer is given an item that it takes for invalid."""
    from tf2onnx import tf_loader

    def refuse(*_: Any) -> Any:
        raise ValueError("Failed to import metagraph, check error log for more info.")

    tf_loader.tf_optimize_grappler = refuse


def grappler_hangs() -> None:
    """Two rules of TensorFlow's optimizer undo each other's work."""
    _after_grappler(hang)


FAULTS = (
    divergent(_STAGE, freezing_rounds_variables, "encoder"),
    divergent(_STAGE, freezing_exchanges_variables, "encoder"),
    divergent(_STAGE, grappler_folds_in_half_precision, "encoder"),
    divergent(_STAGE, grappler_swaps_the_operands_of_sub, "encoder"),
    divergent(_STAGE, grappler_removes_a_small_summand, "encoder"),
    failed(_STAGE, tracing_fixes_dynamic_dimensions, "rows", symptom_stage=Stage.RUNTIME_EXECUTION),
    failed(_STAGE, freezing_raises, "encoder"),
    failed(_STAGE, freezing_dies, "encoder"),
    failed(_STAGE, grappler_raises, "encoder"),
    failed(_STAGE, grappler_hangs, "encoder", timeout_s=SHORT_LIMIT_S),
)
