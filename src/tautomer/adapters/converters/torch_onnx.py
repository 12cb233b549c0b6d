"""The converter `torch.onnx`: PyTorch's exporter on torch.export, watched step by step.

The export runs once, through the public `torch.onnx.export`; the functions it calls between its steps are wrapped to
see what passes through them. Facts about the steps: torch 2.13, `torch/onnx/_internal/exporter/_core.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tautomer.adapters.converters.recording import Recorder, patched
from tautomer.adapters.converters.torch_exports import check_options, run_program
from tautomer.adapters.converters.torch_onnx_levers import (
    CAPTURE,
    DECOMPOSE,
    DECOMPOSITIONS,
    OWN,
    SHAPES,
    SKIP_PASSES,
    SKIP_RULES,
    ExportLevers,
    Optimizing,
    all_dynamic,
    pulled,
    report_decomposable,
    without_levers,
)
from tautomer.adapters.onnx_files.snapshot import SnapshotFolder
from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind, Lever
from tautomer.adapters.torch_host import TORCH_HOST
from tautomer.adapters.worker_api import Channel
from tautomer.model import ArtifactKind, Stage

ADAPTER = Adapter(
    name="torch.onnx",
    kind=AdapterKind.CONVERTER,
    task="tautomer.adapters.converters.torch_onnx:convert",
    host=TORCH_HOST,
    requires=("torch", "onnxscript"),
    extra="torch",
    accepts=(ArtifactKind.MODEL_MODULE, ArtifactKind.PICKLED_MODULE, ArtifactKind.EXPORTED_PROGRAM),
    produces=ArtifactKind.ONNX,
    checkpoints=(
        AdapterCheckpoint("captured", Stage.LOAD_MODEL),
        AdapterCheckpoint("decomposed", Stage.NODE_CONVERSION),
        AdapterCheckpoint("translated", Stage.NODE_CONVERSION),
        AdapterCheckpoint("version_converted", Stage.NODE_CONVERSION),
        AdapterCheckpoint("optimized", Stage.OPTIMIZATION),
        AdapterCheckpoint("saved", Stage.EXPORT),
    ),
    float64=True,
    levers=(
        # Up from the exporter's default, then below the oldest opset that its operators are written for.
        Lever("opset", "the ONNX opset", (21, 22, 23, 24, 25, 18, 17), 20, in_order=True),
        Lever("optimize", "whether the graph is optimized", (False,), True, acts_at=(Stage.OPTIMIZATION,)),
        SKIP_RULES,
        SKIP_PASSES,
        DECOMPOSE,
        DECOMPOSITIONS,
        CAPTURE,
        SHAPES,
    ),
)


def prime() -> None:
    """One fixed trivial export, so that what the exporter loads and caches on first use is there for all others."""
    import logging
    import warnings

    import torch

    class Trivial(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.relu(x) + 1.0

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Trivial().eval(), (torch.zeros(2, 3),), dynamo=True, verbose=False)


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """Export a PyTorch source, report every checkpoint, and run those that are PyTorch programs on all input sets.

    Args:
        spec: the source, as for `load_program`.
        settings: `opset` (or None) and `options` for `torch.onnx.export`.
        expected: `parameters_digest`, `inputs_digests` and `output_paths` of the source as it was first loaded.

    Raises:
        Exception: whatever the exporter raises; the supervisor reads the stage from the last `stage` event.
    """
    from tautomer.adapters.torch_programs.preparation import prepare
    from tautomer.adapters.torch_programs.verification import verify_same_source

    recorder = Recorder(channel)
    recorder.begin(Stage.LOAD_MODEL, "loading the source")
    prepared = prepare(spec)
    verify_same_source(prepared, expected)
    seen = _export(channel, recorder, prepared, settings)
    for name, program in seen.items():
        stage = Stage.LOAD_MODEL if name == "captured" else Stage.NODE_CONVERSION
        recorder.begin(stage, f"running the {name} program")
        _run_exported_program(channel, name, program, prepared, expected["output_paths"])
    return {"torch": _torch_version()}


def _torch_version() -> str:
    import torch

    return str(torch.__version__)


def _export(channel: Channel, recorder: Recorder, prepared: Any, settings: dict[str, Any]) -> dict[str, Any]:
    import torch

    program = prepared.program
    prepared.reset()
    call = program.input_sets[0].call.copied()
    # The exporter takes a dict that comes last for keyword arguments unless an empty one follows.
    args = (*call.args, {}) if call.args and isinstance(call.args[-1], dict) and not call.kwargs else call.args
    path = channel.folder / "model" / "model.onnx"
    path.parent.mkdir()
    given = settings.get("options", {})
    check_options(given, OWN)
    levers = ExportLevers.of(given)
    options: dict[str, Any] = {"verbose": False, **without_levers(given)}
    if settings.get("opset") is not None:
        options["opset_version"] = settings["opset"]
    dynamic_shapes = _dynamic_shapes(program, levers)
    if dynamic_shapes is not None and not isinstance(program.model, torch.export.ExportedProgram):
        options["dynamic_shapes"] = dynamic_shapes
    seen: dict[str, Any] = {}
    recorder.begin(Stage.LOAD_MODEL, "capturing the program")
    with _watched(channel, recorder, seen, prepared, levers), pulled(levers):
        torch.onnx.export(program.model, args, str(path), kwargs=call.kwargs or None, dynamo=True, **options)
    recorder.checkpoint("saved", Stage.EXPORT, kind=ArtifactKind.ONNX, path=path, parent="optimized")
    return seen


def _dynamic_shapes(program: Any, levers: ExportLevers) -> Any:
    """What the exporter is told about dimensions; None for those of the first input set."""
    if levers.shapes != "dynamic":
        return program.dynamic_shapes if levers.shapes == "declared" else None
    from tautomer.adapters.torch_programs.fitting import argument_names

    call = program.input_sets[0].call
    return all_dynamic(call.args, call.kwargs, argument_names(program.model, len(call.args)))


@contextlib.contextmanager
def _watched(
    channel: Channel, recorder: Recorder, seen: dict[str, Any], prepared: Any, levers: ExportLevers
) -> Iterator[None]:
    """Wrap what the exporter calls between its steps; everything is put back at the end."""
    from torch.onnx._internal.exporter import _core, _onnx_program

    core: Any = _core
    programs: Any = _onnx_program
    snapshots = SnapshotFolder(channel.folder / "snapshots")
    labels: dict[str, int] = {}
    prepare_program, translate = core._prepare_exported_program_for_export, core._exported_program_to_onnx_program
    apis, program_apis, save = core.onnxscript_apis, programs.onnxscript_apis, programs.ONNXProgram.save
    lower = core._handle_call_function_node_with_lowering

    def on_prepare(exported_program: Any, **arguments: Any) -> Any:
        seen["captured"] = exported_program
        facts = interface_facts(exported_program, prepared)
        recorder.checkpoint("captured", Stage.LOAD_MODEL, kind=ArtifactKind.EXPORTED_PROGRAM, **facts)
        recorder.begin(Stage.NODE_CONVERSION, "decomposing the captured program")
        if "registry" in arguments:
            report_decomposable(channel, exported_program, arguments["registry"])
        decomposed = prepare_program(exported_program, **arguments)
        seen["decomposed"] = decomposed
        recorder.checkpoint("decomposed", Stage.NODE_CONVERSION, kind=ArtifactKind.EXPORTED_PROGRAM, parent="captured")
        return decomposed

    def on_translate(*arguments: Any, **keywords: Any) -> Any:
        recorder.begin(Stage.NODE_CONVERSION, "translating operators to ONNX")
        program = translate(*arguments, **keywords)
        registry = keywords.get("registry")
        labels["registry"] = int(getattr(registry, "opset_version", 0) or 0)
        _snapshot(recorder, snapshots, program.model, name="translated", parent="decomposed", labels=labels)
        return program

    def on_lower(model: Any, node: Any, *arguments: Any, **keywords: Any) -> Any:
        # Announced one by one: a process that dies or hangs in one of them cannot say which.
        channel.emit("translating", node=node.name, operator=str(node.target))
        return lower(model, node, *arguments, **keywords)

    def on_convert_version(model: Any, target_version: int) -> Any:
        recorder.begin(Stage.NODE_CONVERSION, f"converting to opset {target_version}")
        result = apis.convert_version(model, target_version)
        _snapshot(
            recorder,
            snapshots,
            result,
            name="version_converted",
            parent="translated",
            labels={},
            requested_opset=target_version,
        )
        return result

    def on_optimize(model: Any) -> Any:
        recorder.begin(Stage.OPTIMIZATION, "optimizing the ONNX graph")
        optimizing = Optimizing(levers)
        with optimizing.watched():
            result = program_apis.optimize(model)
        optimizing.report(channel)
        _snapshot(recorder, snapshots, result, name="optimized", parent="version_converted", labels={})
        return result

    def on_save(self: Any, *arguments: Any, **keywords: Any) -> Any:
        recorder.begin(Stage.EXPORT, "saving the file")
        return save(self, *arguments, **keywords)

    with contextlib.ExitStack() as patches:
        for owner, name, value in (
            (core, "_prepare_exported_program_for_export", on_prepare),
            (core, "_exported_program_to_onnx_program", on_translate),
            (core, "_handle_call_function_node_with_lowering", on_lower),
            (core, "onnxscript_apis", _Overlay(apis, convert_version=on_convert_version)),
            (programs, "onnxscript_apis", _Overlay(program_apis, optimize=on_optimize)),
            (programs.ONNXProgram, "save", on_save),
        ):
            patches.enter_context(patched(owner, name, value))
        yield


class _Overlay:
    """A module with some of its functions replaced."""

    def __init__(self, module: Any, **replaced: Any) -> None:
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _snapshot(
    recorder: Recorder,
    snapshots: SnapshotFolder,
    model: Any,
    *,
    name: str,
    parent: str,
    labels: dict[str, int],
    **facts: Any,
) -> None:
    label = model.opset_imports.get("", 0) or 0
    # Before version conversion the label can lie below the opset whose operators the graph holds.
    override = labels["registry"] if labels.get("registry", 0) > label else None
    path = snapshots.write(model, name)
    stage = Stage.OPTIMIZATION if name == "optimized" else Stage.NODE_CONVERSION
    recorder.checkpoint(
        name, stage, kind=ArtifactKind.ONNX, path=path, parent=parent, opset_override=override, opset=label, **facts
    )


def interface_facts(program: Any, prepared: Any) -> dict[str, Any]:
    """How the captured program's inputs correspond to the source's, and which of their dimensions it holds fixed."""
    import torch

    leaves = prepared.leaves(0)
    user_inputs = list(program.graph_signature.user_inputs)
    tensors: dict[str, str] = {}
    fixed: dict[str, dict[str, int]] = {}
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    unused = []
    ordered = _paths_in_order(program, prepared, leaves)
    for name, path in zip(user_inputs, ordered, strict=False):
        node = placeholders.get(name)
        value = node.meta.get("val") if node is not None else None
        if not isinstance(value, torch.Tensor):
            continue
        tensors[name] = path
        fixed[path] = {str(axis): size for axis, size in enumerate(value.shape) if isinstance(size, int)}
        if node is not None and not node.users:
            unused.append(path)
    strategy = "given as a captured program" if program is prepared.program.model else "torch.export"
    return {"inputs": tensors, "fixed": fixed, "unused_inputs": unused, "strategy": strategy}


def _paths_in_order(program: Any, prepared: Any, leaves: Any) -> list[str]:
    """Paths of the source's input leaves in the order of the captured program, which may reorder keyword arguments."""
    from tautomer.adapters.torch_programs.fitting import argument_names

    spec = program.call_spec.in_spec
    call = prepared.program.input_sets[0].call
    if spec is None or not call.kwargs:
        return list(leaves.paths)
    keywords = spec.children()[1].context if hasattr(spec, "children") else None
    if not isinstance(keywords, list | tuple) or set(keywords) != set(call.kwargs):
        return list(leaves.paths)
    reordered = type(call)(call.args, {name: call.kwargs[name] for name in keywords})
    return list(reordered.leaves(argument_names(prepared.program.model, len(call.args))).paths)


