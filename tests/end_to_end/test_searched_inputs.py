"""`--search-inputs` finds defects that the inputs given do not show and says what it added; sound models stay sound."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.needs("torch", "torch.onnx", "onnxruntime")

MODULE = """
import torch
import torch.nn.functional as F

class Model(torch.nn.Module):
    def forward(self, {arguments}):
        return {expression}

def inputs():
    return ({inputs},)
"""

FOUND = {
    "a row of an attention that is masked entirely": (
        "q, m",
        "F.scaled_dot_product_attention(q, q, q, m)",
        "torch.randn(1, 2, 5, 4), torch.ones(5, 5, dtype=torch.bool)",
    ),
    "a positive zero in atan2": ("y, x", "torch.atan2(y, x)", "torch.randn(5, 5), torch.randn(5, 5)"),
    "logsigmoid far from zero": ("x", "F.logsigmoid(x)", "torch.randn(7)"),
    "logaddexp of large numbers": ("x, y", "torch.logaddexp(x, y)", "torch.randn(6), torch.randn(6)"),
}

CLEAN = {
    "a clip and a softmax": ("x", "x.clamp(-1, 2).softmax(-1)", "torch.randn(4, 8)"),
    "a convolution and a pool": (
        "x",
        "F.max_pool2d(F.conv2d(x, torch.full((2, 3, 3, 3), 0.1)).relu(), 2)",
        "torch.randn(2, 3, 9, 9)",
    ),
    "a choice by a mask": ("x, m", "torch.where(m, x, -x)", "torch.randn(4, 4), torch.ones(4, 4) > 0"),
}


def module(arguments, expression, inputs):
    return MODULE.format(arguments=arguments, expression=expression, inputs=inputs)


@pytest.mark.parametrize("name", FOUND)
def test_a_defect_that_the_users_inputs_hide_is_found(check, name):
    text = module(*FOUND[name])
    assert check(text).outcome == "equivalent"
    report = check(text, search_inputs=True)
    assert (report.outcome, report.stage) == ("divergent", "node_conversion")
    assert report.inputs[report.worst_input].origin.startswith("derived from inputs()")


@pytest.mark.parametrize("name", CLEAN)
def test_a_sound_model_stays_equivalent_on_inputs_that_exercise_more(check, name):
    report = check(module(*CLEAN[name]), search_inputs=True)
    assert report.outcome == "equivalent", report.findings or report.reason
    assert len(report.inputs) > 1


def test_the_report_names_what_was_not_exercised_and_what_the_search_adds(check):
    text = module("x", "F.relu(x) + 1", "torch.rand(6) + 1")
    [said] = [one for one in check(text).not_exercised if "relu" in one]
    assert said.startswith("relu (model.py:")
    assert said.endswith("no value lies below 0")
    report = check(text, search_inputs=True)
    assert not any("relu" in one for one in report.not_exercised)
    assert any("so far no value lies below 0" in one.origin for one in report.inputs)


def test_found_sets_come_after_the_users_own_and_repeat_themselves(check):
    text = module("x, y", "x % y", "torch.randn(8), torch.rand(8) + 1")
    first, second = (check(text, search_inputs=True) for _ in range(2))
    assert first.inputs[0].name == "inputs()"
    assert [one.tensors for one in first.inputs] == [one.tensors for one in second.inputs]


def test_the_command_takes_the_flag_and_writes_it_down(command, write_module, tmp_path):
    path = write_module(module("x", "F.relu(x)", "torch.rand(6) + 1"))
    command("check", path, "--search-inputs", "--json", tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["settings"]["search_inputs"] is True
    assert len(document["reports"][0]["inputs"]) > 1


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("x + torch.randn(6)", "another seed of the random generators"),
        ("x + next(COUNTER)", "nondeterministic"),
        ("x + torch.empty(6)", "memory that nothing has written"),
    ],
)
def test_a_source_that_differs_from_itself_is_inconclusive_with_the_operator(check, expression, reason):
    report = check("import itertools\nCOUNTER = itertools.count()\n" + module("x", expression, "torch.rand(6)"))
    assert report.outcome == "inconclusive"
    assert reason in report.reason
    assert "the first operator that differs is" in report.reason
