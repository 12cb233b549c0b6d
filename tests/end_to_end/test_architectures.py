"""Clean conversions of real architectures are called equivalent: a false alarm is a defect of ours."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "architectures"
sys.path.insert(0, str(FOLDER))

from catalog import CHOSEN, DEFECTS, HELD_OUT, MODULE  # noqa: E402

IN_CI = [
    "bert",
    "gpt2",
    "vit",
    "resnet",
    "swin",
    "whisper_encoder",
    "mobilenet_v2",
    "llama",
    "t5_encoder",
    "wav2vec2",
    "lstm",
]
IN_CI_HELD_OUT = ["albert", "gemma", "convnextv2"]
"""Every architecture is measured by `benchmarks/architectures/run.py`; these are checked on every change."""


def module_of(name: str, folder: Path) -> Path:
    path = folder / f"{name}.py"
    path.write_text(MODULE.format(name=name, folder=str(FOLDER)))
    return path


@pytest.mark.slow
@pytest.mark.needs("torch", "torch.onnx", "onnxruntime")
@pytest.mark.parametrize("name", IN_CI + IN_CI_HELD_OUT)
def test_a_clean_architecture_is_equivalent_on_both_input_sets(name, check, tmp_path):
    assert name in CHOSEN or name in HELD_OUT
    report = check(module_of(name, tmp_path))
    assert report.outcome == "equivalent", report.findings or report.reason
    assert len(report.inputs) == 2
    assert not [one for one in report.checkpoints if one.outcome != "equivalent"]


@pytest.mark.slow
@pytest.mark.needs("torch.onnx-legacy")
@pytest.mark.parametrize("name", ["bert", "resnet"])
def test_a_clean_architecture_is_equivalent_through_the_legacy_exporter(name, check, tmp_path):
    report = check(module_of(name, tmp_path), via=("torch.onnx-legacy",))
    assert report.outcome == "equivalent", report.findings or report.reason
    assert not [one for one in report.checkpoints if one.outcome != "equivalent"]
    assert not report.warnings


@pytest.mark.slow
@pytest.mark.needs("torch.onnx-legacy", "onnxruntime")
def test_every_checkpoint_of_the_demonstration_is_equivalent(check):
    # The exporter writes the scale of its attention as a double that is rounded only when the graph runs.
    report = check(FOLDER.parents[1] / "examples" / "minilm.py", via=("torch.onnx-legacy",))
    assert [one.outcome for one in report.checkpoints] == ["equivalent"] * 7
    assert not report.warnings


@pytest.mark.slow
@pytest.mark.needs("torch.onnx")
def test_a_real_failure_of_the_exporter_is_reported_where_it_happens(check, tmp_path):
    assert "t5_encoder_sdpa" in DEFECTS
    report = check(module_of("t5_encoder_sdpa", tmp_path))
    assert (report.outcome, report.stage, report.symptom) == ("failed", "node_conversion", "crash")
    assert "Cannot view a tensor" in report.findings[0].message
