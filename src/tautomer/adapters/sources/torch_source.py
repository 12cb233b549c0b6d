"""The PyTorch source: what a module, .pt2 or TorchScript file answers, and what it would answer in exact arithmetic."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.torch_host import TORCH_HOST
from tautomer.adapters.worker_api import Channel
from tautomer.model import ArtifactKind


def _source(name: str, kinds: tuple[ArtifactKind, ...], converter: str, generated_by: str | None = None) -> Adapter:
    return Adapter(
        name=name,
        kind=AdapterKind.SOURCE,
        task="tautomer.adapters.sources.torch_source:reference",
        host=TORCH_HOST,
        requires=("torch", "onnxscript"),
        extra="torch",
        accepts=kinds,
        float64=True,
        reduced_by="tautomer.adapters.torch_programs.reduction.task",
        default_converter=converter,
        generated_by=generated_by,
        mutates=True,
        architecture_task="tautomer.adapters.torch_programs.architecture:architecture",
    )


MODEL_MODULE = _source(
    "torch",
    (ArtifactKind.MODEL_MODULE, ArtifactKind.PICKLED_MODULE),
    "torch.onnx",
    "tautomer.adapters.torch_programs.generating",
)
EXPORTED_PROGRAM = _source("exported-program", (ArtifactKind.EXPORTED_PROGRAM,), "torch.onnx")
TORCHSCRIPT = _source("torchscript", (ArtifactKind.TORCHSCRIPT,), "torch.onnx-legacy")

ENVELOPE_SAMPLES = 8
"""Perturbed float64 runs an envelope is taken from (docs/explanation/numerics.md)."""

_FILES = {"float64": "s64", "variance": "variance", "flips": "flips"}

TRACE_BUDGET_BYTES = 2 << 30
"""The most that a source's intermediate values may take on one input set; a larger model is judged end to end only."""


def reference(channel: Channel, *, spec: dict[str, Any], samples: int = ENVELOPE_SAMPLES) -> dict[str, Any]:
    """Run a PyTorch source on all its input sets: in its own precision, in float64, and with perturbed rounding.

    Leaves in the attempt's folder, one file an input set: `inputs-N`, `s32-N` (the answer), `s64-N` (in float64),
    `variance-N` (mean square deviation of the perturbed runs from `s64-N`), `flips-N` (where integers or booleans
    changed in a perturbed run), `trace-N` (what it computes on its way).

    Returns:
        Facts about the program and, for each input set, what could be computed.

    Raises:
        MisuseError: the user's code raised or its inputs do not fit.
    """
    from tautomer.adapters.tensor_file import write_values
    from tautomer.adapters.torch_programs.exercise import sizes_exercised
    from tautomer.adapters.torch_programs.input_search import with_found_sets
    from tautomer.adapters.torch_programs.preparation import prepare
    from tautomer.adapters.torch_programs.repeatability import variations
    from tautomer.adapters.torch_programs.state import parameters_digest

    channel.emit("stage", stage="load_model", doing="loading the source")
    with channel.measure("step", step="load", stage="load_model"):
        prepared = prepare(spec)
    adds: dict[int, tuple[str, ...]] = {}
    if spec.get("search_inputs"):
        channel.emit("stage", stage="load_model", doing="searching for inputs that exercise more")
        with channel.measure("step", step="search", stage="load_model"):
            prepared, adds = with_found_sets(prepared)
    sets: list[dict[str, Any]] = []
    module = prepared.module
    facts: dict[str, Any] = {
        "notes": list(prepared.notes),
        "parameters_digest": parameters_digest(module) if module is not None else None,
        "dynamic": [
            {"path": one.path, "axis": one.axis, "symbol": one.symbol, "size": one.size} for one in prepared.dimensions
        ],
        "training_operators": [],
        "doubles": [],
        "exercised": [None] * len(prepared.program.input_sets),
        "nondeterministic": [one.fields() for one in variations(prepared)],
        "sizes": sizes_exercised(prepared),
    }
    scalars: set[float] = set()
    fingerprints: set[str] = set()
    for index, one in enumerate(prepared.program.input_sets):
        channel.emit("stage", stage="load_model", doing=f"running the source on {one.name}")
        with channel.measure("step", step="source", stage="load_model", input=index):
            leaves = prepared.leaves(index)
            result = prepared.run(index)
        entry: dict[str, Any] = {
            "name": one.name,
            "origin": one.origin,
            "inputs": f"inputs-{index}.safetensors",
            "inputs_digest": write_values(channel.folder / f"inputs-{index}.safetensors", leaves.tensors()),
            "s32": f"s32-{index}.safetensors",
            "added": index in adds,
            "adds": list(adds.get(index, ())),
            "float64": None,
            "trace": None,
            "reason": None,
        }
        write_values(channel.folder / entry["s32"], result.tensors())
        channel.emit("stage", stage="load_model", doing=f"computing the source in float64 on {one.name}")
        with channel.measure("step", step="float64", stage="load_model", input=index):
            entry |= _float64(
                channel,
                prepared,
                index=index,
                samples=samples,
                facts=facts,
                scalars=scalars,
                fingerprints=fingerprints,
            )
        sets.append(entry)
    facts["training_operators"] = sorted(set(facts["training_operators"]))
    facts["doubles"] = sorted(set(facts["doubles"]))
    return {"sets": sets, "scalars": sorted(scalars), "constants": sorted(fingerprints), **facts}


