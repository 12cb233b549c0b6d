"""Faults in tf2onnx's optimizer: a pass that rewrites wrongly, folds with losses, or does not come to an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from planted.endings import abort, hang
from planted.faults import SHORT_LIMIT_S
from planted.tf2onnx_faults.making import divergent, failed
from tautomer.model import Stage

_STAGE = Stage.OPTIMIZATION


def _in_pass(name: str, rewrite: Callable[[Any], None]) -> None:
    """Let a pass of the optimizer end, the first time, with `rewrite` of the graph."""
    from tf2onnx import optimizer

    real = optimizer._optimizers[name]

    class Pass(real):
        def optimize(self, graph: Any, iteration: int) -> Any:
            graph = super().optimize(graph, iteration)
            if iteration == 0:
                rewrite(graph)
            return graph

    optimizer._optimizers[name] = Pass


def _nodes(graph: Any, op_type: str) -> list[Any]:
    return [node for node in graph.get_nodes() if node.type == op_type]


def _remove(graph: Any, node: Any, instead: str) -> None:
    """Let `instead` stand for the output of a node; an output of the graph keeps its name through an Identity."""
    if node.output[0] in graph.outputs:
        node.type = "Identity"
        graph.replace_inputs(node, [instead])
        for name in list(node.attr):
            del node.attr[name]
    else:
        graph.replace_all_inputs(node.output[0], instead)
        graph.remove_node(node.name)


def pass_removes_a_factor_near_one() -> None:
    """A multiplication is taken for one by 1 because the comparison has a tolerance."""

    def rewrite(graph: Any) -> None:
        for node in _nodes(graph, "Mul"):
            for position, factor in enumerate(node.inputs):
                if factor.is_const() and np.allclose(factor.get_tensor_value(as_list=False), 1.0, rtol=1e-2):
                    _remove(graph, node, node.input[1 - position])
                    break

    _in_pass("remove_identity", rewrite)


def pass_swaps_the_operands_of_sub() -> None:
    """A rule for commutative operators is applied to Sub."""

    def rewrite(graph: Any) -> None:
        for node in _nodes(graph, "Sub"):
            first, second = node.input
            graph.replace_inputs(node, [second, first])

    _in_pass("optimize_transpose", rewrite)


def pass_folds_in_half_precision() -> None:
    """Weights pass through float16 while constants are folded."""

    def rewrite(graph: Any) -> None:
        for node in _nodes(graph, "Const"):
            content = node.get_tensor_value(as_list=False)
            if content.dtype == np.float32 and content.ndim == 2:
                node.set_tensor_value(content.astype(np.float16).astype(np.float32))

    _in_pass("fold_constants", rewrite)


def pass_merges_nodes_that_differ_in_an_attribute() -> None:
    """Duplicates are found by operator and inputs alone."""

    def rewrite(graph: Any) -> None:
        first, *others = _nodes(graph, "LeakyRelu")
        for node in others:
            _remove(graph, node, first.output[0])

    _in_pass("merge_duplication", rewrite)


def pass_folds_a_dynamic_size() -> None:
    """The size of the example is folded into the graph although its dimension is dynamic."""

    def rewrite(graph: Any) -> None:
        for node in _nodes(graph, "Shape"):
            size = graph.make_const(f"{node.name}_folded", np.array([4, 3], np.int64))
            _remove(graph, node, size.output[0])

    _in_pass("reshape_optimizer", rewrite)


def pass_removes_an_output() -> None:
    """The last output is taken for unused."""

    def rewrite(graph: Any) -> None:
        graph.outputs.pop()

    _in_pass("remove_identity", rewrite)


def pass_removes_a_cast() -> None:
    """A cast from integers to floats is taken for one that changes nothing."""

    def rewrite(graph: Any) -> None:
        for node in _nodes(graph, "Cast"):
            _remove(graph, node, node.input[0])

    _in_pass("remove_back_to_back", rewrite)


def pass_makes_an_unknown_operator() -> None:
    """A fusion makes an operator of a runtime without its domain."""

    def rewrite(graph: Any) -> None:
        for node in _nodes(graph, "Softmax"):
            node.type = "ScaledSoftmax"

    _in_pass("einsum_optimizer", rewrite)


def optimizer_raises() -> None:
    """The optimizer fails outside of its passes, where it catches nothing."""
    from tf2onnx import optimizer

    def refuse(*_: Any, **__: Any) -> Any:
        raise AttributeError("'NoneType' object has no attribute 'output'")

    optimizer.optimize_graph = refuse


def pass_dies() -> None:
    """Native shape inference fails an assertion."""
    _in_pass("optimize_transpose", abort)


def pass_hangs() -> None:
    """A pass goes on finding something to do."""
    _in_pass("loop_optimizer", hang)


FAULTS = (
    divergent(_STAGE, pass_removes_a_factor_near_one, "encoder"),
    divergent(_STAGE, pass_swaps_the_operands_of_sub, "encoder"),
    divergent(_STAGE, pass_folds_in_half_precision, "encoder"),
    divergent(_STAGE, pass_merges_nodes_that_differ_in_an_attribute, "pair"),
    divergent(_STAGE, pass_folds_a_dynamic_size, "rows"),
    divergent(_STAGE, pass_removes_an_output, "pair"),
    failed(_STAGE, pass_removes_a_cast, "counts", symptom_stage=Stage.RUNTIME_LOAD),
    failed(_STAGE, pass_makes_an_unknown_operator, "encoder", symptom_stage=Stage.VALIDATION),
    failed(_STAGE, optimizer_raises, "encoder"),
    failed(_STAGE, pass_dies, "encoder"),
    failed(_STAGE, pass_hangs, "encoder", timeout_s=SHORT_LIMIT_S),
)
