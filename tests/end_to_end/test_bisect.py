"""Bisections of real failures: of PyTorch's exporter, of ONNX Runtime's optimizer, and of both at once."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_wheels import PACKAGE, build_wheel, only_from

import tautomer.bisection.bisecting
from tautomer.bisection import BisectRequest, VersionRange, bisect
from tautomer.checking import run_check
from tautomer.errors import MisuseError
from tautomer.execution.environments import EnvironmentStore
from tautomer.model import CheckSettings, Limits, Outcome
from tautomer.model.report_json import decode

SUM_OF_ZEROS = """
    import torch

    class Model(torch.nn.Module):
        def forward(self, x):
            return 1.0 / (x + 0.0)

    def inputs():
        return (torch.tensor([-0.0, 1.0, -2.0]),)
"""
"""-0 + 0 is +0 (IEEE 754), so that the result is +inf; onnxscript's optimizer drops the addition."""


@pytest.fixture
def settings(run_dir):
    return CheckSettings(run_dir=run_dir, limits=Limits(120.0, 4 << 30))


@pytest.fixture
def scaled_convolution(tmp_path):
    """A graph whose result is finite as written; ONNX Runtime multiplies the two constants, which overflows."""
    weight = np.full((1, 1, 1, 1), 1e20, np.float32)
    scale = np.full((1, 1, 1), 1e25, np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
            helper.make_node("Mul", ["c", "k"], ["y"], name="mul"),
        ],
        "scaled",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 2, 2])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(scale, "k")],
    )
    path = tmp_path / "scaled.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    samples = tmp_path / "small.npz"
    np.savez(samples, x=np.full((1, 1, 2, 2), 1e-30, np.float32))
    return path, samples


@pytest.mark.slow
@pytest.mark.needs("torch", "torch.onnx", "onnxruntime")
def test_the_rewrite_rule_at_fault_is_found_and_the_settings_that_avoid_it_pass_a_check(
    pool, write_module, settings, run_dir
):
    model = write_module(SUM_OF_ZEROS)
    request = BisectRequest(model=str(model), settings=settings, max_trials=2, rewrites=False, wants_model=True)
    bisected = bisect(request, runner=pool)
    report = bisected.report
    assert report.exit_status == 0
    assert report.workarounds[0].setting == "--set skip_rules=Add:identity"
    checked = run_check(model, CheckSettings(run_dir=run_dir, options={"skip_rules": "Add:identity"}), runner=pool)
    assert checked.report.outcome is Outcome.EQUIVALENT
    assert "Add" in {node.op_type for node in onnx.load(bisected.patched).graph.node}
    kept = decode((bisected.kept_at / "report.json").read_bytes())
    assert kept.reports[0].findings[0].workaround == report.workarounds[0]
    document = json.loads((bisected.kept_at / "bisect.json").read_bytes())
    assert document["schema"] == "tautomer/bisect/1"
    assert document["minimal"][0]["effect"] == "equivalent"
    assert [one["setting"] for one in document["tried"]] == ["--set optimize=false", "--set skip_rules=Add:identity"]


@pytest.mark.slow
@pytest.mark.needs("torch", "torch.onnx", "onnxruntime")
def test_the_fusion_that_overflows_is_found_by_its_name_even_if_the_search_is_interrupted_and_resumed(
    pool, scaled_convolution, settings, monkeypatch
):
    model, samples = scaled_convolution
    settings = CheckSettings(run_dir=settings.run_dir, limits=settings.limits, inputs=samples)
    judged = tautomer.bisection.bisecting.judged
    made = []

    def ended_early(*arguments):
        if len(made) == 3:
            raise KeyboardInterrupt
        made.append(arguments)
        return judged(*arguments)

    monkeypatch.setattr(tautomer.bisection.bisecting, "judged", ended_early)
    first = bisect(BisectRequest(model=str(model), settings=settings), runner=pool).report
    assert first.exit_status == 130
    assert first.interrupted
    assert not first.complete
    assert first.tried
    monkeypatch.setattr(
        tautomer.bisection.bisecting, "judged", lambda *arguments: made.append(arguments) or judged(*arguments)
    )
    second = bisect(BisectRequest(model=str(model), settings=settings, resume=True), runner=pool).report
    assert second.exit_status == 0
    assert second.converter is None
    assert second.workarounds[0].setting == "--to-set disabled_optimizers=ConvMulFusion"
    assert second.complete
    assert [one.setting for one in second.tried][:3] == [one.setting for one in first.tried]
    assert len(made) == len(second.tried), "what was tried before was not tried again"


@pytest.mark.needs("onnxruntime")
def test_a_module_of_onnx_is_named_and_a_second_bisection_of_it_takes_over_what_the_first_has_tried(
    pool, scaled_convolution, write_module, settings, monkeypatch
):
    graph, samples = scaled_convolution
    model = write_module(
        "import numpy as np\nimport onnx\n\n\n"
        f"def model():\n    return onnx.load({str(graph)!r})\n\n\n"
        f"def inputs():\n    return dict(np.load({str(samples)!r}))\n",
        "scaled.py",
    )
    judged = tautomer.bisection.bisecting.judged
    made = []

    def once(*arguments):
        if made:
            raise KeyboardInterrupt
        made.append(arguments)
        return judged(*arguments)

    monkeypatch.setattr(tautomer.bisection.bisecting, "judged", once)
    request = BisectRequest(model=str(model), settings=settings, everything=True, rewrites=False, resume=True)
    reports = [bisect(request, runner=pool).report for _ in range(2)]
    assert [one.model for one in reports] == [str(model)] * 2
    assert [len(one.tried) for one in reports] == [1, 1]


@pytest.mark.slow
@pytest.mark.needs("onnxruntime")
def test_releases_of_a_package_are_searched_in_environments_of_their_own(
    pool, scaled_convolution, settings, tmp_path, monkeypatch
):
    monkeypatch.setenv("TAUTOMER_HOME", str(tmp_path / "home"))
    build_wheel(only_from(tmp_path / "wheels", monkeypatch), "1.0")
    model, samples = scaled_convolution
    settings = CheckSettings(run_dir=settings.run_dir, limits=settings.limits, inputs=samples)
    versions = VersionRange.parsed(PACKAGE, "1.0,9.9")
    report = bisect(BisectRequest(model=str(model), settings=settings, versions=versions), runner=pool).report
    tried = {one.version: one for one in report.versions.tried}
    assert tried["9.9"].symptom == "build_failure"
    assert "No matching distribution" in tried["9.9"].message
    assert (tried["1.0"].effect, tried["1.0"].packages) == ("same_failure", {PACKAGE: "1.0"})
    assert report.exit_status == 1
    assert EnvironmentStore().names() == [f"{PACKAGE.replace('_', '-')}-1.0"]


@pytest.mark.slow
@pytest.mark.needs("onnxruntime")
def test_a_model_that_does_not_fail_cannot_be_bisected(pool, scaled_convolution, settings):
    with pytest.raises(MisuseError, match="TA180"):
        bisect(BisectRequest(model=str(scaled_convolution[0]), settings=settings), runner=pool)
