"""Nested values as files: how tensors cross from one process to another, bit for bit and without pickle.

A file is an ordinary safetensors file. Its tensors hold the raw little-endian bytes; its metadata holds the nested
structure as JSON, with every scalar written exactly. Equal content gives equal bytes, so a file's digest identifies
the value in it.

Source: the safetensors format, https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap as memory_map
import os
import secrets
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.model.values import BIT_STORED, Tensor, Value

FORMAT = "tautomer/values/1"

_STORED_AS: dict[str, tuple[str, str, int]] = {
    "bool": ("BOOL", "|b1", 1),
    "uint8": ("U8", "|u1", 1),
    "int8": ("I8", "|i1", 1),
    "uint16": ("U16", "<u2", 1),
    "int16": ("I16", "<i2", 1),
    "uint32": ("U32", "<u4", 1),
    "int32": ("I32", "<i4", 1),
    "uint64": ("U64", "<u8", 1),
    "int64": ("I64", "<i8", 1),
    "float16": ("F16", "<f2", 1),
    "float32": ("F32", "<f4", 1),
    "float64": ("F64", "<f8", 1),
    "complex64": ("F32", "<c8", 2),
    "complex128": ("F64", "<c16", 2),
    "bfloat16": ("BF16", "<u2", 1),
    "float8_e4m3fn": ("F8_E4M3", "|u1", 1),
    "float8_e5m2": ("F8_E5M2", "|u1", 1),
    "float8_e4m3fnuz": ("U8", "|u1", 1),
    "float8_e5m2fnuz": ("U8", "|u1", 1),
}
"""Logical element type -> safetensors' name, numpy's storage, stored numbers an element (complex: a last axis of 2)."""

_HEADER_LENGTH = struct.Struct("<Q")
_LARGEST_HEADER_BYTES = 1 << 30
_CHUNK_BYTES = 1 << 24


class TensorFileError(ValueError):
    """A file that does not hold what this module writes."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def write_values(path: Path, value: Value) -> str:
    """Write a nested value and return the digest of the file (BLAKE2b, 128 bits, hexadecimal).

    The file appears under its name only when it is complete. At most one tensor is copied at a time, and only where
    it is not contiguous or not little-endian.

    Raises:
        TypeError: a leaf is not a `Tensor` of a known element type or a Python scalar, or a key is not a string.
    """
    tensors: list[Tensor] = []
    structure = _encode(value, tensors)
    order = sorted(range(len(tensors)), key=lambda index: (-_alignment_bytes(tensors[index]), index))
    header = _header(structure, tensors, order)
    digest = hashlib.blake2b(digest_size=16)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}.partial")
    try:
        with aside.open("wb") as file:
            for chunk in (_HEADER_LENGTH.pack(len(header)), header):
                digest.update(chunk)
                file.write(chunk)
            for index in order:
                stored = _little_endian(tensors[index])
                for start in range(0, stored.size, _CHUNK_BYTES):
                    piece = stored[start : start + _CHUNK_BYTES].data
                    digest.update(piece)
                    file.write(piece)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def read_values(path: Path, *, mmap: bool = True) -> Value:
    """Read what `write_values` wrote.

    Args:
        path: the file.
        mmap: map the file instead of reading it; the arrays are then read-only and pages load when touched.
            Otherwise every array is a writable copy.

    Raises:
        TensorFileError: the file is truncated, corrupt, or of another kind.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        header, start = _read_header(path, file.read(_HEADER_LENGTH.size), file, size_bytes)
        if mmap:
            content: Any = memory_map.mmap(file.fileno(), 0, access=memory_map.ACCESS_READ)
        else:
            file.seek(0)
            content = bytearray(size_bytes)
            if file.readinto(content) != size_bytes:
                raise TensorFileError(path, "it shrank while it was read")
    try:
        metadata = header["__metadata__"]
        if metadata["format"] != FORMAT:
            raise TensorFileError(path, f"format {metadata['format']!r} where {FORMAT!r} is expected")
        value: Value = _Decoder(header, content, start).decode(json.loads(metadata["structure"]))
    except TensorFileError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise TensorFileError(path, f"its structure is not valid: {error!r}") from error
    return value


def file_digest(path: Path) -> str:
    """Digest of a file's bytes: what `write_values` returned for it."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _encode(value: Any, tensors: list[Tensor]) -> Any:
    """JSON for one node; tensors that have bytes are appended to `tensors`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Tensor):
        return _encode_tensor(value, tensors)
    if isinstance(value, int):
        return {"int": hex(value)}
    if isinstance(value, float):
        return {"float": struct.pack(">d", value).hex()}
    if isinstance(value, complex):
        return {"complex": struct.pack(">dd", value.real, value.imag).hex()}
    if isinstance(value, list):
        return {"list": [_encode(item, tensors) for item in value]}
    if isinstance(value, tuple):
        return {"tuple": [_encode(item, tensors) for item in value]}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"keys of a stored dict are strings; got {[key for key in value if type(key) is not str]}")
        return {"dict": [[str(key), _encode(item, tensors)] for key, item in value.items()]}
    raise TypeError(f"cannot store a {type(value).__module__}.{type(value).__qualname__}; wrap arrays in Tensor.of")


def _encode_tensor(tensor: Tensor, tensors: list[Tensor]) -> Any:
    if tensor.dtype == "string":
        return {"strings": [list(tensor.shape), [_encode_text(item) for item in tensor.array.ravel().tolist()]]}
    expected = BIT_STORED.get(tensor.dtype, tensor.dtype)
    if tensor.dtype not in _STORED_AS or tensor.array.dtype.name != expected:
        raise TypeError(f"cannot store element type {tensor.dtype!r} held as {tensor.array.dtype}")
    tensors.append(tensor)
    return {"tensor": [tensor.dtype, list(tensor.shape), _tensor_name(len(tensors) - 1)]}


def _encode_text(item: Any) -> Any:
    """A string as itself, bytes as a list of their hexadecimal digits."""
    if isinstance(item, str):
        return str(item)
    if isinstance(item, bytes):
        return [item.hex()]
    raise TypeError(f"a string tensor holds str; got {type(item).__qualname__}")


def _tensor_name(index: int) -> str:
    return f"tensor{index}"


def _alignment_bytes(tensor: Tensor) -> int:
    return np.dtype(_STORED_AS[tensor.dtype][1]).alignment


def _header(structure: Any, tensors: list[Tensor], order: list[int]) -> bytes:
    """The JSON header, padded so that the tensors begin on a multiple of 8 bytes."""
    metadata = {"format": FORMAT, "structure": json.dumps(structure, separators=(",", ":"))}
    header: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    for index in order:
        tensor = tensors[index]
        name, storage, numbers = _STORED_AS[tensor.dtype]
        end = offset + math.prod(tensor.shape) * np.dtype(storage).itemsize
        shape = [*tensor.shape, numbers] if numbers > 1 else list(tensor.shape)
        header[_tensor_name(index)] = {"dtype": name, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    encoded = json.dumps(header, separators=(",", ":")).encode("ascii")
    return encoded + b" " * (-len(encoded) % 8)


def _little_endian(tensor: Tensor) -> np.ndarray[Any, Any]:
    """The tensor's bytes in row-major order. Shapes: `(...)` -> `(size_bytes,)`."""
    stored = tensor.array.astype(_STORED_AS[tensor.dtype][1], order="C", copy=False)
    return np.ascontiguousarray(stored).reshape(-1).view(np.uint8)


