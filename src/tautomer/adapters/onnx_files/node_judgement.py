"""Judges every node of an ONNX file by itself: the runtime's kernel on the runtime's own inputs, against its bound."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tautomer.adapters.onnx_files.evaluation import graph_inputs, kernel_table
from tautomer.adapters.runtimes.onnxruntime_probes import ProbedModel, RuntimeValues, tensor_values
from tautomer.adapters.tensor_file import read_values
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor
from tautomer.numerics.approximation_tables import ApproximationTable, decode_table, table_for
from tautomer.numerics.kernel_bounds import Summation, forward_bounds, is_bounded
from tautomer.numerics.kernel_bounds.node_errors import WorstElement, worst_element
from tautomer.numerics.onnx_evaluator import Call, Evaluator, EvaluatorError, Kernel, LoadedModel
from tautomer.numerics.onnx_evaluator.kernels import KERNELS

Array = np.ndarray[Any, Any]

RUNTIME = "onnxruntime"
_NARROW = frozenset({"tensor(float16)", "tensor(bfloat16)"})

_WITHOUT_FLOAT16_KERNELS = frozenset({"x86_64", "AMD64"})
"""Machines on which ONNX Runtime 1.32 computes every float16 node in float32; on others some have float16 kernels."""

WIDER_BETWEEN_NODES_U = 1.0
"""Relative error, in u, of a 16-bit value that is seen: ONNX Runtime's CPU computes such nodes in float32, and may hand
the next one the float32 number that it shows rounded."""


def judge_nodes(
    channel: Channel,
    *,
    model: str,
    checkpoint: str,
    inputs: list[str],
    feeds: dict[str, str],
    runtime: str = RUNTIME,
    budget_bytes: int = 1 << 30,
    table: str | None = None,
    summation: str = Summation.ANY_ORDER,
    answers: list[str | None] | None = None,
    executes: str | None = None,
) -> dict[str, Any]:
    """Judge each node of the main graph on the values that an unoptimized session gives it.

    For every input set emits a `node` event for each output beyond its bound, and one `nodes` event that sums up:
    `nodes_judged`, `nodes_without_bound` and `nodes_partly_open` (counts by operator), `largest_ratio` with its node,
    `largest_ratio_by_op`, and `probes_change_answer`, the outputs that are not bit for bit those of the session
    without probes.

    Args:
        channel: where to report.
        model: path of the file.
        checkpoint: its name, for the events.
        inputs: files of input values by the source's paths, one an input set.
        feeds: graph input name -> the source's path.
        runtime: whose kernels are judged; only `onnxruntime` shows values between nodes.
        budget_bytes: of values between nodes held at a time; above it the model is run several times.
        table: file with the runtime's approximated functions; None for the shipped one.
        summation: what is assumed of sums; the default proves, `random_roundings` suspects.
        answers: files of what the runtime answered before, one an input set; what is said of nodes says something of
            that answer only where the same comes out again.
        executes: the file that the runtime is given instead, with the same names; for faults planted in a runtime.

    Raises:
        ValueError: the runtime does not show values between nodes.
        Exception: the session could not be made or run; the runtime's own error.
    """
    if runtime != RUNTIME:
        raise ValueError(f"runtime {runtime!r} does not show values between nodes")
    import onnxruntime

    path = Path(model)
    errors_table = (
        table_for(RUNTIME, onnxruntime.__version__)
        if table is None
        else decode_table(Path(table).read_text("utf-8"), origin=table)
    )
    for index, file in enumerate(inputs):
        given = graph_inputs(file, feeds)
        judgement = judge_set(
            path,
            given,
            errors_table,
            budget_bytes=budget_bytes,
            summation=Summation(summation),
            runs_as=Path(executes) if executes is not None else None,
        )
        for one in judgement.over_bound:
            channel.emit("node", checkpoint=checkpoint, input=index, **one)
        answer = answers[index] if answers is not None else None
        again = answer is None or _same_answer(Path(answer), judgement.answer)
        channel.emit("nodes", checkpoint=checkpoint, input=index, same_answer=again, **judgement.summary())
    return {"version": onnxruntime.__version__, "table": None if errors_table is None else errors_table.version}


def _same_answer(path: Path, found: Mapping[str, Any]) -> bool:
    """Whether the outputs are those in a file, bit for bit."""
    values = read_values(path)
    return isinstance(values, Mapping) and all(
        isinstance(one, Tensor) and one.array.tobytes() == Tensor.of(np.asarray(found[name])).array.tobytes()
        for name, one in values.items()
        if name in found
    )


@dataclass(slots=True)
class NodesJudgement:
    """What is found on one input set; `over_bound` and `summary()` are JSON values.

    Attributes:
        over_bound: outputs whose error exceeds its bound, in the order of the graph.
        judged: nodes with a bound.
        without_bound: nodes that have none, by operator.
        partly_open: nodes of which some elements have none and are not the exact number rounded, by operator.
        largest: largest ratio by operator, with the node's name.
        probes_change_answer: outputs that making values visible has changed.
        sessions: how many were needed.
        note: what is known of the table of approximated functions.
        answer: the model's outputs.
    """

    over_bound: list[dict[str, Any]] = field(default_factory=list)
    judged: int = 0
    without_bound: Counter[str] = field(default_factory=Counter)
    partly_open: Counter[str] = field(default_factory=Counter)
    largest: dict[str, tuple[float, str]] = field(default_factory=dict)
    probes_change_answer: list[str] = field(default_factory=list)
    sessions: int = 0
    note: str | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """The fields of the `nodes` event."""
        ratio, node = max(self.largest.values(), default=(0.0, None))
        return {
            "nodes_judged": self.judged,
            "nodes_without_bound": dict(sorted(self.without_bound.items())),
            "nodes_partly_open": dict(sorted(self.partly_open.items())),
            "nodes_over_bound": len({one["position"] for one in self.over_bound}),
            "largest_ratio": ratio,
            "largest_ratio_node": node,
            "largest_ratio_by_op": {name: ratio for name, (ratio, _) in sorted(self.largest.items())},
            "probes_change_answer": self.probes_change_answer,
            "sessions": self.sessions,
            "note": self.note,
        }


def judge_set(
    path: Path,
    given: Mapping[str, Any],
    table: ApproximationTable | None,
    *,
    budget_bytes: int = 1 << 30,
    summation: Summation = Summation.ANY_ORDER,
    runs_as: Path | None = None,
) -> NodesJudgement:
    """Judge the nodes of a file on one set of inputs.

    Args:
        path: the file whose nodes say what is to be computed.
        given: the graph's inputs by name.
        table: of the runtime's approximated functions.
        budget_bytes: of values between nodes held at a time.
        summation: what is assumed of sums.
        runs_as: the file that the runtime is given instead, with the same names; for faults planted in a runtime.

    Raises:
        Exception: ONNX Runtime's own, where the session cannot be made or run.
    """
    proto = _named(onnx.load(str(path), load_external_data=False))
    executed = runs_as or path
    run_proto = proto if runs_as is None else onnx.load(str(executed), load_external_data=False)
    values = RuntimeValues(ProbedModel(run_proto, executed.parent), tensor_values(proto), given, budget_bytes)
    from_runtime: set[str] = set()
    while True:
        judge = _NodeJudge(values, table, summation)
        try:
            judge.run(LoadedModel(_without(proto, from_runtime), path.parent), {**given, **values.all_of(from_runtime)})
            break
        except EvaluatorError as error:
            more = _outputs_of(proto, error) - from_runtime
            if not more:
                raise
            # What the specification's evaluator cannot compute is taken from the runtime, and left without a bound.
            from_runtime |= more
    judgement = judge.judgement
    judgement.probes_change_answer = sorted(values.changed)
    judgement.sessions = values.sessions
    judgement.answer = values.answer
    for node in proto.graph.node:
        if set(node.output) & from_runtime:
            judgement.without_bound[node.op_type] += 1
    return judgement


class _NodeJudge:
    """Evaluates a graph in float64, every node on the runtime's values, and compares each with its bound."""

    def __init__(self, values: RuntimeValues, table: ApproximationTable | None, summation: Summation) -> None:
        self.judgement = NodesJudgement(note=None if table is None else table.note)
        self._values = values
        self._table = table
        self._summation = summation
        self._kernels: dict[tuple[str, str], Kernel] = {
            **{("", name): kernel for name, kernel in KERNELS.items()},
            **kernel_table(),
        }
        self._calls: dict[int, Call] = {}
        self._outputs: dict[str, tuple[Any, Any]] = {}
        self._positions: dict[str, int] = {}

    def run(self, model: LoadedModel, given: Mapping[str, Any]) -> None:
        """Judge every node of the main graph.

        Raises:
            EvaluatorError: a node cannot be evaluated in float64.
        """
        nodes = model.proto.graph.node
        self._positions = {output: index for index, node in enumerate(nodes) for output in node.output if output}
        # Gather keeps its own kernel: only then does the evaluator read rows of a table without lifting all of it.
        watched = {name: self._watched(kernel) for name, kernel in self._kernels.items() if name != ("", "Gather")}
        Evaluator(model, lift=True, kernels=watched).run(given, force=self._force)

    def _watched(self, kernel: Kernel) -> Kernel:
        def run(call: Call) -> Any:
            self._calls[id(call.node)] = call
            return kernel(call)

        return run

    def _force(self, node: onnx.NodeProto, name: str, exact: Any) -> Any:
        """Take a node's exact output, and put the runtime's in its place for the nodes that follow."""
        found = self._values.of(name)
        self._outputs[name] = exact, found
        if name == next(output for output in reversed(node.output) if output):
            if not (node.op_type == "Constant" and node.domain in ("", "ai.onnx")):
                self._settle(node)
            self._outputs.clear()
            self._calls.clear()
        return found

    def _settle(self, node: onnx.NodeProto) -> None:
        """Compare the outputs of one node with their bounds."""
        exacts = [self._outputs[name][0] if name in self._outputs else None for name in node.output]
        bounds = self._bounds(node, exacts)
        shown = [name in self._outputs and isinstance(self._outputs[name][1], np.ndarray) for name in node.output]
        if not any(bound is not None and one for bound, one in zip(bounds, shown, strict=True)):
            self.judgement.without_bound[node.op_type] += 1
            return
        self.judgement.judged += 1
        for name, bound, one in zip(node.output, bounds, shown, strict=True):
            if bound is None or not one:
                continue
            exact, found = self._outputs[name]
            if found.shape != exact.shape:
                # How many numbers a range has is a decision on a quotient that kernels round.
                if node.op_type != "Range":
                    self.judgement.over_bound.append(_shape_event(node, name, self._positions[name], found, exact))
                continue
            worst = worst_element(found, exact, bound)
            if worst is None:
                continue
            if worst.open:
                self.judgement.partly_open[node.op_type] += 1
            so_far = self.judgement.largest.get(node.op_type, (-1.0, ""))
            self.judgement.largest[node.op_type] = max(so_far, (worst.ratio, node.name))
            if worst.ratio > 1:
                self.judgement.over_bound.append(_event(node, name, self._positions[name], worst))

    def _bounds(self, node: onnx.NodeProto, exacts: Sequence[Any]) -> list[Array | None]:
        call = self._calls.get(id(node))
        if call is not None:
            narrow = any(declared in _NARROW for declared in (*call.input_types, *call.output_types))
            return forward_bounds(
                call,
                exacts,
                self._table,
                kernel=self._kernels.get(("", node.op_type)),
                summation=self._summation,
                input_error_u=WIDER_BETWEEN_NODES_U if narrow else 0.0,
                computed_in="float32" if platform.machine() in _WITHOUT_FLOAT16_KERNELS else None,
            )
        if node.op_type == "Gather" and is_bounded(node.op_type, node.domain):
            return [np.zeros(np.shape(one)) for one in exacts]
        return [None] * len(exacts)


