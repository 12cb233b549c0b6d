"""Whether a conversion with other settings made the same model, so that checking it again would tell nothing new."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tautomer.adapters.onnx_files.digest import all_tensors, read_structure, tensor_bytes
from tautomer.model import Event


@dataclass(frozen=True, slots=True)
class SavedGraph:
    """What a conversion came to.

    Attributes:
        path: the .onnx file.
        digest: of its function.
    """

    path: Path
    digest: str

    @classmethod
    def of(cls, events: Sequence[Event]) -> SavedGraph | None:
        """The last graph that a converter reported; None where there is none, or where it cannot be read."""
        graphs = [one.fields for one in events if one.name == "checkpoint" and one.fields.get("path")]
        if not graphs or not graphs[-1].get("digest"):
            return None
        return cls(Path(graphs[-1]["path"]), str(graphs[-1]["digest"]))

    def is_same(self, other: SavedGraph, *, whatever_opset: bool) -> bool:
        """Whether two files hold the same graph.

        Args:
            whatever_opset: whether graphs that state another opset are the same where that opset gives each of their
                operators the same version, so that the specification gives them the same meaning. Optimizers may still
                treat them differently.
        """
        return self.digest == other.digest or (whatever_opset and computation(self.path) == computation(other.path))


def computation(path: Path) -> tuple[Any, ...]:
    """What a graph computes: its nodes with the versions of their operators, its tensors and its interface.

    Raises:
        ModelFileError: the file cannot be read.
    """
    import onnx

    model = read_structure(path)
    opsets = {one.domain: one.version for one in model.opset_import}
    tensors = []
    for tensor in list(all_tensors(model)):
        content = hashlib.blake2b(digest_size=16)
        for chunk in tensor_bytes(tensor, path.parent):
            content.update(chunk)
        tensors.append((tensor.name, tensor.data_type, tuple(tensor.dims), content.digest()))
    nodes = []
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
        version = opsets.get(node.domain)
        if version is not None and onnx.defs.has(node.op_type, version, node.domain):
            version = onnx.defs.get_schema(node.op_type, version, node.domain).since_version
        nested = any(attribute.type in _WITH_GRAPHS for attribute in node.attribute)
        # What a nested graph's operators mean is not looked into: it is the same under the same opsets only.
        nodes.append((node.SerializeToString(deterministic=True), tuple(opsets.items()) if nested else version))
    interface = [(one.name, one.type.SerializeToString()) for one in (*model.graph.input, *model.graph.output)]
    functions = tuple(one.SerializeToString(deterministic=True) for one in model.functions)
    return nodes, sorted(tensors), interface, functions


_WITH_GRAPHS = (5, 10)
"""Types of attributes that hold graphs. Source: onnx.proto, `AttributeProto.AttributeType`."""
