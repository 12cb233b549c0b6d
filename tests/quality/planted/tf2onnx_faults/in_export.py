"""Faults in the writing of tf2onnx's file: wrong bytes, lost attributes, half a file, no file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from planted.endings import abort, leave
from planted.tf2onnx_faults.making import divergent, failed
from tautomer.model import Stage

_STAGE = Stage.EXPORT


def _after_saving(change: Callable[[Path], None]) -> None:
    """Let `change` have the file once tf2onnx has written it."""
    from tf2onnx import utils

    real = utils.save_protobuf

    def save(path: str, *arguments: Any, **keywords: Any) -> None:
        real(path, *arguments, **keywords)
        change(Path(path))

    utils.save_protobuf = save


def _edit(change: Callable[[Any], None]) -> None:
    """Let `change` have the model as it is written."""

    def edit(path: Path) -> None:
        import onnx

        model = onnx.load(path)
        change(model)
        path.write_bytes(model.SerializeToString())

    _after_saving(edit)


def _edit_weights(change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> None:
    """Let every square matrix of weights be written as `change` of it."""

    def edit(model: Any) -> None:
        import onnx

        for tensor in model.graph.initializer:
            content = onnx.numpy_helper.to_array(tensor)
            if content.ndim == 2 and content.shape[0] == content.shape[1]:
                changed = onnx.numpy_helper.from_array(np.ascontiguousarray(change(content)), tensor.name)
                tensor.CopyFrom(changed)

    _edit(edit)


def saving_drops_low_bits() -> None:
    """Weights lose the lower half of their bits, as in bfloat16."""
    _edit_weights(lambda content: (content.view(np.uint32) & 0xFFFF0000).view(np.float32))


def saving_transposes_weights() -> None:
    """A matrix is written column by column."""
    _edit_weights(lambda content: content.T)


def saving_loses_an_attribute() -> None:
    """Attributes are taken for their default: the slope of a leaky ReLU is not written."""

    def change(model: Any) -> None:
        for node in model.graph.node:
            if node.op_type == "LeakyRelu":
                del node.attribute[:]

    _edit(change)


def saving_exchanges_outputs() -> None:
    """Two outputs are written under each other's name."""

    def change(model: Any) -> None:
        first, second = (one.name for one in model.graph.output)
        other = {first: second, second: first}
        for node in model.graph.node:
            node.output[:] = [other.get(name, name) for name in node.output]
            node.input[:] = [other.get(name, name) for name in node.input]

    _edit(change)


def saving_repeats_a_metadata_key() -> None:
    """The same key is written twice into the model's metadata: the checker refuses it, runtimes do not look."""

    def change(model: Any) -> None:
        for value in ("1", "2"):
            model.metadata_props.add(key="exporter.pass", value=value)

    _edit(change)


def saving_writes_half_a_model() -> None:
    """The file ends in the middle."""

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
    from tf2onnx import utils

    utils.save_protobuf = abort


def saving_leaves() -> None:
    """A signal handler of the storage library ends the process, as if all were well."""
    from tf2onnx import utils

    utils.save_protobuf = leave


FAULTS = (
    divergent(_STAGE, saving_drops_low_bits, "encoder"),
    divergent(_STAGE, saving_transposes_weights, "encoder"),
    divergent(_STAGE, saving_loses_an_attribute, "pair"),
    divergent(_STAGE, saving_exchanges_outputs, "pair"),
    failed(_STAGE, saving_repeats_a_metadata_key, "encoder", symptom_stage=Stage.VALIDATION),
    failed(_STAGE, saving_writes_half_a_model, "encoder", symptom_stage=Stage.VALIDATION),
    failed(_STAGE, saving_raises, "encoder"),
    failed(_STAGE, saving_dies, "encoder"),
    failed(_STAGE, saving_leaves, "encoder"),
)
