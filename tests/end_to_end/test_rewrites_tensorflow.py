"""Workarounds by rewriting TensorFlow sources: found, verified against the model as it is, and written down."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tautomer.bisection.rewrites import find_rewrite
from tautomer.checking import run_check
from tautomer.model import CheckSettings, Keep, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.needs("tensorflow", "tf2onnx", "onnxruntime")]

SEVERAL = """
    import numpy as np
    import tensorflow as tf

    WEIGHTS = tf.Variable(np.random.default_rng(0).standard_normal((4, 3)).astype("f"))

    def model(x, n):
        scores = tf.linalg.matmul(x, WEIGHTS)
        shares = tf.cond(tf.reduce_sum(x) > 0, lambda: tf.math.expm1(scores), lambda: scores * 2)
        return {"shares": shares, "bins": n // 3, "rest": x - 1}

    def inputs():
        x = np.random.default_rng(1).standard_normal((5, 4)).astype("f")
        return abs(x), np.array([7, -7, -1, 6], "i4")
"""

RECURRENT = """
    import keras
    import numpy as np
    import tensorflow as tf

    def model():
        x = keras.Input((4, 3), batch_size=2)
        y = keras.layers.LSTM(5, return_sequences=True)(x)
        return keras.Model(x, keras.layers.Lambda(lambda z: tf.nn.gelu(z))(keras.layers.GRU(3)(y)))

    def inputs():
        return (np.random.default_rng(0).standard_normal((2, 4, 3)).astype("f"),)
"""


def test_a_rewrite_of_an_operator_in_a_branch_is_found_beside_another_fault_and_the_patched_model_is_right(
    write_module, run_dir, tmp_path, pool
):
    import onnxruntime

    path = write_module(SEVERAL)
    settings = CheckSettings(run_dir=run_dir, keep=Keep.NONE)
    findings = run_check(path, settings, runner=pool).report.reports[0].findings
    missing = next(one for one in findings if one.location.source_node == "Expm1")
    found = find_rewrite(missing, path, settings, pool, folder=tmp_path / "patched")
    whole = next(one for one in found if one.outcome is Outcome.EQUIVALENT)
    assert {"Expm1", "FloorDiv"} <= set(whole.operators)
    assert "def expm1" in whole.code
    assert not any(node.op_type == "Expm1" for node in onnx.load(whole.model).graph.node)
    session = onnxruntime.InferenceSession(str(whole.model))
    given = dict(
        zip([one.name for one in session.get_inputs()], (np.ones((5, 4), "f"), np.full(4, -7, "i4")), strict=True)
    )
    outputs = session.run(None, given)
    assert any(one.dtype == np.int32 and (one == -3).all() for one in outputs)


def test_loops_and_layers_that_are_not_rewritten_are_converted_as_before(write_module, run_dir, tmp_path, pool):
    path = write_module(RECURRENT, "recurrent.py")
    settings = CheckSettings(run_dir=run_dir, keep=Keep.NONE)
    [finding, *_] = run_check(path, settings, runner=pool).report.reports[0].findings
    found = find_rewrite(finding, path, settings, pool, folder=tmp_path / "patched")
    assert [(one.operators, one.outcome) for one in found] == [(("Erfc",), Outcome.EQUIVALENT)]
