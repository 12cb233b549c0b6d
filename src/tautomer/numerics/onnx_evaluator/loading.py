"""Models read without their weights: a tensor is mapped when a node uses it and freed afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import onnx
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from tautomer.numerics.onnx_evaluator.element_types import Array, declared_dtype, element_name
from tautomer.numerics.onnx_evaluator.errors import InvalidModel

_BIT_PACKED = frozenset({"uint4", "int4", "uint2", "int2", "float4e2m1", "string"})


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model and the folder its external tensors lie in.

    Attributes:
        proto: the model; tensors with external data are not in it.
        folder: where external tensors are looked for; None where the model may have none.
    """

    proto: onnx.ModelProto
    folder: Path | None


def load_model(path: Path) -> LoadedModel:
    """The model in a file. No external tensor is read.

    Raises:
        InvalidModel: the file is missing, or not an ONNX model.
    """
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except MemoryError:
        raise
    except Exception as error:
        # protobuf's decoding errors have no class that onnx names, and this module imports only onnx.
        raise InvalidModel(f"{path} cannot be read as an ONNX model: {error}") from error
    return LoadedModel(proto, path.resolve().parent)


def read_tensor(tensor: onnx.TensorProto, folder: Path | None) -> Array:
    """The values of a tensor in its declared type, read-only: a view of the message or a map of the external file.

    Raises:
        InvalidModel: the external data is missing, too short, or outside `folder`, or the bytes do not fit the shape.
    """
    try:
        dtype = declared_dtype(element_name(tensor.data_type))
        if uses_external_data(tensor):
            return _read_external(tensor, dtype, folder)
        shape = tuple(tensor.dims)
        if tensor.HasField("raw_data") and element_name(tensor.data_type) not in _BIT_PACKED:
            stored = np.frombuffer(tensor.raw_data, dtype=dtype.newbyteorder("<") if dtype.kind in "iufc" else dtype)
            return stored.astype(dtype, copy=False).reshape(shape)
        values = onnx.numpy_helper.to_array(tensor)
        if element_name(tensor.data_type) == "string":
            values = _decode_strings(values)
        return values
    except (ValueError, TypeError, OSError) as error:
        raise InvalidModel(f"tensor {tensor.name!r} cannot be read: {error}") from error


def densify(sparse: onnx.SparseTensorProto, folder: Path | None) -> Array:
    """The dense array of a sparse tensor; indices are linear (rank 1) or coordinates (rank 2)."""
    values = read_tensor(sparse.values, folder)
    indices = read_tensor(sparse.indices, folder)
    dense = np.zeros(tuple(sparse.dims), dtype=values.dtype)
    if indices.ndim == 1:
        dense.reshape(-1)[indices] = values
    else:
        dense[tuple(indices.T)] = values
    return dense


def _decode_strings(values: Array) -> Array:
    flat = [item.decode("utf-8") if isinstance(item, bytes) else str(item) for item in values.reshape(-1).tolist()]
    decoded = np.empty(len(flat), dtype=object)
    decoded[:] = flat
    return decoded.reshape(values.shape)


def _read_external(tensor: onnx.TensorProto, dtype: np.dtype[Any], folder: Path | None) -> Array:
    info = ExternalDataInfo(tensor)
    path = _external_path(info.location, tensor.name, folder)
    shape = tuple(tensor.dims)
    count = int(np.prod(shape, dtype=np.int64))
    offset = int(info.offset or 0)
    if element_name(tensor.data_type) in _BIT_PACKED:
        with path.open("rb") as file:
            file.seek(offset)
            stored = file.read(int(info.length) if info.length else -1)
        inline = onnx.TensorProto(data_type=tensor.data_type, dims=tensor.dims, raw_data=stored, name=tensor.name)
        return onnx.numpy_helper.to_array(inline)
    size_bytes = count * dtype.itemsize
    if info.length and int(info.length) != size_bytes:
        raise InvalidModel(f"tensor {tensor.name!r} needs {size_bytes} bytes and declares {info.length}")
    available_bytes = path.stat().st_size - offset
    if offset < 0 or available_bytes < size_bytes:
        raise InvalidModel(f"tensor {tensor.name!r} needs {size_bytes} bytes; {path.name} has {available_bytes} there")
    if count == 0:
        return np.zeros(shape, dtype=dtype)
    mapped = np.memmap(path, mode="r", dtype=np.uint8, offset=offset, shape=(size_bytes,))
    return np.asarray(mapped).view(dtype).reshape(shape)


def _external_path(location: str, tensor_name: str, folder: Path | None) -> Path:
    if folder is None:
        raise InvalidModel(f"tensor {tensor_name!r} is external ({location!r}), but the model has no folder")
    if PurePosixPath(location).is_absolute() or PureWindowsPath(location).is_absolute() or not location:
        raise InvalidModel(f"tensor {tensor_name!r} lies at {location!r}, which is not relative to the model")
    root = folder.resolve()
    path = (root / location).resolve()
    if not path.is_relative_to(root):
        raise InvalidModel(f"tensor {tensor_name!r} lies at {location!r}, outside the model's folder")
    if not path.is_file():
        raise InvalidModel(f"tensor {tensor_name!r} lies at {location!r}, which is not a file")
    return path
