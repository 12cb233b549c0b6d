"""The converter `tf2onnx`: TensorFlow functions, Keras models and SavedModels, watched step by step.

The conversion runs once, as a user runs it: `from_keras` for a Keras model, `from_function` for a function, and the
command line for a SavedModel.
"""

from __future__ import annotations

import contextlib
import io
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tautomer.adapters.converters.recording import Recorder, patched
from tautomer.adapters.converters.tf2onnx_levers import (
    LARGE_MODEL,
    LEVERS,
    OPTIONS,
    ConversionLevers,
    check_options,
    without_levers,
)
from tautomer.adapters.converters.tf2onnx_origins import Origin
from tautomer.adapters.converters.tf2onnx_program_runs import ProgramRuns
from tautomer.adapters.converters.tf2onnx_watching import Watch
from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind
from tautomer.adapters.runtimes.onnx_host import EVALUATION_HOST
from tautomer.adapters.tf_host import TENSORFLOW_HOST
from tautomer.adapters.worker_api import Channel
from tautomer.errors import UserCodeError
from tautomer.model import ArtifactKind, Stage

CHECKPOINTS = (
    AdapterCheckpoint("frozen", Stage.LOAD_MODEL),
    AdapterCheckpoint("grappler", Stage.LOAD_MODEL),
    AdapterCheckpoint("raw", Stage.NODE_CONVERSION),
    AdapterCheckpoint("optimized", Stage.OPTIMIZATION),
    AdapterCheckpoint("saved", Stage.EXPORT),
)

ADAPTER = Adapter(
    name="tf2onnx",
    kind=AdapterKind.CONVERTER,
    task="tautomer.adapters.converters.tf2onnx_converter:convert",
    host=TENSORFLOW_HOST,
    requires=("tensorflow", "tf2onnx"),
    extra="tensorflow",
    accepts=(ArtifactKind.TENSORFLOW_MODULE, ArtifactKind.SAVED_MODEL, ArtifactKind.KERAS_FILE),
    produces=ArtifactKind.ONNX,
    checkpoints=CHECKPOINTS,
    float64=True,
    levers=LEVERS,
    evaluated_in=EVALUATION_HOST,
)

_FLAGS = {
    "custom_ops": "--custom-ops",
    "inputs_as_nchw": "--inputs-as-nchw",
    "outputs_as_nchw": "--outputs-as-nchw",
    "target": "--target",
}
"""Options of the functions that the command line has, too."""

_ZIPPED_MODEL = "__MODEL_PROTO.onnx"
"""The model in what tf2onnx writes with `large_model`. Source: tf2onnx 1.17, `utils.py`, `save_onnx_zip`."""


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """Convert a TensorFlow source, report every checkpoint, and run those that are TensorFlow's on all input sets.

    Args:
        spec: the source, as for `load_program`.
        settings: `opset` (or None) and `options` for tf2onnx.
        expected: `parameters_digest`, `inputs_digests` and `output_paths` of the source as it was first loaded.

    Raises:
        MisuseError: the source or the options cannot be used.
        Exception: whatever tf2onnx raises; the supervisor reads the stage from the last `stage` event.
    """
    options = settings.get("options", {})
    by_command = spec["kind"] == ArtifactKind.SAVED_MODEL
    check_options(options, {*_FLAGS, LARGE_MODEL.name} if by_command else OPTIONS)
    levers = ConversionLevers.of(options)
    with converting(channel, spec, expected, levers) as (prepared, path):
        if by_command:
            _call_command(prepared, Path(spec["path"]), settings.get("opset"), without_levers(options), path)
        else:
            arguments = {**without_levers(options), "opset": settings.get("opset"), "output_path": str(path)}
            _call_function(prepared, levers, expected["output_paths"], arguments)
    return versions()


def versions() -> dict[str, str]:
    """Of what converted."""
    import tensorflow as tf
    import tf2onnx

    return {"tensorflow": str(tf.__version__), "tf2onnx": str(tf2onnx.__version__)}


@contextlib.contextmanager
def converting(
    channel: Channel,
    spec: dict[str, Any],
    expected: dict[str, Any],
    levers: ConversionLevers,
    *,
    recorder: Recorder | None = None,
    runs_programs: bool = True,
) -> Iterator[tuple[Any, Path]]:
    """Load a source and watch the conversion that is made of it within the block; then report what was saved.

    Args:
        channel, spec, expected: as for `convert`.
        levers: what is to be left out.
        recorder: hears of the checkpoints; one that reports to the channel where none is given.
        runs_programs: whether TensorFlow's own graphs are run.

    Yields:
        The source and the path at which it is to be saved.

    Raises:
        MisuseError: the source cannot be used.
    """
    from tautomer.adapters.tf_programs.preparation import prepare

    recorder = recorder or Recorder(channel)
    recorder.begin(Stage.LOAD_MODEL, "loading the source")
    prepared = prepare(spec)
    prepared.verify(expected)
    prepared.reset()
    path = channel.folder / "model" / "model.onnx"
    path.parent.mkdir()
    watch = Watch(channel, recorder, levers=levers, paths=list(prepared.values(0)), users=_UsersGraph(prepared))
    recorder.begin(Stage.LOAD_MODEL, "tracing and freezing the function")
    with watch.watching():
        yield prepared, path
    _unzip(path)
    recorder.checkpoint("saved", Stage.EXPORT, kind=ArtifactKind.ONNX, path=path, parent="optimized", **watch.facts)
    runs = ProgramRuns(channel, prepared, expected["output_paths"])
    for name, program in watch.programs.items() if runs_programs else ():
        recorder.begin(Stage.LOAD_MODEL, f"running the {name} graph")
        runs.run(name, program)


