"""The values an ONNX file computes on its way, as a trace like that of any other source, so that targets can be judged
against them fragment by fragment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.evaluation import graph_inputs, kernel_table, load_as
from tautomer.adapters.onnx_files.fingerprint import fingerprint
from tautomer.adapters.onnx_files.graph_paths import MOVES, GraphPaths, uses
from tautomer.adapters.source_trace import SourceTrace, TracedValue
from tautomer.adapters.stack_traces import users_line
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor
from tautomer.numerics.branches import Branches

LOCAL_SAMPLES = 4
"""Perturbed evaluations of each node by itself: enough for a scale, since they are pooled over its elements."""

BUDGET_BYTES = 2 << 30
"""The most that a graph's intermediate values may take on one input set; a larger one is judged end to end only."""

UNNAMED = "reference:"
"""Put before the names of a graph's values where another graph calls other values by them."""

SAME_NAMES_SHARE = 0.8
"""Names mean something where, of those that two graphs share, at least this share stands for one operator in both."""


def trace(channel: Channel, *, model: str, inputs: list[str], judged: str | None, seed: int) -> dict[str, Any]:
    """Evaluate an ONNX file on all input sets, and leave what it computes as `trace-N` files.

    Args:
        channel: to report through.
        model: the file.
        inputs: files of values by the graph's input names, one an input set.
        judged: another ONNX file that will be judged against it; where equal names do not stand for equal operators in
            the two, the trace's names are made to differ from the other file's. None where the other is none.
        seed: of the local perturbations.

    Returns:
        `traces`: for each input set the trace's file, or None with the reason in `reasons`; `constants` and `scalars`:
        fingerprints and numbers that the graph holds.
    """
    from tautomer.numerics.onnx_evaluator import EvaluatorError

    loaded = load_as(model, None)
    held = _Held()
    prefix = "" if judged is None or names_agree(loaded.proto.graph, load_as(judged, None).proto.graph) else UNNAMED
    traces: list[str | None] = []
    reasons: list[str | None] = []
    for index, file in enumerate(inputs):
        given = graph_inputs(file, _by_own_names(loaded))
        try:
            reason = _traced(channel, loaded, given, prefix=prefix, held=held, index=index, seed=seed)
        except EvaluatorError as error:
            reason = f"its values cannot be computed: {error}"
        traces.append(None if reason else f"trace-{index}.json")
        reasons.append(reason)
    return {"traces": traces, "reasons": reasons, "constants": sorted(held.tensors), "scalars": sorted(held.scalars)}


def names_agree(one: Any, other: Any) -> bool:
    """Whether the values of two graphs that have one name are made by one operator, too, nearly all of them."""
    made = {name: node.op_type for node in one.node for name in node.output if name}
    shared = [made[name] == node.op_type for node in other.node for name in node.output if name in made]
    return not shared or sum(shared) >= SAME_NAMES_SHARE * len(shared)


def kept_values(graph: Any, paths: GraphPaths) -> dict[str, Any]:
    """By name, the nodes whose results are computed values: that depend on inputs and are not only moved about."""
    return {
        name: node
        for node in graph.node
        if node.op_type not in MOVES
        for name in node.output
        if name and name in paths.variable
    }


def nearest_kept(graph: Any, kept: Collection[str]) -> dict[str, tuple[str, ...]]:
    """For each value, the kept values it is computed from, looked for through nodes that only move values."""
    through: dict[str, tuple[str, ...]] = {}
    for node in graph.node:
        found: dict[str, None] = {}
        for name in uses(node):
            found |= dict.fromkeys((name,) if name in kept else through.get(name, ()))
        through |= {name: tuple(found) for name in node.output if name}
    return through


def source_line(node: Any) -> str | None:
    """`file.py:12` of the innermost frame outside PyTorch in the exporter's stack trace; None where there is none."""
    metadata = {one.key: one.value for one in node.metadata_props}
    return users_line(metadata.get("pkg.torch.onnx.stack_trace", ""))


