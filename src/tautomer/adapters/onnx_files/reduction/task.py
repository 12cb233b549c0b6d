"""The task `reduce_onnx`: from a failing ONNX file to the smallest model and inputs that fail the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.external_data_helper import uses_external_data

from tautomer.adapters.onnx_files.evaluation import as_value, graph_inputs
from tautomer.adapters.onnx_files.reduction.case import Array, Case
from tautomer.adapters.onnx_files.reduction.observation import Manner, wanted_from
from tautomer.adapters.onnx_files.reduction.oracle import Oracle
from tautomer.adapters.onnx_files.reduction.recording import recorded_by_evaluator, recorded_by_runtime
from tautomer.adapters.onnx_files.reduction.reference import ReferenceGraph
from tautomer.adapters.onnx_files.reduction.runtime_process import RuntimeProcess
from tautomer.adapters.onnx_files.reduction.search import CONFIRMATIONS, Search, node_names
from tautomer.adapters.onnx_files.reduction.selection import Cutter
from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.worker_api import Channel
from tautomer.minimization import BudgetSpent, Flaky, Trials
from tautomer.numerics.onnx_evaluator import load_model

MODEL_FILE = "best.onnx"
INPUTS_FILE = "best.safetensors"

_LARGEST_KEPT = 1 << 27
"""Elements of a case that is worth a file: the first steps of a large model would write gigabytes again and again."""

_OUTSIDE_FROM_BYTES = 4 << 20
"""Weights from this size on are put beside the model once, not copied into every candidate."""

RECORDING_LIMIT_S = 60.0
_HANG_LIMIT_S = 1.0
"""A part of a graph that hangs is given this long, since what is sound of it answers in milliseconds; what is left in
the end is given the whole time again."""


def reduce_onnx(
    channel: Channel,
    *,
    model: str,
    inputs: list[str],
    feeds: dict[str, str],
    failing: dict[str, Any],
    located_nodes: list[str],
    runtime: str = "onnxruntime",
    level: str = "all",
    seed: int = 0,
    max_calls: int = 2000,
    time_limit_s: float = 20.0,
    recording_limit_s: float = RECORDING_LIMIT_S,
    reference: str | None = None,
    through: str | None = None,
    only_nodes: bool = False,
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Reduce a failing model.

    Emits `attempt` (`calls`, `nodes`, `fails`) for every case that is tried, `step` when a step ends, and `best`
    (`model`, `inputs`, `nodes`, `calls`) whenever a smaller failing case has been written.

    Args:
        channel: where to report; the files are left in its folder.
        model: path of the file.
        inputs: files of input values by the source's paths, one an input set; the first that fails is used.
        feeds: graph input name -> the source's path.
        failing: the fields of the failure's `Signature`. A divergence at a stage of the converter needs `reference`.
        located_nodes: names of the nodes at fault, or outputs of theirs; empty where they are not known.
        runtime: `onnxruntime`, `openvino`, or `onnx.checker`.
        level: the optimization level at which it fails; lower ones than `all` are `extended`, `basic`, `disabled`.
        seed: of the samples that the judge takes.
        max_calls: the most cases to try.
        time_limit_s: for each answer of the runtime.
        recording_limit_s: for the evaluation that records the values of a model whose runtime gives none.
        reference: path of a graph that is right, values corresponding by name; the model is then compared with it.
        through: a fault planted in the runtime, `package.module:function` of a change to the model.
        only_nodes: stop when the nodes are minimal.
        options: the runtime's settings, as `--to-set` gives them.

    Returns:
        `model`, `inputs` (files; None where the failure was not reproduced), `nodes` (names in the original),
        `op_types`, `node_count`, `calls`, `runtime_starts`, `steps`, `finished` (whether nothing was left to try),
        `observed` (what the reduced case does), and `reason` (`not_reproduced`, `flaky`, `budget`, or None).
    """
    wanted = wanted_from(failing, level)
    levels = ("disabled",) if level == "disabled" or (wanted and wanted.level == "disabled") else ("disabled", level)
    answer: dict[str, Any] = {}
    # The runtime is imported in its process while the model is read in this one.
    with RuntimeProcess(runtime, channel.folder, time_limit_s=time_limit_s, options=options) as process:
        proto, folder = _prepared(Path(model), channel.folder)
        for file in inputs:
            process.time_limit_s = time_limit_s
            given = graph_inputs(file, feeds)
            recorded, evaluable = _recorded(
                proto, folder, given, process, channel.folder, diverges=wanted is not None, limit_s=recording_limit_s
            )
            right = None
            if reference is not None:
                loaded = load_model(Path(reference))
                right = ReferenceGraph(loaded.proto, loaded.folder, given)
            oracle = Oracle(process, levels, seed, through, right, evaluable=False, wanted=wanted)
            cutter = Cutter(proto, folder, recorded)
            search = _search(channel, cutter, oracle, max_calls)
            answer = _reduced(channel, search, located_nodes, only_nodes=only_nodes, evaluable=evaluable)
            answer["runtime_starts"] = process.started
            if answer["reason"] != "not_reproduced":
                break
    return answer


