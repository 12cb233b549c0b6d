"""One small function as each kind of model: relu(x W) and twice y, or what of that the kind can say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.protocols import WarmHost
from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.tf_host import TENSORFLOW_HOST
from tautomer.adapters.torch_host import TORCH_HOST
from tautomer.model import ArtifactKind, Attempt, Completed

WEIGHT = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)

TORCH_MODULE = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x, y):
        return {"first": torch.relu(self.linear(x)), "second": (x.sum() + y, None)}

def inputs():
    return torch.randn(2, 4), torch.tensor(2.0)
"""

TENSORFLOW_MODULE = """
import keras
import tensorflow as tf

def model():
    x, y = keras.Input((4,), name="x"), keras.Input((1,), name="y")
    return keras.Model([x, y], [keras.layers.Dense(3, activation="tanh")(x), keras.layers.Add()([y, y])])

def inputs():
    return tf.random.normal((2, 4)), tf.random.normal((2, 1))
"""

UNCONVERTIBLE = {
    ArtifactKind.MODEL_MODULE: """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        return torch.linalg.eigvals(x + 0j).real

def inputs():
    return (torch.eye(3),)
""",
    ArtifactKind.TENSORFLOW_MODULE: """
import keras
import tensorflow as tf

def model():
    x = keras.Input((3, 3))
    return keras.Model(x, keras.layers.Lambda(lambda value: tf.linalg.eigh(value)[0])(x))

def inputs():
    return (tf.eye(3)[None],)
""",
}
"""Modules that run, with an operator that no converter is known to take."""

_SUFFIXES = {
    ArtifactKind.MODEL_MODULE: ".py",
    ArtifactKind.EXPORTED_PROGRAM: ".pt2",
    ArtifactKind.TORCHSCRIPT: ".ts",
    ArtifactKind.PICKLED_MODULE: ".pt",
    ArtifactKind.ONNX: ".onnx",
    ArtifactKind.TENSORFLOW_MODULE: ".py",
    ArtifactKind.SAVED_MODEL: "",
    ArtifactKind.KERAS_FILE: ".keras",
    ArtifactKind.TFLITE: ".tflite",
}

_WRITERS: dict[ArtifactKind, tuple[WarmHost, str]] = {
    ArtifactKind.EXPORTED_PROGRAM: (TORCH_HOST, "tautomer.testing.example_writers:exported_program"),
    ArtifactKind.TORCHSCRIPT: (TORCH_HOST, "tautomer.testing.example_writers:torchscript"),
    ArtifactKind.PICKLED_MODULE: (TORCH_HOST, "tautomer.testing.example_writers:pickled_module"),
    ArtifactKind.ONNX: (ONNX_HOST, "tautomer.testing.example_writers:onnx_file"),
    ArtifactKind.SAVED_MODEL: (TENSORFLOW_HOST, "tautomer.testing.example_writers:saved_model"),
    ArtifactKind.KERAS_FILE: (TENSORFLOW_HOST, "tautomer.testing.example_writers:keras_file"),
    ArtifactKind.TFLITE: (TENSORFLOW_HOST, "tautomer.testing.example_writers:tflite_file"),
}

UNKNOWN_OPERATOR = {ArtifactKind.ONNX: "NoSuchOperator", ArtifactKind.TFLITE: "SelfAdjointEigV2"}
"""What the unloadable example of a kind holds, which no runtime knows."""


class Examples:
    """Example models, each written when it is first asked for.

    Args:
        folder: where they go.
        run_in: runs a task in a worker: a framework is needed to write its files.
    """

    def __init__(self, folder: Path, run_in: Callable[..., Attempt]) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._run_in = run_in
        x = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)
        np.savez(folder / "torchscript.npz", arr_0=x, arr_1=np.array(2.0, np.float32))
        np.savez(folder / "pickled_module.npz", arr_0=x, arr_1=np.ones((2, 4), np.float32))

    def path(self, kind: ArtifactKind) -> Path:
        """The example of a kind: a file, or a folder for a SavedModel."""
        path = self._folder / str(kind) / f"model{_SUFFIXES[kind]}"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            if kind in _WRITERS:
                self._write(*_WRITERS[kind], path)
            else:
                path.write_text(TORCH_MODULE if kind is ArtifactKind.MODEL_MODULE else TENSORFLOW_MODULE)
        return path

    def spec(self, kind: ArtifactKind, path: Path | None = None) -> dict[str, Any]:
        """The spec of a source, with a sample for those that do not say what their inputs are."""
        sample = self._folder / f"{kind}.npz"
        return {
            "path": str(path or self.path(kind)),
            "kind": str(kind),
            "seed": 0,
            "inputs": [str(sample)] if sample.exists() and path is None else [],
            "trust_pickle": kind is ArtifactKind.PICKLED_MODULE,
        }

    def broken(self, kind: ArtifactKind) -> Path:
        """A file or folder of the kind that cannot be read."""
        path = self._folder / f"broken-{kind}{_SUFFIXES[kind]}"
        if kind is ArtifactKind.SAVED_MODEL:
            path.mkdir(exist_ok=True)
            (path / "saved_model.pb").write_bytes(b"no model")
        else:
            path.write_bytes(b"raise ValueError('no model')\n")
        return path

    def unconvertible(self, kind: ArtifactKind) -> Path:
        """A module with an operator that no converter takes."""
        path = self._folder / f"unconvertible-{kind}.py"
        path.write_text(UNCONVERTIBLE[kind])
        return path

    def unloadable(self, kind: ArtifactKind) -> Path:
        """A file with `UNKNOWN_OPERATOR`."""
        path = self._folder / f"unloadable{_SUFFIXES[kind]}"
        if not path.exists():
            host, _ = _WRITERS[kind]
            self._write(host, f"tautomer.testing.example_writers:unloadable_{kind}", path)
        return path

    def half(self) -> Path:
        """An ONNX file in float16: first = exp(x)^2, second = 2 y."""
        path = self._folder / "half.onnx"
        if not path.exists():
            self._write(ONNX_HOST, "tautomer.testing.example_writers:half_onnx_file", path)
        return path

    def _write(self, host: WarmHost, function: str, path: Path) -> None:
        attempt = self._run_in(host, function, path=str(path))
        assert isinstance(attempt, Completed), attempt