def _read_header(path: Path, prefix: bytes, file: Any, size_bytes: int) -> tuple[dict[str, Any], int]:
    """The parsed header and the offset at which tensors begin."""
    if len(prefix) < _HEADER_LENGTH.size:
        raise TensorFileError(path, "it is shorter than a header")
    (length,) = _HEADER_LENGTH.unpack(prefix)
    if length > min(size_bytes - _HEADER_LENGTH.size, _LARGEST_HEADER_BYTES):
        raise TensorFileError(path, f"its header claims {length} bytes where the file has {size_bytes}")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError) as error:
        raise TensorFileError(path, f"its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise TensorFileError(path, "its header is not a JSON object")
    start = _HEADER_LENGTH.size + length
    end = max(_ends(path, header), default=0)
    if start + end != size_bytes:
        raise TensorFileError(path, f"its tensors end at byte {start + end} where the file has {size_bytes}")
    return header, start


def _ends(path: Path, header: dict[str, Any]) -> Iterator[int]:
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
        if not (isinstance(offsets, list) and len(offsets) == 2 and all(type(offset) is int for offset in offsets)):
            raise TensorFileError(path, f"tensor {name!r} has no data_offsets")
        yield offsets[1]


class _Decoder:
    """Rebuilds a value from its structure; `content` is the whole file, tensors begin at `start`."""

    def __init__(self, header: dict[str, Any], content: Any, start: int) -> None:
        self._header = header
        self._content = content
        self._start = start

    def decode(self, node: Any) -> Any:
        if node is None or isinstance(node, bool | str):
            return node
        ((kind, body),) = node.items()
        match kind:
            case "int":
                return int(body, 16)
            case "float":
                return struct.unpack(">d", bytes.fromhex(body))[0]
            case "complex":
                return complex(*struct.unpack(">dd", bytes.fromhex(body)))
            case "list":
                return [self.decode(item) for item in body]
            case "tuple":
                return tuple(self.decode(item) for item in body)
            case "dict":
                return {key: self.decode(item) for key, item in body}
            case "strings":
                return _decode_strings(*body)
            case "tensor":
                return self._tensor(*body)
        raise ValueError(f"unknown node {kind!r}")

    def _tensor(self, dtype: str, shape: list[int], name: str) -> Tensor:
        entry = self._header[name]
        stored_name, storage, _ = _STORED_AS[dtype]
        begin, end = entry["data_offsets"]
        count = math.prod(shape)
        size_bytes = count * np.dtype(storage).itemsize
        if entry["dtype"] != stored_name or begin < 0 or min(shape, default=0) < 0 or end - begin != size_bytes:
            raise ValueError(f"tensor {name!r} is declared as {entry} where {dtype}{shape} is expected")
        if count == 0:
            return Tensor(dtype, np.empty(shape, np.dtype(storage)))
        flat = np.frombuffer(self._content, np.dtype(storage), count=count, offset=self._start + begin)
        return Tensor(dtype, flat.reshape(shape))


def _decode_strings(shape: list[int], items: list[Any]) -> Tensor:
    flat = np.empty(len(items), dtype=object)
    flat[:] = [item if isinstance(item, str) else bytes.fromhex(item[0]) for item in items]
    return Tensor("string", flat.reshape(shape))