def _reduced(
    channel: Channel, search: Search, located: list[str], *, only_nodes: bool, evaluable: bool
) -> dict[str, Any]:
    """Run the search to its end or to the end of its budget."""
    trials, oracle = search.trials, search.oracle
    time_limit_s = oracle.process.time_limit_s
    reason: str | None = None
    try:
        if oracle.wanted is None:
            whole = search.cutter.whole()
            if whole is None or not oracle.adopt(whole):
                return _answer(channel, search, None, "not_reproduced")
            if oracle.wanted is not None and oracle.wanted.manner is Manner.HUNG:
                oracle.process.time_limit_s = min(_HANG_LIMIT_S, oracle.process.time_limit_s)
        nodes = search.start(located)
        if nodes is None:
            return _answer(channel, search, None, "not_reproduced")
        case = search.cutter.cut(search.smallest_part(nodes))
        assert case is not None
        oracle.evaluable = evaluable
        if not only_nodes:
            case = search.simplest(case)
        oracle.process.time_limit_s = time_limit_s
        if not trials.confirm(case, CONFIRMATIONS):
            reason = "flaky"
    except BudgetSpent:
        reason = "budget"
    except Flaky:
        reason = "flaky"
    return _answer(channel, search, trials.best, reason)


def _search(channel: Channel, cutter: Cutter, oracle: Oracle, max_calls: int) -> Search:
    """A search that reports what it tries and leaves its best case in the channel's folder."""

    def fails(case: Case) -> bool:
        failed = oracle.fails(case)
        channel.emit("attempt", calls=trials.calls, nodes=len(case.proto.graph.node), fails=failed)
        return failed

    def keep(case: Case) -> None:
        if case.elements > _LARGEST_KEPT:
            return
        _write(channel.folder, case)
        channel.emit(
            "best",
            model=str(channel.folder / MODEL_FILE),
            inputs=str(channel.folder / INPUTS_FILE),
            nodes=list(node_names(case)),
            calls=trials.calls,
        )

    trials: Trials[Case] = Trials(
        fails, key=lambda case: case.key, size=lambda case: case.size, budget=max_calls, on_best=keep
    )
    return Search(cutter, oracle, trials, lambda step: channel.emit("step", **asdict(step)))


def _answer(channel: Channel, search: Search, case: Case | None, reason: str | None) -> dict[str, Any]:
    found = case is not None and (channel.folder / MODEL_FILE).exists()
    seen = search.oracle.last
    return {
        "model": str(channel.folder / MODEL_FILE) if found else None,
        "inputs": str(channel.folder / INPUTS_FILE) if found else None,
        "nodes": list(node_names(case)) if case is not None else [],
        "op_types": [node.op_type for node in case.proto.graph.node] if case is not None else [],
        "node_count": case.nodes if case is not None else 0,
        "calls": search.trials.calls,
        "steps": [asdict(step) for step in search.steps],
        "finished": found and reason is None,
        "observed": asdict(seen) if seen is not None else None,
        "reason": reason,
    }


def _prepared(path: Path, scratch: Path) -> tuple[onnx.ModelProto, Path | None]:
    """The model with its Constant nodes stored as tensors, and the folder of its external ones."""
    loaded = load_model(path)
    proto, folder = loaded.proto, loaded.folder
    stored = proto.graph.initializer
    if proto.ByteSize() >= _OUTSIDE_FROM_BYTES and not any(map(uses_external_data, stored)):
        outside = scratch / "original.onnx"
        onnx.save_model(
            proto, str(outside), save_as_external_data=True, location="original.weights", size_threshold=1024
        )
        proto, folder = onnx.load(str(outside), load_external_data=False), scratch
    constants = [node for node in proto.graph.node if node.op_type == "Constant" and node.domain in ("", "ai.onnx")]
    kept = [node for node in proto.graph.node if not (node in constants and _as_tensor(node) is not None)]
    if len(kept) < len(proto.graph.node):
        tensors = [tensor for node in constants if (tensor := _as_tensor(node)) is not None]
        nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
        del proto.graph.node[:]
        proto.graph.node.extend(nodes)
        proto.graph.initializer.extend(tensors)
    return proto, folder


def _as_tensor(node: onnx.NodeProto) -> onnx.TensorProto | None:
    """The tensor of a Constant node, under the name of its output; None for a sparse one."""
    (attribute,) = node.attribute
    name = node.output[0]
    if attribute.name == "value":
        tensor = onnx.TensorProto()
        tensor.CopyFrom(attribute.t)
        tensor.name = name
        return tensor
    value = onnx.helper.get_attribute_value(attribute)
    dtypes = {"value_float": "float32", "value_floats": "float32", "value_int": "int64", "value_ints": "int64"}
    if attribute.name in dtypes:
        return onnx.numpy_helper.from_array(np.asarray(value, dtype=dtypes[attribute.name]), name)
    if attribute.name in ("value_string", "value_strings"):
        texts = [value] if attribute.name == "value_string" else list(value)
        dims = [] if attribute.name == "value_string" else [len(texts)]
        return onnx.helper.make_tensor(name, onnx.TensorProto.STRING, dims, texts)
    return None


def _recorded(
    proto: onnx.ModelProto,
    folder: Path | None,
    given: Mapping[str, Array],
    process: RuntimeProcess,
    scratch: Path,
    *,
    diverges: bool,
    limit_s: float,
) -> tuple[dict[str, Array], bool]:
    """Values between the nodes of the failing run, and whether the whole graph means something."""
    if process.runtime == "onnxruntime" and diverges:
        values = recorded_by_runtime(process, proto, folder, given)
        if values is not None:
            return values, True
    return recorded_by_evaluator(proto, folder, given, scratch / "recorded", time_limit_s=limit_s)


def _write(folder: Path, case: Case) -> None:
    """Leave a case as the best so far; what is under the names is complete at any time."""
    whole = case.self_contained()
    aside = folder / f".{MODEL_FILE}"
    aside.write_bytes(whole.proto.SerializeToString())
    write_values(folder / INPUTS_FILE, {name: as_value(array) for name, array in whole.inputs.items()})
    aside.replace(folder / MODEL_FILE)
