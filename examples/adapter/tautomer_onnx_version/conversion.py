"""The adapter's task, which runs in a worker: onnx's version converter, reporting as every converter does."""

from typing import Any

from tautomer.adapters.converters.recording import Recorder
from tautomer.adapters.worker_api import Channel
from tautomer.errors import MisuseError
from tautomer.model import ArtifactKind, Stage

NEWEST_KNOWN = 21
"""The opset that is converted to where --opset asks for none."""


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """Convert an ONNX file to another opset.

    Args:
        channel: what is reported through; files go below its `folder`.
        spec: `path` of the model: the user's, or what the link before made.
        settings: `opset`, and `options` of `--set`.
        expected: what the source answered; a converter that loads code compares its digests.
    """
    import onnx
    from onnx import version_converter

    recorder = Recorder(channel)
    recorder.begin(Stage.LOAD_MODEL, "loading the model")
    for name in settings["options"]:
        raise MisuseError("TA101", f"--set {name}: onnx-version has no options.", "Ask for an opset with --opset.")
    model = onnx.load(spec["path"])
    recorder.begin(Stage.NODE_CONVERSION, "converting the opset")
    converted = version_converter.convert_version(model, settings["opset"] or NEWEST_KNOWN)
    path = channel.folder / "model.onnx"
    snapshot = channel.folder / "converted.onnx"
    onnx.save(converted, snapshot)
    recorder.checkpoint("converted", Stage.NODE_CONVERSION, kind=ArtifactKind.ONNX, path=snapshot)
    recorder.begin(Stage.EXPORT, "saving the model")
    onnx.save(converted, path)
    recorder.checkpoint("saved", Stage.EXPORT, kind=ArtifactKind.ONNX, path=path, parent="converted")
    return {"version": onnx.__version__}
