"""Which node of a wrong formula is the wrong one: the one that can be changed so that the formula is right.

Several nodes that stand together for one operator of the source are all suspect while only their result is known. Each
is changed by itself, in the ways in which translations go wrong; where changes of exactly one node make the result
right, that node is at fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from tautomer.adapters.onnx_files.evaluation import graph_inputs, kernel_table, load_as
from tautomer.adapters.onnx_files.graph_paths import GraphPaths, uses
from tautomer.adapters.onnx_files.named_values import Truth
from tautomer.adapters.onnx_files.node_edits import Edit, edits, fitted, other_operands
from tautomer.adapters.worker_api import Channel
from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError

Array = np.ndarray[Any, Any]

REPAIRED = 1e-3
"""A change repairs a formula where it leaves no more than this share of what it was off by, or nothing but rounding."""

LARGEST_BYTES = 32 << 20
"""The most that what a formula is given may take to be tried on: it is computed a few hundred times."""

LARGEST_FORMULA = 24
"""Nodes, beyond which a fragment is no formula of one operator but a part of the model."""

FEWEST_ELEMENTS, FEWEST_TO_FIT = 4, 16
"""Fewer elements may come out right by chance; where a number is fitted to them, one of them always does."""

_ROUNDINGS = 64 * 2.0**-24


def repairs(
    channel: Channel,
    *,
    model: str,
    inputs: list[str],
    feeds: dict[str, str],
    faults: list[dict[str, Any]],
    references: list[dict[str, str] | None],
    alignments: list[str | None],
    values: list[str | None],
    opset_override: int | None = None,
) -> dict[str, Any]:
    """Try to repair wrong formulas by a change of one node.

    Emits a `repaired` event for each fault that changes of exactly one node repair: its `position` in the list, the
    `node`, and the `change` in words.

    Args:
        model, inputs, feeds, opset_override, references, alignments, values: as for `isolate`.
        faults: for each the `value` that is wrong and the `input` set that shows it.
    """
    loaded = load_as(model, opset_override)
    paths = GraphPaths(loaded.proto.graph)
    truths: dict[int, Truth] = {}
    for position, fault in enumerate(faults):
        index = int(fault["input"])
        if index not in truths:
            truths[index] = Truth.read(references[index], alignments[index], values[index] if values else None)
        try:
            formula = _formula(loaded, paths, graph_inputs(inputs[index], feeds), truths[index], str(fault["value"]))
            found = formula.repairs() if formula is not None else {}
        except EvaluatorError:
            continue  # the graph's own evaluation has reported that
        if len(found) == 1:
            ((node, change),) = found.items()
            channel.emit("repaired", position=position, node=node, change=change)
    return {}


@dataclass(frozen=True, slots=True, eq=False)
class Formula:
    """Nodes between values that are known, on one input set.

    Attributes:
        nodes: in order.
        given: values they start from.
        name: of the value they make.
        expected: what it should be.
        opsets: of the model.
        stored: those of `given` that the model stores.
    """

    nodes: list[onnx.NodeProto]
    given: Mapping[str, Array]
    name: str
    expected: Array
    opsets: list[onnx.OperatorSetIdProto]
    stored: frozenset[str] = frozenset()

    def result(self, replaced: Mapping[int, onnx.NodeProto], given: Mapping[str, Array] | None = None) -> Array | None:
        """What the formula makes with some nodes replaced; None where it cannot be computed."""
        nodes = [replaced.get(position, node) for position, node in enumerate(self.nodes)]
        feeds = {**self.given, **(given or {})}
        graph = onnx.helper.make_graph(
            nodes,
            "formula",
            [
                onnx.helper.make_tensor_value_info(key, onnx.helper.np_dtype_to_tensor_dtype(one.dtype), one.shape)
                for key, one in feeds.items()
            ],
            [onnx.ValueInfoProto(name=self.name)],
        )
        model = onnx.helper.make_model(graph, opset_imports=self.opsets)
        try:
            with np.errstate(all="ignore"):
                found = Evaluator(model, lift=False, kernels=kernel_table()).run(feeds).get(self.name)
        except (EvaluatorError, ValueError, TypeError):
            return None
        return found if isinstance(found, np.ndarray) else None

    def off(self, value: Array | None) -> float:
        """How far a result is from what it should be: Euclidean, or the number of elements; infinite for no result."""
        return distance(value, self.expected) if value is not None else np.inf

    def repairs(self) -> dict[str, str]:
        """By name of a node, the first change of it that makes the formula right."""
        wrong = self.off(self.result({}))
        small = _ROUNDINGS * float(np.linalg.norm(np.nan_to_num(self.expected.astype(np.float64), posinf=0, neginf=0)))
        enough = max(small, REPAIRED * wrong) if np.isfinite(wrong) else small
        if wrong <= small or self.expected.size < FEWEST_ELEMENTS:
            return {}
        found = {}
        for position, node in enumerate(self.nodes):
            change = self._change_of(position, enough)
            if change is not None:
                found[node.name or node.output[0]] = change
        return found or self._with_another_operand(enough)

    def _with_another_operand(self, enough: float) -> dict[str, str]:
        """The node that makes the result, where another tensor in the place of one that it is given makes it right."""
        position, node = next((position, one) for position, one in enumerate(self.nodes) if self.name in one.output)
        stored = {name: self.given[name] for name in self.stored}
        for edit in other_operands(node, stored, lambda edit: self._edited(position, edit), self.expected):
            if self.off(self._edited(position, edit)) <= enough:
                return {node.name or node.output[0]: edit.text}
        return {}

    def _change_of(self, position: int, enough: float) -> str | None:
        node = self.nodes[position]
        rank = max(one.ndim for one in (self.expected, *self.given.values()))
        for edit in edits(node, self.given, rank):
            if self.off(self._edited(position, edit)) <= enough:
                return edit.text
        if self.expected.size < FEWEST_TO_FIT:
            return None
        for edit in fitted(node, self.given, lambda edit: self._edited(position, edit), self.expected):
            if self.off(self._edited(position, edit)) <= enough:
                return edit.text
        return None

    def _edited(self, position: int, edit: Edit) -> Array | None:
        return self.result({position: edit.node}, edit.given)


def distance(value: Array, expected: Array) -> float:
    """Euclidean distance of two arrays; infinite where shapes, or what is not finite, differ."""
    if value.shape != expected.shape:
        return np.inf
    if expected.dtype.kind not in "fc" or value.dtype.kind not in "fc":
        return float(np.count_nonzero(np.asarray(value != expected)))
    one, other = value.astype(np.float64), expected.astype(np.float64)
    plain = np.isfinite(one)
    if not np.array_equal(plain, np.isfinite(other)) or not np.array_equal(one[~plain], other[~plain], equal_nan=True):
        return np.inf
    return float(np.linalg.norm(one[plain] - other[plain]))


def _formula(loaded: Any, paths: GraphPaths, given: Mapping[str, Any], truth: Truth, name: str) -> Formula | None:
    """The nodes that make a value from what is known, with the values they are given; None where they are too many."""
    known: dict[str, Array] = {}
    right: dict[str, Array] = {}

    def force(_node: Any, value_name: str, value: Any) -> Any:
        found = truth.of(value_name, value)
        if found is not None:
            right[value_name] = found
        if isinstance(value, np.ndarray):
            known[value_name] = value if found is None else found
        return found

    Evaluator(loaded, lift=False, kernels=kernel_table()).run(given, force=force)
    if name not in right:
        return None
    nodes = paths.between(name, right.__contains__)
    if not 1 < len(nodes) <= LARGEST_FORMULA:
        return None
    made = {output for node in nodes for output in node.output}
    needed = {one for node in nodes for one in uses(node)} - made
    stored = _stored(loaded, needed)
    start = {one: given.get(one, known.get(one, stored.get(one))) for one in needed}
    if not all(isinstance(one, np.ndarray) for one in start.values()):
        return None
    if sum(one.nbytes for one in start.values()) > LARGEST_BYTES:
        return None
    return Formula(nodes, start, name, right[name], list(loaded.proto.opset_import), frozenset(stored))


def _stored(loaded: Any, needed: set[str]) -> Mapping[str, Array]:
    from tautomer.numerics.onnx_evaluator.loading import read_tensor

    return {
        tensor.name: read_tensor(tensor, loaded.folder)
        for tensor in loaded.proto.graph.initializer
        if tensor.name in needed
    }