def _event(node: onnx.NodeProto, output: str, position: int, worst: WorstElement) -> dict[str, Any]:
    return {
        **_place(node, output, position),
        "ratio": worst.ratio,
        "error": worst.error,
        "bound": worst.bound,
        "index": list(worst.index),
        "found": worst.found,
        "exact": worst.exact,
        "shapes": None,
    }


def _shape_event(node: onnx.NodeProto, output: str, position: int, found: Array, exact: Array) -> dict[str, Any]:
    numbers = {"ratio": float("inf"), "error": None, "bound": 0.0, "index": None, "found": None, "exact": None}
    return {**_place(node, output, position), **numbers, "shapes": [list(found.shape), list(exact.shape)]}


def _place(node: onnx.NodeProto, output: str, position: int) -> dict[str, Any]:
    return {
        "node": node.name,
        "op_type": node.op_type,
        "domain": node.domain,
        "position": position,
        "outputs": list(node.output),
        "output": output,
    }


def _named(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a name on every node, so that errors and findings can name it."""
    for index, node in enumerate(proto.graph.node):
        if not node.name:
            node.name = f"{node.op_type}#{index}"
    return proto


def _outputs_of(proto: onnx.ModelProto, error: EvaluatorError) -> set[str]:
    """Outputs of the node an error names; where it names one inside a function or a body, of those that hold it."""
    named = [node for node in proto.graph.node if node.name == error.node_name and node.op_type == error.op_type]
    holding = named or [node for node in proto.graph.node if _holds(node, proto, error)]
    return {output for node in holding for output in node.output if output}


def _holds(node: onnx.NodeProto, proto: onnx.ModelProto, error: EvaluatorError) -> bool:
    """Whether a node of the kind that the error names is in one of this node's bodies or in its function."""
    bodies = [attribute.g.node for attribute in node.attribute if attribute.type == onnx.AttributeProto.GRAPH]
    bodies += [one.node for one in proto.functions if one.name == node.op_type and one.domain == node.domain]
    return any(inner.op_type == error.op_type or _holds(inner, proto, error) for body in bodies for inner in body)


def _without(proto: onnx.ModelProto, given: set[str]) -> onnx.ModelProto:
    """The model in which some nodes' outputs are inputs."""
    if not given:
        return proto
    changed = onnx.ModelProto()
    changed.CopyFrom(proto)
    kept = [node for node in proto.graph.node if not set(node.output) & given]
    del changed.graph.node[:]
    changed.graph.node.extend(kept)
    changed.graph.input.extend(onnx.ValueInfoProto(name=name) for name in sorted(given))
    return changed
