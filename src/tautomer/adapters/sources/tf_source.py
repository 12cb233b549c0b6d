"""The TensorFlow source: what a module, SavedModel or Keras file answers, and what it would in exact arithmetic."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.tf_host import TENSORFLOW_HOST
from tautomer.adapters.worker_api import Channel
from tautomer.model import ArtifactKind


def _source(name: str, kind: ArtifactKind, generated_by: str | None = None) -> Adapter:
    return Adapter(
        name=name,
        kind=AdapterKind.SOURCE,
        task="tautomer.adapters.sources.tf_source:reference",
        host=TENSORFLOW_HOST,
        requires=("tensorflow",),
        extra="tensorflow",
        accepts=(kind,),
        float64=True,
        reduced_by="tautomer.adapters.tf_programs.reduction.task",
        default_converter="tf2onnx",
        architecture_task="tautomer.adapters.tf_programs.architecture:architecture",
        generated_by=generated_by,
        mutates=True,
    )


MODEL_MODULE = _source(
    "tensorflow", ArtifactKind.TENSORFLOW_MODULE, generated_by="tautomer.adapters.tf_programs.generating"
)
SAVED_MODEL = _source("saved-model", ArtifactKind.SAVED_MODEL)
KERAS_FILE = _source("keras", ArtifactKind.KERAS_FILE)

ENVELOPE_SAMPLES = 8
"""Perturbed float64 runs an envelope is taken from (docs/explanation/numerics.md)."""

NO_SEARCH = "inputs that exercise more are searched for in PyTorch sources only; none were added"

TRACE_BUDGET_BYTES = 2 << 30
"""The most that a source's intermediate values may take on one input set; a larger model is judged end to end only."""


def reference(channel: Channel, *, spec: dict[str, Any], samples: int = ENVELOPE_SAMPLES) -> dict[str, Any]:
    """Run a TensorFlow source on all its input sets; files, facts and events are those of the PyTorch source.

    Raises:
        MisuseError: the user's code raised or its inputs do not fit.
    """
    from tautomer.adapters.tensor_file import write_values
    from tautomer.adapters.tf_programs.preparation import prepare
    from tautomer.adapters.tf_programs.repeatability import variations

    channel.emit("stage", stage="load_model", doing="loading the source")
    with channel.measure("step", step="load", stage="load_model"):
        prepared = prepare(spec)
    facts: dict[str, Any] = {
        "notes": [*prepared.notes, *([NO_SEARCH] if spec.get("search_inputs") else [])],
        "parameters_digest": prepared.parameters_digest(),
        "dynamic": [
            {"path": one.path, "axis": one.axis, "symbol": one.symbol, "size": one.size} for one in prepared.dimensions
        ],
        "training_operators": [],
        "doubles": [],
        "scalars": [],
        "constants": [],
        "unused_inputs": [],
        "exercised": [None] * len(prepared.input_sets),
        "nondeterministic": [one.fields() for one in variations(prepared)],
    }
    graph, reason = _frozen(prepared)
    if graph is not None:
        facts |= _of_graph(prepared, graph)
    sets: list[dict[str, Any]] = []
    for index, one in enumerate(prepared.input_sets):
        channel.emit("stage", stage="load_model", doing=f"running the source on {one.name}")
        with channel.measure("step", step="source", stage="load_model", input=index):
            result = prepared.run(index)
        entry: dict[str, Any] = {
            "name": one.name,
            "origin": one.origin,
            "inputs": f"inputs-{index}.safetensors",
            "inputs_digest": write_values(channel.folder / f"inputs-{index}.safetensors", prepared.inputs(index)),
            "s32": f"s32-{index}.safetensors",
            "added": False,
            "adds": [],
            "float64": None,
            "trace": None,
            "reason": reason,
        }
        write_values(channel.folder / entry["s32"], result)
        if graph is not None:
            channel.emit("stage", stage="load_model", doing=f"computing the source in float64 on {one.name}")
            with channel.measure("step", step="float64", stage="load_model", input=index):
                entry |= _float64(channel, prepared, graph, index=index, samples=samples, facts=facts)
        sets.append(entry)
    return {"sets": sets, **facts}


def _frozen(prepared: Any) -> tuple[Any, str | None]:
    """The frozen graph, or why there is none."""
    from tautomer.adapters.tf_programs.freezing import NotFreezable
    from tautomer.adapters.tf_programs.graph_plan import UnknownOperator, planned
    from tautomer.adapters.user_modules import first_line

    try:
        frozen = prepared.frozen()
        plan = planned(frozen.graph_def)
        plan.order(plan.nodes)  # what cannot be ordered cannot be run
        return (frozen, plan), None
    except (NotFreezable, UnknownOperator) as error:
        return None, f"the source cannot be computed in float64: {error}"
    except Exception as error:
        return None, f"the source cannot be traced for float64: {first_line(error)}"


