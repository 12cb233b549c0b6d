"""Models are opened without their weights, and nothing outside their folder is read."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tautomer.numerics.onnx_evaluator import Evaluator, InvalidModel, load_model
from tautomer.numerics.onnx_evaluator import evaluator as evaluator_module
from tautomer.numerics.onnx_evaluator.loading import read_tensor


def _two_layers() -> onnx.ModelProto:
    weights = {"w0": np.float32([[1, 2], [3, 4]]), "w1": np.float32([[0.5, 0], [0, 0.5]])}
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w0"], ["h"]), helper.make_node("MatMul", ["h", "w1"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def _saved(folder: Path) -> Path:
    path = folder / "model.onnx"
    onnx.save_model(
        _two_layers(),
        path,
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
        convert_attribute=False,
    )
    return path


def _relocated(path: Path, location: str) -> Path:
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = location
    changed = path.with_name("changed.onnx")
    changed.write_bytes(model.SerializeToString())
    return changed


def test_opening_a_model_reads_no_external_tensor(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    (tmp_path / "weights.bin").unlink()
    evaluator = Evaluator(load_model(path), lift=True)
    with pytest.raises(InvalidModel, match="not a file"):
        evaluator.run({"x": np.ones((1, 2), np.float32)})


def test_each_external_tensor_is_mapped_when_a_node_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []

    def reading(tensor: onnx.TensorProto, folder: Path | None) -> np.ndarray:
        events.append(tensor.name)
        return read_tensor(tensor, folder)

    evaluator = Evaluator(load_model(_saved(tmp_path)), lift=True)
    monkeypatch.setattr(evaluator_module, "read_tensor", reading)
    result = evaluator.run({"x": np.float32([[1, 1]])}, lambda name, _: events.append(name))
    assert events == ["w0", "h", "w1", "y"]
    assert result["y"].tolist() == [[2.0, 3.0]]


def test_an_external_tensor_is_a_view_of_the_file_and_cannot_be_written(tmp_path: Path) -> None:
    loaded = load_model(_saved(tmp_path))
    array = read_tensor(loaded.proto.graph.initializer[1], loaded.folder)
    assert array.tolist() == [[0.5, 0], [0, 0.5]]
    assert not array.flags.owndata
    assert not array.flags.writeable
    base = array
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "inner/../../secret.bin", ""])
def test_external_data_outside_the_models_folder_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(64))
    folder = tmp_path / "model"
    (folder / "inner").mkdir(parents=True)
    evaluator = Evaluator(load_model(_relocated(_saved(folder), location)), lift=True)
    with pytest.raises(InvalidModel, match=r"outside|not relative") as caught:
        evaluator.run({"x": np.ones((1, 2), np.float32)})
    assert caught.value.op_type == "MatMul"


def test_a_link_out_of_the_models_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(64))
    folder = tmp_path / "model"
    folder.mkdir()
    path = _relocated(_saved(folder), "link.bin")
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(InvalidModel, match="outside"):
        Evaluator(load_model(path), lift=True).run({"x": np.ones((1, 2), np.float32)})


def test_a_truncated_external_file_is_reported(tmp_path: Path) -> None:
    path = _saved(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"\0" * 4)
    with pytest.raises(InvalidModel, match="needs 16 bytes"):
        Evaluator(load_model(path), lift=True).run({"x": np.ones((1, 2), np.float32)})


def test_a_model_without_a_folder_may_have_no_external_data(tmp_path: Path) -> None:
    proto = onnx.load(_saved(tmp_path), load_external_data=False)
    with pytest.raises(InvalidModel, match="no folder"):
        Evaluator(proto, lift=True).run({"x": np.ones((1, 2), np.float32)})


@pytest.mark.parametrize("content", [None, b"this is not a model"])
def test_a_file_that_is_missing_or_no_model_is_invalid(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidModel, match=r"model\.onnx"):
        load_model(path)


@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, -0.0, np.nan], dtype=ml_dtypes.bfloat16),
        np.array([1, 2], dtype=ml_dtypes.float8_e4m3fn),
        np.array([1, -8, 7], dtype=ml_dtypes.int4),
        np.array([True, False]),
        np.array(["a", "é"], dtype=object),
        np.array(3.5, dtype=np.float16),
        np.zeros((0, 2), dtype=np.int64),
        np.array([1 + 2j], dtype=np.complex64),
    ],
    ids=lambda array: array.dtype.name,
)
def test_tensors_of_every_kind_are_read_as_they_were_written(array: np.ndarray) -> None:
    found = read_tensor(numpy_helper.from_array(array, "t"), None)
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert [str(item) for item in found.flat] == [str(item) for item in array.flat]


def test_gathering_rows_of_a_table_lifts_only_those_rows() -> None:
    table = np.arange(1 << 20, dtype=np.float32).reshape(-1, 16)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["y"])],
        "g",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 16])],
        [numpy_helper.from_array(table, "table")],
    )
    evaluator = Evaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), lift=True)
    tracemalloc.start()
    y = evaluator.run({"ids": np.array([3, -1])})["y"]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert y.dtype == np.float64
    assert np.array_equal(y, table[[3, -1]])
    assert peak_bytes < 2 * table.nbytes
