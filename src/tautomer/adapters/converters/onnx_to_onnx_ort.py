"""The converter `ort-offline`: ONNX Runtime optimizes a model and saves what came of it, as is done before deployment.

Source: ONNX Runtime's documentation, "Graph optimizations in ONNX Runtime", section "Online/Offline mode". The levels
up to `extended` give a file for any processor; `layout` and `all` one for processors like the one it was made on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tautomer.adapters.converters.recording import Recorder
from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind, Lever
from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.runtimes.onnxruntime_options import LEVELS, SessionSettings, report_optimizers
from tautomer.adapters.worker_api import Channel
from tautomer.errors import MisuseError
from tautomer.model import ArtifactKind, Stage

ADAPTER = Adapter(
    name="ort-offline",
    kind=AdapterKind.CONVERTER,
    task="tautomer.adapters.converters.onnx_to_onnx_ort:convert",
    host=ONNX_HOST,
    requires=("onnxruntime",),
    extra="onnxruntime",
    accepts=(ArtifactKind.ONNX,),
    produces=ArtifactKind.ONNX,
    checkpoints=(
        AdapterCheckpoint("basic", Stage.OPTIMIZATION),
        AdapterCheckpoint("saved", Stage.EXPORT),
    ),
    float64=True,
    levers=(
        Lever(
            "optimization",
            "the level of graph optimization",
            ("basic", "disabled"),
            "extended",
            in_order=True,
            acts_at=(Stage.OPTIMIZATION, Stage.EXPORT),
        ),
        Lever(
            "disabled_optimizers",
            "graph transformers left out",
            takes_list=True,
            listed_by="list_optimizers",
            screened_by=("optimization", "disabled"),
            acts_at=(Stage.OPTIMIZATION, Stage.EXPORT),
        ),
    ),
)

OPTIONS = ("optimization", "disabled_optimizers", "list_optimizers")
WEIGHTS = "model.onnx.data"
LARGE_BYTES = 1 << 30
"""From this size on, weights are saved beside the model: one file of protobuf holds less than 2 GiB."""


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """Optimize an ONNX file and save it; a checkpoint at level `basic` on the way, where the level is a higher one.

    Args:
        spec: `path` of the file.
        settings: `options`: `optimization` and `disabled_optimizers`, as for the runtime `onnxruntime`.
        expected: unused; the file is the model.

    Raises:
        MisuseError: an option that there is not, or an opset, which is the model's own.
        Exception: whatever ONNX Runtime raises.
    """
    import onnxruntime

    recorder = Recorder(channel)
    recorder.begin(Stage.LOAD_MODEL, "loading the model")
    asked = _settings(settings)
    if asked.list_optimizers:
        report_optimizers(channel, spec["path"], asked)
    level = asked.optimization
    stages = (("basic", Stage.OPTIMIZATION, asked.level("basic")), ("saved", Stage.EXPORT, level))
    for name, stage, at in stages:
        recorder.begin(Stage.OPTIMIZATION, f"optimizing with level {at}")
        path = channel.folder / name / "model.onnx"
        path.parent.mkdir()
        _optimize(spec["path"], path, asked, at)
        parent = None if name == "basic" else "basic"
        recorder.checkpoint(name, stage, kind=ArtifactKind.ONNX, path=path, parent=parent, level=at)
    return {"version": onnxruntime.__version__}


def _settings(settings: Mapping[str, Any]) -> SessionSettings:
    options = dict(settings.get("options", {}))
    if settings.get("opset") is not None:
        raise MisuseError("TA101", "ort-offline keeps the opset of the model it is given.", "Leave --opset out.")
    for name in options:
        if name not in OPTIONS:
            known = f"optimization ({', '.join(LEVELS)}), disabled_optimizers (names with commas)"
            raise MisuseError("TA101", f"--set {name}: ort-offline has no such option.", f"Options: {known}.")
    return SessionSettings.of({"optimization": "extended", **options})


def _optimize(model: str, path: Path, asked: SessionSettings, level: str) -> None:
    """Make a session, which saves the optimized model as it is made."""
    options = asked.session_options(level)
    options.optimized_model_filepath = str(path)
    if _keeps_weights_beside(Path(model)):
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", WEIGHTS)
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    asked.session(model, options)


def _keeps_weights_beside(model: Path) -> bool:
    """Whether the weights go into a file of their own: those that lie beside this model, or are too large for it.

    ONNX Runtime would otherwise leave references to the first model's file in the second, as if both lay in one folder.
    """
    from tautomer.adapters.onnx_files.digest import all_tensors, read_structure

    external = any(tensor.external_data for tensor in all_tensors(read_structure(model)))
    return external or model.stat().st_size > LARGE_BYTES
