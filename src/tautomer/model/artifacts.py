"""Models on disk and the checkpoints of a conversion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tautomer.model.stages import Stage


class ArtifactKind(StrEnum):
    """What an artefact is. A model module is a Python file, of PyTorch (`model_module`) or of TensorFlow."""

    MODEL_MODULE = "model_module"
    EXPORTED_PROGRAM = "exported_program"
    TORCHSCRIPT = "torchscript"
    PICKLED_MODULE = "pickled_module"
    ONNX = "onnx"
    TENSORFLOW_MODULE = "tensorflow_module"
    SAVED_MODEL = "saved_model"
    KERAS_FILE = "keras_file"
    TFLITE = "tflite"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One model as a file.

    Attributes:
        kind: what the file is.
        path: where it lies.
        digest: of its content (for ONNX: of the function it holds, so that two files with the same graph and the
            same tensors have the same digest wherever their external data lies); None where none was taken.
        environment: name of the environment that can read it; None for the current one.
    """

    kind: ArtifactKind
    path: Path
    digest: str | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state of the model after one step of a conversion.

    Attributes:
        name: unique within the converter, such as `captured` or `optimized`.
        stage: the stage whose work it shows.
        artifact: the file, or None where the state lived only in the worker that made it.
        parent: name of the checkpoint it was made from.
        facts: what else the adapter knows (opset, capture strategy...): JSON values.
    """

    name: str
    stage: Stage
    artifact: Artifact | None = None
    parent: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
