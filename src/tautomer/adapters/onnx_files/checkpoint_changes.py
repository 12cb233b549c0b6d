"""Find what a pass changed: a checkpoint's values against those of the checkpoint before it, each on forced inputs.

Passes keep most names. A value that two checkpoints share by name is computed from the earlier one's values in both, so
that a node that is not what it was shows by itself, and so does a constant that was folded into something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.evaluation import graph_inputs, kernel_table, load_as
from tautomer.adapters.onnx_files.graph_paths import GraphPaths
from tautomer.adapters.onnx_files.named_values import difference
from tautomer.adapters.worker_api import Channel
from tautomer.numerics.branches import Branches
from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError
from tautomer.numerics.onnx_evaluator.loading import read_tensor

BUDGET_BYTES = 1 << 30
"""The most that the earlier checkpoint's values may take on one input set; a larger graph is not compared."""

CHANGED = 1e-6
"""Share of a tensor's largest element by which a value must be off in float64. Folding in float32 is worth 6e-8."""


def changes(
    channel: Channel,
    *,
    before: str,
    model: str,
    inputs: list[str],
    feeds: dict[str, str],
    before_opset: int | None = None,
    opset_override: int | None = None,
) -> dict[str, Any]:
    """Compare the values that two checkpoints of one conversion have by name, in float64.

    Emits a `changed` event for each value that is not what it was: its `input` set, `value`, what is `said`, the
    `nodes` of the later checkpoint that compute it from what is forced, or, of a constant, those that use it, and
    `was`: the nodes of the earlier checkpoint that made it from values that both have.

    Args:
        before, before_opset: the earlier checkpoint.
        model, inputs, feeds, opset_override: as for `evaluate`.
    """
    earlier, later = load_as(before, before_opset), load_as(model, opset_override)
    made_before, made = GraphPaths(earlier.proto.graph), GraphPaths(later.proto.graph)
    found: dict[str, tuple[int, str, list[Any]]] = {}
    for index, file in enumerate(inputs):
        branches = Branches()
        try:
            known = _values(earlier, graph_inputs(file, feeds), branches)
            if known is None:
                return {}
            constants = _constants(earlier, later, known)
            right = known | {name: value for name, (_, value) in constants.items()}
            wrong = _different(later, graph_inputs(file, feeds), right, branches)
        except EvaluatorError:
            continue  # the checkpoint's own evaluation has reported that
        for name, (said, _) in constants.items():
            users = [node for node in later.proto.graph.node if name in node.input]
            found.setdefault(name, (index, said, users))
        for name, said in wrong.items():
            found.setdefault(name, (index, said, made.between(name, known.__contains__)))
    both = {tensor.name for tensor in later.proto.graph.initializer if tensor.name not in found}
    both |= {name for node in later.proto.graph.node for name in node.output}
    for name, (index, said, nodes) in found.items():
        was = made_before.between(name, both.__contains__)
        channel.emit("changed", input=index, value=name, said=said, nodes=_names(nodes), was=_names(was))
    return {}


def _names(nodes: list[Any]) -> list[str]:
    return [node.name or node.output[0] for node in nodes]


def _values(loaded: Any, given: Mapping[str, Any], branches: Branches) -> dict[str, Any] | None:
    """What every node of a graph computes; None where that takes more than the budget."""
    values: dict[str, Any] = {}
    size = 0

    def keep(name: str, value: Any) -> None:
        nonlocal size
        if isinstance(value, np.ndarray) and size <= BUDGET_BYTES:
            values[name] = value
            size += value.nbytes

    Evaluator(loaded, lift=False, kernels=kernel_table(), branches=branches).run(given)
    Evaluator(loaded, lift=True, kernels=kernel_table(), branches=branches.again()).run(given, observe=keep)
    return values if size <= BUDGET_BYTES else None


def _different(loaded: Any, given: Mapping[str, Any], known: Mapping[str, Any], branches: Branches) -> dict[str, str]:
    wrong: dict[str, str] = {}

    def force(_node: Any, name: str, value: Any) -> Any:
        expected = known.get(name)
        if expected is None or not isinstance(value, np.ndarray):
            return None
        apart = difference(expected, value, CHANGED)
        if apart is not None:
            wrong[name] = apart[0].replace("the operator gives", "it was")
        return expected if expected.shape == value.shape and expected.dtype == value.dtype else None

    def put_right(name: str, value: Any) -> Any:
        expected = known.get(name)
        return expected if isinstance(expected, np.ndarray) and expected.shape == value.shape else value

    evaluator = Evaluator(loaded, lift=True, kernels=kernel_table(), perturb=put_right, branches=branches.again())
    evaluator.run(given, force=force)
    return wrong


def _constants(earlier: Any, later: Any, known: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Stored tensors that are not what was stored, or computed, under their names: how they differ, and what it was."""
    stored = {tensor.name: tensor for tensor in earlier.proto.graph.initializer}
    found = {}
    for tensor in later.proto.graph.initializer:
        before = stored.get(tensor.name)
        if before is not None and before.SerializeToString() != tensor.SerializeToString():
            expected = _lifted(read_tensor(before, earlier.folder))
        else:
            expected = known.get(tensor.name)
        if expected is None:
            continue
        apart = difference(expected, _lifted(read_tensor(tensor, later.folder)), CHANGED)
        if apart is not None:
            found[tensor.name] = apart[0].replace("the operator gives", "it was"), expected
    return found


def _lifted(value: Any) -> Any:
    return value.astype(np.float64) if value.dtype.kind == "f" else value
