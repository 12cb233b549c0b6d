"""One wrong operator among sound ones whose layouts the converter changes: that one is named, and no other."""

from __future__ import annotations

import pytest

from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep, Outcome, Stage

pytestmark = [pytest.mark.needs("tensorflow", "tf2onnx", "onnxruntime"), pytest.mark.slow]

MODULE = """
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
W = rng.standard_normal((3, 3, 3, 4)).astype("f")
V = rng.standard_normal((1, 1, 4, 3)).astype("f")


def model(x):
{body}


def inputs():
    return (rng.standard_normal((1, 6, 8, 3)).astype("f"),)
"""

BEFORE_A_MEAN = """
    x = tf.nn.relu(tf.nn.conv2d(x, W, 1, "SAME"))
    x = tf.image.resize(x, (3, 4), method="area")
    return tf.reduce_mean(tf.sigmoid(x), axis=(1, 2))
"""

BETWEEN_CONVOLUTIONS = """
    x = tf.nn.conv2d(x, W, 1, "SAME") + 0.5
    x = tf.image.resize(x, (3, 4), method="area")
    return tf.nn.conv2d(x, V, 1, "SAME")
"""

BETWEEN_TRANSPOSITIONS = """
    x = tf.transpose(x, (0, 2, 1, 3))
    x = tf.image.resize(x, (4, 3), method="area")
    return tf.tanh(tf.transpose(x, (0, 2, 1, 3)))
"""

IN_A_RESIDUAL = """
    y = tf.nn.relu(tf.nn.conv2d(x, W, 1, "SAME"))
    z = tf.image.resize(y, (3, 4), method="area")
    return tf.nn.relu(tf.nn.max_pool2d(y, 2, 2, "SAME") + z)
"""

BEFORE_A_POOL = """
    x = tf.nn.conv2d(x, W, 1, "SAME")
    x = tf.compat.v1.image.resize_bicubic(x, (9, 11), align_corners=True)
    x = tf.nn.avg_pool2d(x, 2, 2, "SAME")
    return tf.nn.softmax(tf.reshape(x, (1, -1)))
"""

BEFORE_A_NORMALIZATION = """
    x = tf.nn.conv2d(x, W, 1, "SAME")
    x = tf.image.resize(x, (3, 4), method="area")
    scale, offset, mean, variance = [1.0, 2, 3, 4], [0.0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4], [1.0, 2, 3, 4]
    return tf.compat.v1.nn.fused_batch_norm(x, scale, offset, mean, variance, is_training=False)[0]
"""


@pytest.fixture(scope="module")
def pool():
    with Pool() as shared:
        yield shared


@pytest.mark.parametrize(
    ("body", "operator"),
    [
        pytest.param(BEFORE_A_MEAN, "ResizeArea", id="before a mean"),
        pytest.param(BETWEEN_CONVOLUTIONS, "ResizeArea", id="between convolutions"),
        pytest.param(BETWEEN_TRANSPOSITIONS, "ResizeArea", id="between transpositions"),
        pytest.param(IN_A_RESIDUAL, "ResizeArea", id="in a residual"),
        pytest.param(BEFORE_A_POOL, "ResizeBicubic", id="before a pool"),
        pytest.param(BEFORE_A_NORMALIZATION, "ResizeArea", id="before a normalization"),
    ],
)
def test_the_one_wrong_operator_is_named_and_no_sound_one(body, operator, pool, tmp_path):
    path = tmp_path / "model.py"
    path.write_text(MODULE.format(body=body.strip("\n")))
    settings = CheckSettings(via=("tf2onnx",), run_dir=tmp_path / "runs", keep=Keep.NONE)
    report = run_check(path, settings, runner=pool).report.reports[0]
    assert (report.outcome, report.stage) == (Outcome.DIVERGENT, Stage.NODE_CONVERSION)
    (finding,) = report.findings
    assert (finding.location.source_node, finding.location.op_types) == (operator, ["Resize"])
    line = next(number for number, one in enumerate(path.read_text().splitlines(), 1) if "resize" in one)
    assert finding.location.source_line == f"model.py:{line}"
    assert finding.cause.evidence.startswith(f"{operator}(size=")
