"""Real defects of the converters and the runtime, each as a small model: outcome, stages, operator and cause.

The truth of each was established by reading the converter's source and by fixing the fault.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.needs("torch", "torch.onnx", "onnxruntime")

MODULE = """
import torch
import torch.nn.functional as F
from math import inf, nan


class Model(torch.nn.Module):
    def forward(self, {arguments}):
        return {expression}


def inputs():
    return ({inputs},)
{more}
"""

CONVERSION = ("divergent", "node_conversion", "runtime_execution")

DEFECTS = {
    "argmax ranks a NaN below numbers": (
        ("x", "torch.argmax(x, 1)", "torch.tensor([[2.0, nan, 5.0, 1.0]])", ""),
        ("divergent", "runtime_execution", "runtime_execution"),
    ),
    "atan2 of a positive zero has the wrong sign": (
        ("y, x", "torch.atan2(y, x)", "torch.tensor([0.0, 2.0, -1.0]), torch.tensor([-3.0, -3.0, 1.0])", ""),
        CONVERSION,
    ),
    "the divisor of an average pool is ignored": (
        ("x", "F.avg_pool2d(x, 2, 2, 0, divisor_override=3)", "torch.randn(1, 3, 8, 8)", ""),
        CONVERSION,
    ),
    "an adaptive pool keeps the window of the first size": (
        (
            "x",
            "F.adaptive_avg_pool2d(x, (2, 3))",
            "torch.randn(1, 2, 8, 6)",
            "DYNAMIC_SHAPES = ({2: torch.export.Dim.DYNAMIC},)\ndef run_inputs(): return (torch.randn(1, 2, 10, 6),)",
        ),
        CONVERSION,
    ),
    "a dynamic dimension is squeezed away": (
        ("x", "x.squeeze(0)", "torch.randn(3, 4)", "DYNAMIC_SHAPES = ({0: torch.export.Dim.DYNAMIC},)"),
        ("failed", "node_conversion", "runtime_execution"),
    ),
    "a named dynamic dimension silently becomes static": (
        (
            "x",
            "x + 1 if x.shape[0] == 3 else x - 1",
            "torch.randn(3, 4)",
            "DYNAMIC_SHAPES = {'x': {0: torch.export.Dim('rows')}}",
        ),
        ("failed", "load_model", "runtime_execution"),
    ),
    "floor is emitted on integers": (
        ("x", "torch.floor(x) + 1", "torch.arange(6)", ""),
        ("failed", "node_conversion", "runtime_load"),
    ),
    "an antialiased resize with aligned corners uses other coordinates": (
        (
            "x",
            "F.interpolate(x, size=(4, 5), mode='bicubic', antialias=True, align_corners=True)",
            "torch.randn(1, 1, 9, 8)",
            "",
        ),
        CONVERSION,
    ),
    "a float remainder is computed through a rounded quotient": (
        ("x, y", "torch.remainder(x, y)", "torch.tensor([1.0, 0.9, 6.0]), torch.tensor([0.1, 0.3, 0.2])", ""),
        CONVERSION,
    ),
    "a scattered mean keeps only the last write": (
        (
            "x, i, s",
            "x.scatter_reduce(0, i, s, 'mean', include_self=False)",
            "torch.zeros(3), torch.tensor([1, 1, 0, 1]), torch.tensor([4.0, 8.0, 1.0, 3.0])",
            "",
        ),
        CONVERSION,
    ),
    "a row masked out by booleans attends to everything": (
        (
            "q, m",
            "F.scaled_dot_product_attention(q, q, q, attn_mask=m)",
            "torch.randn(1, 1, 3, 4), torch.tensor([[True, True, False], [False, False, False], [True, False, True]])",
            "",
        ),
        CONVERSION,
    ),
    "a row masked out by infinities becomes NaN": (
        (
            "q, m",
            "F.scaled_dot_product_attention(q, q, q, attn_mask=m)",
            "torch.randn(1, 1, 2, 4), torch.tensor([[0.0, -inf], [-inf, -inf]])",
            "",
        ),
        CONVERSION,
    ),
    "the sign bit of a negative zero is lost": (
        ("x", "torch.signbit(x)", "torch.tensor([0.0, -0.0, 2.0])", ""),
        CONVERSION,
    ),
    "xlogy of zero hides a NaN": (
        ("x, y", "torch.xlogy(x, y)", "torch.tensor([0.0, 0.0, 2.0]), torch.tensor([nan, 1.0, 3.0])", ""),
        CONVERSION,
    ),
}

LOCATED = {
    "argmax ranks a NaN below numbers": ("aten.argmax.default", "undefined_by_specification"),
    "atan2 of a positive zero has the wrong sign": ("aten.atan2.default", "algorithmic_error"),
    "the divisor of an average pool is ignored": ("aten.avg_pool2d.default", "incompatibility"),
    "an adaptive pool keeps the window of the first size": ("aten.adaptive_avg_pool2d.default", "shape_problem"),
    "a dynamic dimension is squeezed away": ("aten.squeeze.dim", "shape_problem"),
    "a named dynamic dimension silently becomes static": (None, "incorrect_exception_handling"),
    "floor is emitted on integers": ("aten.floor.default", "type_problem"),
    "an antialiased resize with aligned corners uses other coordinates": (
        "aten._upsample_bicubic2d_aa.default",
        "incompatibility",
    ),
    "a float remainder is computed through a rounded quotient": ("aten.remainder.Tensor", "algorithmic_error"),
    "a scattered mean keeps only the last write": ("aten.scatter_reduce.two", "algorithmic_error"),
    "a row masked out by booleans attends to everything": (
        "aten.scaled_dot_product_attention.default",
        "algorithmic_error",
    ),
    "a row masked out by infinities becomes NaN": ("aten.scaled_dot_product_attention.default", "algorithmic_error"),
    "the sign bit of a negative zero is lost": ("aten.signbit.default", "algorithmic_error"),
    "xlogy of zero hides a NaN": ("aten.xlogy.Tensor", "algorithmic_error"),
}
"""The source operator at fault, and the category of the cause."""


@pytest.mark.parametrize("name", DEFECTS)
def test_a_real_defect_has_its_outcome_its_stages_its_operator_and_its_cause(name, check):
    (arguments, expression, inputs, more), expected = DEFECTS[name]
    report = check(MODULE.format(arguments=arguments, expression=expression, inputs=inputs, more=more))
    assert (report.outcome, report.stage, report.symptom_stage) == expected
    assert (report.location.source_node, report.cause.category) == LOCATED[name]
    assert report.location.source_line.endswith(":9")
    assert (report.findings[0].location, report.findings[0].cause) == (report.location, report.cause)


def test_a_frozen_dimension_is_named_with_its_value_and_the_size_that_shows_it(check):
    (arguments, expression, inputs, more), _ = DEFECTS["a named dynamic dimension silently becomes static"]
    report = check(MODULE.format(arguments=arguments, expression=expression, inputs=inputs, more=more))
    assert report.cause.kind == "interface"
    assert "dimension 0 of input 'x' was declared dynamic and was frozen at 3" in report.cause.evidence
    assert "has size 4 there" in report.cause.evidence


def test_two_faults_of_one_model_are_both_listed(check):
    report = check(
        MODULE.format(
            arguments="x, i, s, t",
            expression="(x * 2 if x.shape[0] == 2 else x * 3), t.scatter_reduce(0, i, s, 'mean', include_self=False)",
            inputs="torch.randn(2, 3), torch.tensor([1, 1, 0]), torch.tensor([4.0, 8.0, 1.0]), torch.zeros(3)",
            more="DYNAMIC_SHAPES = {'x': {0: torch.export.Dim('n')}, 'i': None, 's': None, 't': None}",
        )
    )
    assert [(one.cause.kind, one.stage) for one in report.findings] == [
        ("interface", "load_model"),
        ("semantic", "node_conversion"),
    ]
    assert report.findings[1].location.source_node == "aten.scatter_reduce.two"


def test_independent_faults_of_two_operators_are_two_findings_and_one_that_no_output_shows_is_none(check):
    report = check(
        MODULE.format(
            arguments="x, y",
            expression="F.avg_pool2d(x, 2, 2, 0, divisor_override=3), torch.signbit(y), torch.signbit(x) & (x > 99)",
            inputs="torch.randn(1, 1, 4, 4), torch.tensor([-0.0, 1.0])",
            more="",
        )
    )
    found = {(one.location.source_node, one.cause.category, tuple(one.location.op_types)) for one in report.findings}
    assert found == {
        ("aten.avg_pool2d.default", "incompatibility", ("AveragePool",)),
        ("aten.signbit.default", "algorithmic_error", ("Less",)),
    }


def test_what_an_argument_became_is_said(check):
    (arguments, expression, inputs, more), _ = DEFECTS["a scattered mean keeps only the last write"]
    report = check(MODULE.format(arguments=arguments, expression=expression, inputs=inputs, more=more))
    said = "scatter_reduce(reduce='mean') became ScatterElements(reduction='none')"
    assert said in report.cause.evidence
    assert said in report.findings[0].message


def test_an_operator_that_cannot_be_converted_is_named_with_its_line(check):
    report = check(MODULE.format(arguments="x", expression="torch.linalg.eigvals(x)", inputs="torch.eye(3)", more=""))
    assert (report.outcome, report.stage) == ("failed", "node_conversion")
    assert (report.location.source_node, report.cause.category) == ("aten.linalg_eig.default", "incompatibility")
    assert report.location.source_line.endswith(":9")


def test_a_checker_that_alone_refuses_a_file_is_a_failure_at_validation(check):
    report = check(
        MODULE.format(
            arguments="x",
            expression="F.avg_pool2d(x, 2, 3, 1, ceil_mode=True)",
            inputs="torch.randn(1, 2, 7, 7)",
            more="",
        )
    )
    assert (report.outcome, report.symptom_stage) == ("failed", "validation")
