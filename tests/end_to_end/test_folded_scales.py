"""A table that a pass folds inherits the rounding of the scale that it is made of; a wrong table is still wrong."""

import json

import onnx
import pytest
from onnx import numpy_helper

from tautomer.cli.application import main

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch")]

MODEL = """
import torch
import torch.nn.functional as F

class Model(torch.nn.Module):
    def forward(self, x):
        return F.interpolate(x, size=({size},), mode="linear", align_corners=False)

def inputs():
    return (4 * torch.rand(1, 6, {length}, generator=torch.Generator().manual_seed(0)) - 2,)
"""


@pytest.mark.parametrize(("length", "size"), [(3, 9), (7, 11)])
def test_an_interpolation_whose_scale_is_rounded_is_the_same_function(tmp_path, length, size):
    (tmp_path / "m.py").write_text(MODEL.format(length=length, size=size))
    assert main(["check", str(tmp_path / "m.py"), "--keep", "none"]) == 0


def test_a_folded_table_that_is_wrong_by_a_thousandth_is_another_function(tmp_path):
    (tmp_path / "m.py").write_text(MODEL.format(length=3, size=9))
    runs = tmp_path / "runs"
    assert main(["check", str(tmp_path / "m.py"), "--keep", "all", "--run-dir", str(runs)]) == 0
    saved = next(runs.rglob("model.onnx"))
    model = onnx.load(saved)
    table = next(one for one in model.graph.initializer if one.data_type == onnx.TensorProto.FLOAT)
    table.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(table) * 1.001, table.name))
    onnx.save(model, tmp_path / "wrong.onnx")
    report = tmp_path / "report.json"
    arguments = ["compare", str(tmp_path / "m.py"), str(tmp_path / "wrong.onnx"), "--keep", "none"]
    assert main([*arguments, "--json", str(report)]) == 1
    assert json.loads(report.read_text())["reports"][0]["outcome"] == "divergent"