def _run_exported_program(channel: Channel, name: str, program: Any, prepared: Any, output_paths: list[str]) -> None:
    from torch.utils import _pytree as pytree

    from tautomer.adapters.torch_programs.lift import GraphRun
    from tautomer.adapters.torch_programs.state import ModuleState

    module = program.module()
    state = ModuleState.of(module)
    for index, one in enumerate(prepared.program.input_sets):

        def natively(one: Any = one) -> list[Any]:
            prepared.reset()
            call = one.call.copied()
            try:
                return pytree.tree_leaves(module(*call.args, **call.kwargs))
            finally:
                state.restore()

        def exactly(one: Any = one) -> list[Any]:
            graph = program.module(check_guards=False)
            keywords = _keyword_order(program, one.call)
            flat = pytree.tree_leaves((one.call.args, keywords))
            return GraphRun(graph, lift=True).flat_outputs(flat)

        run_program(channel, name, precision="declared", index=index, output_paths=output_paths, compute=natively)
        run_program(channel, name, precision="float64", index=index, output_paths=output_paths, compute=exactly)


def _keyword_order(program: Any, call: Any) -> dict[str, Any]:
    spec = program.call_spec.in_spec
    names = spec.children()[1].context if spec is not None and call.kwargs else None
    if isinstance(names, list | tuple) and set(names) == set(call.kwargs):
        return {name: call.kwargs[name] for name in names}
    return dict(call.kwargs)
