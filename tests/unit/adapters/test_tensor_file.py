"""Values come back from a file bit for bit, and a file's digest identifies them."""

from __future__ import annotations

import contextlib
import json
import struct
import tempfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors import safe_open

from tautomer.adapters.tensor_file import TensorFileError, file_digest, read_values, write_values
from tautomer.model import BIT_STORED, Tensor

PLAIN = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32"]
PLAIN += ["float64", "complex64", "complex128"]


@st.composite
def numeric_tensors(draw):
    """Tensors of every element type with arbitrary bits, in any byte order and memory layout."""
    logical = draw(st.sampled_from([*PLAIN, *BIT_STORED]))
    storage = np.dtype(BIT_STORED.get(logical, logical))
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    count = int(np.prod(shape, dtype=int))
    if storage.kind == "b":
        array = np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)), bool).reshape(shape)
    else:
        raw = draw(st.binary(min_size=count * storage.itemsize, max_size=count * storage.itemsize))
        array = np.frombuffer(raw, storage).reshape(shape)
    layout = draw(st.sampled_from(["plain", "big-endian", "transposed", "strided", "reversed"]))
    if layout == "big-endian":
        array = array.byteswap().view(storage.newbyteorder(">"))
    elif layout == "transposed":
        array = array.T
    elif layout == "strided" and array.ndim:
        array = np.repeat(array, 2, axis=0)[::2]
    elif layout == "reversed" and array.ndim:
        array = array[::-1]
    return Tensor(logical, array)


