"""What earlier checkpoints compute of constants alone, when their own derived constants are perturbed.

A pass folds a table of interpolation weights that an earlier checkpoint computes from a scale of 1/3. That scale was
rounded, and its rounding reaches the folded table, too: what is folded inherits the roundings of what it was made of.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tautomer.adapters.onnx_files.evaluation import load_as


class ConstantParts:
    """The parts of earlier checkpoints that depend on no input.

    Args:
        parents: earlier checkpoints (`path`, `opset_override`), the last first.
        wanted: names of the constants that a later checkpoint stores.
        kernels: for the evaluation.
    """

    def __init__(
        self, parents: Sequence[Mapping[str, Any]], wanted: set[str], kernels: Mapping[tuple[str, str], Any]
    ) -> None:
        self._kernels = kernels
        self._parts: list[Any] = []
        left = set(wanted)
        for parent in parents:
            part = _constant_part(load_as(parent["path"], parent.get("opset_override")), left)
            if part is not None:
                left -= {output.name for output in part.proto.graph.output}
                self._parts.append(part)

    def values(self, perturb: Any) -> dict[str, Any]:
        """Values by name in float64, each constant that they are made of perturbed."""
        from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError

        found: dict[str, Any] = {}
        for part in self._parts:
            try:
                made = Evaluator(part, lift=True, kernels=self._kernels, perturb=perturb).run({})
            except EvaluatorError:
                continue
            for name, value in made.items():
                found.setdefault(name, value)
        return found


def _constant_part(loaded: Any, wanted: set[str]) -> Any:
    """The nodes of a model that make the wanted values of constants alone; None where there are none."""
    import onnx

    graph = loaded.proto.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    known = set(stored)
    maker: dict[str, Any] = {}
    for node in graph.node:  # in topological order
        nested = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
        if not nested and all(name in known or not name for name in node.input):
            known.update(node.output)
            maker.update(dict.fromkeys(node.output, node))
    # A value that is a Constant there as well was not made of anything.
    ends = sorted(name for name in wanted & set(maker) if maker[name].input)
    if not ends:
        return None
    needed, pending = set(), list(ends)
    while pending:
        name = pending.pop()
        if name and name not in needed:
            needed.add(name)
            if name in maker:
                pending.extend(maker[name].input)
    part = onnx.ModelProto()
    part.ir_version = loaded.proto.ir_version
    part.opset_import.extend(loaded.proto.opset_import)
    part.functions.extend(loaded.proto.functions)
    part.graph.name = "constants"
    part.graph.node.extend(node for node in graph.node if not needed.isdisjoint(node.output))
    part.graph.initializer.extend(tensor for name, tensor in stored.items() if name in needed)
    part.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in ends)
    return dataclasses.replace(loaded, proto=part)