class _Held:
    """Collects the floating constants an evaluation uses, leaving them as they are."""

    def __init__(self) -> None:
        self.tensors: set[str] = set()
        self.scalars: set[float] = set()

    def __call__(self, _name: str, array: Any) -> Any:
        values = np.asarray(array)
        if values.size == 1:
            self.scalars.add(float(values.reshape(-1)[0]))
        elif values.size:
            with np.errstate(over="ignore"):
                self.tensors.add(fingerprint(np.asarray(values, dtype=np.float32)))
        return array


def _by_own_names(loaded: Any) -> dict[str, str]:
    paths = GraphPaths(loaded.proto.graph)
    return {name: name for name in paths.inputs}


def _traced(
    channel: Channel,
    loaded: Any,
    given: Mapping[str, Any],
    *,
    prefix: str,
    held: _Held,
    index: int,
    seed: int,
) -> str | None:
    """Write the trace of one input set; why there is none, where there is none."""
    from tautomer.numerics.onnx_evaluator import Evaluator, RoundingNoise

    graph = loaded.proto.graph
    paths = GraphPaths(graph)
    made = kept_values(graph, paths)
    branches, kernels = Branches(), kernel_table()
    declared: dict[str, Tensor] = {}
    exact: dict[str, Any] = {}
    taken = 0

    def keep_declared(name: str, value: Any) -> None:
        nonlocal taken
        if name in made and isinstance(value, np.ndarray) and value.size and taken <= BUDGET_BYTES:
            tensor = Tensor.of(value)
            if tensor.is_floating and value.dtype.kind != "c":
                declared[name] = tensor
                taken += value.size * (value.dtype.itemsize + 8 + 4)

    def keep_exact(name: str, value: Any) -> None:
        if name in declared and isinstance(value, np.ndarray) and value.shape == declared[name].shape:
            exact[name] = value

    Evaluator(loaded, lift=False, kernels=kernels, branches=branches).run(given, keep_declared)
    if taken > BUDGET_BYTES:
        return f"the values of the reference take more than {BUDGET_BYTES / 2**30:.1f} GiB"

    def lifted(**options: Any) -> Evaluator:
        return Evaluator(loaded, lift=True, kernels=kernels, branches=branches.again(), **options)

    lifted(perturb=held).run(given, keep_exact)
    squares = {name: np.zeros(value.shape) for name, value in exact.items()}

    def force(_node: Any, name: str, value: Any) -> Any:
        base = exact.get(name)
        if base is None or not isinstance(value, np.ndarray) or value.shape != base.shape:
            return None
        with np.errstate(all="ignore"):
            deviation = np.abs(value - base)
        squares[name] += np.square(np.where(np.isfinite(deviation), deviation, 0.0)) / LOCAL_SAMPLES
        return base

    for sample in range(LOCAL_SAMPLES):
        noise = RoundingNoise(seed * 1_000_003 + index * 1009 + sample)
        lifted(noise=noise).run(given, force=force)
    # Values that were not kept (integers, sequences) do not count as parents: what they were computed from does.
    parents = nearest_kept(graph, exact)
    SourceTrace.write(
        channel.folder,
        f"trace-{index}",
        [
            TracedValue(
                prefix + name,
                made[name].op_type,
                source_line(made[name]),
                tuple(prefix + parent for parent in parents[name]),
            )
            for name in exact
        ],
        declared={prefix + name: declared[name] for name in exact},
        exact={prefix + name: Tensor.of(value) for name, value in exact.items()},
        deviation={prefix + name: Tensor.of(np.sqrt(one).astype(np.float32)) for name, one in squares.items()},
        producers={
            output: (
                prefix + output if output in exact else next((prefix + one for one in parents.get(output, ())), None)
            )
            for output in paths.outputs
        },
    )
    return None
