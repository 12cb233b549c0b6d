"""`tautomer sequences --check` cuts what fails alone out of PyTorch's and TensorFlow's models, too."""

from __future__ import annotations

import json

import pytest

from tautomer.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.needs("onnx", "onnxruntime")]

TORCH = """
import torch

class Model(torch.nn.Module):
    def forward(self, x):
        y = torch.sin(x)
        return {result}

def inputs():
    return (torch.linspace(0.5, 2.0, 6).reshape(2, 3),)
"""

TENSORFLOW = """
import tensorflow as tf

def model(x):
    y = tf.sin(x)
    return {result}

SIGNATURE = [tf.TensorSpec((2, 3), tf.float32)]

def inputs():
    return (tf.reshape(tf.linspace(0.5, 2.0, 6), (2, 3)),)
"""


def verdicts_of(frame, failing, passing, tmp_path, capsys, monkeypatch):
    """Exit status, and the verdict of each sequence and operator that was cut out."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "failing.py").write_text(frame.format(result=failing), "utf-8")
    (tmp_path / "passing.py").write_text(frame.format(result=passing), "utf-8")
    status = main(["sequences", "--failing", "failing.py", "--passing", "passing.py", "--check", "--json", "-"])
    report = json.loads(capsys.readouterr().out)
    return status, {one["item"]: one["verdict"] for one in report["direct_tests"]}


@pytest.mark.needs("torch")
def test_an_operator_that_torch_onnx_cannot_translate_fails_alone(tmp_path, capsys, monkeypatch):
    status, verdicts = verdicts_of(TORCH, "torch.cumprod(y, dim=1)", "torch.cos(y)", tmp_path, capsys, monkeypatch)

    assert status == 1
    assert verdicts == {"aten.cumprod": "causes the failure alone"}


@pytest.mark.needs("tensorflow", "tf2onnx")
def test_an_operator_that_tf2onnx_cannot_translate_fails_alone(tmp_path, capsys, monkeypatch):
    status, verdicts = verdicts_of(TENSORFLOW, "tf.math.lgamma(y)", "tf.cos(y)", tmp_path, capsys, monkeypatch)

    assert status == 1
    assert verdicts == {"Lgamma": "causes the failure alone"}
