"""Tasks that write the example models; each imports its framework in the worker that it runs in."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.worker_api import Channel
from tautomer.testing.examples import UNKNOWN_OPERATOR, WEIGHT


def _torch_pair() -> tuple[Any, tuple[Any, ...]]:
    import torch

    class Pair(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = torch.nn.Linear(4, 3)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.relu(self.linear(x)), x.sum() + y

    torch.manual_seed(0)
    return Pair().eval(), (torch.randn(2, 4), torch.tensor(2.0))


def exported_program(channel: Channel, *, path: str) -> None:
    """A .pt2 file."""
    import torch

    model, example = _torch_pair()
    torch.export.save(torch.export.export(model, example), path)


def torchscript(channel: Channel, *, path: str) -> None:
    """A TorchScript archive."""
    import torch

    model, example = _torch_pair()
    torch.jit.save(torch.jit.trace(model, example), path)


def pickled_module(channel: Channel, *, path: str) -> None:
    """A pickle of a module that PyTorch itself defines."""
    import torch

    torch.save(torch.nn.MSELoss(reduction="none"), path)


def onnx_file(channel: Channel, *, path: str, op_type: str = "Relu") -> None:
    """An ONNX file: first = relu(x W), second = 2 y."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["product"]),
            helper.make_node(op_type, ["product"], ["first"]),
            helper.make_node("Add", ["y", "y"], ["second"]),
        ],
        "pair",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("first", TensorProto.FLOAT, [2, 3]),
            helper.make_tensor_value_info("second", TensorProto.FLOAT, []),
        ],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def half_onnx_file(channel: Channel, *, path: str) -> None:
    """An ONNX file in float16: first = exp(x)^2, second = 2 y."""
    import onnx
    from onnx import TensorProto, helper

    def value(name: str, shape: list[int]) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT16, shape)

    graph = helper.make_graph(
        [
            helper.make_node("Exp", ["x"], ["e"]),
            helper.make_node("Mul", ["e", "e"], ["first"]),
            helper.make_node("Add", ["y", "y"], ["second"]),
        ],
        "half",
        [value("x", [2, 4]), value("y", [])],
        [value("first", [2, 4]), value("second", [])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def unloadable_onnx(channel: Channel, *, path: str) -> None:
    """An ONNX file with an operator that does not exist."""
    from tautomer.model import ArtifactKind

    onnx_file(channel, path=path, op_type=UNKNOWN_OPERATOR[ArtifactKind.ONNX])


def saved_model(channel: Channel, *, path: str) -> None:
    """A SavedModel folder: first = relu(x W), second = 2 y."""
    import tensorflow as tf

    class Pair(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(WEIGHT)

        @tf.function(input_signature=[tf.TensorSpec([2, 4], name="x"), tf.TensorSpec([], name="y")])  # type: ignore[untyped-decorator]
        def __call__(self, x: Any, y: Any) -> dict[str, Any]:
            return {"first": tf.nn.relu(tf.matmul(x, self.weight)), "second": y + y}

    tf.saved_model.save(Pair(), path)


def keras_file(channel: Channel, *, path: str) -> None:
    """A .keras file with two inputs and two outputs."""
    import keras

    keras.utils.set_random_seed(0)  # other weights may leave nothing of the first output but zeros
    x, y = keras.Input((4,), name="x"), keras.Input((1,), name="y")
    first = keras.layers.Dense(3, activation="relu", bias_initializer="glorot_uniform", name="first")(x)
    keras.Model([x, y], [first, keras.layers.Add(name="second")([y, y])]).save(path)


def tflite_file(channel: Channel, *, path: str) -> None:
    """A .tflite file of the SavedModel, with its signature."""
    from pathlib import Path

    import tensorflow as tf

    folder = str(channel.folder / "saved")
    saved_model(channel, path=folder)
    Path(path).write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def unloadable_tflite(channel: Channel, *, path: str) -> None:
    """A .tflite file with an operator that is no operator of LiteRT."""
    from pathlib import Path

    import tensorflow as tf

    model = tf.function(lambda x: tf.linalg.eigh(x)[0], input_signature=[tf.TensorSpec([2, 2])])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([model.get_concrete_function()], model)
    converter.allow_custom_ops = True
    Path(path).write_bytes(converter.convert())
