"""Chains of converters: every link is judged against the source, and the one that broke it first is named."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tautomer.errors import MisuseError

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch", "torch.onnx", "onnxruntime")]

SOUND = """
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.linear = torch.nn.Conv2d(3, 8, 3), torch.nn.Linear(8, 5)

        def forward(self, image, scale):
            features = torch.nn.functional.gelu(self.convolution(image))
            return {"scores": torch.softmax(self.linear(features.mean((2, 3))) * scale, -1), "features": features}

    def inputs():
        return torch.randn(2, 3, 9, 9), torch.tensor(1.5)
"""

# onnxslim 0.1.98 takes a factor for one of channels wherever its size is theirs; this one is along the last axis.
FACTOR_ALONG_THE_LAST_AXIS = """
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv2d(3, 4, 3)
            self.factor = torch.nn.Parameter(torch.linspace(0.5, 2.0, 4))

        def forward(self, image):
            return torch.relu(self.convolution(image) * self.factor)

    def inputs():
        return (torch.randn(1, 3, 6, 6),)
"""


def padded_convolution(path):
    """Pads the two last axes, which it names: onnxslim 0.1.98 moves the pads into the convolution as if of all axes."""
    weight = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Pad", ["x", "pads", "", "axes"], ["p"]), helper.make_node("Conv", ["p", "weight"], ["y"])],
        "padded",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 6, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 6, 8])],
        [
            numpy_helper.from_array(np.array([0, 0, 2, 2]), "pads"),
            numpy_helper.from_array(np.array([2, 3]), "axes"),
            numpy_helper.from_array(weight, "weight"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.mark.needs("ort-offline", "onnxslim")
def test_every_link_of_a_sound_chain_has_its_checkpoints_judged_against_the_source(check):
    report = check(SOUND, via=("torch.onnx,ort-offline,onnxslim",))
    assert report.outcome == "equivalent"
    assert report.links == ["torch.onnx", "ort-offline", "onnxslim"]
    names = [one.name for one in report.checkpoints]
    assert len(names) == len(set(names))
    for link, last in (("torch.onnx", "saved"), ("ort-offline", "ort-offline saved"), ("onnxslim", "onnxslim saved")):
        [saved] = [one for one in report.checkpoints if one.link == link and one.name == last]
        assert saved.outcome == "equivalent"
        assert saved.semantic_residual_u is not None
    assert [one.link for one in report.checkpoints if one.stage.startswith("runtime")] == [None, None]


@pytest.mark.needs("ort-offline", "onnxslim")
def test_the_link_that_made_a_wrong_model_is_named_although_the_next_one_fused_its_fault(check):
    report = check(FACTOR_ALONG_THE_LAST_AXIS, via=("torch.onnx,onnxslim,ort-offline",))
    first = report.findings[0]
    assert (report.outcome, first.link, first.stage) == ("divergent", "onnxslim", "optimization")
    assert "'onnxslim', link 2 of 3" in first.message
    assert "aten.mul" in first.location.source_node
    assert first.location.source_line == "model.py:11"
    faulty = [one.link for one in report.checkpoints if one.outcome == "divergent" and one.link]
    assert faulty[0] == "onnxslim"
    assert "torch.onnx" not in faulty


@pytest.mark.needs("onnx", "ort-offline", "onnxslim")
def test_a_link_that_cannot_load_what_it_is_given_is_not_the_one_to_blame(checked, tmp_path):
    path = padded_convolution(tmp_path / "padded.onnx")
    broken, sound = checked(path, via=("onnxslim,ort-offline", "ort-offline")).report.reports
    assert (broken.outcome, broken.findings[0].link, broken.stage) == ("failed", "onnxslim", "optimization")
    assert broken.location.op_types == ["Conv"]
    assert any(one.link == "ort-offline" and one.outcome == "failed" for one in broken.checkpoints)
    assert (sound.outcome, sound.links) == ("equivalent", ["ort-offline"])


@pytest.mark.needs("ort-offline")
def test_options_of_a_chain_are_for_the_link_that_they_name(checked):
    options = {"ort-offline.optimization": "disabled", "optimize": False}
    report = checked(SOUND, via=("torch.onnx,ort-offline",), options=options).report.reports[0]
    assert report.outcome == "equivalent"
    by_name = {one.name: one.detail for one in report.checkpoints}
    assert "optimized" not in by_name
    assert by_name["ort-offline saved"] == "same as ort-offline basic"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"via": ("onnxslim,torch.onnx",)}, "TA129"),
        ({"via": ("torch.onnx,torch.onnx-legacy",)}, "TA129"),
        ({"via": ("torch.onnx,onnxslim,onnxslim",)}, "TA106"),
        ({"via": ("torch.onnx,no-such",)}, "TA105"),
        ({"via": ("torch.onnx,ort-offline",), "options": {"ort-offline.opset": 3}}, "TA101"),
    ],
)
def test_a_chain_that_does_not_fit_is_misuse(checked, settings, code):
    with pytest.raises(MisuseError) as caught:
        checked(SOUND, **settings)
    assert caught.value.code == code
