"""The converter `torch.onnx-legacy`: PyTorch's TorchScript-based exporter (`dynamo=False`), watched step by step.

The exporter folds constants inside its conversion and does not show the graph before, so a second export without
folding gives that checkpoint. Facts about the steps: torch 2.13, `torch/onnx/_internal/torchscript_exporter/utils.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tautomer.adapters.converters.recording import Recorder, patched
from tautomer.adapters.converters.torch_exports import check_options, run_program
from tautomer.adapters.converters.torch_onnx_levers import SHAPES, ExportLevers
from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind, Lever
from tautomer.adapters.torch_host import TORCH_HOST
from tautomer.adapters.worker_api import Channel
from tautomer.model import ArtifactKind, Stage

UNSAVED = "unsaved.onnx"
"""The graph before the exporter writes it, next to the file, because tensors over 2 GB lie there already."""

ADAPTER = Adapter(
    name="torch.onnx-legacy",
    kind=AdapterKind.CONVERTER,
    task="tautomer.adapters.converters.torch_onnx_legacy:convert",
    host=TORCH_HOST,
    requires=("torch", "onnxscript"),
    extra="torch",
    accepts=(ArtifactKind.MODEL_MODULE, ArtifactKind.PICKLED_MODULE, ArtifactKind.TORCHSCRIPT),
    produces=ArtifactKind.ONNX,
    checkpoints=(
        AdapterCheckpoint("traced", Stage.LOAD_MODEL),
        AdapterCheckpoint("translated", Stage.NODE_CONVERSION),
        AdapterCheckpoint("optimized", Stage.OPTIMIZATION),
        AdapterCheckpoint("saved", Stage.EXPORT),
    ),
    float64=False,
    levers=(
        Lever("opset", "the ONNX opset", (19, 18, 17, 16, 15, 14, 13, 12, 11), 20, in_order=True),
        Lever("do_constant_folding", "whether constants are folded", (False,), True),
        SHAPES,
    ),
)


def prime() -> None:
    """One fixed trivial export through this exporter."""
    import io
    import warnings

    import torch

    nowhere: Any = io.BytesIO()  # this exporter writes to streams too, which the common signature does not say
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(torch.nn.ReLU().eval(), (torch.zeros(2, 3),), nowhere, dynamo=False)


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """Export a PyTorch source, report every checkpoint, and run the traced program on all input sets.

    Arguments and errors are those of `tautomer.adapters.converters.torch_onnx.convert`.
    """
    import torch

    from tautomer.adapters.torch_programs.preparation import prepare
    from tautomer.adapters.torch_programs.verification import verify_same_source

    recorder = Recorder(channel)
    recorder.begin(Stage.LOAD_MODEL, "loading the source")
    prepared = prepare(spec)
    verify_same_source(prepared, expected)
    check_options(settings.get("options", {}), (SHAPES.name,))
    traced = _trace(recorder, prepared)
    names = _input_names(prepared)
    folder = channel.folder
    if settings.get("options", {}).get("do_constant_folding", True):
        _export(recorder, prepared, settings, names, folder / "unfolded" / "model.onnx", fold=False)
        recorder.checkpoint(
            "translated",
            Stage.NODE_CONVERSION,
            kind=ArtifactKind.ONNX,
            path=folder / "unfolded" / UNSAVED,
            parent="traced",
        )
    path = folder / "model" / "model.onnx"
    _export(recorder, prepared, settings, names, path, fold=True)
    recorder.checkpoint(
        "optimized", Stage.OPTIMIZATION, kind=ArtifactKind.ONNX, path=path.parent / UNSAVED, parent="translated"
    )
    recorder.checkpoint("saved", Stage.EXPORT, kind=ArtifactKind.ONNX, path=path, parent="optimized")
    recorder.begin(Stage.LOAD_MODEL, "running the traced program")
    _run_traced(channel, traced, prepared, expected["output_paths"])
    return {"torch": str(torch.__version__)}


def _input_names(prepared: Any) -> dict[str, str]:
    """A graph name for each tensor input, by the source's path."""
    import torch

    leaves = prepared.leaves(0)
    return {
        path: path.replace(".", "_")
        for path, value in zip(leaves.paths, leaves.values, strict=True)
        if isinstance(value, torch.Tensor)
    }


def _flattened(prepared: Any) -> Any:
    """The model as a module from tensors to a tuple of tensors: a trace has no keywords, no None and no dataclasses."""
    import torch
    from torch.utils import _pytree as pytree

    model = prepared.program.model
    call = prepared.program.input_sets[0].call

    class Flattened(torch.nn.Module):
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, *flat: torch.Tensor) -> tuple[torch.Tensor, ...]:
            given = _filled(call, flat)
            result = self.inner(*given.args, **given.kwargs)
            return tuple(leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor))

    return Flattened(model).train(model.training)


