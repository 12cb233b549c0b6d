"""TensorFlow models on the road to LiteRT: converted, run in its kernels, and judged against the source."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tautomer.errors import MisuseError

pytestmark = [pytest.mark.slow, pytest.mark.needs("tf.lite", "litert")]

TWO_BRANCHES = """
    import keras
    import tensorflow as tf

    def model():
        image, side = keras.Input((16, 16, 3), name="image"), keras.Input((4,), name="side")
        features = keras.layers.Conv2D(8, 3, activation="relu")(image)
        features = keras.layers.GlobalAveragePooling2D()(features)
        scores = keras.layers.Dense(5, activation="softmax")(keras.layers.Concatenate()([features, side]))
        return keras.Model([side, image], [scores, keras.layers.Dense(2)(features)])

    def inputs():
        return tf.random.normal((2, 4)), tf.random.normal((2, 16, 16, 3))
"""

EIGENVALUES = """
    import tensorflow as tf

    def model(x):
        return tf.linalg.eigh(x)[0] + tf.reduce_sum(x)

    def inputs():
        return (tf.random.normal((3, 3)),)
"""

WRITE_TFLITE = """
import sys
import tensorflow as tf

@tf.function(input_signature=[tf.TensorSpec([None, 4], name="x")])
def model(x):
    return tf.nn.softmax(x), tf.reduce_sum(x) FACTOR

converter = tf.lite.TFLiteConverter.from_concrete_functions([model.get_concrete_function()], model)
open(sys.argv[1], "wb").write(converter.convert())
"""

REFERENCE = """
    import tensorflow as tf

    SIGNATURE = [tf.TensorSpec([None, 4], name="x")]

    def model(x):
        return tf.nn.softmax(x), tf.reduce_sum(x)

    def inputs():
        return (tf.random.normal((3, 4)),)
"""


@pytest.fixture
def write_tflite(tmp_path):
    """Writes a .tflite file, whose second output can be multiplied by a factor."""

    def write(factor=""):
        path = tmp_path / "model.tflite"
        script = WRITE_TFLITE.replace("FACTOR", factor)
        subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True)
        return path

    return write


@pytest.mark.needs("tensorflow")
def test_a_keras_model_is_the_same_function_in_every_kernel_and_at_another_size(check):
    report = check(TWO_BRANCHES, via=("tf.lite",))
    assert (report.outcome, report.runtime) == ("equivalent", "litert")
    assert [one.name for one in report.checkpoints] == ["traced", "converted", "litert reference", "litert xnnpack"]
    assert all(one.rounding_ratio is not None for one in report.checkpoints)
    assert len(report.inputs) == 2


@pytest.mark.needs("tensorflow")
def test_an_operator_that_litert_lacks_fails_the_conversion(check):
    report = check(EIGENVALUES, via=("tf.lite",))
    assert (report.outcome, report.stage, report.findings[0].link) == ("failed", "node_conversion", "tf.lite")
    assert "SelfAdjointEigV2" in report.findings[0].message + report.findings[0].cause.evidence


@pytest.mark.needs("tflite")
def test_a_tflite_file_alone_is_run_at_every_level_and_left_open(check, write_tflite):
    report = check(write_tflite())
    assert report.outcome == "inconclusive"
    assert "nothing says how large a difference rounding explains" in report.reason
    assert [one.name for one in report.checkpoints] == ["litert reference", "litert builtin", "litert xnnpack"]


@pytest.mark.needs("tensorflow", "tflite")
@pytest.mark.parametrize(("factor", "outcome"), [("", "equivalent"), ("* 1.001", "divergent")])
def test_a_tflite_file_is_compared_with_the_model_it_is_said_to_come_from(
    pool, run_dir, write_module, write_tflite, factor, outcome
):
    from tautomer.checking.comparison import run_comparison
    from tautomer.model import CheckSettings

    settings = CheckSettings(run_dir=run_dir)
    [report] = run_comparison(write_module(REFERENCE), write_tflite(factor), settings, runner=pool).report.reports
    assert (report.outcome, report.runtime) == (outcome, "litert")
    if factor:
        assert "output '1'" in report.findings[0].message
        assert report.stage == "node_conversion"


@pytest.mark.needs("tensorflow", "onnxruntime")
@pytest.mark.parametrize("settings", [{"via": ("tf.lite",), "to": ("onnxruntime",)}, {"to": ("litert",)}])
def test_a_runtime_that_does_not_take_what_it_would_get_is_misuse(checked, settings):
    with pytest.raises(MisuseError) as caught:
        checked(TWO_BRANCHES, **settings)
    assert caught.value.code == "TA148"