def _float64(
    channel: Channel,
    prepared: Any,
    *,
    index: int,
    samples: int,
    facts: dict[str, Any],
    scalars: set[float],
    fingerprints: set[str],
) -> dict[str, Any]:
    """The lifted answer and its envelope, or the reason why there is none."""
    from tautomer.adapters.tensor_file import write_values
    from tautomer.adapters.tie_file import write_ties
    from tautomer.adapters.torch_programs.capture import (
        capture,
        constants_of,
        factory_scalars_of,
        scalars_of,
        training_operators,
    )
    from tautomer.adapters.torch_programs.decisions import Decisions, taken_decisions
    from tautomer.adapters.torch_programs.exercise import observe
    from tautomer.adapters.torch_programs.lift import GraphRun, NotLiftable
    from tautomer.adapters.torch_programs.sampling import Envelope
    from tautomer.adapters.torch_programs.ties import tie_keys
    from tautomer.adapters.torch_programs.tracing import traced
    from tautomer.adapters.torch_programs.trees import to_tensor
    from tautomer.numerics.branches import Branches

    call = prepared.program.input_sets[index].call
    prepared.reset()
    try:
        captured = capture(prepared.program.callable, call)
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        return {"reason": f"the source cannot be captured for float64: {text}"}
    finally:
        prepared.reset()
    facts["training_operators"].extend(training_operators(captured.graph))
    scalars |= scalars_of(captured.graph)
    facts["doubles"].extend(factory_scalars_of(captured.graph))
    if index == 0:
        fingerprints |= constants_of(captured.graph)
    tensors = prepared.tensors(index)
    facts["exercised"][index] = observe(captured, tensors).fields()
    branches = Branches()
    decisions = Decisions(captured.graph)
    replayed = GraphRun(captured.graph, lift=False, branches=branches).outputs(*tensors)
    write_values(
        channel.folder / f"replay-{index}.safetensors",
        dict(zip(captured.output_paths, map(to_tensor, replayed), strict=True)),
    )
    try:
        run = traced(
            captured,
            tensors,
            branches,
            watch=decisions.inputs,
            seed=prepared.seed + index,
            budget_bytes=TRACE_BUDGET_BYTES,
            folder=channel.folder,
            stem=f"trace-{index}",
        )
    except NotLiftable as error:
        return {"reason": f"the source cannot be computed in float64: {error}", "replay": f"replay-{index}.safetensors"}
    exact = run.exact
    again = {"seed": prepared.seed + index, "samples": samples, "branches": branches}
    settled = taken_decisions(captured.graph, tensors, decisions.stepping, branches, lift=True)
    envelope = Envelope(captured, tensors, exact, watch=run.watched_exact, settled=settled, **again)
    undecided = decisions.undecided(run.watched_declared, run.watched_exact, envelope.watched)
    same_decisions = None
    if not undecided and envelope.turned:
        # What is decided exactly is not for perturbed runs to turn, or they would explain whatever follows from it.
        envelope = Envelope(captured, tensors, exact, decisions=settled, **again)
    if undecided:
        taken = taken_decisions(captured.graph, tensors, [one.node for one in undecided], branches)
        same = GraphRun(captured.graph, lift=True, branches=branches.again(), decisions=taken).outputs(*tensors)
        same_envelope = Envelope(captured, tensors, same, decisions=taken, **again)
        same_decisions = _write_reference(channel, captured, same, same_envelope, f"-same-{index}")
        shifts = {one.node: one.amounts for one in undecided}
        envelope = Envelope(captured, tensors, exact, shifts=shifts, **again)
    trace = f"trace-{index}.json" if run.trace is not None else None
    return {
        **_write_reference(channel, captured, exact, envelope, f"-{index}"),
        "replay": f"replay-{index}.safetensors",
        "trace": trace,
        "trace_reason": run.reason,
        "undecided": [one.fields() for one in undecided],
        "same_decisions": same_decisions,
        "ties": write_ties(channel.folder / f"ties-{index}.safetensors", tie_keys(captured, tensors)),
    }


def _write_reference(channel: Channel, captured: Any, exact: Any, envelope: Any, suffix: str) -> dict[str, Any]:
    """Files of float64 answers and of their envelope."""
    from tautomer.adapters.tensor_file import write_values
    from tautomer.adapters.torch_programs.trees import to_tensor

    files = {key: f"{stem}{suffix}.safetensors" for key, stem in _FILES.items()}
    answers = dict(zip(captured.output_paths, map(to_tensor, exact), strict=True))
    for key, values in (("float64", answers), ("variance", envelope.variance), ("flips", envelope.flips)):
        write_values(channel.folder / files[key], values)
    return files