def _trace(recorder: Recorder, prepared: Any) -> Any:
    """What the exporter's first step makes: the traced (or given) TorchScript program."""
    import torch

    recorder.begin(Stage.LOAD_MODEL, "tracing the program")
    model = prepared.program.model
    prepared.reset()
    facts: dict[str, Any] = {"inputs": {name: path for path, name in _input_names(prepared).items()}}
    if isinstance(model, torch.jit.ScriptModule):
        traced, facts["strategy"] = model, "given as TorchScript"
    else:
        with torch.no_grad():
            traced = torch.jit.trace(_flattened(prepared), tuple(prepared.tensors(0)), check_trace=False)
        facts["strategy"] = "torch.jit.trace"
    recorder.checkpoint("traced", Stage.LOAD_MODEL, kind=ArtifactKind.TORCHSCRIPT, **facts)
    return traced


def _filled(call: Any, tensors: tuple[Any, ...]) -> Any:
    """`call` with its tensors replaced, in order."""
    import torch
    from torch.utils import _pytree as pytree

    following = iter(tensors)
    leaves = pytree.tree_leaves((call.args, call.kwargs))
    return call.rebuilt([next(following) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves])


def _export(
    recorder: Recorder, prepared: Any, settings: dict[str, Any], names: dict[str, str], path: Path, *, fold: bool
) -> None:
    import torch

    program = prepared.program
    prepared.reset()
    call = program.input_sets[0].call.copied()
    model, args = program.model, call.args
    if call.kwargs or not all(isinstance(one, torch.Tensor) for one in args):
        model, args = _flattened(prepared), tuple(prepared.tensors(0))
    path.parent.mkdir()
    given = dict(settings.get("options", {}))
    shapes = ExportLevers.of({name: given.pop(name) for name in (SHAPES.name,) if name in given}).shapes
    options = {"input_names": list(names.values()), "do_constant_folding": fold, **given}
    options["do_constant_folding"] = fold and options["do_constant_folding"]
    if settings.get("opset") is not None:
        options["opset_version"] = settings["opset"]
    axes = _dynamic_axes(prepared, names, shapes)
    if axes:
        options["dynamic_axes"] = axes
    if program.model.training:
        options["training"] = torch.onnx.TrainingMode.PRESERVE
    recorder.begin(Stage.LOAD_MODEL, "tracing the program for export")
    with _watched(recorder, path.parent / UNSAVED):
        torch.onnx.export(model, args, str(path), dynamo=False, **options)


def _dynamic_axes(prepared: Any, names: dict[str, str], shapes: str) -> dict[str, dict[int, str]]:
    """Symbolic dimensions by graph input and axis, as the lever `shapes` stands."""
    axes: dict[str, dict[int, str]] = {}
    if shapes == "declared":
        for one in prepared.dimensions:
            axes.setdefault(names[one.path], {})[one.axis] = one.symbol.replace(" ", "_")
    elif shapes == "dynamic":
        for path, tensor in zip(names, prepared.tensors(0), strict=True):
            axes[names[path]] = {axis: f"{names[path]}_{axis}" for axis in range(tensor.dim())}
    return axes


@contextlib.contextmanager
def _watched(recorder: Recorder, unsaved: Path) -> Iterator[None]:
    """Follow the exporter from function to function, so that what it raises is attributed to its step.

    The graph as it is handed to the function that writes the file is kept at `unsaved`.
    """
    from torch.onnx._internal import torchscript_exporter

    utils: Any = torchscript_exporter.utils
    optimize_graph, compiled, to_graph = utils._optimize_graph, utils._C, utils._model_to_graph
    writer = utils.onnx_proto_utils
    export_file = writer._export_file

    def on_optimize_graph(*arguments: Any, **keywords: Any) -> Any:
        recorder.begin(Stage.NODE_CONVERSION, "translating operators to ONNX")
        return optimize_graph(*arguments, **keywords)

    def on_export_file(model_bytes: bytes, *arguments: Any, **keywords: Any) -> Any:
        unsaved.write_bytes(model_bytes)
        return export_file(model_bytes, *arguments, **keywords)

    def on_to_graph(*arguments: Any, **keywords: Any) -> Any:
        result = to_graph(*arguments, **keywords)
        recorder.begin(Stage.EXPORT, "writing the file")
        return result

    class Compiled:
        """`torch._C`, telling when constants are folded."""

        def __getattr__(self, name: str) -> Any:
            if name in ("_jit_pass_onnx_constant_fold", "_jit_pass_onnx_eval_peephole"):
                recorder.begin(Stage.OPTIMIZATION, "folding constants")
            return getattr(compiled, name)

    with (
        patched(utils, "_optimize_graph", on_optimize_graph),
        patched(utils, "_C", Compiled()),
        patched(utils, "_model_to_graph", on_to_graph),
        patched(writer, "_export_file", on_export_file),
    ):
        yield


def _run_traced(channel: Channel, traced: Any, prepared: Any, output_paths: list[str]) -> None:
    import torch
    from torch.utils import _pytree as pytree

    for index, one in enumerate(prepared.program.input_sets):

        def natively(index: int = index, one: Any = one) -> list[Any]:
            prepared.reset()
            with torch.no_grad():
                if traced is prepared.program.model:
                    call = one.call.copied()
                    return pytree.tree_leaves(traced(*call.args, **call.kwargs))
                return list(traced(*[tensor.clone() for tensor in prepared.tensors(index)]))

        run_program(channel, "traced", precision="declared", index=index, output_paths=output_paths, compute=natively)
