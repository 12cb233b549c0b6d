"""ONNX files: digests of the function, snapshots that share weights, fingerprints, external data."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tautomer.adapters.onnx_files.digest import check_external_data, function_digest, read_structure
from tautomer.adapters.onnx_files.fingerprint import fingerprint
from tautomer.adapters.onnx_files.snapshot import SnapshotFolder
from tautomer.errors import ModelFileError


def model(weight, *, doc="", name="g"):
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="mm", doc_string=doc)],
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", weight.shape[0]])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", weight.shape[1]])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


WEIGHT = np.arange(32 * 32, dtype=np.float32).reshape(32, 32)


def test_the_digest_is_of_the_function_and_not_of_its_storage(tmp_path):
    onnx.save(model(WEIGHT), tmp_path / "a.onnx")
    onnx.save(
        model(WEIGHT, doc="said"), tmp_path / "b.onnx", save_as_external_data=True, location="b.data", size_threshold=0
    )
    changed = WEIGHT.copy()
    changed[3, 3] += 1
    onnx.save(model(changed), tmp_path / "c.onnx")
    digests = [function_digest(tmp_path / f"{name}.onnx") for name in "abc"]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_snapshots_write_each_tensor_once_and_leave_the_model_as_it_was(tmp_path):
    given_model = ir.serde.deserialize_model(model(WEIGHT))
    before = ir.serde.serialize_model(given_model).SerializeToString(deterministic=True)
    folder = SnapshotFolder(tmp_path)
    first = folder.write(given_model, "first")
    second = folder.write(given_model, "second")
    assert ir.serde.serialize_model(given_model).SerializeToString(deterministic=True) == before
    assert (tmp_path / "weights.bin").stat().st_size == WEIGHT.nbytes
    assert function_digest(first) == function_digest(second)
    loaded = onnx.load(str(first))
    assert np.array_equal(onnx.numpy_helper.to_array(loaded.graph.initializer[0]), WEIGHT)


@given(st.permutations(range(24)))
def test_a_fingerprint_survives_every_permutation_and_reshape(order):
    values = np.linspace(-1, 1, 24, dtype=np.float32)
    assert fingerprint(values[list(order)].reshape(4, 6)) == fingerprint(values)
    changed = values.copy()
    changed[5] = np.nextafter(changed[5], np.float32(2))
    assert fingerprint(changed) != fingerprint(values)


@pytest.mark.parametrize("location", ["../outside.data", "/etc/hostname", ""])
def test_external_data_outside_the_folder_is_refused(tmp_path, location):
    proto = model(WEIGHT)
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    (tmp_path / "m").mkdir()
    (tmp_path / "outside.data").write_bytes(WEIGHT.tobytes())
    (tmp_path / "m" / "m.onnx").write_bytes(proto.SerializeToString())
    with pytest.raises(ModelFileError, match="TA116"):
        check_external_data(read_structure(tmp_path / "m" / "m.onnx"), tmp_path / "m")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07"])
def test_a_file_that_is_no_model_is_said_to_be_none(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelFileError, match="TA115"):
        read_structure(tmp_path / "m.onnx")