def _of_graph(prepared: Any, graph: Any) -> dict[str, Any]:
    """Facts that the frozen graph shows."""
    from tautomer.adapters.tf_programs.constants import own_constants
    from tautomer.adapters.tf_programs.graph_plan import edge_of
    from tautomer.adapters.tf_programs.operators import RANDOM

    frozen, plan = graph
    scalars, fingerprints = own_constants(frozen.graph_def)
    needed = {node.name for node in plan.order(edge_of(name)[0] for name in frozen.outputs.values())}
    training = [
        f"{node.op} ({frozen.line_of(node.name) or 'unknown line'})"
        for node in (plan.nodes[name] for name in sorted(needed))
        if node.op in RANDOM or (node.op.startswith("FusedBatchNorm") and node.attributes.get("is_training"))
    ]
    return {
        "scalars": sorted(scalars),
        "constants": sorted(fingerprints),
        "training_operators": sorted(set(training)) if prepared.program.train else [],
        "unused_inputs": [path for path, name in frozen.inputs.items() if edge_of(name)[0] not in needed],
    }


def _float64(
    channel: Channel, prepared: Any, graph: Any, *, index: int, samples: int, facts: dict[str, Any]
) -> dict[str, Any]:
    """The lifted answer and its envelope, or the reason why there is none."""
    import tensorflow as tf

    from tautomer.adapters.tensor_file import write_values
    from tautomer.adapters.tf_programs.decisions import Decisions, taken_decisions
    from tautomer.adapters.tf_programs.exercise import observed
    from tautomer.adapters.tf_programs.interpreter import GraphDefRun, NotLiftable
    from tautomer.adapters.tf_programs.nested import to_tensor
    from tautomer.adapters.tf_programs.sampling import Envelope
    from tautomer.adapters.tf_programs.tracing import Call, traced
    from tautomer.adapters.user_modules import first_line
    from tautomer.numerics.branches import Branches

    frozen, plan = graph
    feeds = {frozen.inputs[path]: array for path, array in prepared.values(index).items()} | dict(frozen.captured)
    lines = {name: line for name in plan.nodes if (line := frozen.line_of(name)) is not None}
    call = Call(plan, feeds, frozen.outputs, lines)
    branches = Branches()
    prepared.reset()
    try:
        replayed, seen = observed(call, branches)
    except Exception as error:
        return {"reason": f"the source's graph cannot be run node by node: {first_line(error)}"}
    facts["exercised"][index] = seen
    replay = f"replay-{index}.safetensors"
    write_values(channel.folder / replay, {path: to_tensor(value) for path, value in replayed.items()})
    decisions = Decisions(call)
    try:
        run = traced(
            call,
            branches,
            watch=decisions.inputs,
            seed=prepared.seed + index,
            budget_bytes=TRACE_BUDGET_BYTES,
            folder=channel.folder,
            stem=f"trace-{index}",
        )
    except (NotLiftable, tf.errors.OpError) as error:
        return {"reason": f"the source cannot be computed in float64: {first_line(error)}", "replay": replay}
    exact = run.exact
    again: dict[str, Any] = {"seed": prepared.seed + index, "samples": samples, "branches": branches}
    settled = taken_decisions(call, decisions.stepping, branches, lift=True)
    envelope = Envelope(call, exact, watch=run.watched_exact, settled=settled, **again)
    undecided = decisions.undecided(run.watched_declared, run.watched_exact, envelope.watched)
    same_decisions = None
    if not undecided and envelope.turned:
        # What is decided exactly is not for perturbed runs to turn, or they would explain whatever follows from it.
        envelope = Envelope(call, exact, decisions=settled, **again)
    if undecided:
        taken = taken_decisions(call, [one.node for one in undecided], branches)
        same = call.run(GraphDefRun(plan, lift=True, branches=branches.again(), decisions=taken))
        same_envelope = Envelope(call, same, decisions=taken, **again)
        same_decisions = _write_reference(channel, same, same_envelope, f"-same-{index}")
        envelope = Envelope(call, exact, shifts={one.node: one.amounts for one in undecided}, **again)
    return {
        **_write_reference(channel, exact, envelope, f"-{index}"),
        "replay": replay,
        "trace": f"trace-{index}.json" if run.trace is not None else None,
        "trace_reason": run.reason,
        "undecided": [one.fields() for one in undecided],
        "same_decisions": same_decisions,
        "ties": None,
    }


def _write_reference(channel: Channel, exact: Any, envelope: Any, suffix: str) -> dict[str, Any]:
    """Files of float64 answers and of their envelope."""
    from tautomer.adapters.tensor_file import write_values
    from tautomer.adapters.tf_programs.nested import to_tensor

    files = {"float64": f"s64{suffix}.safetensors"} | {
        key: f"{key}{suffix}.safetensors" for key in ("variance", "flips")
    }
    answers = {path: to_tensor(value) for path, value in exact.items()}
    for key, values in (("float64", answers), ("variance", envelope.variance), ("flips", envelope.flips)):
        write_values(channel.folder / files[key], values)
    return files
