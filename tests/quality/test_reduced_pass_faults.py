"""A fault of an optimizer's pass is reduced to the operator that it concerns, and to no other failure on the way."""

from __future__ import annotations

import pytest

from tautomer.adapters.torch_programs.reduction.task import extract, shrink
from tautomer.adapters.worker_api import Channel

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch", "torch.onnx", "onnxruntime")]

# A row of the mask that allows nothing is another failure of the exporter at opset 18, in its translation.
MODEL = """
import torch
import torch.nn.functional as F


class Model(torch.nn.Module):
    def forward(self, x, padded):
        seen = torch.arange(4)[:, None] >= torch.arange(4)[None, :]
        allowed = seen & padded
        return F.scaled_dot_product_attention(x.relu(), x, x + 1, attn_mask=allowed) * 2


def inputs():
    return torch.randn(1, 1, 4, 2), torch.tensor([True, True, True, False])
"""


@pytest.fixture
def _faulty_pass(monkeypatch):
    """The optimizer ends by turning each And that has a stored operand into Or."""
    from onnxscript.rewriter import onnx_fusions

    real = onnx_fusions.fuse

    def fuse(model, *arguments, **keywords):
        result = real(model, *arguments, **keywords)
        for node in model.graph:
            if node.op_type == "And" and any(one.const_value is not None for one in node.inputs):
                node.op_type = "Or"
        return result

    monkeypatch.setattr(onnx_fusions, "fuse", fuse)


def named(folder, name):
    (folder / name).mkdir()
    return Channel(folder / name)


@pytest.mark.usefixtures("_faulty_pass")
@pytest.mark.parametrize("grow", [0, -1])
def test_a_pass_that_needs_a_folded_operand_keeps_it_and_leads_to_no_other_failure(grow, tmp_path):
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    spec = {"path": str(path), "kind": "model_module", "seed": 0}
    (cut,) = extract(named(tmp_path, "cut"), spec=spec, ways=[{"nodes": ["bitwise_and"], "grow": grow}])["cuts"]
    assert cut["calls"] > 5 if grow else cut["calls"] == 1
    channel = named(tmp_path, "shrunk")
    operators = ["aten.bitwise_and.Tensor"]
    smallest = shrink(channel, state=cut["state"], settings={"converter": "torch.onnx"}, operators=operators)
    assert smallest["probe"]["op_types"] == ["Or"]
    assert smallest["probe"]["nodes"] == 1
    assert "translated: semantic" not in smallest["probe"]["differs"]
    assert (smallest["inputs"], smallest["constants"]) == (1, 1)
