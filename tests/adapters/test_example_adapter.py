"""The example adapter is installed as any third party's package, found by a check, and keeps its promises."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

EXAMPLE = Path(__file__).parents[2] / "examples" / "adapter"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment in which the example is installed beside what is installed here."""
    target = tmp_path_factory.mktemp("site")
    built = tmp_path_factory.mktemp("sources") / "adapter"
    shutil.copytree(EXAMPLE, built)
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    words = [sys.executable, "-m", "pip", "install", "-q", *offline, "--target", str(target), str(built)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    paths = [str(target), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def run(*words, environment):
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment, check=False, timeout=300
    )


def test_the_example_passes_the_suites_that_it_derives(environment):
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(EXAMPLE / "tests"), environment=environment)
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout


@pytest.mark.needs("onnx", "onnxruntime")
def test_a_check_goes_through_the_example(environment, tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["y"], axis=-1)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=9), tmp_path / "m.onnx")
    main = "import sys; from tautomer.cli import main; sys.exit(main())"
    words = ["check", str(tmp_path / "m.onnx"), "--via", "onnx-version", "--opset", "18", "--run-dir", str(tmp_path)]
    done = run("-c", main, *words, environment=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "onnx-version" in done.stdout
