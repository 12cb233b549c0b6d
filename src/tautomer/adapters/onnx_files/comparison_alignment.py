"""Aligns the values of an ONNX file with a trace of another program by value and by place, whatever they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.aligned_source import OUTPUT, Source, write_alignment
from tautomer.adapters.onnx_files.evaluation import graph_inputs, kernel_table, load_as
from tautomer.adapters.onnx_files.graph_paths import GraphPaths
from tautomer.adapters.onnx_files.traced_values import kept_values, nearest_kept
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor
from tautomer.numerics.alignment import Match, SourceValue
from tautomer.numerics.branches import Branches
from tautomer.numerics.expected_values import structural_alignment

NAMED_SHARE = 0.3
"""Exporters that name values after the source's name at least this share of them."""


def align(
    channel: Channel, *, model: str, inputs: list[str], feeds: dict[str, str], references: list[dict[str, str] | None]
) -> dict[str, Any]:
    """Align an ONNX file with the traces of a source.

    Args:
        channel: to report through.
        model, inputs, feeds: as for `evaluate`.
        references: for each input set files `trace`, `s32` and `s64`; None where there is no trace.

    Returns:
        `alignment`: the file of matches, those of the first input set that has them first; None where there are none,
        or where the file calls its values as the source does, which tells more.
        `found`, `values`: how many of the source's values were found on the first such set, and how many it has.
    """
    loaded = load_as(model, None)
    made = {name for node in loaded.proto.graph.node for name in node.output}
    merged: dict[str, Match] = {}
    counts: tuple[int, int] | None = None
    for file, reference in zip(inputs, references, strict=True):
        if reference is None:
            continue
        source = Source.read(reference)
        if len(source.values.keys() & made) >= NAMED_SHARE * len(source.values):
            return {"alignment": None, "found": 0, "values": 0}
        values = {name: value for name, value in source.values.items() if not name.startswith(OUTPUT)}
        found = align_values(loaded, graph_inputs(file, feeds), values)
        counts = counts or (len({match.source for match in found.values()}), len(values))
        merged = {**found, **merged}
    if not merged or counts is None:
        return {"alignment": None, "found": 0, "values": 0}
    path = channel.folder / "alignment.json"
    write_alignment(Path(path), merged)
    return {"alignment": str(path), "found": counts[0], "values": counts[1]}


def align_values(loaded: Any, given: Mapping[str, Any], values: Mapping[str, SourceValue]) -> dict[str, Match]:
    """Matches by target value name on one input set: equal values, then those expected at a place.

    Raises:
        EvaluatorError: the graph cannot be evaluated.
    """
    graph = Alignment(loaded, given)
    return structural_alignment(
        values, lambda aligner: graph.run(aligner.match, lambda match: values[match.source].exact)
    )


class Alignment:
    """One graph on one input set, to be run with the values of a source in the places of its own.

    Args:
        loaded: the model.
        given: its inputs.
    """

    def __init__(self, loaded: Any, given: Mapping[str, Any]) -> None:
        self._loaded, self._given, self._branches = loaded, given, Branches()
        graph = loaded.proto.graph
        computed = kept_values(graph, GraphPaths(graph))
        self._floating: set[str] = set()

        def observe(name: str, value: Any) -> None:
            if name in computed and isinstance(value, np.ndarray) and value.size and Tensor.of(value).is_floating:
                self._floating.add(name)

        self._evaluator(lift=False, branches=self._branches).run(given, observe)
        self._parents = nearest_kept(graph, self._floating)

    def _evaluator(self, *, lift: bool, branches: Branches) -> Any:
        from tautomer.numerics.onnx_evaluator import Evaluator

        return Evaluator(self._loaded, lift=lift, kernels=kernel_table(), branches=branches)

    def run(
        self,
        match: Callable[[str, str, Sequence[str], Any], Match | None],
        exact: Callable[[Match], Any],
    ) -> None:
        """Evaluate in float64, asking of each value what it stands for and going on with that.

        Args:
            match: called with a value's name, its operator, the values it was computed from, and the value.
            exact: the source's value that a match names.
        """

        def force(node: Any, name: str, value: Any) -> Any:
            if name not in self._floating or not isinstance(value, np.ndarray) or value.dtype.kind != "f":
                return None
            found = match(name, node.op_type, self._parents[name], value)
            return None if found is None else found.layout.arranged(exact(found), value.shape)

        self._evaluator(lift=True, branches=self._branches.again()).run(self._given, force=force)
