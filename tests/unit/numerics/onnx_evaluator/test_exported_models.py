"""Models that torch.onnx exported, evaluated in float64 against torch in float64."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tautomer.adapters.runtimes.onnx_torch_kernels import torch_kernels
from tautomer.numerics.onnx_evaluator import Evaluator

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


class _ConvNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
            torch.nn.GroupNorm(2, 8),
            torch.nn.SiLU(),
            torch.nn.Conv2d(8, 8, 3, padding=1, groups=8),
            torch.nn.Hardswish(),
            torch.nn.MaxPool2d(2),
            torch.nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1),
            torch.nn.Upsample(scale_factor=2.0, mode="bilinear"),
            torch.nn.AdaptiveAvgPool2d(1),
        )
        self.head = torch.nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.log_softmax(self.head(self.features(x).flatten(1)), -1)


class _Transformer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(11, 16)
        self.block = torch.nn.TransformerEncoderLayer(16, 4, 32, 0.0, "gelu", batch_first=True, norm_first=True)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.block(self.embedding(ids)).mean(1)


class _Recurrent(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = torch.nn.GRU(6, 7, num_layers=2, batch_first=True, bidirectional=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gru(x)[0]


def _export(module: torch.nn.Module, example: torch.Tensor, **settings: Any) -> onnx.ModelProto:
    stored = io.BytesIO()
    if settings.pop("legacy", False):
        torch.onnx.export(module, (example,), stored, dynamo=False, **settings)
        return onnx.load_model_from_string(stored.getvalue())
    return torch.onnx.export(module, (example,), dynamo=True, verbose=False, **settings).model_proto


_CASES = {
    "conv net": (_ConvNet, torch.randn(2, 3, 16, 18), {}),
    "conv net of opset 18, unoptimized": (
        _ConvNet,
        torch.randn(2, 3, 16, 18),
        {"opset_version": 18, "optimize": False},
    ),
    "transformer": (_Transformer, torch.randint(0, 11, (2, 5)), {}),
    "transformer of opset 23": (_Transformer, torch.randint(0, 11, (2, 5)), {"opset_version": 23}),
    "conv net through the old exporter": (_ConvNet, torch.randn(2, 3, 16, 18), {"legacy": True}),
    "recurrent": (_Recurrent, torch.randn(2, 5, 6), {}),
    "recurrent through the old exporter": (_Recurrent, torch.randn(2, 5, 6), {"legacy": True}),
}


@pytest.mark.parametrize("case", _CASES)
def test_an_exported_model_in_float64_is_the_module_in_float64(case: str) -> None:
    kind, example, settings = _CASES[case]
    torch.manual_seed(0)
    module = kind().eval()
    with torch.no_grad():
        model = _export(module, example, **dict(settings))
        wide = example.double() if example.is_floating_point() else example
        expected = module.double()(wide).numpy()
    scale = np.abs(expected).max()
    for kernels in ({}, torch_kernels()):
        evaluator = Evaluator(model, lift=True, kernels=kernels)
        (found,) = evaluator.run({evaluator.inputs[0].name: example.numpy()}).values()
        assert found.dtype == np.float64
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() / scale < 1e-7


def test_the_declared_types_give_what_torch_gives_in_float32() -> None:
    torch.manual_seed(0)
    module, example = _ConvNet().eval(), torch.randn(2, 3, 16, 18)
    with torch.no_grad():
        model = _export(module, example)
        expected = module(example).numpy()
    evaluator = Evaluator(model, lift=False, kernels=torch_kernels())
    (found,) = evaluator.run({evaluator.inputs[0].name: example.numpy()}).values()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5)