@st.composite
def string_tensors(draw):
    shape = draw(arrays.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    array = np.empty(shape, dtype=object)
    for index in np.ndindex(shape):
        array[index] = draw(st.text(max_size=4) | st.binary(max_size=4))
    return Tensor("string", array)


any_float = st.integers(0, 2**64 - 1).map(lambda bits: struct.unpack(">d", bits.to_bytes(8, "big"))[0])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | any_float
    | st.builds(complex, any_float, any_float)
    | st.text(st.characters(), max_size=6)
)
values = st.recursive(
    scalars | numeric_tensors() | string_tensors(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


def content(value):
    """A hashable form that is equal exactly where two values are the same, bit for bit."""
    match value:
        case Tensor(dtype="string", array=array):
            return ("string", array.shape, tuple(array.ravel().tolist()))
        case Tensor(dtype=dtype, array=array):
            return (dtype, array.shape, array.astype(array.dtype.newbyteorder("<")).tobytes())
        case bool() | str() | None | int():
            return (type(value), value)
        case float():
            return (float, struct.pack(">d", value))
        case complex():
            return (complex, struct.pack(">dd", value.real, value.imag))
        case list() | tuple():
            return (type(value), tuple(content(item) for item in value))
        case dict():
            return (dict, tuple((key, content(item)) for key, item in value.items()))


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@settings(max_examples=300, deadline=None)
@given(value=values, mmap=st.booleans())
def test_what_is_read_is_what_was_written(folder, value, mmap):
    path = folder / "value"
    digest = write_values(path, value)
    assert content(read_values(path, mmap=mmap)) == content(value)
    assert file_digest(path) == digest
    assert [entry.name for entry in folder.iterdir()] == ["value"]


@settings(max_examples=150, deadline=None)
@given(left=values, right=values)
def test_digests_are_equal_exactly_where_contents_are(folder, left, right):
    digests = write_values(folder / "value", left), write_values(folder / "value", right)
    assert (digests[0] == digests[1]) == (content(left) == content(right))


@settings(max_examples=100, deadline=None)
@given(tensor=numeric_tensors(), position=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_one_flipped_bit_changes_the_digest(folder, tensor, position, bit):
    array = np.ascontiguousarray(tensor.array)
    if array.size == 0 or tensor.dtype == "bool":
        return
    raw = bytearray(array.tobytes())
    raw[position % len(raw)] ^= 1 << bit
    other = Tensor(tensor.dtype, np.frombuffer(bytes(raw), array.dtype).reshape(array.shape))
    assert write_values(folder / "value", tensor) != write_values(folder / "value", other)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (0.0, -0.0),
        (1, True),
        (1, 1.0),
        ("1", 1),
        ([], ()),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (Tensor.of(np.zeros(2)), Tensor.of(-np.zeros(2))),
        (Tensor.of(np.zeros((2, 3))), Tensor.of(np.zeros((3, 2)))),
        (Tensor.of(np.zeros(2, np.float32)), Tensor.of(np.zeros(2, np.int32))),
        (Tensor("float8_e4m3fnuz", np.zeros(1, np.uint8)), Tensor("float8_e5m2fnuz", np.zeros(1, np.uint8))),
        (Tensor.of(np.zeros((0, 2))), Tensor.of(np.zeros((0, 3)))),
    ],
)
def test_values_that_only_look_alike_have_different_digests(folder, left, right):
    assert write_values(folder / "value", left) != write_values(folder / "value", right)


def test_the_order_of_bytes_and_of_memory_is_no_content(folder):
    array = np.arange(6, dtype="<f4").reshape(2, 3)
    digests = {
        write_values(folder / "value", Tensor.of(each))
        for each in (array, array.astype(">f4"), np.asfortranarray(array), np.repeat(array, 2, axis=1)[:, ::2])
    }
    assert len(digests) == 1


def test_any_reader_of_safetensors_can_read_the_numbers(folder):
    path = folder / "value"
    plain = np.arange(6, dtype=np.float32).reshape(2, 3)
    half = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    write_values(path, [Tensor.of(np.ones(3, np.int8)), Tensor.of(plain), Tensor.of(half)])
    with safe_open(str(path), "np") as file:
        assert sorted(file.keys()) == ["tensor0", "tensor1", "tensor2"]
        assert np.array_equal(file.get_tensor("tensor1"), plain)
        assert file.get_slice("tensor2").get_dtype() == "BF16"


def test_mapped_arrays_are_read_only_and_aligned(folder):
    path = folder / "value"
    write_values(path, [Tensor.of(np.ones(3, np.int8)), Tensor.of(np.ones(2))])
    mapped = read_values(path)
    assert not mapped[1].array.flags.writeable
    assert mapped[1].array.flags.aligned
    copied = read_values(path, mmap=False)
    copied[1].array[0] = 5
    assert read_values(path)[1].array[0] == 1


def test_a_mapped_value_outlives_its_file(folder):
    path = folder / "value"
    write_values(path, Tensor.of(np.arange(1000)))
    mapped = read_values(path)
    path.unlink()
    assert mapped.array.sum() == 499500


@pytest.mark.parametrize(
    "value",
    [
        np.ones(2),
        object(),
        {1: "a"},
        b"bytes",
        Tensor("float32", np.ones(2)),
        Tensor("datetime64[D]", np.zeros(1, "datetime64[D]")),
        Tensor("bfloat16", np.ones(2, np.float32)),
        Tensor("string", np.array([1, None], dtype=object)),
    ],
)
def test_what_cannot_be_stored_is_a_type_error_and_leaves_no_file(tmp_path, value):
    with pytest.raises(TypeError):
        write_values(tmp_path / "value", [1, value])
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_earlier_file(tmp_path):
    write_values(tmp_path / "value", "earlier")
    with pytest.raises(TypeError):
        write_values(tmp_path / "value", object())
    assert read_values(tmp_path / "value") == "earlier"


@settings(max_examples=300, deadline=None)
@given(value=values, position=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.integers(0, 20))
def test_a_corrupt_file_is_read_or_refused_but_never_anything_else(folder, value, position, byte, cut):
    path = folder / "corrupt"
    write_values(path, value)
    raw = bytearray(path.read_bytes())
    raw[position % len(raw)] = byte
    path.write_bytes(bytes(raw[: len(raw) - cut]))
    with contextlib.suppress(TensorFileError):
        read_values(path)
    path.unlink()


def _file(header, body=b""):
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded + body


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "shorter than a header"),
        (b"\x80\x04pickle..", "claims"),
        (struct.pack("<Q", 2**63) + b"{}", "claims"),
        (_file(b"\xff\xfe"), "not JSON"),
        (_file([]), "not a JSON object"),
        (_file({}), "structure is not valid"),
        (_file({"__metadata__": {"format": "pt"}}), "where 'tautomer/values/1' is expected"),
        (_file({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}), "its tensors end"),
        (_file({"x": 3}), "no data_offsets"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_reason(tmp_path, raw, reason):
    path = tmp_path / "file"
    path.write_bytes(raw)
    with pytest.raises(TensorFileError, match=reason) as raised:
        read_values(path)
    assert raised.value.path == path


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "file"
    write_values(path, Tensor.of(np.arange(100)))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(TensorFileError, match="its tensors end"):
        read_values(path)


def test_a_tensor_may_not_reach_outside_its_declared_bytes(tmp_path):
    structure = json.dumps({"tensor": ["float32", [4], "tensor0"]})
    header = {
        "__metadata__": {"format": "tautomer/values/1", "structure": structure},
        "tensor0": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    }
    path = tmp_path / "file"
    path.write_bytes(_file(header, bytes(4)))
    with pytest.raises(TensorFileError, match="is expected"):
        read_values(path)