_LOWERED = frozenset(
    {"_SwitchN", "Switch", "RefSwitch", "Merge", "RefMerge", "Enter", "Exit", "NextIteration", "LoopCond"}
)
"""Operators that no user writes: functional control flow is lowered to them when a graph is frozen."""


class _UsersGraph:
    """The source as it is traced and frozen, which is done when it is first asked."""

    def __init__(self, prepared: Any) -> None:
        self._prepared = prepared
        self._frozen: Any = None
        self._operators: dict[str, str] | None = None

    def line(self, node: str) -> str | None:
        """`file.py:12`."""
        import tensorflow as tf

        from tautomer.adapters.tf_programs.freezing import NotFreezable

        if self._frozen is None:
            try:
                with tf.init_scope():  # tf2onnx asks with a graph of its own as the default
                    self._frozen = self._prepared.frozen()
            except (NotFreezable, UserCodeError):  # the conversion itself goes another way; it only lacks its lines
                self._frozen = False
        return self._frozen.line_of(node) if self._frozen else None

    def written_as(self, origin: Origin) -> Origin:
        """Of a node that control flow was lowered to, that control flow: its name is put before theirs."""
        if origin.operator not in _LOWERED:
            return origin
        import tensorflow as tf

        if self._operators is None:
            with tf.init_scope():
                self._operators = {one.name: one.type for one in self._prepared.concrete().graph.get_operations()}
        parts = origin.node.split("/")
        for end in range(len(parts) - 1, 0, -1):
            name = "/".join(parts[:end])
            if name in self._operators:
                return Origin(name, self._operators[name])
        return origin


def _call_function(
    prepared: Any, levers: ConversionLevers, output_paths: Sequence[str], arguments: Mapping[str, Any]
) -> None:
    """`from_keras` for a Keras model, `from_function` for all else."""
    from tf2onnx import convert as tool

    if prepared.is_keras and not prepared.program.train and levers.through == "from_keras":
        tool.from_keras(prepared.model, input_signature=prepared.signature, **arguments)
    else:
        tool.from_function(_function(prepared, output_paths), input_signature=prepared.signature, **arguments)


def _function(prepared: Any, output_paths: Sequence[str]) -> Any:
    """A tf.function of the input tensors: the user's own where tf2onnx can take what it is given and returns.

    It takes tensors, and gives names to outputs that are no nested values.
    """
    call = prepared.input_sets[0].call
    is_flat = (
        not call.kwargs and len(call.args) == len(prepared.signature) and not any("." in one for one in output_paths)
    )
    if prepared.is_keras or not is_flat or not hasattr(prepared.model, "get_concrete_function"):
        return prepared.flat
    return prepared.model


def _call_command(prepared: Any, folder: Path, opset: int | None, options: Mapping[str, Any], path: Path) -> None:
    """`python -m tf2onnx.convert --saved-model FOLDER --output FILE`."""
    from tf2onnx import convert as tool

    words = ["tf2onnx.convert", "--saved-model", str(folder), "--output", str(path)]
    # Left alone it takes the first signature that it finds, which need not be the one that is served.
    known = dict(getattr(prepared.program.keep, "signatures", None) or {})
    names = [name for name, one in known.items() if one is prepared.model]
    words += ["--signature_def", names[0]] if names else []
    words += ["--opset", str(opset)] if opset is not None else []
    words += ["--large_model"] if options.get("large_model") else []
    for name, flag in _FLAGS.items():
        if name in options:
            value = options[name]
            pairs = [f"{key}:{domain}" for key, domain in value.items()] if isinstance(value, dict) else value
            words += [flag, ",".join(pairs) if isinstance(pairs, list) else str(pairs)]
    with patched(sys, "argv", words):
        tool.main()


def _unzip(path: Path) -> None:
    """Put what tf2onnx writes with `large_model` in place of the archive, as its user has to."""
    content = path.read_bytes()[:4]
    if content != b"PK\x03\x04":
        return
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        archive.extractall(path.parent)
    (path.parent / _ZIPPED_MODEL).replace(path)
