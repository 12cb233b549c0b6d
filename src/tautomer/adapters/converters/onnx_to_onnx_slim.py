"""The converter `onnxslim`: OnnxSlim, which folds constants and fuses and removes nodes, watched step by step.

It runs once, through its public function; what that calls between its steps is wrapped. Facts about the steps:
onnxslim 0.1.98, `cli/_main.py` and `core/__init__.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from tautomer.adapters.converters.recording import Recorder, patched
from tautomer.adapters.onnx_files.snapshot import SnapshotFolder
from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind, Lever
from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.worker_api import Channel
from tautomer.errors import MisuseError
from tautomer.model import ArtifactKind, Stage

OPTIMIZATIONS = (
    "constant_folding",
    "graph_fusion",
    "dead_node_elimination",
    "subexpression_elimination",
    "weight_tying",
)

ADAPTER = Adapter(
    name="onnxslim",
    kind=AdapterKind.CONVERTER,
    task="tautomer.adapters.converters.onnx_to_onnx_slim:convert",
    host=ONNX_HOST,
    requires=("onnxslim",),
    extra="onnx-tools",
    accepts=(ArtifactKind.ONNX,),
    produces=ArtifactKind.ONNX,
    checkpoints=(
        AdapterCheckpoint("folded", Stage.OPTIMIZATION),
        AdapterCheckpoint("slimmed", Stage.OPTIMIZATION),
        AdapterCheckpoint("saved", Stage.EXPORT),
    ),
    float64=True,
    levers=(
        Lever(
            "skip_optimizations",
            "kinds of optimization left out",
            OPTIMIZATIONS,
            takes_list=True,
            acts_at=(Stage.OPTIMIZATION,),
        ),
        Lever("no_shape_infer", "whether shapes are left as they are stated", (True,), False),
    ),
)

LISTS = ("skip_optimizations", "skip_fusion_patterns")
OPTIONS = (*LISTS, "no_shape_infer", "size_threshold")
"""Options of `onnxslim.slim` that change no input, output or element type of the model."""


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """Slim an ONNX file and report every checkpoint: after the first folding of constants, at the end, and as saved.

    Args:
        spec: `path` of the file.
        settings: `options` for `onnxslim.slim`.
        expected: unused; the file is the model.

    Raises:
        MisuseError: an option that there is not, or an opset, which is the model's own.
        Exception: whatever OnnxSlim raises.
    """
    import onnxslim

    recorder = Recorder(channel)
    recorder.begin(Stage.LOAD_MODEL, "loading the model")
    options = _options(settings)
    path = channel.folder / "model" / "model.onnx"
    path.parent.mkdir()
    recorder.begin(Stage.OPTIMIZATION, "folding constants")
    with _watched(recorder, SnapshotFolder(channel.folder / "snapshots")):
        onnxslim.slim(spec["path"], str(path), **options)
    recorder.checkpoint("saved", Stage.EXPORT, kind=ArtifactKind.ONNX, path=path, parent="slimmed")
    return {"version": onnxslim.__version__}


def _options(settings: Mapping[str, Any]) -> dict[str, Any]:
    if settings.get("opset") is not None:
        raise MisuseError("TA101", "onnxslim keeps the opset of the model it is given.", "Leave --opset out.")
    given = dict(settings.get("options", {}))
    for name, value in given.items():
        if name not in OPTIONS:
            raise MisuseError(
                "TA101", f"--set {name}: onnxslim has no such option here.", f"Options: {', '.join(OPTIONS)}."
            )
        if name in LISTS and isinstance(value, str):
            given[name] = [part.strip() for part in value.split(",") if part.strip()]
    unknown = set(given.get("skip_optimizations") or ()) - set(OPTIMIZATIONS)
    if unknown:
        raise MisuseError(
            "TA101",
            f"--set skip_optimizations: onnxslim has no optimization '{min(unknown)}'.",
            f"Known: {', '.join(OPTIMIZATIONS)}.",
        )
    return given


@contextlib.contextmanager
def _watched(recorder: Recorder, snapshots: SnapshotFolder) -> Iterator[None]:
    """Wrap what OnnxSlim calls between its steps; everything is put back at the end."""
    import onnx_ir as ir
    from onnxslim import core, utils
    from onnxslim.third_party import onnx_graphsurgeon

    fuse, save = core.optimize_model, utils.save
    rounds: list[int] = []

    def checkpoint(name: str, model: Any, parent: str | None) -> None:
        path = snapshots.write(ir.from_proto(model), name)
        recorder.checkpoint(name, Stage.OPTIMIZATION, kind=ArtifactKind.ONNX, path=path, parent=parent)

    def on_fuse(graph: Any, *arguments: Any, **named: Any) -> Any:
        if not rounds:
            checkpoint("folded", onnx_graphsurgeon.export_onnx(graph), None)
        rounds.append(len(rounds) + 1)
        recorder.begin(Stage.OPTIMIZATION, f"fusing and removing nodes, round {rounds[-1]}")
        return fuse(graph, *arguments, **named)

    def on_save(model: Any, *arguments: Any, **named: Any) -> Any:
        checkpoint("slimmed", model, "folded" if rounds else None)
        recorder.begin(Stage.EXPORT, "saving the model")
        return save(model, *arguments, **named)

    with patched(core, "optimize_model", on_fuse), patched(utils, "save", on_save):
        yield
