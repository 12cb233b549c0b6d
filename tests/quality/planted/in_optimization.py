"""Faults in the exporter's optimizer: a wrong rewrite, a lossy folding, an invalid graph, no graph at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from planted.endings import abort, hang
from planted.faults import SHORT_LIMIT_S, Where, divergent, failed
from tautomer.model import Stage

_STAGE = Stage.OPTIMIZATION
_PLACE = Where.CONVERTER


def _after_optimizer(rewrite: Callable[[Any], None]) -> None:
    """Let the exporter's optimizer end with one more pass over the graph."""
    import onnxscript.optimizer

    real = onnxscript.optimizer.optimize_ir

    def optimize(model: Any, *arguments: Any, **keywords: Any) -> None:
        real(model, *arguments, **keywords)
        rewrite(model.graph)

    onnxscript.optimizer.optimize_ir = optimize


def _nodes(graph: Any, op_type: str) -> list[Any]:
    return [node for node in graph if node.op_type == op_type]


def _remove(graph: Any, node: Any, instead: Any) -> None:
    """Let `instead` stand for the first output of `node`."""
    import onnx_ir as ir

    ir.convenience.replace_all_uses_with(node.outputs[0], instead, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def optimizer_removes_a_factor_near_one() -> None:
    """A multiplication is taken for one by 1 because the comparison has a tolerance."""

    def rewrite(graph: Any) -> None:
        for node in _nodes(graph, "Mul"):
            for factor, other in (node.inputs, node.inputs[::-1]):
                constant = factor.const_value
                if constant is not None and np.allclose(constant.numpy(), 1.0, rtol=1e-2):
                    name = node.outputs[0].name
                    producer = other.producer()
                    _remove(graph, node, other)
                    producer.outputs[0].name = name

    _after_optimizer(rewrite)


def optimizer_swaps_the_operands_of_sub() -> None:
    """A rule for commutative operators is applied to Sub."""

    def rewrite(graph: Any) -> None:
        for node in _nodes(graph, "Sub"):
            first, second = node.inputs
            node.replace_input_with(0, second)
            node.replace_input_with(1, first)

    _after_optimizer(rewrite)


def optimizer_folds_in_half_precision() -> None:
    """Weights pass through float16 while they are folded."""

    def rewrite(graph: Any) -> None:
        import onnx_ir as ir

        for value in graph.initializers.values():
            content = value.const_value.numpy()
            if content.dtype == np.float32 and content.ndim == 2:
                value.const_value = ir.tensor(content.astype(np.float16).astype(np.float32), name=value.name)

    _after_optimizer(rewrite)


def optimizer_merges_nodes_that_differ_in_an_attribute() -> None:
    """Common subexpressions are found by operator and inputs alone."""

    def rewrite(graph: Any) -> None:
        seen: dict[Any, Any] = {}
        for node in list(graph):
            key = (node.op_type, tuple(id(one) for one in node.inputs))
            if key in seen:
                _remove(graph, node, seen[key])
            else:
                seen[key] = node.outputs[0]

    _after_optimizer(rewrite)


def optimizer_changes_an_epsilon() -> None:
    """A fused normalization gets the fusion's own epsilon."""

    def rewrite(graph: Any) -> None:
        import onnx_ir as ir

        for node in _nodes(graph, "LayerNormalization"):
            node.attributes["epsilon"] = ir.AttrFloat32("epsilon", 1e-6)

    _after_optimizer(rewrite)


def optimizer_folds_a_dynamic_size() -> None:
    """The size of the example is folded into the graph although its dimension is dynamic."""

    def rewrite(graph: Any) -> None:
        import onnx_ir as ir

        for node in _nodes(graph, "Shape"):
            size = ir.Value(name=f"{node.outputs[0].name}_folded", const_value=ir.tensor(np.array([4], dtype=np.int64)))
            graph.register_initializer(size)
            _remove(graph, node, size)

    _after_optimizer(rewrite)


def optimizer_removes_an_output() -> None:
    """Dead-code elimination takes the last output for unused."""

    def rewrite(graph: Any) -> None:
        del graph.outputs[-1]

    _after_optimizer(rewrite)


def optimizer_removes_an_input() -> None:
    """An input is folded as if its example were a constant, and vanishes."""

    def rewrite(graph: Any) -> None:
        import onnx_ir as ir

        given = graph.inputs[-1]
        shape = [int(size) for size in given.shape]
        folded = ir.Value(name=f"{given.name}_folded", const_value=ir.tensor(np.ones(shape, dtype=np.float32)))
        graph.register_initializer(folded)
        ir.convenience.replace_all_uses_with(given, folded)
        del graph.inputs[-1]

    _after_optimizer(rewrite)


def optimizer_removes_a_cast() -> None:
    """A cast from integers to floats is taken for one that changes nothing."""

    def rewrite(graph: Any) -> None:
        for node in _nodes(graph, "Cast"):
            _remove(graph, node, node.inputs[0])

    _after_optimizer(rewrite)


def optimizer_breaks_the_order_of_nodes() -> None:
    """A node is put before the one whose output it takes: ONNX forbids that, runtimes put up with it."""

    def rewrite(graph: Any) -> None:
        last = graph[-1]
        graph.remove(last)
        graph.insert_before(graph[0], last)

    _after_optimizer(rewrite)


def optimizer_raises() -> None:
    """A rewrite rule meets a pattern that its author did not think of."""

    def rewrite(_: Any) -> None:
        raise AttributeError("'NoneType' object has no attribute 'const_value'")

    _after_optimizer(rewrite)


def optimizer_dies() -> None:
    """Native shape inference fails an assertion."""
    _after_optimizer(abort)


def optimizer_hangs() -> None:
    """Two rewrite rules undo each other's work."""
    _after_optimizer(hang)


def legacy_folding_loses_precision() -> None:
    """The TorchScript-based exporter folds constants in float16."""
    import torch

    real = torch._C._jit_pass_onnx_constant_fold

    def fold(*arguments: Any) -> Any:
        return {name: one.half().float() for name, one in real(*arguments).items()}

    torch._C._jit_pass_onnx_constant_fold = fold


def legacy_folding_raises() -> None:
    """The TorchScript-based exporter fails to fold a constant."""
    import torch

    def refuse(*_: Any) -> Any:
        raise RuntimeError("constant folding: Transpose of an undefined tensor")

    torch._C._jit_pass_onnx_constant_fold = refuse


FAULTS = (
    divergent(_STAGE, optimizer_removes_a_factor_near_one, "encoder.py", _PLACE),
    divergent(_STAGE, optimizer_swaps_the_operands_of_sub, "encoder.py", _PLACE),
    divergent(_STAGE, optimizer_folds_in_half_precision, "encoder.py", _PLACE),
    divergent(_STAGE, optimizer_merges_nodes_that_differ_in_an_attribute, "two_softmaxes.py", _PLACE),
    divergent(_STAGE, optimizer_changes_an_epsilon, "encoder.py", _PLACE),
    divergent(_STAGE, optimizer_folds_a_dynamic_size, "rows.py", _PLACE),
    divergent(
        _STAGE,
        optimizer_removes_an_output,
        "pair.py",
        _PLACE,
    ),
    divergent(
        _STAGE,
        optimizer_removes_an_input,
        "pair.py",
        _PLACE,
    ),
    divergent(_STAGE, legacy_folding_loses_precision, "encoder.py", _PLACE, converter="torch.onnx-legacy"),
    failed(_STAGE, optimizer_removes_a_cast, "counts.py", _PLACE, symptom_stage=Stage.RUNTIME_LOAD),
    failed(_STAGE, optimizer_breaks_the_order_of_nodes, "encoder.py", _PLACE, symptom_stage=Stage.VALIDATION),
    failed(_STAGE, optimizer_raises, "encoder.py", _PLACE),
    failed(_STAGE, optimizer_dies, "encoder.py", _PLACE),
    failed(_STAGE, optimizer_hangs, "encoder.py", _PLACE, timeout_s=SHORT_LIMIT_S),
    failed(_STAGE, legacy_folding_raises, "encoder.py", _PLACE, converter="torch.onnx-legacy"),
)
