"""`tautomer reduce` on failures of tf2onnx: how small, whether proven, and what the script shows."""

from __future__ import annotations

import onnx
import pytest

from tautomer.errors import MisuseError
from tautomer.model import CheckSettings, Keep
from tautomer.model.report_json import decode
from tautomer.reduction import Request, reduce

pytestmark = [pytest.mark.needs("tensorflow", "tf2onnx", "onnxruntime"), pytest.mark.slow]

RESIZED = """
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
W = rng.standard_normal((3, 3, 3, 4)).astype("f")


def model(x):
    x = tf.nn.relu(tf.nn.conv2d(x, W, 1, "SAME"))
    return tf.image.resize(x, (3, 4), method="area")


def inputs():
    return (rng.standard_normal((1, 5, 7, 3)).astype("f"),)
"""
"""Area resizing becomes nearest-neighbour resizing."""


class Silent:
    """Hears a reduction and says nothing."""

    def stage(self, name, detail=""):
        """A step begins."""

    def done(self, name, seconds, outcome=None):
        """A step has ended."""


def settings(folder):
    return CheckSettings(via=("tf2onnx",), run_dir=folder / "runs", keep=Keep.NONE)


def test_the_operator_at_fault_is_left_and_shown_by_public_packages(tmp_path):
    path = tmp_path / "resized.py"
    path.write_text(RESIZED)
    request = Request(subject=str(path), settings=settings(tmp_path), out=tmp_path / "out")
    reduction = reduce(request, hearer=Silent())
    assert reduction.proven
    assert reduction.script is not None
    assert reduction.script.shows_the_failure
    assert reduction.tracker == "tf2onnx"
    module = (tmp_path / "out" / "model.py").read_text()
    assert module.count("tf.raw_ops.") == module.count("tf.raw_ops.ResizeArea(") == 1
    assert "Resize" in {node.op_type for node in onnx.load(tmp_path / "out" / "model.onnx").graph.node}
    report = decode((tmp_path / "out" / "recheck.json").read_bytes()).reports[0]
    assert (report.outcome, report.findings[0].location.source_node) == ("divergent", "ResizeArea")
    issue = (tmp_path / "out" / "issue.md").read_text()
    assert "TensorFlow in float64" in issue
    assert "PyTorch" not in issue


def test_a_program_that_cannot_be_hidden_is_not_written(tmp_path):
    path = tmp_path / "resized.py"
    path.write_text(RESIZED)
    request = Request(subject=str(path), settings=settings(tmp_path), out=tmp_path / "out", redact=True)
    with pytest.raises(MisuseError) as caught:
        reduce(request, hearer=Silent())
    assert caught.value.code == "TA175"
    assert not (tmp_path / "out").exists()
