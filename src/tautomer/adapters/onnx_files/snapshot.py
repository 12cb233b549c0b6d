"""Write an ONNX model that is still being converted, sharing tensor bytes between the snapshots of one conversion.

A conversion passes through several graphs over mostly the same weights. Each distinct tensor is written once, into
one external-data file next to the snapshots, so a model over 2 GB costs its weights once on disk and no second copy in
memory.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir

INLINE_BYTES = 1024
"""Tensors up to this size stay inside the protobuf, as `onnx` itself does by default."""

_ALIGNMENT = 64


class SnapshotFolder:
    """A folder of snapshots over one shared weights file."""

    WEIGHTS = "weights.bin"

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._weights = folder / self.WEIGHTS
        self._placed: dict[bytes, tuple[int, int]] = {}
        self._known: dict[int, tuple[Any, tuple[int, int]]] = {}
        self._end = 0

    def write(self, model: ir.Model, name: str) -> Path:
        """Write `model` as `name`.onnx. The model is the same before and after."""
        import onnx
        import onnx_ir as ir

        swapped: list[tuple[ir.Value, Any]] = []
        try:
            for graph in [model.graph, *(function.graph for function in model.functions.values())]:
                for value in _initializers(graph):
                    tensor = value.const_value
                    if tensor is None or tensor.dtype == ir.DataType.STRING or tensor.nbytes <= INLINE_BYTES:
                        continue
                    offset, length = self._place(tensor)
                    swapped.append((value, tensor))
                    value.const_value = ir.ExternalTensor(
                        self.WEIGHTS,
                        offset,
                        length,
                        tensor.dtype,
                        shape=ir.Shape(tensor.shape.numpy()),
                        name=value.name or tensor.name or "",
                        base_dir=self._folder,
                    )
            proto = ir.serde.serialize_model(model)
        finally:
            for value, tensor in swapped:
                value.const_value = tensor
        path = self._folder / f"{name}.onnx"
        path.write_bytes(proto.SerializeToString())
        if not isinstance(proto, onnx.ModelProto):
            raise TypeError(f"serialization returned {type(proto).__name__}")
        return path

    def _place(self, tensor: Any) -> tuple[int, int]:
        known = self._known.get(id(tensor))
        if known is not None:
            return known[1]
        content = tensor.tobytes()
        digest = hashlib.blake2b(content, digest_size=16).digest()
        place = self._placed.get(digest)
        if place is None:
            offset = -(-self._end // _ALIGNMENT) * _ALIGNMENT
            with self._weights.open("ab") as file:
                file.write(b"\0" * (offset - self._end))
                file.write(content)
            self._end = offset + len(content)
            place = self._placed[digest] = (offset, len(content))
        self._known[id(tensor)] = (tensor, place)  # the reference keeps the id from being used again
        return place


def _initializers(graph: Any) -> list[ir.Value]:
    found = list(graph.initializers.values()) if hasattr(graph, "initializers") else []
    for node in graph.all_nodes() if hasattr(graph, "all_nodes") else graph:
        for attribute in node.attributes.values():
            if attribute.type.name == "GRAPH":
                found.extend(attribute.value.initializers.values())
    return found
