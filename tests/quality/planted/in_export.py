"""Faults in the writing of the file: wrong bytes, wrong places of bytes, lost attributes, no file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from planted.endings import abort, leave
from planted.faults import Where, divergent, failed
from tautomer.model import Stage

_STAGE = Stage.EXPORT
_PLACE = Where.CONVERTER


def _after_saving(change: Callable[[Path], None]) -> None:
    """Let `change` have the file once the exporter has written it."""
    from torch.onnx import ONNXProgram

    real = ONNXProgram.save

    def save(self: Any, destination: Any, **keywords: Any) -> None:
        real(self, destination, **keywords)
        change(Path(destination))

    ONNXProgram.save = save


def _edit_weights(change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> None:
    """Let every square matrix of weights be written as `change` of it."""

    def edit(path: Path) -> None:
        import onnx

        model = onnx.load(path)
        for tensor in model.graph.initializer:
            content = onnx.numpy_helper.to_array(tensor)
            if content.ndim == 2 and content.shape[0] == content.shape[1]:
                tensor.raw_data = np.ascontiguousarray(change(content)).tobytes()
        onnx.save(model, path)

    _after_saving(edit)


def _edit_structure(change: Callable[[Any], None]) -> None:
    """Let `change` have the model as it is written; weights stay where they are."""

    def edit(path: Path) -> None:
        import onnx

        model = onnx.load(path, load_external_data=False)
        change(model)
        path.write_bytes(model.SerializeToString())

    _after_saving(edit)


def saving_drops_low_bits() -> None:
    """Weights lose the lower half of their bits, as in bfloat16."""
    _edit_weights(lambda content: (content.view(np.uint32) & 0xFFFF0000).view(np.float32))


def saving_transposes_weights() -> None:
    """A matrix is written column by column."""
    _edit_weights(lambda content: content.T)


def saving_exchanges_offsets() -> None:
    """Two tensors of the same size are written under each other's offset."""

    def change(model: Any) -> None:
        squares = [one for one in model.graph.initializer if one.external_data and len(one.dims) == 2]
        first, second = squares[:2]
        entries = [{one.key: one for one in tensor.external_data} for tensor in (first, second)]
        offsets = [found["offset"].value for found in entries]
        entries[0]["offset"].value, entries[1]["offset"].value = offsets[1], offsets[0]

    _edit_structure(change)


def saving_loses_an_attribute() -> None:
    """Attributes are taken for their default: the axis of a Softmax is not written."""

    def change(model: Any) -> None:
        for node in model.graph.node:
            if node.op_type == "Softmax":
                del node.attribute[:]

    _edit_structure(change)


def saving_exchanges_outputs() -> None:
    """The outputs are written in the order of their names."""

    def change(model: Any) -> None:
        outputs = [type(one).FromString(one.SerializeToString()) for one in model.graph.output]
        del model.graph.output[:]
        model.graph.output.extend(outputs[::-1])

    _edit_structure(change)


def saving_repeats_a_metadata_key() -> None:
    """The same key is written twice into the model's metadata: the checker refuses it, runtimes do not look."""

    def change(model: Any) -> None:
        for value in ("1", "2"):
            model.metadata_props.add(key="exporter.pass", value=value)

    _edit_structure(change)


def saving_ends_early() -> None:
    """The file with the weights is shorter than what the model says of it."""

    def cut(path: Path) -> None:
        weights = path.with_name(path.name + ".data")
        weights.write_bytes(weights.read_bytes()[:-64])

    _after_saving(cut)


def saving_writes_half_a_model() -> None:
    """The model's own file ends in the middle."""

    def cut(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])

    _after_saving(cut)


def saving_raises() -> None:
    """The file cannot be written."""

    def refuse(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    _after_saving(refuse)


def saving_dies() -> None:
    """Native serialization fails an assertion, as protobuf does beyond 2 GB."""
    from torch.onnx import ONNXProgram

    ONNXProgram.save = abort


def saving_leaves() -> None:
    """A signal handler of the storage library ends the process, as if all were well."""
    from torch.onnx import ONNXProgram

    ONNXProgram.save = leave


def legacy_saving_loses_an_attribute() -> None:
    """The TorchScript-based exporter writes a Softmax without its axis."""
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils

    real = onnx_proto_utils._export_file

    def export_file(content: bytes, *arguments: Any) -> None:
        import onnx

        model = onnx.load_model_from_string(content)
        for node in model.graph.node:
            if node.op_type == "Softmax":
                del node.attribute[:]
        real(model.SerializeToString(), *arguments)

    onnx_proto_utils._export_file = export_file


def legacy_saving_raises() -> None:
    """The TorchScript-based exporter cannot write its file."""
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    onnx_proto_utils._export_file = refuse


FAULTS = (
    divergent(_STAGE, saving_drops_low_bits, "encoder.py", _PLACE),
    divergent(_STAGE, saving_transposes_weights, "encoder.py", _PLACE),
    divergent(_STAGE, saving_exchanges_offsets, "encoder.py", _PLACE),
    divergent(_STAGE, saving_loses_an_attribute, "two_softmaxes.py", _PLACE),
    divergent(
        _STAGE,
        saving_exchanges_outputs,
        "pair.py",
        _PLACE,
    ),
    divergent(
        _STAGE,
        legacy_saving_loses_an_attribute,
        "two_softmaxes.py",
        _PLACE,
        converter="torch.onnx-legacy",
    ),
    failed(
        _STAGE,
        saving_repeats_a_metadata_key,
        "encoder.py",
        _PLACE,
        symptom_stage=Stage.VALIDATION,
    ),
    failed(
        _STAGE,
        saving_ends_early,
        "encoder.py",
        _PLACE,
        symptom_stage=Stage.RUNTIME_LOAD,
    ),
    failed(
        _STAGE,
        saving_writes_half_a_model,
        "encoder.py",
        _PLACE,
        symptom_stage=Stage.VALIDATION,
    ),
    failed(_STAGE, saving_raises, "encoder.py", _PLACE),
    failed(_STAGE, legacy_saving_raises, "encoder.py", _PLACE, converter="torch.onnx-legacy"),
    failed(_STAGE, saving_dies, "encoder.py", _PLACE),
    failed(_STAGE, saving_leaves, "encoder.py", _PLACE),
)
