"""Evaluates a mutant from its touched node on: what lies before computes what the original computed there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tautomer.adapters.onnx_files.mutants.data_flow import names_used
from tautomer.adapters.onnx_files.mutants.subject import Mutant
from tautomer.numerics.onnx_evaluator import Evaluator, LoadedModel

Array = np.ndarray[Any, Any]


@dataclass(slots=True)
class Passage:
    """One evaluation of the original on one input set: its outputs and what it computed on the way.

    Attributes:
        inputs: of the graph.
        outputs: of the graph, by name.
        values: arrays on the way that there was room to keep, by name.
        elements: declared element type of each array on the way, kept or not.
    """

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    values: dict[str, Array] = field(default_factory=dict)
    elements: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, evaluator: Evaluator, inputs: Mapping[str, Any], *, budget_bytes: int, declared: Passage | None = None
    ) -> Passage:
        """Evaluate and keep what fits.

        Args:
            evaluator: of the original.
            inputs: of the graph.
            budget_bytes: for the values kept.
            declared: the evaluation in the declared types, whose element types are the declared ones; None if this
                is it.

        Raises:
            EvaluatorError: the original cannot be evaluated.
        """
        values: dict[str, Array] = {}
        elements: dict[str, int] = {}
        kept_bytes = 0

        def observe(name: str, value: Any) -> None:
            nonlocal kept_bytes
            if not isinstance(value, np.ndarray) or value.dtype.kind in "OUS":
                return
            elements[name] = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)
            if kept_bytes + value.nbytes <= budget_bytes:
                kept_bytes += value.nbytes
                values[name] = value

        outputs = evaluator.run(inputs, observe)
        return cls(inputs, outputs, values, elements if declared is None else declared.elements)


class Resumption:
    """Evaluates mutants of one model.

    Args:
        loaded: the original.
        kernels: as for `Evaluator`.
        perturb: as for `Evaluator`.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        kernels: Mapping[tuple[str, str], Any],
        perturb: Callable[[str, Array], Array] | None = None,
    ) -> None:
        self._folder: Path | None = loaded.folder
        self._kernels = kernels
        self._perturb = perturb
        self._nodes = frozenset(node.SerializeToString(deterministic=True) for node in loaded.proto.graph.node)
        self._functions = {_key(one): one.SerializeToString(deterministic=True) for one in loaded.proto.functions}

    def touched(self, mutant: Mutant) -> list[int]:
        """Positions of the mutant's nodes that compute otherwise, or from something that does."""
        changed_functions = self._changed_functions(mutant)
        otherwise: set[str] = set(mutant.tensors)
        positions = []
        for position, node in enumerate(mutant.model.graph.node):
            same = node.SerializeToString(deterministic=True) in self._nodes
            calls = (node.domain, node.op_type, node.overload) in changed_functions
            if not same or calls or otherwise & set(_used_by(node)):
                positions.append(position)
                otherwise.update(name for name in node.output if name)
        return positions

    def _changed_functions(self, mutant: Mutant) -> set[tuple[str, str, str]]:
        changed = {
            _key(one)
            for one in mutant.model.functions
            if self._functions.get(_key(one)) != one.SerializeToString(deterministic=True)
        }
        while True:
            callers = {
                _key(one)
                for one in mutant.model.functions
                if any((node.domain, node.op_type, node.overload) in changed for node in one.node)
            }
            if callers <= changed:
                return changed
            changed |= callers

    def outputs(
        self,
        mutant: Mutant,
        passage: Passage,
        *,
        lift: bool,
        observe: Callable[[str, Any], None] | None = None,
    ) -> dict[str, Any]:
        """All outputs of the mutant by name; those that no touched node reaches are the original's.

        Args:
            mutant: of the original.
            passage: the original's evaluation in the same precision.
            lift: as for `Evaluator`.
            observe: called with each value that is computed anew.

        Raises:
            EvaluatorError: the mutant cannot be evaluated.
        """
        positions = self.touched(mutant)
        rest = self._rest(mutant.model, positions, passage)
        outputs = dict(passage.outputs)
        if rest is not None:
            given = {
                value.name: passage.values[value.name] if value.name in passage.values else passage.inputs[value.name]
                for value in rest.graph.input
                if value.name in passage.values or value.name in passage.inputs
            }
            evaluator = Evaluator(
                LoadedModel(rest, self._folder), lift=lift, kernels=self._kernels, perturb=self._perturb
            )
            outputs.update(evaluator.run(given, observe))
        return outputs

    def _rest(self, model: onnx.ModelProto, positions: list[int], passage: Passage) -> onnx.ModelProto | None:
        """The part of the graph that must be computed again, as a model; None where no output depends on it."""
        nodes = model.graph.node
        made = {name: position for position, node in enumerate(nodes) for name in node.output if name}
        again = set(positions)
        outputs = [value for value in model.graph.output if made.get(value.name) in again]
        if not outputs:
            return None
        # Only what leads to an output, and beside it what the original's evaluation did not keep.
        wanted: set[int] = set()
        borrowed: set[str] = set()
        pending = [value.name for value in outputs]
        while pending:
            name = pending.pop()
            position = made.get(name)
            if position is None or (position not in again and name in passage.values):
                borrowed.add(name)
            elif position not in wanted:
                wanted.add(position)
                pending.extend(_used_by(nodes[position]))
        rest = onnx.ModelProto()
        rest.ir_version = model.ir_version
        rest.opset_import.extend(model.opset_import)
        rest.functions.extend(model.functions)
        rest.graph.name = model.graph.name
        rest.graph.node.extend(nodes[position] for position in sorted(wanted))
        rest.graph.output.extend(outputs)
        rest.graph.initializer.extend(one for one in model.graph.initializer if one.name in borrowed)
        rest.graph.sparse_initializer.extend(
            one for one in model.graph.sparse_initializer if one.values.name in borrowed
        )
        stored = {one.name for one in rest.graph.initializer}
        for value in model.graph.input:
            if value.name in borrowed:
                rest.graph.input.append(value)
                stored.add(value.name)
        for name in sorted(borrowed & set(passage.values) - stored):
            rest.graph.input.append(onnx.helper.make_tensor_value_info(name, passage.elements[name], None))
        return rest


def _used_by(node: onnx.NodeProto) -> Iterable[str]:
    """Names a node takes, those that its subgraphs take from around it included."""
    used = {name for name in node.input if name}
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            used |= names_used(attribute.g)
    return used


def _key(function: onnx.FunctionProto) -> tuple[str, str, str]:
    return (function.domain, function.name, function.overload)
