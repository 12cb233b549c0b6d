"""The converter `tf.lite`: TensorFlow's converter to .tflite files, in float32 and without quantization by default.

It translates and optimizes in one step, so that what can be watched is the function it is given and the file it makes.
The file is run in the reference kernels: what deviates there is the conversion's, what only deviates in others theirs.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tautomer.adapters.converters.recording import Recorder, report_run
from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind, Lever
from tautomer.adapters.runtimes.litert_interface import Port, Ports, run_interpreter
from tautomer.adapters.tf_host import TENSORFLOW_HOST
from tautomer.adapters.worker_api import Channel
from tautomer.errors import MisuseError
from tautomer.model import ArtifactKind, Stage, Tensor

ADAPTER = Adapter(
    name="tf.lite",
    kind=AdapterKind.CONVERTER,
    task="tautomer.adapters.converters.tf_lite:convert",
    host=TENSORFLOW_HOST,
    requires=("tensorflow",),
    extra="tensorflow",
    accepts=(ArtifactKind.TENSORFLOW_MODULE, ArtifactKind.SAVED_MODEL, ArtifactKind.KERAS_FILE),
    produces=ArtifactKind.TFLITE,
    checkpoints=(
        AdapterCheckpoint("traced", Stage.LOAD_MODEL),
        AdapterCheckpoint("converted", Stage.NODE_CONVERSION),
    ),
    levers=(
        Lever("unfold_batchmatmul", "whether batched products become single ones", (True,), False),
        Lever("select_tf_ops", "whether operators that LiteRT lacks stay TensorFlow's", (True,), False),
    ),
)

OPTIONS = ("unfold_batchmatmul", "select_tf_ops", "allow_custom_ops")
"""Options that keep the model in the precision it has; all are true or false."""


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """Convert a TensorFlow source and report both checkpoints, each run on all input sets.

    Args:
        spec: the source, as for `tf_programs.preparation.prepare`.
        settings: `options` for the converter.
        expected: `parameters_digest`, `inputs_digests` and `output_paths` of the source as it was first loaded.

    Raises:
        MisuseError: the source or an option cannot be used.
        Exception: whatever the converter raises.
    """
    import tensorflow as tf

    from tautomer.adapters.tf_programs.preparation import prepare

    options = _checked(settings)
    recorder = Recorder(channel)
    recorder.begin(Stage.LOAD_MODEL, "loading the source")
    prepared = prepare(spec)
    prepared.verify(expected)
    prepared.reset()
    recorder.begin(Stage.LOAD_MODEL, "tracing the function")
    concrete = prepared.concrete()
    recorder.checkpoint("traced", Stage.LOAD_MODEL, kind=ArtifactKind.SAVED_MODEL)
    recorder.begin(Stage.LOAD_MODEL, "running the traced function")
    _run_traced(channel, prepared, expected["output_paths"])
    prepared.reset()
    recorder.begin(Stage.NODE_CONVERSION, "converting the function")
    with _quietly():
        converter = _converter(prepared, spec, concrete)
        _configure(converter, options)
        content = converter.convert()
    path = channel.folder / "model" / "model.tflite"
    path.parent.mkdir()
    path.write_bytes(content)
    interpreter = tf.lite.Interpreter(
        model_path=str(path), experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_REF
    )
    ports = Ports.of(interpreter)
    paths = list(prepared.values(0))
    feeds = _feeds(ports.inputs, paths, _traced_names(prepared))
    names = _outputs(ports.outputs, expected["output_paths"])
    recorder.checkpoint(
        "converted",
        Stage.NODE_CONVERSION,
        kind=ArtifactKind.TFLITE,
        path=path,
        parent="traced",
        interface=ports.interface(),
        inputs=feeds,
        outputs=names,
    )
    _run_converted(channel, prepared, interpreter, ports, feeds)
    return {"tensorflow": str(tf.__version__)}


def _checked(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    if settings.get("opset") is not None:
        raise MisuseError("TA101", "tf.lite makes no ONNX, so that there is no opset.", "Leave --opset out.")
    options: Mapping[str, Any] = settings.get("options", {})
    for name, value in options.items():
        if name not in OPTIONS or not isinstance(value, bool):
            raise MisuseError(
                "TA101", f"--set {name}: not an option of tf.lite here.", f"true or false: {', '.join(OPTIONS)}."
            )
    return options


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _converter(prepared: Any, spec: Mapping[str, Any], concrete: Any) -> Any:
    """The converter as a user makes it: of the folder, of the Keras model, or of the traced function."""
    import tensorflow as tf

    if spec["kind"] == ArtifactKind.SAVED_MODEL:
        keys = list(getattr(prepared.program.keep, "signatures", ()))
        named = {"signature_keys": keys} if len(keys) == 1 else {}
        return tf.lite.TFLiteConverter.from_saved_model(spec["path"], **named)
    if prepared.is_keras and not prepared.program.train and _is_flat(prepared):
        return tf.lite.TFLiteConverter.from_keras_model(prepared.model)
    holder = prepared.model if isinstance(prepared.model, tf.Module) else prepared.flat
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete], holder)


def _is_flat(prepared: Any) -> bool:
    """Whether the model has input layers of its own, which say what it is traced with."""
    return bool(getattr(prepared.model, "inputs", None))


def _configure(converter: Any, options: Mapping[str, Any]) -> None:
    import tensorflow as tf

    for name in ("unfold_batchmatmul", "allow_custom_ops"):
        if name in options:
            setattr(converter, name, options[name])
    if options.get("select_tf_ops"):
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]


def _traced_names(prepared: Any) -> dict[str, str]:
    """Path by the name that an input has in the traced function."""
    own = [one.name.partition(":")[0] for one in prepared.concrete().inputs]
    return {name: path for path, name in zip(prepared.values(0), own, strict=False)}


def _feeds(ports: Sequence[Port], paths: Sequence[str], traced: Mapping[str, str]) -> dict[str, str]:
    """Path by input of the file: by the signature's key or the tensor's name where they say it, else not at all."""
    own = {path: path for path in paths}
    spelled = {path.replace(".", "_").replace("/", "_"): path for path in paths}
    feeds: dict[str, str] = {}
    for port in ports:
        bare = port.name.removeprefix("serving_default_").partition(":")[0]
        path = next(
            (known[name] for name in (port.name, bare) for known in (traced, own, spelled) if name in known),
            None,
        )
        if path is not None and path not in feeds.values():
            feeds[port.name] = path
    return feeds


def _outputs(ports: Sequence[Port], paths: Sequence[str]) -> dict[str, str]:
    """Path by output of the file: by name; by the number that Keras gives it; else by the order."""
    names = [port.name for port in ports]
    if set(names) == set(paths):
        return dict(zip(names, names, strict=True))
    numbered = {f"output_{number}": path for number, path in enumerate(paths)}
    if set(names) <= set(numbered):
        return {name: numbered[name] for name in names}
    return dict(zip(names, paths, strict=False))


def _run_traced(channel: Channel, prepared: Any, paths: Sequence[str]) -> None:
    """Run the traced function on every input set, in its own precision."""
    import tensorflow as tf

    from tautomer.adapters.tf_programs.nested import to_tensor

    for index in range(len(prepared.input_sets)):
        values = prepared.values(index)

        def natively(values: Mapping[str, Any] = values) -> dict[str, Any]:
            prepared.reset()
            answers = tf.nest.flatten(prepared.flat(*[tf.constant(one) for one in values.values()]))
            return {path: to_tensor(one) for path, one in zip(paths, answers, strict=True)}

        report_run(channel, "traced", precision="declared", index=index, compute=natively)


def _run_converted(channel: Channel, prepared: Any, interpreter: Any, ports: Ports, feeds: Mapping[str, str]) -> None:
    """Run the file in the reference kernels on every input set."""
    for index in range(len(prepared.input_sets)):
        values = prepared.values(index)

        def in_reference_kernels(values: Mapping[str, Any] = values) -> dict[str, Any]:
            answers = run_interpreter(interpreter, ports, {name: values[path] for name, path in feeds.items()})
            return {port.name: Tensor.of(one) for port, one in zip(ports.outputs, answers, strict=True)}

        report_run(channel, "converted", precision="declared", index=index, compute=in_reference_kernels)
