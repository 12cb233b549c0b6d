"""A digest of the function an ONNX file holds: the same for files that compute the same by the same nodes and tensors.

Metadata, documentation, names of symbolic dimensions, inferred value shapes and where tensors are stored do not count.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from tautomer.errors import ModelFileError


def function_digest(path: Path, opset_override: int | None = None) -> str:
    """Digest of the model file at `path` together with its external data.

    Raises:
        ModelFileError: the file or its external data cannot be read, or lies outside the model's folder.
    """
    model = read_structure(path)
    digest = hashlib.blake2b(digest_size=16)
    for tensor in list(all_tensors(model)):
        content = hashlib.blake2b(digest_size=16)
        for chunk in tensor_bytes(tensor, path.parent):
            content.update(chunk)
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")
        for field in ("float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data"):
            tensor.ClearField(field)
        tensor.raw_data = content.digest()
        tensor.ClearField("doc_string")
    for holder in _holders(model):
        holder.ClearField("doc_string")
        if hasattr(holder, "metadata_props"):
            holder.ClearField("metadata_props")
        if hasattr(holder, "value_info"):
            holder.ClearField("value_info")
    for value in [*model.graph.input, *model.graph.output]:
        for dimension in value.type.tensor_type.shape.dim:
            dimension.ClearField("dim_param")
    model.ClearField("producer_name")
    model.ClearField("producer_version")
    model.ClearField("ir_version")
    digest.update(str(opset_override).encode())
    digest.update(model.SerializeToString(deterministic=True))
    return digest.hexdigest()


def read_structure(path: Path) -> onnx.ModelProto:
    """The model without its external data.

    Raises:
        ModelFileError: no such file, truncated, corrupt, or not an ONNX model.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelFileError("TA115", f"{path} is not a readable ONNX model: {text}") from error
    if not model.HasField("graph"):
        raise ModelFileError("TA115", f"{path} is not a readable ONNX model: it holds no graph.")
    return model


def check_external_data(model: onnx.ModelProto, folder: Path) -> None:
    """Refuse external data outside the model's folder, missing, or shorter than declared.

    Raises:
        ModelFileError: with the tensor's name and the location it asks for.
    """
    for tensor in all_tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            located(tensor, folder)


def located(tensor: onnx.TensorProto, folder: Path) -> tuple[Path, int, int | None]:
    """File, offset and length (None: to the end) of an external tensor.

    Raises:
        ModelFileError: it lies outside the folder, does not exist, or is too short.
    """
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    root = folder.resolve()
    path = (root / location).resolve()
    if not location or root not in path.parents:
        raise ModelFileError(
            "TA116",
            f"tensor '{tensor.name}' has its data at '{location}', outside the model's folder; it was not opened.",
            "Move the data next to the model and save it again.",
        )
    if not path.is_file():
        raise ModelFileError("TA117", f"tensor '{tensor.name}' has its data in '{location}', which does not exist.")
    try:
        offset = int(entries.get("offset") or 0)
        length = int(entries["length"]) if entries.get("length") else None
    except ValueError as error:
        raise ModelFileError(
            "TA118", f"tensor '{tensor.name}' states its place in '{location}' badly: {error}."
        ) from error
    available = path.stat().st_size - offset
    needed = _size_bytes(tensor)
    if offset < 0 or (length or 0) > available or needed > (available if length is None else length):
        raise ModelFileError(
            "TA118",
            f"'{location}' does not hold tensor '{tensor.name}': it needs {needed} bytes, and {length or available} at "
            f"offset {offset} of {path.stat().st_size} are stated; the file is truncated or the model is corrupt.",
        )
    return path, offset, length


def _size_bytes(tensor: onnx.TensorProto) -> int:
    """Bytes a tensor takes; 0 where its type does not say (strings, and types that share a byte)."""
    packed = {"INT4", "UINT4", "FLOAT4E2M1", "INT2", "UINT2", "STRING", "UNDEFINED"}
    name = onnx.TensorProto.DataType.Name(tensor.data_type)
    if name in packed:
        return 0
    elements = 1
    for size in tensor.dims:
        elements *= max(size, 0)
    return elements * int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def tensor_bytes(tensor: onnx.TensorProto, folder: Path) -> Iterator[bytes | memoryview]:
    """The content of a tensor, in one canonical form (raw little-endian bytes; strings length by length)."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        path, offset, length = located(tensor, folder)
        size = path.stat().st_size - offset if length is None else length
        if size == 0:
            return
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            step = 1 << 24
            for start in range(offset, offset + size, step):
                yield mapped[start : min(start + step, offset + size)]
    elif tensor.data_type == onnx.TensorProto.STRING:
        for text in tensor.string_data:
            yield len(text).to_bytes(8, "little") + text
    elif tensor.HasField("raw_data"):
        yield tensor.raw_data
    else:
        yield onnx.numpy_helper.to_array(tensor).tobytes()


def all_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model: initializers and attributes, subgraphs and functions included."""
    for graph in _graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield sparse.values
            yield sparse.indices
    for node in _nodes(model):
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for graph in _graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from _nested_nodes(function.node)


def _nested_nodes(nodes: Any) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in [*([attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else []), *attribute.graphs]:
                yield from _nested_nodes(graph.node)


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    pending = [model.graph]
    while pending:
        graph = pending.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    pending.append(attribute.g)
                pending.extend(attribute.graphs)
    for function in model.functions:
        for node in function.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    yield attribute.g


def _holders(model: onnx.ModelProto) -> Iterator[Any]:
    yield model
    yield from _graphs(model)
    yield from _nodes(model)
    yield from model.functions
    for graph in _graphs(model):
        yield from graph.input
        yield from graph.output
