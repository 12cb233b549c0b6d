"""The converter `keras.onnx`: `model.export(file, format="onnx")` of a Keras model, which tf2onnx does inside.

Facts: Keras 3.15, `keras/src/export/onnx.py`: the model is traced for inference, `tf2onnx.convert.from_function`
converts it, and two of tf2onnx's functions are replaced for numpy 2.
"""

from __future__ import annotations

from typing import Any

from tautomer.adapters.converters.tf2onnx_converter import CHECKPOINTS, converting, versions
from tautomer.adapters.converters.tf2onnx_levers import (
    GRAPPLER,
    OPSET,
    OPTIMIZE,
    SKIP_PASSES,
    ConversionLevers,
    check_options,
)
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.runtimes.onnx_host import EVALUATION_HOST
from tautomer.adapters.tf_host import TENSORFLOW_HOST
from tautomer.adapters.worker_api import Channel
from tautomer.errors import MisuseError
from tautomer.model import ArtifactKind

ADAPTER = Adapter(
    name="keras.onnx",
    kind=AdapterKind.CONVERTER,
    task="tautomer.adapters.converters.keras_onnx:convert",
    host=TENSORFLOW_HOST,
    requires=("tensorflow", "keras", "tf2onnx"),
    extra="tensorflow",
    accepts=(ArtifactKind.TENSORFLOW_MODULE, ArtifactKind.KERAS_FILE),
    produces=ArtifactKind.ONNX,
    checkpoints=CHECKPOINTS,
    float64=True,
    levers=(OPSET, OPTIMIZE, SKIP_PASSES, GRAPPLER),
    evaluated_in=EVALUATION_HOST,
)


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """Export a Keras model, report every checkpoint, and run those that are TensorFlow's on all input sets.

    Arguments are those of `tautomer.adapters.converters.tf2onnx_converter.convert`.

    Raises:
        MisuseError: TA101 the source is no Keras model, or an option cannot be used.
        Exception: whatever Keras or tf2onnx raises; the supervisor reads the stage from the last `stage` event.
    """
    import keras

    options = settings.get("options", {})
    check_options(options, (), (OPTIMIZE.name, SKIP_PASSES.name, GRAPPLER.name))
    with converting(channel, spec, expected, ConversionLevers.of(options)) as (prepared, path):
        if not prepared.is_keras:
            raise MisuseError(
                "TA101",
                f"--via keras.onnx: {prepared.program.path.name} holds no Keras model.",
                "Convert it with --via tf2onnx.",
            )
        prepared.run(0)  # Keras exports only what has been called
        prepared.reset()
        signature = _signature(prepared) if prepared.program.signature is not None else None
        prepared.model.export(
            str(path), format="onnx", verbose=False, input_signature=signature, opset_version=settings.get("opset")
        )
    return {**versions(), "keras": str(keras.__version__)}


def _signature(prepared: Any) -> list[Any]:
    """SIGNATURE as Keras takes it: a model with several inputs takes them as one argument."""
    from tautomer.adapters.tf_programs.loading import is_graph_of_layers

    stated = list(prepared.signature)
    return [stated] if is_graph_of_layers(prepared.model) and len(stated) > 1 else stated
