"""Real defects of tf2onnx, each as a small function: outcome, stages, operator, line and cause.

The truth of each was established by reading tf2onnx's source and by fixing the fault.
"""

from __future__ import annotations

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.needs("tensorflow", "tf2onnx", "onnxruntime"),
]

MODULE = """
import numpy as np
import tensorflow as tf

FLOATS = np.random.default_rng(0).standard_normal(4096).astype("f")


def model({arguments}):
    return {expression}


def inputs():
    return ({inputs},)
"""

WRONG = ("divergent", "node_conversion", "runtime_execution")
UNLOADABLE = ("failed", "node_conversion", "runtime_load")
INVALID = ("failed", "node_conversion", "validation")

IMAGE = "FLOATS[:210].reshape(2, 5, 7, 3)"

DEFECTS = {
    "argmax is emitted on booleans": (
        ("x", "tf.argmax(x > 0, axis=-1)", "FLOATS[:12].reshape(3, 4)"),
        (UNLOADABLE, "ArgMax", "type_problem"),
    ),
    "a band is cut out by a multiplication that makes infinities NaN": (
        ("x", "tf.linalg.band_part(x, 0, -1)", "np.full((3, 3), -np.inf, 'f')"),
        (WRONG, "MatrixBandPart", "algorithmic_error"),
    ),
    "a larger output of a transposed convolution becomes negative padding": (
        (
            "x",
            "tf.nn.conv2d_transpose(x, tf.ones((2, 2, 2, 3)), [2, 15, 21, 2], 3, 'SAME')",
            IMAGE,
        ),
        (UNLOADABLE, "Conv2DBackpropInput", "algorithmic_error"),
    ),
    "an integer floor division truncates": (
        ("x, y", "x // y", "np.array([7, -7, 6, -6], 'int32'), np.array([3, 3, -3, 3], 'int32')"),
        (WRONG, "FloorDiv", "algorithmic_error"),
    ),
    "an operator without a handler is passed through": (
        ("x", "tf.nn.gelu(x)", "FLOATS[:20].reshape(4, 5)"),
        (INVALID, "Erfc", "incompatibility"),
    ),
    "the exception of a handler is swallowed": (
        ("x", "tf.one_hot(x, 5, on_value=True, off_value=False)", "np.array([[0, 4], [1, 2]], 'int32')"),
        (INVALID, "OneHot", "type_problem"),
    ),
    "an area resize becomes the nearest neighbour": (
        ("x", "tf.image.resize(x, (3, 4), method='area')", IMAGE),
        (WRONG, "ResizeArea", "algorithmic_error"),
    ),
    "a cubic resize has another coefficient": (
        (
            "x",
            "tf.raw_ops.ResizeBicubic(images=x, size=(11, 13), align_corners=True, half_pixel_centers=False)",
            IMAGE,
        ),
        (WRONG, "ResizeBicubic", "algorithmic_error"),
    ),
    "a resize of integers keeps their type": (
        ("x", "tf.image.resize(x, (9, 9))", "np.arange(105, dtype='int32').reshape(1, 5, 7, 3)"),
        (UNLOADABLE, "ResizeBilinear", "type_problem"),
    ),
    "a loop whose accumulator is written before it is refused and left half converted": (
        ("x", "tf.scan(lambda a, row: a * 0.5 + row, x)", "FLOATS[:12].reshape(4, 3)"),
        (INVALID, "StatelessWhile", "incompatibility"),
    ),
    "scattered duplicates are not summed": (
        ("x", "tf.scatter_nd([[1], [1], [3]], x, [5, 6])", "FLOATS[:18].reshape(3, 6)"),
        (WRONG, "ScatterNd", "algorithmic_error"),
    ),
    "a switch over cases is lowered to operators without a handler": (
        ("x, y", "tf.switch_case(y, [lambda: x, lambda: x * 2, lambda: x * 3])", "FLOATS[:3], np.int32(1)"),
        (INVALID, "StatelessCase", "incompatibility"),
    ),
    "the maximum of an empty segment is an infinity": (
        ("x", "tf.math.unsorted_segment_max(x, tf.constant([2, 0, 2, 0]), 4)", "FLOATS[:20].reshape(4, 5)"),
        (WRONG, "UnsortedSegmentMax", "algorithmic_error"),
    ),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_of_tf2onnx_has_its_outcome_its_stages_its_operator_its_line_and_its_cause(name, check):
    (arguments, expression, inputs), (stages, operator, category) = DEFECTS[name]
    report = check(MODULE.format(arguments=arguments, expression=expression, inputs=inputs))
    assert (report.outcome, report.stage, report.symptom_stage) == stages
    assert (report.location.source_node, report.cause.category) == (operator, category)
    assert report.location.source_line == "model.py:9"
    assert len(report.findings) == 1


def test_a_correct_conversion_with_control_flow_and_two_outputs_is_equivalent_at_every_checkpoint(check):
    report = check(
        MODULE.format(
            arguments="x, y",
            expression="(tf.cond(tf.reduce_sum(x) > 0, lambda: x @ y, lambda: x - y), tf.math.top_k(x, 2)[1])",
            inputs="FLOATS[:9].reshape(3, 3), FLOATS[9:18].reshape(3, 3)",
        )
    )
    assert report.outcome == "equivalent"
    assert {one.outcome for one in report.checkpoints} == {"equivalent"}
    assert [one.name for one in report.checkpoints][:5] == ["frozen", "grappler", "raw", "optimized", "saved"]


def test_a_fault_between_operators_is_one_finding_although_a_pass_moves_a_transposition_over_the_next(check):
    resized = "tf.sigmoid(tf.image.resize(tf.nn.relu(x), (3, 4), method='area'))"
    report = check(MODULE.format(arguments="x", expression=resized, inputs="FLOATS[:140].reshape(1, 5, 7, 4)"))
    assert (report.outcome, report.stage) == ("divergent", "node_conversion")
    [finding] = report.findings
    assert "ResizeArea" in finding.location.source_node
    assert "Resize" in finding.location.op_types
